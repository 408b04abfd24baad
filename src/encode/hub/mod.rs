//! Models by their names on the hub, out of its cache on this machine.
//!
//! The cache is the one that Python's `huggingface_hub` keeps, so a model that was fetched once, by whichever program,
//! is there for all:
//!
//! ```text
//! models--org--name/refs/main                       the commit that a revision stands for
//! models--org--name/snapshots/<commit>/config.json  links into blobs
//! models--org--name/blobs/<checksum>
//! ```
//!
//! Nothing here needs a network, and in the default build nothing has one: the feature `hub` adds `Puller`, which
//! fetches what is missing.

mod cache;
mod id;
#[cfg(feature = "hub")]
mod list;
#[cfg(feature = "hub")]
mod pull;
#[cfg(all(test, feature = "hub"))]
mod pull_tests;
#[cfg(feature = "hub")]
mod store;

use std::path::{Path, PathBuf};

pub use cache::HubCache;
pub use id::HubId;
#[cfg(feature = "hub")]
pub use pull::{PullError, PullOptions, Pulled, Puller};

use super::EncodeError;

/// The directory that `name` stands for: a directory of that name, else a model of that name in the cache.
///
/// # Errors
/// [`EncodeError::MissingFile`] if it is neither a directory nor a name of the hub's, [`EncodeError::NotInHubCache`] if
/// the cache does not have that model.
///
/// ```
/// use lateen::encode::hub::{HubCache, locate};
/// let nowhere = HubCache::at("/no/such/cache");
/// let refused = locate("org/model", &nowhere).unwrap_err().to_string();
/// assert!(refused.contains("org/model") && refused.contains("models--org--model"));
/// ```
pub fn locate(name: &str, cache: &HubCache) -> Result<PathBuf, EncodeError> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(path.to_owned());
    }
    match HubId::parse(name) {
        Some(id) => cache.snapshot(&id),
        None => Err(EncodeError::MissingFile { path: path.to_owned(), what: "the model directory" }),
    }
}
