//! Reranking sets in MTEB's form.

use std::path::Path;

use serde::Deserialize;

use super::error::{CorpusError, Problem};
use super::json_sets::JsonFile;

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

/// Reads JSON lines, or a JSON array, of `{"query", "positive": [], "negative": []}` (`pos` and `neg` are understood too); `query` may be
/// an array of wordings. gzip and zstd are unpacked. Samples without positive or without negative texts are there too: MTEB leaves them
/// out of its means.
///
/// Memory: the whole file several times over; files of more than 2 GiB, unpacked, are refused.
///
/// # Errors
/// [`CorpusError`] with file and line.
pub fn read_reranking_set(path: impl AsRef<Path>) -> Result<Vec<RerankingSample>, CorpusError> {
    of(&JsonFile::open(path.as_ref())?)
}

fn of(file: &JsonFile) -> Result<Vec<RerankingSample>, CorpusError> {
    let records: Vec<Record> = file.records()?;
    if records.is_empty() {
        return Err(CorpusError::Empty { file: file.name().to_owned(), what: "query", skipped: 0 });
    }
    let mut samples = Vec::with_capacity(records.len());
    for (at, Record { query, positive, negative }) in records.into_iter().enumerate() {
        let queries = match query {
            Wordings::One(query) => vec![query],
            Wordings::Several(queries) => queries,
        };
        if !queries.iter().any(|query| !query.trim().is_empty()) {
            let problem = Problem::EmptyText { id: format!("query {}", at + 1), title: false };
            return Err(file.problem(None, problem));
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
