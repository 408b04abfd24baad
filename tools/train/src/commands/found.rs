//! What `mine` and `prefer` find in an index.

use std::path::Path;

use clap::ValueEnum;
use lateen::retriever::{Answer, Error, Found, Retriever, SearchBy};
use lateen::search::{Fusion, SearchOptions};
use lateen_train::data::Record;

use crate::exit::usage;

/// What an index is searched by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    #[default]
    Vectors,
    Words,
    Both,
}

/// How an index is searched.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// By vectors, words, or both.
    pub by: By,
    /// Hits a query.
    pub depth: usize,
}

impl Finding {
    /// What the index finds for each record; `None` where the query has nothing to search for.
    pub fn search(&self, retriever: &Retriever, records: &[Record]) -> anyhow::Result<Vec<Option<Answer>>> {
        let by = match self.by {
            By::Vectors => SearchBy::Vectors,
            By::Words => SearchBy::Words,
            By::Both => SearchBy::Both(Fusion::default()),
        };
        let options = SearchOptions::top(self.depth);
        let queries: Vec<&str> = records.iter().map(|record| record.query.as_str()).collect();
        match retriever.search_batch_by(&by, &queries, &options) {
            Ok(answers) => return Ok(answers.into_iter().map(Some).collect()),
            Err(Error::EmptyQuery) => {}
            Err(error) => return Err(error.into()),
        }
        let one = |query: &&str| match retriever.search_by(&by, query, &options) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::EmptyQuery) => Ok(None),
            Err(error) => Err(error.into()),
        };
        queries.iter().map(one).collect()
    }
}

/// The text of a hit, title first, as training files have it.
pub fn text_of(hit: Found, index: &Path) -> anyhow::Result<String> {
    match hit.document {
        Some(document) => Ok(format!("{} {}", document.title, document.text).trim().to_owned()),
        None => usage(format!("{} keeps no texts, so there is nothing to write", index.display())),
    }
}
