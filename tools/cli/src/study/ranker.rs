//! What answers queries, whatever it is made of.

use super::collection::{Collection, Query};
use super::config::{LATE, SystemSpec};
use super::judge::MaxSimJudge;
use crate::commands::located;
use anyhow::Context as _;
use lateen::encode::cache::{CachedModel, EncodingCache};
use lateen::encode::{Model, ModelOptions, PairModel, PairOptions};
use lateen::eval::Run;
use lateen::lexical::Bm25Index;
use lateen::rerank::{Judge, LongDocuments, RerankOptions, Reranker};
use lateen::retriever::Retriever;
use lateen::search::{Fusion, Ranking, SearchOptions, SearchOutcome, fuse, search_dense, search_tokens};
use lateen::types::{Hit, normalize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Ranks documents for a query.
pub trait Ranker {
    /// Ids and scores, best first. What was encoded or ranked before may be used again.
    fn rank(&self, query: &Query, k: usize) -> anyhow::Result<Ranking>;
    /// The same from the text on: what is timed.
    fn rank_afresh(&self, query: &Query, k: usize) -> anyhow::Result<Ranking>;
    /// What it is, in words.
    fn description(&self) -> String;
    /// What it keeps of the documents, in bytes.
    fn bytes(&self) -> u64;
    /// How the last search went, if there are several ways.
    fn plan(&self) -> Option<String> {
        None
    }
}

/// BM25 in memory.
pub struct Words {
    pub index: Bm25Index,
    pub bytes: u64,
    pub description: String,
}

impl Ranker for Words {
    fn rank(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        Ok(self.index.search(&query.text, k)?)
    }
    fn rank_afresh(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        self.rank(query, k)
    }
    fn description(&self) -> String {
        self.description.clone()
    }
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// An index on disk.
pub struct Vectors {
    pub retriever: Retriever,
    pub model: CachedModel,
    pub options: SearchOptions,
    pub bytes: u64,
    pub description: String,
    pub plan: RefCell<Option<String>>,
}

impl Vectors {
    fn search(&self, model: &CachedModel, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        let options = SearchOptions { k, ..self.options.clone() };
        let snapshot = self.retriever.snapshot();
        let outcome = if snapshot.settings().token_dim > 0 {
            let tokens = model.encode_query_tokens(&query.text)?;
            if tokens.matrix.view().is_empty() {
                return Ok(Vec::new());
            }
            search_tokens(&snapshot, tokens.matrix.view(), &options)?
        } else {
            let mut vector = model.encode_queries_dense(&[&query.text])?.pop().unwrap_or_default();
            if !normalize(&mut vector) {
                return Ok(Vec::new());
            }
            search_dense(&snapshot, &vector, &options)?
        };
        self.note(&outcome);
        let row = |hit: &Hit| Ok((snapshot.external_id(hit.doc)?.to_owned(), hit.score.get()));
        outcome.hits.iter().map(row).collect()
    }

    fn note(&self, outcome: &SearchOutcome) {
        let report = &outcome.report;
        let plan = format!("{}, {}, {}", report.plan.name(), report.precision, report.effort_source);
        *self.plan.borrow_mut() = Some(plan);
    }
}

impl Ranker for Vectors {
    fn rank(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        self.search(&self.model, query, k)
    }
    fn rank_afresh(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        self.search(&CachedModel::new(Arc::clone(self.model.model()), None), query, k)
    }
    fn description(&self) -> String {
        self.description.clone()
    }
    fn bytes(&self) -> u64 {
        self.bytes
    }
    fn plan(&self) -> Option<String> {
        self.plan.borrow().clone()
    }
}

/// What another system ranked already, and how it ranks afresh.
#[derive(Clone)]
pub struct Part {
    pub name: String,
    /// Of everything that decides its run.
    pub key: String,
    pub ranker: Rc<dyn Ranker>,
    pub run: Rc<Run>,
}

impl Part {
    fn ranked(&self, query: &Query) -> Ranking {
        let ranking = self.run.ranking(&query.id).iter();
        ranking.map(|ranked| (ranked.document.clone(), ranked.score)).collect()
    }
}

/// Several rankings made one.
pub struct Fused {
    pub parts: Vec<Part>,
    pub fusion: Fusion,
}

impl Ranker for Fused {
    fn rank(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        let rankings: Vec<Ranking> = self.parts.iter().map(|part| part.ranked(query)).collect();
        Ok(fuse(&rankings, &self.fusion, k)?)
    }
    fn rank_afresh(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        let rankings = self.parts.iter().map(|part| part.ranker.rank_afresh(query, k));
        Ok(fuse(&rankings.collect::<anyhow::Result<Vec<_>>>()?, &self.fusion, k)?)
    }
    fn description(&self) -> String {
        let names: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
        format!("{}: {}", names.join(" + "), self.fusion)
    }
    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.ranker.bytes()).sum()
    }
}

/// A ranking that a judge reorders.
pub struct Reranked {
    pub part: Part,
    /// With what was encoded before, and without.
    pub judge: Arc<dyn Judge>,
    pub fresh_judge: Arc<dyn Judge>,
    pub top: usize,
    pub texts: Rc<HashMap<String, String>>,
}

impl Reranked {
    fn judged(
        &self,
        judge: &Arc<dyn Judge>,
        query: &Query,
        found: Ranking,
        k: usize,
    ) -> anyhow::Result<Ranking> {
        if found.is_empty() || query.text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let document = |(id, _): (String, f32)| {
            let text = self.texts.get(&id).cloned().unwrap_or_default();
            (id, text)
        };
        let options = RerankOptions {
            judged: self.top,
            long_documents: LongDocuments::Truncate,
            ..RerankOptions::default()
        };
        let reranker = Reranker::new(Arc::clone(judge));
        let order = reranker.rerank(&query.text, found.into_iter().map(document), &options)?.documents;
        // The scores of those that were not judged do not compare: they follow in their order.
        let floor = order.iter().filter_map(|it| it.score).fold(f32::INFINITY, f32::min);
        let mut rest = if floor.is_finite() { floor } else { 0.0 };
        let mut score = |judged: Option<f32>| {
            judged.unwrap_or_else(|| {
                rest = rest.next_down();
                rest
            })
        };
        Ok(order.into_iter().take(k).map(|it| (it.id, score(it.score))).collect())
    }
}

impl Ranker for Reranked {
    fn rank(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        self.judged(&self.judge, query, self.part.ranked(query), k)
    }
    fn rank_afresh(&self, query: &Query, k: usize) -> anyhow::Result<Ranking> {
        let found = self.part.ranker.rank_afresh(query, k.max(self.top))?;
        self.judged(&self.fresh_judge, query, found, k)
    }
    fn description(&self) -> String {
        format!("the best {} of {} by {}", self.top, self.part.name, self.judge.name())
    }
    fn bytes(&self) -> u64 {
        self.part.ranker.bytes()
    }
}

/// Models and judges, each loaded once.
#[derive(Default)]
pub struct Models {
    models: HashMap<String, Arc<Model>>,
    pub cache: Option<Arc<EncodingCache>>,
}

impl Models {
    pub fn new(cache: Option<Arc<EncodingCache>>) -> Self {
        Self { models: HashMap::new(), cache }
    }

    /// With encodings kept in `folder`, if there is one.
    pub fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let open = |folder| EncodingCache::open(folder, EncodingCache::DEFAULT_LIMIT).map(Arc::new);
        Ok(Self::new(folder.map(open).transpose()?))
    }

    pub fn load(&mut self, name: &str, spec: &SystemSpec) -> anyhow::Result<CachedModel> {
        let key = format!("{name}\n{}", spec.runtime.as_deref().unwrap_or("auto"));
        if !self.models.contains_key(&key) {
            let loaded = match Model::by_name(name, &options(spec)?) {
                Some(model) => model,
                None => Model::load(&located(Path::new(name))?, &options(spec)?),
            };
            let loaded = loaded.with_context(|| format!("loading the model {name}"))?;
            self.models.insert(key.clone(), Arc::new(loaded));
        }
        Ok(CachedModel::new(Arc::clone(&self.models[&key]), self.cache.clone()))
    }

    /// The judge that `spec` names, with what was encoded before and without.
    pub fn judge(&mut self, spec: &SystemSpec) -> anyhow::Result<(Arc<dyn Judge>, Arc<dyn Judge>)> {
        let name = spec.judge.as_deref().unwrap_or_default();
        if let Some(model) = name.strip_prefix(LATE) {
            let cached = self.load(model, spec)?;
            let fresh = CachedModel::new(Arc::clone(cached.model()), None);
            return Ok((
                Arc::new(MaxSimJudge::new(cached, true)?),
                Arc::new(MaxSimJudge::new(fresh, false)?),
            ));
        }
        let options = PairOptions { model: options(spec)?, ..PairOptions::default() };
        let judge = PairModel::load(&located(Path::new(name))?, &options)
            .with_context(|| format!("loading the judge {name}"))?;
        let judge: Arc<dyn Judge> = Arc::new(judge);
        Ok((Arc::clone(&judge), judge))
    }
}

fn options(spec: &SystemSpec) -> anyhow::Result<ModelOptions> {
    Ok(ModelOptions { runtime: spec.runtime()?, ..ModelOptions::default() })
}

/// Title and text of every document by id.
pub fn texts(collection: &Collection) -> HashMap<String, String> {
    let documents = collection.documents.iter();
    documents.map(|document| (document.id.clone(), document.full_text().into_owned())).collect()
}
