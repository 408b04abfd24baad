//! Sets made for evaluation, read whole.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{MAGIC, Need, Rows, shards};
use crate::corpus::error::{CorpusError, Place, Problem};
use crate::corpus::json_sets;

/// The largest row, in bytes of text.
const LARGEST_ROW: usize = 64 << 20;

/// The rows of a Parquet file, or of a split in a folder of them, with their places; `None` if the path is neither.
///
/// # Errors
/// [`CorpusError`] with file, column and row. Sets that take more memory than JSON sets may are refused.
pub(in crate::corpus) fn set_rows<T: DeserializeOwned>(
    path: &Path,
    split: Option<&str>,
    needs: &[Need],
) -> Result<Option<Vec<(Place, T)>>, CorpusError> {
    let files =
        if path.is_dir() { shards(path, split)? } else { is_parquet(path).then(|| vec![path.to_owned()]) };
    files.map(|files| read(&files, needs)).transpose()
}

/// By its name or its first bytes. What cannot be opened is for others to report.
fn is_parquet(path: &Path) -> bool {
    let is_named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    let mut first = [0; MAGIC.len()];
    let mut begins = || File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok();
    is_named || (begins() && first == MAGIC)
}

fn read<T: DeserializeOwned>(files: &[PathBuf], needs: &[Need]) -> Result<Vec<(Place, T)>, CorpusError> {
    let (mut records, mut taken) = (Vec::new(), 0);
    for file in files {
        let mut rows = Rows::open(file, Some(needs), LARGEST_ROW, &Arc::default())?;
        while let Some(row) = rows.next() {
            let (row, at) = (row?, rows.place());
            let record = serde_json::from_value(Value::Object(row)).map_err(|error| {
                let problem = Problem::Unreadable { reason: error.to_string() };
                CorpusError::Record { at: at.clone(), problem }
            })?;
            if taken + rows.taken > json_sets::LIMIT {
                let problem = Problem::TooLong { limit: json_sets::LIMIT as usize };
                return Err(CorpusError::Record { at, problem });
            }
            records.push((at, record));
        }
        taken += rows.taken;
    }
    Ok(records)
}
