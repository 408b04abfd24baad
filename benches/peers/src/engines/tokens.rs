//! Lateen over token vectors.

use std::time::Instant;

use anyhow::{Context, bail};
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use lateen::index::{CompactOptions, Index, NewDocument, WriterOptions};
use lateen::search::{Effort, PlanChoice, PseudoQueries, SearchOptions, TuneOptions, search_tokens, tune};
use lateen::types::{EncodedTokens, TokenMatrixBuf};
use serde_json::{Value, json};

use crate::collection::Collection;
use crate::protocol::{Engine, Job, Watch};

#[derive(Default)]
pub struct Lateen {
    opened: Option<Index>,
    queries: Vec<TokenMatrixBuf>,
    options: SearchOptions,
    note: Value,
}

impl Engine for Lateen {
    fn about(&self) -> Value {
        json!({ "version": "this checkout", "kernel": SearchOptions::default().isa.name() })
    }

    /// Settings: `bits` (2, 4, 16 or 32), `memory_mib`.
    fn build(&mut self, job: &Job) -> anyhow::Result<(usize, Watch)> {
        let collection = Collection::open(&job.data)?;
        let settings = IndexSettings {
            token_dim: u32::try_from(collection.dim)?,
            token_storage: storage(&job.settings)?,
            dense_dim: 0,
            dense_storage: DenseStorage::None,
            store_documents: false,
            seed: 42,
            ..IndexSettings::default()
        };
        let index = Index::create(&job.index, &settings, &identity())?;
        let ((), watch) = Watch::of(|| {
            let mut writer = index.writer(writer_options(&job.settings))?;
            for (position, document) in collection.documents()?.enumerate() {
                let document = document?;
                writer.add(NewDocument {
                    id: position.to_string(),
                    tokens: Some(EncodedTokens {
                        matrix: TokenMatrixBuf::new(document.rows, collection.dim)?,
                        token_ids: document.token_ids,
                        spans: Vec::new(),
                    }),
                    dense: None,
                    stored: None,
                    content_hash: 0,
                })?;
            }
            writer.commit()?;
            // One segment, whatever the memory allowed at once.
            writer.compact(&CompactOptions { full: true, ..CompactOptions::default() }, &mut |_| {})?;
            Ok(())
        })?;
        Ok((0, watch))
    }

    /// Measures the index first if that has not been done, as a commit of the retriever does.
    fn open(&mut self, job: &Job) -> anyhow::Result<f64> {
        let seconds = measure(&Index::open(&job.index)?)?;
        self.note = json!({ "tune_cpu_seconds": seconds });
        let start = Instant::now();
        let index = Index::open(&job.index)?;
        let seconds = start.elapsed().as_secs_f64();
        self.opened = Some(index);
        self.queries = Collection::open(&job.data)?.queries()?;
        Ok(seconds)
    }

    /// Settings: `plan` (`auto`, `exact`, `two-stage`), `recall`, `nprobe`, `candidates`, `margin`.
    fn prepare(&mut self, settings: &Value, k: usize) -> anyhow::Result<()> {
        let mut options = SearchOptions::top(k);
        options.plan = match settings["plan"].as_str() {
            None | Some("auto") => PlanChoice::Auto,
            Some("exact") => PlanChoice::Exact,
            Some("two-stage") => PlanChoice::TwoStage,
            Some(other) => bail!("there is no plan {other:?}"),
        };
        if let Some(recall) = settings["recall"].as_str() {
            options.recall = recall.parse()?;
        }
        let number = |name: &str| settings[name].as_u64().map(|number| number as usize);
        if let (Some(nprobe), Some(candidates)) = (number("nprobe"), number("candidates")) {
            let margin = settings["margin"].as_f64().map_or(f32::INFINITY, |margin| margin as f32);
            options.effort = Some(Effort { nprobe, candidates, margin, ..Effort::for_top(k) });
        }
        self.options = options;
        Ok(())
    }

    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>> {
        let snapshot = self.opened.as_ref().context("no index is open")?.snapshot();
        let outcome = search_tokens(&snapshot, self.queries[query].view(), &self.options)?;
        self.note =
            json!({ "plan": format!("{:?}", outcome.report.plan), "segments": outcome.report.segments });
        positions(&snapshot, &outcome.hits)
    }

    fn note(&self) -> Value {
        self.note.clone()
    }
}

/// The processor seconds of measuring which effort reaches which recall; `None` if that has been done.
fn measure(index: &Index) -> anyhow::Result<Option<f64>> {
    let snapshot = index.snapshot();
    if snapshot.tuning().is_some() || snapshot.settings().token_storage.code_width().is_none() {
        return Ok(None);
    }
    // As many queries as a commit of the retriever measures with at the most.
    let queries = PseudoQueries { count: 128, ..PseudoQueries::default() }.sample(&snapshot)?;
    let options = TuneOptions::default();
    let (tuning, watch) = Watch::of(|| Ok(tune(&snapshot, &queries, &options, &mut |_| true)?))?;
    let mut writer = index.writer(writer_options(&Value::Null))?;
    writer.set_tuning(tuning)?;
    writer.commit()?;
    Ok(Some(watch.cpu))
}

/// Positions of the documents, which are their external ids here.
pub fn positions(
    snapshot: &lateen::index::Snapshot,
    hits: &[lateen::types::Hit],
) -> anyhow::Result<Vec<u32>> {
    hits.iter().map(|hit| Ok(snapshot.external_id(hit.doc)?.parse()?)).collect()
}

pub fn identity() -> ModelIdentity {
    ModelIdentity {
        name: "vectors".to_owned(),
        location: String::new(),
        fingerprint: [0; 16],
        description: String::new(),
    }
}

/// One thread, and the memory that the settings name.
pub fn writer_options(settings: &Value) -> WriterOptions {
    let mut options = WriterOptions { threads: 1, ..WriterOptions::default() };
    if let Some(mib) = settings["memory_mib"].as_u64() {
        options.memory_budget_bytes = (mib as usize) << 20;
    }
    options
}

fn storage(settings: &Value) -> anyhow::Result<TokenStorage> {
    Ok(match settings["bits"].as_u64() {
        Some(2) => TokenStorage::Residual2,
        Some(4) => TokenStorage::Residual4,
        Some(16) => TokenStorage::F16,
        Some(32) => TokenStorage::F32,
        other => bail!("no storage of {other:?} bits"),
    })
}
