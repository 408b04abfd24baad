//! Lateen over one vector per document.

use std::time::Instant;

use anyhow::{Context, bail};
use lateen::format::{DenseStorage, IndexSettings, TokenStorage};
use lateen::index::{Index, NewDocument};
use lateen::search::{PlanChoice, SearchOptions, search_dense};
use serde_json::{Value, json};

use super::tokens::{identity, positions, writer_options};
use crate::collection::matrix;
use crate::protocol::{Engine, Job, Watch};

#[derive(Default)]
pub struct Lateen {
    opened: Option<Index>,
    queries: Vec<f32>,
    dim: usize,
    options: SearchOptions,
}

impl Engine for Lateen {
    fn about(&self) -> Value {
        json!({ "version": "this checkout", "kernel": SearchOptions::default().isa.name() })
    }

    /// Settings: `storage` (`f32`, `f16`, `i8`), `links`, `ef_construction`.
    fn build(&mut self, job: &Job) -> anyhow::Result<(usize, Watch)> {
        let (dim, rows) = matrix(&job.data.join("base.npy"))?;
        let settings = IndexSettings {
            token_dim: 0,
            token_storage: TokenStorage::None,
            dense_dim: u32::try_from(dim)?,
            dense_storage: storage(&job.settings)?,
            store_documents: false,
            seed: 42,
            ..IndexSettings::default()
        };
        let mut options = writer_options(&job.settings);
        let number = |name: &str| job.settings[name].as_u64().context("a missing setting");
        options.graph_links = number("links")? as usize;
        options.graph_ef_construction = number("ef_construction")? as usize;
        let index = Index::create(&job.index, &settings, &identity())?;
        let ((), watch) = Watch::of(|| {
            let mut writer = index.writer(options)?;
            for (position, row) in rows.chunks_exact(dim).enumerate() {
                writer.add(NewDocument {
                    id: position.to_string(),
                    tokens: None,
                    dense: Some(row.to_vec()),
                    stored: None,
                    content_hash: 0,
                })?;
            }
            writer.commit()?;
            Ok(())
        })?;
        Ok((rows.len() * 4, watch))
    }

    fn open(&mut self, job: &Job) -> anyhow::Result<f64> {
        let start = Instant::now();
        let index = Index::open(&job.index)?;
        let seconds = start.elapsed().as_secs_f64();
        self.opened = Some(index);
        (self.dim, self.queries) = matrix(&job.data.join("queries.npy"))?;
        Ok(seconds)
    }

    /// Settings: `ef`, or `exact`.
    fn prepare(&mut self, settings: &Value, k: usize) -> anyhow::Result<()> {
        let mut options = SearchOptions::top(k);
        options.ef_search = settings["ef"].as_u64().map(|ef| ef as usize);
        if settings["exact"] == true {
            options.plan = PlanChoice::Exact;
        }
        self.options = options;
        Ok(())
    }

    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>> {
        let snapshot = self.opened.as_ref().context("no index is open")?.snapshot();
        let query = &self.queries[query * self.dim..][..self.dim];
        positions(&snapshot, &search_dense(&snapshot, query, &self.options)?.hits)
    }
}

fn storage(settings: &Value) -> anyhow::Result<DenseStorage> {
    Ok(match settings["storage"].as_str() {
        Some("f32") => DenseStorage::F32,
        Some("f16") => DenseStorage::F16,
        Some("i8") => DenseStorage::I8,
        other => bail!("there is no storage {other:?}"),
    })
}
