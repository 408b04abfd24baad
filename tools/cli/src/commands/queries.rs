//! The queries of a command: words on the command line, or a file.

use crate::exit::usage;
use clap::Args;
use lateen::corpus::{Queries, ReadOptions};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub struct QueryChoice {
    /// The query; several words are one query
    #[arg(required_unless_present = "queries", conflicts_with = "queries")]
    query: Vec<String>,
    /// Many queries from a file (JSONL, TSV, or one per line), or `-` for standard input
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
}

/// A query and, if it came from a file, its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub id: Option<String>,
    pub text: String,
}

impl QueryChoice {
    /// At least one query, none of them empty.
    pub fn read(&self) -> anyhow::Result<Vec<Query>> {
        if let Some(path) = &self.queries {
            let queries = Queries::open(path, ReadOptions::default())?.read_all()?;
            return Ok(queries.into_iter().map(|(id, text)| Query { id: Some(id), text }).collect());
        }
        let text = self.query.join(" ").trim().to_owned();
        if text.is_empty() {
            return usage("the query is empty; write the words to look for");
        }
        Ok(vec![Query { id: None, text }])
    }
}
