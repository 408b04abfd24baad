//! One judge behind one interface.

use std::path::Path;
use std::time::Instant;

use super::RerankError;
use super::combined::{Combined, Weights};
use super::document::{Document, Ranked, RerankReport, Reranked};
use super::judge::{Judge, check_count};
use super::late_interaction::LateInteraction;
use super::options::{RerankOptions, Scale};
use crate::encode::{Calibration, JudgeSettings, Model, PairModel, PairOptions};
use crate::types::Score;

/// Documents of one call where there is no time budget: their tokens are in memory together.
const MOST_AT_ONCE: usize = 1024;

/// What kind of judge a directory is loaded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JudgeKind {
    /// Query and document through one model: cross-encoders and decoders.
    Pair,
    /// Token vectors of each, compared.
    LateInteraction,
    /// All kinds of vectors that a model gives, compared and weighted.
    Combined,
}

/// How a reranker is loaded.
#[derive(Debug, Clone, Default)]
pub struct RerankerOptions {
    /// Runtime, lengths, template and instruction.
    pub pair: PairOptions,
    /// The kind, where the directory's own files are not to decide.
    pub kind: Option<JudgeKind>,
    /// How much each kind of vectors counts for [`JudgeKind::Combined`].
    pub weights: Weights,
}

/// Reorders documents by how well they fit a query. It may move or leave out a document, never add one.
///
/// ```
/// # use lateen::rerank::{Judge, RerankError};
/// use lateen::rerank::{RerankOptions, Reranker};
/// # struct Brevity;
/// # impl Judge for Brevity {
/// #     fn name(&self) -> &str { "brevity" }
/// #     fn scores(&self, _: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
/// #         Ok(documents.iter().map(|text| -(text.len() as f32)).collect())
/// #     }
/// # }
/// let reranker = Reranker::new(Brevity); // or Reranker::load(directory, &options)?
/// let found = [("long", "a long text"), ("short", "text")];
/// let reranked = reranker.rerank("query", found, &RerankOptions::default())?;
/// assert_eq!(reranked.documents[0].id, "short");
/// # Ok::<(), RerankError>(())
/// ```
pub struct Reranker {
    judge: Box<dyn Judge>,
    calibration: Option<Calibration>,
}

impl Reranker {
    /// A reranker with a judge of one's own.
    #[must_use]
    pub fn new(judge: impl Judge + 'static) -> Self {
        Self { judge: Box::new(judge), calibration: None }
    }

    /// Loads the model in `directory`, of whatever kind its own files say: a cross-encoder, a decoder that judges, or a
    /// late-interaction model. The calibration that its `lateen.json` states is used.
    ///
    /// # Errors
    /// [`RerankError::Model`] names the file and field that is missing or wrong, or says that the model is no judge.
    pub fn load(directory: &Path, options: &RerankerOptions) -> Result<Self, RerankError> {
        let pair = match options.kind {
            Some(kind) => kind == JudgeKind::Pair,
            None => PairModel::recognises(directory)?,
        };
        let model = || Model::load(directory, &options.pair.model);
        let judge: Box<dyn Judge> = match options.kind {
            _ if pair => Box::new(PairModel::load(directory, &options.pair)?),
            Some(JudgeKind::Combined) => Box::new(Combined::new(model()?, options.weights)?),
            _ => Box::new(LateInteraction::new(model()?)?),
        };
        Ok(Self { judge, calibration: JudgeSettings::load(directory)?.calibration })
    }

    /// The same with another calibration, or none.
    #[must_use]
    pub fn with_calibration(mut self, calibration: Option<Calibration>) -> Self {
        self.calibration = calibration;
        self
    }

    /// The judge.
    #[must_use]
    pub fn judge(&self) -> &dyn Judge {
        &*self.judge
    }

    /// What turns raw scores into probabilities.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        self.calibration
    }

    /// One score per `(query, document)`, in the order given: larger is better. Long texts are truncated, and empty ones
    /// are judged as the empty texts they are.
    ///
    /// # Errors
    /// [`RerankError`] if the model cannot be run or the judge breaks its contract.
    pub fn compute_score<Q: AsRef<str>, D: AsRef<str>>(
        &self,
        pairs: &[(Q, D)],
        scale: Scale,
    ) -> Result<Vec<f32>, RerankError> {
        let mut all = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(MOST_AT_ONCE) {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(q, d)| (q.as_ref(), d.as_ref())).collect();
            let scores = self.judge.pair_scores(&pairs)?;
            check_count(self.judge.name(), scores.len(), pairs.len())?;
            if let Some(at) = scores.iter().position(|score| score.is_nan()) {
                let id = (all.len() + at).to_string();
                return Err(RerankError::NotANumber { judge: self.judge.name().to_owned(), id });
            }
            all.extend(scores.into_iter().map(|score| self.show(score, scale)));
        }
        Ok(all)
    }

    /// Reorders `documents` (the best first, if they have an order) by the judge's scores.
    ///
    /// Documents without a visible character are not judged and keep their ids. Equal scores are ordered by ascending
    /// id. Without a time budget the result depends on nothing but the arguments.
    ///
    /// # Errors
    /// [`RerankError`] if the query is empty, the model cannot be run, or the judge breaks its contract.
    pub fn rerank<D: Into<Document>>(
        &self,
        query: &str,
        documents: impl IntoIterator<Item = D>,
        options: &RerankOptions,
    ) -> Result<Reranked, RerankError> {
        if query.trim().is_empty() {
            return Err(RerankError::EmptyQuery);
        }
        let start = Instant::now();
        let mut all: Vec<Ranked> = documents.into_iter().map(Into::into).enumerate().map(unjudged).collect();
        let judgeable: Vec<usize> =
            (0..all.len().min(options.judged)).filter(|&at| !all[at].text.trim().is_empty()).collect();
        let size = options.time_budget.map_or(MOST_AT_ONCE, |_| options.batch.max(1));
        let mut judged = 0;
        for positions in judgeable.chunks(size) {
            self.judge_batch(query, &mut all, positions, options)?;
            judged += positions.len();
            if options.time_budget.is_some_and(|budget| start.elapsed() >= budget) {
                break;
            }
        }
        let report = RerankReport {
            judge: self.judge.name().to_owned(),
            judged,
            out_of_time: judged < judgeable.len(),
            elapsed: start.elapsed(),
        };
        Ok(Reranked { documents: self.ordered(all, options), report })
    }

    fn judge_batch(
        &self,
        query: &str,
        all: &mut [Ranked],
        positions: &[usize],
        options: &RerankOptions,
    ) -> Result<(), RerankError> {
        let how = options.long_documents;
        let texts: Vec<&str> = positions.iter().map(|&at| all[at].text.as_str()).collect();
        let scores = self.judge.windows(query, &texts, how.plan())?;
        check_count(self.judge.name(), scores.len(), positions.len())?;
        for (&at, scores) in positions.iter().zip(&scores) {
            let broken = scores.windows.iter().any(|window| window.score.is_nan());
            let found = how.score(scores).filter(|_| !broken);
            let Some((score, best)) = found else {
                let (judge, id) = (self.judge.name().to_owned(), all[at].id.clone());
                return Err(RerankError::NotANumber { judge, id });
            };
            all[at].score = Some(score);
            all[at].passage = Some(best.bytes.clone());
            all[at].cut = scores.cut;
        }
        Ok(())
    }

    /// Orders by raw scores, then shows them in the scale that was asked for.
    fn ordered(&self, mut all: Vec<Ranked>, options: &RerankOptions) -> Vec<Ranked> {
        let key = |ranked: &Ranked| ranked.score.map(Score::saturating);
        all.sort_by(|a, b| match (key(a), key(b)) {
            (Some(x), Some(y)) => y.cmp(&x).then_with(|| a.id.cmp(&b.id)).then(a.was.cmp(&b.was)),
            (x, y) => y.is_some().cmp(&x.is_some()).then(a.was.cmp(&b.was)),
        });
        for ranked in &mut all {
            ranked.score = ranked.score.map(|score| self.show(score, options.scale));
        }
        if let Some(least) = options.min_score {
            all.retain(|ranked| ranked.score.is_some_and(|score| score >= least));
        }
        all.truncate(options.top_k.unwrap_or(usize::MAX));
        all.iter_mut().enumerate().for_each(|(at, ranked)| ranked.rank = at + 1);
        all
    }

    fn show(&self, score: f32, scale: Scale) -> f32 {
        scale.show(score, self.judge.activation(), self.calibration)
    }
}

impl std::fmt::Debug for Reranker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reranker")
            .field("judge", &self.judge.name())
            .field("calibration", &self.calibration)
            .finish()
    }
}

fn unjudged((was, document): (usize, Document)) -> Ranked {
    let Document { id, text, metadata } = document;
    let id = id.unwrap_or_else(|| was.to_string());
    Ranked { rank: 0, id, was, score: None, passage: None, cut: false, text, metadata }
}
