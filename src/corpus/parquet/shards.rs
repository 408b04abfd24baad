//! The files of one split in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::corpus::error::CorpusError;
use crate::corpus::json_sets::json_files;

/// Asked for in this order if no split is named.
const USUAL: [&str; 3] = ["test", "dev", "validation"];

/// A file's split, its number, and of how many.
type Shard = (String, Option<(u64, u64)>, PathBuf);

/// The Parquet files of a split, in their order: `test-00000-of-00003.parquet` and its like, or `test.parquet`, or files named by
/// numbers alone, in the folder or in `data` in it. Without Parquet files, nothing.
///
/// Of several splits, the one asked for, else `test`, `dev` or `validation`.
pub(in crate::corpus) fn shards(
    folder: &Path,
    split: Option<&str>,
) -> Result<Option<Vec<PathBuf>>, CorpusError> {
    let mut found = list(folder)?;
    if found.is_empty() {
        found = list(&folder.join("data")).unwrap_or_default();
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut splits: BTreeMap<String, Vec<Shard>> = BTreeMap::new();
    for shard in found {
        splits.entry(shard.0.clone()).or_default().push(shard);
    }
    let name = folder.display().to_string();
    let chosen = match split {
        Some(split) => Some(split.to_owned()),
        None if splits.len() == 1 => splits.keys().next().cloned(),
        None => USUAL.iter().find(|usual| splits.contains_key(**usual)).map(|usual| (*usual).to_owned()),
    };
    let present = splits.keys().cloned().collect();
    let Some((split, mut shards)) = chosen.and_then(|split| splits.remove_entry(&split)) else {
        return Err(CorpusError::NoSplit { folder: name, present });
    };
    shards.sort_by(|a, b| (a.1, &a.2).cmp(&(b.1, &b.2)));
    check_complete(&shards, name, split)?;
    Ok(Some(shards.into_iter().map(|(.., path)| path).collect()))
}

/// Whether a folder holds sets for evaluation: Parquet files, in it or in `data` in it, or JSON files. One that cannot be read has none.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// assert!(!lateen::corpus::has_sets(folder.path()));
/// std::fs::write(folder.path().join("test-00000-of-00001.parquet"), "")?;
/// assert!(lateen::corpus::has_sets(folder.path()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn has_sets(folder: impl AsRef<Path>) -> bool {
    let folder = folder.as_ref();
    let has = |folder: &Path| list(folder).is_ok_and(|found| !found.is_empty());
    has(folder) || has(&folder.join("data")) || (folder.is_dir() && json_files(folder).is_ok())
}

fn list(folder: &Path) -> Result<Vec<Shard>, CorpusError> {
    let open = |source| CorpusError::Open { file: folder.display().to_string(), source };
    let mut shards = Vec::new();
    for entry in fs::read_dir(folder).map_err(open)? {
        let path = entry.map_err(open)?.path();
        let is_parquet = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if is_parquet && !stem.starts_with('.') && path.is_file() {
            let (split, number) = of_name(stem);
            shards.push((split.to_owned(), number, path));
        }
    }
    Ok(shards)
}

/// `test-00001-of-00003` is of `test`, `0001` of a split without a name.
fn of_name(stem: &str) -> (&str, Option<(u64, u64)>) {
    let numbered = || {
        let (rest, of) = stem.rsplit_once("-of-")?;
        let (split, number) = rest.rsplit_once('-')?;
        Some((split, Some((number.parse().ok()?, of.parse().ok()?))))
    };
    let nameless = stem.bytes().all(|byte| byte.is_ascii_digit());
    numbered().unwrap_or(if nameless { ("", None) } else { (stem, None) })
}

fn check_complete(shards: &[Shard], folder: String, split: String) -> Result<(), CorpusError> {
    let Some((_, of)) = shards.iter().find_map(|shard| shard.1) else { return Ok(()) };
    let mut expected = 0;
    for (_, number, _) in shards {
        if *number != Some((expected, of)) {
            break;
        }
        expected += 1;
    }
    if expected == of && shards.len() as u64 == of {
        return Ok(());
    }
    Err(CorpusError::MissingShard { folder, split, shard: expected, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str], split: Option<&str>) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = shards(folder.path(), split).map_err(|error| error.to_string())?.unwrap_or_default();
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        Ok(found.iter().map(name).collect())
    }

    #[test]
    fn a_splits_files_are_found_in_their_order() {
        let both = [
            "test-00001-of-00002.parquet",
            "test-00000-of-00002.parquet",
            "dev-00000-of-00001.parquet",
            "a.txt",
        ];
        let test = ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"].map(str::to_owned);
        assert_eq!(names(&both, None).unwrap(), test);
        assert_eq!(names(&both, Some("dev")).unwrap(), ["dev-00000-of-00001.parquet"]);
        assert_eq!(
            names(&["data/train-00000-of-00001.parquet"], None).unwrap(),
            ["train-00000-of-00001.parquet"]
        );
        assert_eq!(names(&["0001.parquet", "0000.parquet"], None).unwrap(), ["0000.parquet", "0001.parquet"]);
        assert_eq!(names(&["set.PARQUET"], None).unwrap(), ["set.PARQUET"]);
        assert!(names(&["a.jsonl"], None).unwrap().is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = names(&["test-00000-of-00003.parquet", "test-00002-of-00003.parquet"], None).unwrap_err();
        assert!(error.contains("shard 1 of 3 of split \"test\" is missing"), "{error}");
        let error = names(&["a.parquet", "b.parquet"], None).unwrap_err();
        assert!(error.contains("a, b"), "{error}");
        assert!(names(&["a.parquet"], Some("b")).is_err());
    }
}
