//! Rows as documents and queries.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Rows;
use crate::corpus::error::{CorpusError, Place};
use crate::corpus::options::{FieldNames, ReadOptions};
use crate::corpus::records::{Fields, from_object};

/// The records of one file whose records are rows.
pub(in crate::corpus) struct RowRecords {
    rows: Rows,
    names: FieldNames,
}

impl RowRecords {
    pub(in crate::corpus) fn open(
        path: &Path,
        options: &ReadOptions,
        count: &Arc<AtomicU64>,
    ) -> Result<Self, CorpusError> {
        let rows = Rows::open(path, None, options.max_line_bytes, count)?;
        Ok(Self { rows, names: options.fields.clone() })
    }

    /// The next record, unchecked, with its row.
    pub(in crate::corpus) fn next(&mut self) -> Option<Result<(Place, Fields), CorpusError>> {
        let row = self.rows.next()?;
        let at = self.rows.place();
        Some(row.and_then(|row| match from_object(row, &self.names) {
            Ok(fields) => Ok((at, fields)),
            Err(problem) => Err(CorpusError::Record { at, problem }),
        }))
    }
}
