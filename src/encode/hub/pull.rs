//! Fetches models into the cache.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::id::is_commit;
use super::list::{Listing, RemoteFile};
use super::store::{Incomplete, link, refer};
use super::{HubCache, HubId};

/// Listings longer than this are not read.
const LISTING_LIMIT: u64 = 16 << 20;
/// A download that is sent elsewhere more often than this is refused.
const MOST_REDIRECTS: usize = 5;
/// How often a connection that breaks is taken up again.
const ATTEMPTS: usize = 4;

/// Why nothing, or not all, was fetched. What was fetched stays, and the next call goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// `HF_HUB_OFFLINE` forbids it.
    #[error("{model} is not fetched: HF_HUB_OFFLINE is set")]
    Offline {
        /// The model.
        model: String,
    },
    /// The hub cannot be reached: try again.
    #[error("{url} cannot be reached: {message}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the connection says.
        message: String,
    },
    /// 401 and 403: set `HF_TOKEN` to a token that may read the model. 404: correct the name or the revision.
    #[error("{url} answers with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer leads to a place that is not trusted.
    #[error("{url} leads to {location:?}, which is refused")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where it leads.
        location: String,
    },
    /// The list of files is damaged or hostile.
    #[error("the list of files is refused: {problem}")]
    Listing {
        /// What is wrong with it.
        problem: String,
    },
    /// Raise the limit if the model is meant to be so large.
    #[error("the files take {bytes} bytes; at most {limit} are fetched")]
    TooLarge {
        /// All of them together.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The file was damaged on its way: try again.
    #[error("{file} has checksum {found}; the hub promised {expected}")]
    Checksum {
        /// The file.
        file: String,
        /// Of what came.
        found: String,
        /// What the hub promised.
        expected: String,
    },
    /// Another process fetches the same file: wait for it.
    #[error("{} is being fetched by another process", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// Make the cache writable.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// How models are fetched.
#[derive(Clone)]
pub struct PullOptions {
    /// Where the hub is; `HF_ENDPOINT`.
    pub endpoint: String,
    /// What opens private models; `HF_TOKEN`. It goes to the endpoint only.
    pub token: Option<String>,
    /// Which of several graphs, as in [`ModelOptions::variant`](super::super::ModelOptions::variant).
    pub variant: Option<String>,
    /// The most bytes of a model.
    pub limit: u64,
    /// How long a connection may be silent.
    pub timeout: Duration,
}

impl Default for PullOptions {
    /// The public hub, no token, at most 64 GiB, 30 seconds.
    fn default() -> Self {
        Self {
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            variant: None,
            limit: 64 << 30,
            timeout: Duration::from_secs(30),
        }
    }
}

impl PullOptions {
    /// With `HF_ENDPOINT`, and the token in `HF_TOKEN`.
    #[must_use]
    pub fn from_environment() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let mut this = Self::default();
        if let Some(endpoint) = get("HF_ENDPOINT") {
            this.endpoint = endpoint.trim_end_matches('/').to_owned();
        }
        this.token = get("HF_TOKEN").map(|token| token.trim().to_owned());
        this
    }
}

impl std::fmt::Debug for PullOptions {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullOptions")
            .field("endpoint", &self.endpoint)
            .field("has_token", &self.token.is_some())
            .field("variant", &self.variant)
            .field("limit", &self.limit)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The model's directory.
    pub directory: PathBuf,
    /// The commit.
    pub commit: String,
    /// Files of the model that are there now.
    pub files: usize,
    /// Bytes that came over the network.
    pub fetched: u64,
}

/// Fetches models into a cache.
#[derive(Debug)]
pub struct Puller {
    cache: HubCache,
    options: PullOptions,
    agent: Agent,
}

impl Puller {
    /// Fetches into `cache`.
    #[must_use]
    pub fn new(cache: HubCache, options: PullOptions) -> Self {
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_connect(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.timeout))
            .user_agent(concat!("lateen/", env!("CARGO_PKG_VERSION")));
        let agent = config.build().new_agent();
        Self { cache, options, agent }
    }

    /// Fetches what loading the model needs and the cache does not have. `progress` is told bytes that are there and
    /// bytes of all files, as they come.
    ///
    /// Files are checked against the hub's checksums (SHA-256, or git's for small files) before they count; the model is
    /// visible when all are there.
    ///
    /// # Errors
    /// [`PullError`]; what was fetched stays.
    pub fn pull(&self, id: &HubId, progress: &mut dyn FnMut(u64, u64)) -> Result<Pulled, PullError> {
        if self.cache.is_offline() {
            return Err(PullError::Offline { model: id.to_string() });
        }
        let endpoint = &self.options.endpoint;
        let revision = id.revision().replace('/', "%2F");
        let url = format!("{endpoint}/api/models/{}/revision/{revision}?blobs=true", id.repository());
        let answer = self.get(&url, 0)?;
        let mut listing = Vec::new();
        let read = answer.into_body().into_reader().take(LISTING_LIMIT + 1).read_to_end(&mut listing);
        read.map_err(|error| unreachable(&url, error))?;
        if listing.len() as u64 > LISTING_LIMIT {
            return Err(PullError::Listing { problem: format!("it is longer than {LISTING_LIMIT} bytes") });
        }
        let (commit, files) = Listing::read(&listing, self.options.variant.as_deref())?;
        let all = files.iter().try_fold(0_u64, |all, file| all.checked_add(file.size));
        let limit = self.options.limit;
        let all = all
            .filter(|&all| all <= limit)
            .ok_or(PullError::TooLarge { bytes: all.unwrap_or(u64::MAX), limit })?;
        let folder = self.cache.folder(id);
        let (blobs, snapshot) = (folder.join("blobs"), folder.join("snapshots").join(&commit));
        let (mut there, mut fetched) = (0, 0);
        for file in &files {
            let blob = blobs.join(file.checksum.name());
            if fs::metadata(&blob).is_ok_and(|meta| meta.len() == file.size) {
                there += file.size;
            } else {
                let url = format!("{endpoint}/{}/resolve/{commit}/{}", id.repository(), escaped(&file.name));
                let before = there;
                fetched += self.fetch(&url, &blobs, file, &mut |length| progress(before + length, all))?;
                there += file.size;
            }
            progress(there, all);
            link(&blob, &snapshot, &file.name).map_err(io_error(&snapshot))?;
        }
        fs::create_dir_all(&snapshot).map_err(io_error(&snapshot))?;
        if !is_commit(id.revision()) {
            refer(&folder, id.revision(), &commit).map_err(io_error(&folder))?;
        }
        Ok(Pulled { directory: snapshot, commit, files: files.len(), fetched })
    }

    /// Fetches a file among the blobs, going on where an earlier attempt ended. Gives the bytes that came.
    fn fetch(
        &self,
        url: &str,
        blobs: &Path,
        file: &RemoteFile,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, PullError> {
        let mut part = Incomplete::open(blobs, file).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => PullError::Busy { path: blobs.join(file.checksum.name()) },
            _ => PullError::Io { path: blobs.to_owned(), source },
        })?;
        let mut fetched = 0;
        for attempt in 1.. {
            if part.length == file.size {
                break;
            }
            match self.fetch_on(url, &mut part, file, &mut fetched, progress) {
                Ok(()) => break,
                Err(error @ PullError::Unreachable { .. }) if attempt < ATTEMPTS => {
                    tracing::warn!(%error, "a download broke off; going on");
                }
                Err(error) => return Err(error),
            }
        }
        let finished = part.finish(blobs, file).map_err(io_error(blobs))?;
        finished.map_err(|found| PullError::Checksum {
            file: file.name.clone(),
            found,
            expected: file.checksum.name().to_owned(),
        })?;
        Ok(fetched)
    }

    fn fetch_on(
        &self,
        url: &str,
        part: &mut Incomplete,
        file: &RemoteFile,
        fetched: &mut u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), PullError> {
        let answer = self.get(url, part.length)?;
        if answer.status().as_u16() != 206 && part.length > 0 {
            // The server does not go on from the middle.
            part.restart(file).map_err(io_error(Path::new(&file.name)))?;
        }
        let mut reader = answer.into_body().into_reader();
        let mut bytes = vec![0; 1 << 16];
        loop {
            let read = match reader.read(&mut bytes) {
                Ok(0) if part.length < file.size => {
                    return Err(unreachable(url, io::Error::from(io::ErrorKind::UnexpectedEof)));
                }
                Ok(read) => read,
                Err(error) => return Err(unreachable(url, error)),
            };
            if read == 0 {
                return Ok(());
            }
            if part.length + read as u64 > file.size {
                let problem = format!("{} is longer than the {} bytes promised", file.name, file.size);
                return Err(PullError::Listing { problem });
            }
            part.write(&bytes[..read]).map_err(io_error(Path::new(&file.name)))?;
            *fetched += read as u64;
            progress(part.length);
        }
    }

    /// Asks for `url` from byte `from` on, following to other places without the token.
    fn get(&self, url: &str, from: u64) -> Result<Response<Body>, PullError> {
        let mut place = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.agent.get(&place);
            if let (Some(token), true) = (&self.options.token, same_origin(&place, &self.options.endpoint)) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let answer = request.call().map_err(|error| unreachable(&place, error))?;
            let status = answer.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return match status {
                    200 | 206 => Ok(answer),
                    _ => Err(PullError::Status { url: place, status }),
                };
            }
            let location =
                answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or("");
            let refused = || PullError::Redirect { url: place.clone(), location: location.to_owned() };
            let next = beside(&place, location).ok_or_else(refused)?;
            if scheme(&place) == Some("https") && scheme(&next) != Some("https") {
                return Err(refused());
            }
            place = next;
        }
        Err(PullError::Redirect { url: url.to_owned(), location: place })
    }
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(String, String, Option<u16>)> {
    let uri: Uri = url.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?.to_ascii_lowercase(), uri.host()?.to_ascii_lowercase());
    let default = if scheme == "https" { 443 } else { 80 };
    Some((scheme, host, Some(uri.port_u16().unwrap_or(default))))
}

fn same_origin(a: &str, b: &str) -> bool {
    origin(a).is_some() && origin(a) == origin(b)
}

/// The URL that `location` means in an answer of `url`: whole, or a path on the same host.
fn beside(url: &str, location: &str) -> Option<String> {
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.to_owned());
    }
    let path = location.strip_prefix('/').filter(|path| !path.starts_with('/'))?;
    let uri: Uri = url.parse().ok()?;
    Some(format!("{}://{}/{path}", uri.scheme_str()?, uri.authority()?))
}

/// A file's name within a URL.
fn escaped(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(one).collect()
}

fn unreachable(url: &str, error: impl std::fmt::Display) -> PullError {
    PullError::Unreachable { url: url.to_owned(), message: error.to_string() }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> PullError {
    let path = path.to_owned();
    move |source| PullError::Io { path: path.clone(), source }
}
