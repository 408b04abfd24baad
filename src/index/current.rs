//! The newest snapshot that an open index knows, shared by its clones and its writer.
//!
//! `tests/reliability/interleavings.rs` compiles this file against the primitives of a scheduler and
//! tries every schedule: hence the imports from `super::sync`.

use super::sync::{Arc, PoisonError, RwLock};

/// A value that is only ever replaced by a newer one.
#[derive(Debug)]
pub struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    pub fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// The newest value; it stays as it is, whatever is installed later.
    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes `value` the current one unless there is one already that is as new, by `age`.
    pub fn install(&self, value: Arc<T>, age: impl Fn(&T) -> u64) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if age(&value) > age(&current) {
            *current = value;
        }
    }
}
