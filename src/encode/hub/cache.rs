use std::path::{Path, PathBuf};

use super::super::EncodeError;
use super::super::directory;
use super::id::{HubId, is_commit};

/// References are 40 bytes; more is not read.
const REFERENCE_LIMIT: u64 = 256;

/// A cache of the hub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubCache {
    root: PathBuf,
    is_offline: bool,
}

impl HubCache {
    /// The cache at `root`, the folder that holds `models--…`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), is_offline: false }
    }

    /// The cache that the environment names, as `huggingface_hub` finds it: `HF_HUB_CACHE`, else `HF_HOME/hub`, else
    /// `huggingface/hub` below `XDG_CACHE_HOME` or `~/.cache`. `HF_HUB_OFFLINE` forbids to fetch.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(get: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let path = |name: &str| get(name).map(PathBuf::from);
        let home = || path("HOME").or_else(|| path("USERPROFILE")).unwrap_or_else(|| PathBuf::from("."));
        let caches = || path("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache"));
        let hugging_face = || path("HF_HOME").unwrap_or_else(|| caches().join("huggingface"));
        let root = path("HF_HUB_CACHE").unwrap_or_else(|| hugging_face().join("hub"));
        let is_true =
            |value: &str| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE");
        let is_offline = get("HF_HUB_OFFLINE").is_some_and(|value| value.to_str().is_some_and(is_true));
        Self { root, is_offline }
    }

    /// The same, never to fetch.
    #[must_use]
    pub fn offline(mut self) -> Self {
        self.is_offline = true;
        self
    }

    /// Whether nothing may be fetched.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// The folder that holds `models--…`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn folder(&self, id: &HubId) -> PathBuf {
        self.root.join(id.folder())
    }

    /// The directory of a model's revision.
    ///
    /// # Errors
    /// [`EncodeError::NotInHubCache`] if it is not there.
    pub fn snapshot(&self, id: &HubId) -> Result<PathBuf, EncodeError> {
        let folder = self.folder(id);
        let revision = id.revision();
        let missing = |looked_for: PathBuf| EncodeError::NotInHubCache { model: id.to_string(), looked_for };
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            let reference = folder.join("refs").join(revision);
            let bytes = directory::read(&reference, "the reference", REFERENCE_LIMIT)
                .map_err(|_| missing(reference.clone()))?;
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            if !is_commit(&text) {
                return Err(missing(reference));
            }
            text
        };
        let snapshot = folder.join("snapshots").join(commit);
        if snapshot.is_dir() { Ok(snapshot) } else { Err(missing(snapshot)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::hub::locate;
    use crate::encode::testing::write;

    #[test]
    fn the_environment_names_the_cache_as_it_does_for_python() {
        let root = |all: &[(&str, &str)]| {
            let get = |name: &str| {
                all.iter().find(|(known, _)| *known == name).map(|(_, value)| std::ffi::OsString::from(value))
            };
            let cache = HubCache::from_variables(&get);
            (cache.root.display().to_string().replace('\\', "/"), cache.is_offline)
        };
        assert_eq!(root(&[("HOME", "/h")]), ("/h/.cache/huggingface/hub".to_owned(), false));
        assert_eq!(root(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).0, "/x/huggingface/hub");
        assert_eq!(root(&[("HF_HOME", "/f"), ("XDG_CACHE_HOME", "/x")]).0, "/f/hub");
        let all = [("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c"), ("HF_HUB_OFFLINE", "1")];
        assert_eq!(root(&all), ("/c".to_owned(), true));
        assert!(!root(&[("HF_HUB_OFFLINE", "0")]).1);
    }

    #[test]
    fn revisions_lead_to_snapshots() {
        let made = tempfile::tempdir().unwrap();
        let (commit, other) = ("a".repeat(40), "b".repeat(40));
        let folder = "models--org--name";
        write(made.path(), &format!("{folder}/refs/main"), format!("{commit}\n"));
        write(made.path(), &format!("{folder}/refs/refs/pr/7"), &other);
        write(made.path(), &format!("{folder}/refs/bad"), "../../../etc");
        write(made.path(), &format!("{folder}/snapshots/{commit}/config.json"), "{}");
        let cache = HubCache::at(made.path());
        let found = locate("org/name", &cache).unwrap();
        assert!(found.ends_with(&commit) && found.join("config.json").is_file());
        assert_eq!(locate(&format!("org/name@{commit}"), &cache).unwrap(), found);
        for missing in ["org/name@refs/pr/7", "org/name@bad", "org/name@v1", "org/other"] {
            let refused = locate(missing, &cache).unwrap_err();
            assert!(matches!(refused, EncodeError::NotInHubCache { .. }), "{missing}: {refused}");
            assert!(refused.to_string().contains("lateen model pull"), "{refused}");
        }
        assert!(matches!(locate("no/such/folder", &cache), Err(EncodeError::MissingFile { .. })));
        assert_eq!(locate(made.path().to_str().unwrap(), &cache).unwrap(), made.path());
    }
}
