//! From a description of a system to something that ranks.

use super::collection::Collection;
use super::config::{Kind, SystemSpec};
use super::measure::{drop_pages, folder_bytes};
use super::ranker::{Fused, Models, Part, Ranker, Reranked, Vectors, Words, texts};
use crate::interrupt;
use crate::output::Output;
use crate::progress::Progress;
use anyhow::Context as _;
use lateen::encode::cache::CachedModel;
use lateen::format::{DenseStorage, TokenStorage};
use lateen::lexical::Bm25Index;
use lateen::retriever::{CreateOptions, Flow, ModelSource, Retriever, WriteOptions};
use lateen::search::{PlanChoice, SearchOptions, search_dense, search_tokens};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// Documents between commits, so that an interrupted build goes on near where it was.
const COMMIT_EVERY: u64 = 5_000;

/// Makes the rankers of one collection.
pub struct Builder<'a> {
    pub collection: &'a Collection,
    pub indexes: PathBuf,
    pub models: &'a mut Models,
    pub texts: Option<Rc<HashMap<String, String>>>,
    pub parts: Vec<Part>,
}

/// A ranker and what it is made of.
pub struct Built {
    pub ranker: Rc<dyn Ranker>,
    /// All that decides its rankings beside the collection.
    pub identity: String,
    /// The folder of its index.
    pub folder: Option<PathBuf>,
    /// Its model, if it has one of its own.
    pub model: Option<CachedModel>,
    pub options: SearchOptions,
    /// One vector a text.
    pub is_dense: bool,
}

impl Builder<'_> {
    /// Makes the ranker that `spec` describes; `None` if it was interrupted.
    pub fn build(&mut self, output: &mut Output, spec: &SystemSpec) -> anyhow::Result<Option<Built>> {
        match spec.kind {
            Kind::Bm25 => self.words(spec).map(Some),
            Kind::Dense | Kind::LateInteraction => self.vectors(output, spec),
            Kind::Fused => self.fused(spec).map(Some),
            Kind::Reranked => self.reranked(spec).map(Some),
        }
    }

    fn words(&self, spec: &SystemSpec) -> anyhow::Result<Built> {
        let analyzer = spec.analyzer()?;
        let documents = self.collection.documents.iter();
        let texts = documents.map(|document| (document.id.clone(), document.full_text().into_owned()));
        let index = Bm25Index::build(texts, analyzer)?;
        let (bytes, description) = (index.bytes(), format!("BM25, {analyzer:?}"));
        let identity = description.clone();
        Ok(Built::plain(Rc::new(Words { index, bytes, description }), identity))
    }

    fn vectors(&mut self, output: &mut Output, spec: &SystemSpec) -> anyhow::Result<Option<Built>> {
        let model = self.models.load(spec.model.as_deref().unwrap_or_default(), spec)?;
        let is_dense = spec.kind == Kind::Dense;
        let (token_storage, dense_storage) = match is_dense {
            true => (TokenStorage::None, DenseStorage::F16),
            false => (spec.storage()?, DenseStorage::None),
        };
        let options = search_options(spec)?;
        let create = CreateOptions {
            token_storage: Some(token_storage),
            dense_storage: Some(dense_storage),
            store_documents: false,
            ..CreateOptions::default()
        };
        let fingerprint = model.model().fingerprint().map(|byte| format!("{byte:02x}")).concat();
        let content = format!(
            "{} {fingerprint} {token_storage:?} {dense_storage:?} {:?} {}",
            self.collection.texts_hash,
            spec.pool,
            env!("CARGO_PKG_VERSION")
        );
        let folder = self.indexes.join(format!("{:016x}.lateen", xxh3_64(content.as_bytes())));
        let Some(retriever) = self.index(output, &folder, (&model, &create, spec))? else { return Ok(None) };
        let kind = if is_dense { "dense f16".to_owned() } else { format!("tokens {token_storage:?}") };
        let pool = spec.pool.map_or_else(String::new, |pool| format!(", {pool} tokens a vector"));
        let runtime = model.model().runtime();
        let description = format!(
            "{} {kind}{pool}, {}, run by {} {}",
            model.model().name(),
            model.model().description(),
            runtime.name,
            runtime.version
        );
        let identity = format!("{content} {:?} {:?} {:?}", options.plan, options.recall, options.ef_search);
        let bytes = folder_bytes(&folder);
        let plan = RefCell::new(None);
        let ranker = Rc::new(Vectors {
            retriever,
            model: model.clone(),
            options: options.clone(),
            bytes,
            description,
            plan,
        });
        Ok(Some(Built { ranker, identity, folder: Some(folder), model: Some(model), options, is_dense }))
    }

    /// The index in `folder`, with all documents in it.
    fn index(
        &self,
        output: &mut Output,
        folder: &Path,
        (model, create, spec): (&CachedModel, &CreateOptions, &SystemSpec),
    ) -> anyhow::Result<Option<Retriever>> {
        let model = Arc::clone(model.model());
        let retriever = match folder.is_dir() {
            true => Retriever::open(folder, ModelSource::Given(model))?,
            false => Retriever::create(folder, model, create)?,
        };
        let documents = self.collection.documents.len() as u64;
        if retriever.snapshot().documents() == documents {
            return Ok(Some(retriever));
        }
        let start = Instant::now();
        let mut options = WriteOptions {
            cache: self.models.cache.clone(),
            commit_every: Some(COMMIT_EVERY),
            ..WriteOptions::default()
        };
        options.index.pooling.factor = spec.pool.unwrap_or(1);
        let mut writer = retriever.writer(&options)?;
        let progress = Progress::start(output, Some(documents));
        writer.add_all(self.collection.documents.iter().cloned().map(Ok), &mut |state| {
            progress.set(state.read, state.read, "document");
            if interrupt::requested() { Flow::Stop } else { Flow::Continue }
        })?;
        writer.commit()?;
        drop((writer, progress));
        if interrupt::requested() {
            return Ok(None);
        }
        let seconds = start.elapsed().as_secs_f64();
        output.detail(format_args!("{}: {} indexed in {seconds:.1} s", self.collection.name, spec.name));
        Ok(Some(retriever))
    }

    fn part(&self, name: &str) -> anyhow::Result<Part> {
        let part = self.parts.iter().find(|part| part.name == name).cloned();
        part.with_context(|| format!("there is no system {name:?}"))
    }

    fn fused(&self, spec: &SystemSpec) -> anyhow::Result<Built> {
        let parts = spec.of.iter().map(|name| self.part(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let fusion = spec.fusion()?;
        let keys: Vec<&str> = parts.iter().map(|part| part.key.as_str()).collect();
        let keys = keys.join(" ");
        let ranker = Fused { parts, fusion };
        let identity = format!("{} {keys}", ranker.description());
        Ok(Built::plain(Rc::new(ranker), identity))
    }

    fn reranked(&mut self, spec: &SystemSpec) -> anyhow::Result<Built> {
        let part = self.part(&spec.of[0])?;
        let (judge, fresh_judge) = self.models.judge(spec)?;
        let texts = Rc::clone(self.texts.get_or_insert_with(|| Rc::new(texts(self.collection))));
        let key = part.key.clone();
        let ranker = Reranked { part, judge, fresh_judge, top: spec.top.unwrap_or(100), texts };
        let judge = spec.judge.as_deref().unwrap_or_default();
        let identity = format!("{} {judge} {key}", ranker.description());
        Ok(Built::plain(Rc::new(ranker), identity))
    }
}

impl Built {
    fn plain(ranker: Rc<dyn Ranker>, identity: String) -> Self {
        Self {
            ranker,
            identity,
            folder: None,
            model: None,
            options: SearchOptions::default(),
            is_dense: false,
        }
    }

    /// Opens the index anew after its files were forgotten, and answers one query that is encoded already. In milliseconds.
    pub fn cold_start(&self, query: &str) -> anyhow::Result<Option<f64>> {
        let (Some(folder), Some(model)) = (&self.folder, &self.model) else { return Ok(None) };
        let is_dense = self.is_dense;
        let (tokens, mut vector) = match is_dense {
            true => (None, model.encode_queries_dense(&[query])?.pop().unwrap_or_default()),
            false => (Some(model.encode_query_tokens(query)?), Vec::new()),
        };
        let is_empty = tokens.as_ref().is_some_and(|tokens| tokens.matrix.view().is_empty());
        if is_empty || (is_dense && !lateen::types::normalize(&mut vector)) || !drop_pages(folder) {
            return Ok(None);
        }
        let start = Instant::now();
        let retriever = Retriever::open(folder, ModelSource::Given(Arc::clone(model.model())))?;
        let snapshot = retriever.snapshot();
        match &tokens {
            Some(tokens) => drop(search_tokens(&snapshot, tokens.matrix.view(), &self.options)?),
            None => drop(search_dense(&snapshot, &vector, &self.options)?),
        }
        Ok(Some((start.elapsed().as_secs_f64() * 1e6).round() / 1e3))
    }
}

fn search_options(spec: &SystemSpec) -> anyhow::Result<SearchOptions> {
    let mut options = SearchOptions::default();
    match spec.effort()? {
        Some(recall) => options.recall = recall,
        None => options.plan = PlanChoice::Exact,
    }
    if spec.kind == Kind::Dense {
        // A comparison of models is no comparison of graphs.
        options.plan = PlanChoice::Exact;
    }
    Ok(options)
}
