//! A way to stop long work from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::IndexError;

/// Stops the merges of the writer that it comes from; clones stop the same.
///
/// Work that is stopped fails with [`IndexError::Cancelled`], between two sections or documents of a segment; training
/// a codec, which takes seconds at most for every million of tokens, is not interrupted. Commits are never stopped.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Stops what is at work, and what starts later, until [`reset`](Self::reset).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets work go on.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether work is to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self) -> Result<(), IndexError> {
        if self.is_cancelled() { Err(IndexError::Cancelled) } else { Ok(()) }
    }
}
