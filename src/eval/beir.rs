//! Collections in BEIR layout: where their files are, and their judgements.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::EvalError;
use super::qrels::Qrels;

/// A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`, or `queries.tsv` and a single `qrels.tsv`.
///
/// It knows where its files are and reads judgements; reading documents and queries is the corpus room's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    folder: PathBuf,
    /// `corpus.jsonl`, possibly with `.gz` or `.zst`.
    pub corpus: PathBuf,
    /// `queries.jsonl` or `queries.tsv`, possibly with `.gz` or `.zst`.
    pub queries: PathBuf,
    /// The files of judgements by the name of their split. That of a single `qrels.tsv` is `test`.
    pub splits: BTreeMap<String, PathBuf>,
}

impl Collection {
    /// Finds the files of a collection; reads none.
    ///
    /// # Errors
    /// [`EvalError::NotBeir`] if a part is missing, [`EvalError::Open`] if the folder cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, EvalError> {
        let folder = folder.as_ref();
        let name = || folder.display().to_string();
        fs::read_dir(folder).map_err(|source| EvalError::Open { file: name(), source })?;
        let need = |missing, endings: &[&str]| {
            let found = endings.iter().map(|ending| folder.join(ending)).find(|path| path.is_file());
            found.ok_or_else(|| EvalError::NotBeir { folder: name(), missing })
        };
        let corpus = need("corpus.jsonl", &["corpus.jsonl", "corpus.jsonl.gz", "corpus.jsonl.zst"])?;
        let queries = need(
            "queries.jsonl",
            &["queries.jsonl", "queries.jsonl.gz", "queries.jsonl.zst", "queries.tsv", "queries.tsv.gz"],
        )?;
        let splits = find_splits(folder)?;
        if splits.is_empty() {
            return Err(EvalError::NotBeir { folder: name(), missing: "qrels/SPLIT.tsv" });
        }
        Ok(Self { folder: folder.to_owned(), corpus, queries, splits })
    }

    /// The split to take if none is named: `test`, `dev`, or the first.
    #[must_use]
    pub fn default_split(&self) -> &str {
        let usual = ["test", "dev"].into_iter().find(|split| self.splits.contains_key(*split));
        usual.or_else(|| self.splits.keys().next().map(String::as_str)).unwrap_or("test")
    }

    /// Reads the judgements of a split.
    ///
    /// # Errors
    /// [`EvalError::UnknownSplit`], and as [`Qrels::open`].
    pub fn qrels(&self, split: &str) -> Result<Qrels, EvalError> {
        match self.splits.get(split) {
            Some(path) => Qrels::open(path),
            None => Err(EvalError::UnknownSplit {
                folder: self.folder.display().to_string(),
                split: split.to_owned(),
                available: self.splits.keys().cloned().collect(),
            }),
        }
    }
}

fn find_splits(folder: &Path) -> Result<BTreeMap<String, PathBuf>, EvalError> {
    let mut splits = BTreeMap::new();
    let qrels = folder.join("qrels");
    if qrels.is_dir() {
        let open = |source| EvalError::Open { file: qrels.display().to_string(), source };
        for entry in fs::read_dir(&qrels).map_err(open)? {
            let path = entry.map_err(open)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
            if let (Some(stem), true, true) = (stem, path.extension() == Some("tsv".as_ref()), path.is_file())
            {
                splits.insert(stem, path);
            }
        }
    }
    let single = folder.join("qrels.tsv");
    if splits.is_empty() && single.is_file() {
        splits.insert("test".to_owned(), single);
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_found_part_by_part() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let missing = || match Collection::open(folder.path()) {
            Err(EvalError::NotBeir { missing, .. }) => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(), "corpus.jsonl");
        write("corpus.jsonl.gz", "");
        assert_eq!(missing(), "queries.jsonl");
        write("queries.jsonl", "");
        assert_eq!(missing(), "qrels/SPLIT.tsv");
        write("qrels.tsv", "q\td\t1\n");
        let single = Collection::open(folder.path()).unwrap();
        assert_eq!((single.default_split(), single.qrels("test").unwrap().len()), ("test", 1));
        fs::create_dir(folder.path().join("qrels")).unwrap();
        write("qrels/train.tsv", "q\td\t1\nq\te\t1\n");
        write("qrels/dev.tsv", "q\td\t1\n");
        write("qrels/notes.txt", "");
        let full = Collection::open(folder.path()).unwrap();
        assert_eq!(full.splits.keys().collect::<Vec<_>>(), ["dev", "train"]);
        assert_eq!((full.default_split(), full.qrels("train").unwrap().len()), ("dev", 2));
        let error = full.qrels("test").unwrap_err().to_string();
        assert!(error.ends_with("no split \"test\"; there are dev, train"), "{error}");
        assert!(matches!(Collection::open(folder.path().join("none")), Err(EvalError::Open { .. })));
    }
}
