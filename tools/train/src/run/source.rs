//! Where the loop gets its batches.

use super::error::RunError;
use crate::feed::Batch;

/// Any error of data.
pub type DataFailure = Box<dyn std::error::Error + Send + Sync>;

/// Where batches come from: a function of epoch and number, so that a run can go on anywhere.
pub trait Source {
    /// How many batches an epoch has.
    ///
    /// # Errors
    /// Whatever reading data may give.
    fn batches(&mut self, epoch: u64) -> Result<u64, DataFailure>;

    /// Batch `batch` of `epoch`.
    ///
    /// # Errors
    /// Whatever reading data may give.
    fn batch(&mut self, epoch: u64, batch: u64) -> Result<Batch, DataFailure>;
}

/// The batches of an epoch, at least one.
pub(super) fn batches(source: &mut dyn Source, epoch: u64) -> Result<u64, RunError> {
    let failed = |source| RunError::Data { epoch, batch: 0, source };
    match source.batches(epoch).map_err(failed)? {
        0 => Err(RunError::NoBatch),
        batches => Ok(batches),
    }
}
