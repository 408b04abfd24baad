//! Lateen's BM25 over texts.

use std::path::Path;

use anyhow::Context;
use lateen::lexical::{Analyzer, Bm25Index};
use serde_json::{Value, json};

use crate::collection::lines;
use crate::protocol::{Engine, Job, Watch};

/// The index lives in memory: what is opened is built again, not timed.
#[derive(Default)]
pub struct Lateen {
    opened: Option<Bm25Index>,
    queries: Vec<String>,
    k: usize,
}

impl Engine for Lateen {
    fn about(&self) -> Value {
        json!({ "version": "this checkout" })
    }

    fn build(&mut self, job: &Job) -> anyhow::Result<(usize, Watch)> {
        let texts = texts(&job.data)?;
        let bytes = texts.iter().map(|(_, text)| text.len()).sum();
        let (_, watch) = Watch::of(|| Ok(Bm25Index::build(texts, Analyzer::English)?))?;
        Ok((bytes, watch))
    }

    fn open(&mut self, job: &Job) -> anyhow::Result<f64> {
        self.opened = Some(Bm25Index::build(texts(&job.data)?, Analyzer::English)?);
        self.queries = lines(&job.data.join("queries.txt"))?;
        Ok(f64::NAN)
    }

    fn prepare(&mut self, _: &Value, k: usize) -> anyhow::Result<()> {
        self.k = k;
        Ok(())
    }

    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>> {
        let index = self.opened.as_ref().context("no index is open")?;
        index.search(&self.queries[query], self.k)?.into_iter().map(|(id, _)| Ok(id.parse()?)).collect()
    }
}

/// Texts with their positions, as the harness has written them.
fn texts(data: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let texts = lines(&data.join("texts.txt"))?;
    Ok(texts.into_iter().enumerate().map(|(position, text)| (position.to_string(), text)).collect())
}
