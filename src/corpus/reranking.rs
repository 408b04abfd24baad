//! Reranking sets in MTEB's form.

use std::path::Path;

use serde::Deserialize;

use super::error::{CorpusError, Place, Problem};
use super::json_sets::JsonFile;
use super::parquet::{Holds, Need, set_rows};

/// A query with texts that answer it and texts that do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RerankingSample {
    /// The wordings of the query, at least one; what fits any of them fits the query.
    pub queries: Vec<String>,
    /// Texts that answer it.
    pub positive: Vec<String>,
    /// Texts that do not.
    pub negative: Vec<String>,
}

/// One query or several wordings of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wordings {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Record {
    query: Wordings,
    #[serde(alias = "pos")]
    positive: Vec<String>,
    #[serde(alias = "neg")]
    negative: Vec<String>,
}

/// The columns of a set in Parquet.
const COLUMNS: [Need; 3] = [
    Need { names: &["query"], holds: Holds::TextOrTexts, always: true },
    Need { names: &["positive", "pos"], holds: Holds::Texts, always: true },
    Need { names: &["negative", "neg"], holds: Holds::Texts, always: true },
];

/// Reads JSON lines, or a JSON array, of `{"query", "positive": [], "negative": []}` (`pos` and `neg` are understood too); `query` may be
/// an array of wordings. gzip and zstd are unpacked. Or reads Parquet with columns of these names: a file, or a folder of shards
/// (`test-00000-of-00003.parquet` and so on, here or in `data`) of which `split` is read, else `test`, `dev` or `validation`. Samples without positive or without negative texts are there too: MTEB leaves them
/// out of its means.
///
/// Memory: the whole file several times over; files of more than 2 GiB, unpacked, are refused.
///
/// # Errors
/// [`CorpusError`] with file and line, or column and row.
pub fn read_reranking_set(
    path: impl AsRef<Path>,
    split: Option<&str>,
) -> Result<Vec<RerankingSample>, CorpusError> {
    let path = path.as_ref();
    match set_rows(path, split, &COLUMNS)? {
        Some(rows) => samples(rows, &path.display().to_string()),
        None if path.is_dir() => {
            let (folder, accepted) = (path.display().to_string(), ".parquet");
            Err(CorpusError::NoFiles { folder, accepted })
        }
        None => of(&JsonFile::open(path)?),
    }
}

fn of(file: &JsonFile) -> Result<Vec<RerankingSample>, CorpusError> {
    let records: Vec<Record> = file.records()?;
    let at = Place { file: file.name().to_owned(), line: None };
    samples(records.into_iter().map(|record| (at.clone(), record)).collect(), file.name())
}

fn samples(records: Vec<(Place, Record)>, file: &str) -> Result<Vec<RerankingSample>, CorpusError> {
    if records.is_empty() {
        return Err(CorpusError::Empty { file: file.to_owned(), what: "query", skipped: 0 });
    }
    let mut samples = Vec::with_capacity(records.len());
    for (number, (at, Record { query, positive, negative })) in (1..).zip(records) {
        let queries = match query {
            Wordings::One(query) => vec![query],
            Wordings::Several(queries) => queries,
        };
        if !queries.iter().any(|query| !query.trim().is_empty()) {
            let problem = Problem::EmptyText { id: format!("query {number}"), title: false };
            return Err(CorpusError::Record { at, problem });
        }
        samples.push(RerankingSample { queries, positive, negative });
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<RerankingSample>, CorpusError> {
        of(&JsonFile::of_text("set.jsonl", text))
    }

    #[test]
    fn lines_and_arrays_are_read() {
        let lines = "{\"query\": \"q\", \"positive\": [\"a\"], \"negative\": [\"b\", \"c\"]}\n\
                     {\"query\": [\"q\", \"r\"], \"pos\": [], \"neg\": [\"d\"]}\n";
        let samples = read(lines).unwrap();
        assert_eq!((samples[0].negative.len(), samples[1].queries.len()), (2, 2));
        let array = format!("[{}]", lines.trim().replace('\n', ","));
        assert_eq!(read(&array).unwrap(), samples);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, words) in [
            ("", "no query in it"),
            ("{\"query\": \"q\", \"positive\": [\"a\"]}", "set.jsonl:1: "),
            ("{\"query\": \" \", \"positive\": [], \"negative\": []}", "has no text"),
            (
                "{\"query\": \"q\", \"pos\": [], \"neg\": []}\n{\"query\": 7, \"pos\": [], \"neg\": []}",
                "set.jsonl:2: ",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
