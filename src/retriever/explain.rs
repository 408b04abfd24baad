//! Why a document has its score, and why it is no hit.

use super::places::Places;
use super::search::full_text;
use super::{Error, Retriever, TokenMatch};
use crate::index::Snapshot;
use crate::kernel::Isa;
use crate::search::{
    Explainer, Fate, PlanChoice, SearchOptions, SearchOutcome, Trace, TraceStage, score_of, search_dense,
    search_tokens, trace,
};
use crate::types::{DocId, EncodedTokens, normalize};

/// Why a document has its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// External id.
    pub id: String,
    /// The late-interaction score: the sum of all contributions, to the last bit what a search says.
    pub score: f32,
    /// One per query token, in the query's order.
    pub matches: Vec<TokenMatch>,
}

/// What a search makes of one document.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// External id.
    pub id: String,
    /// How the search ended for it.
    pub fate: Fate,
    /// The stages that it came to; none for dense vectors.
    pub stages: Vec<TraceStage>,
    /// Its score where every document is scored, if it may be a hit.
    pub score: Option<f32>,
    /// Its rank among all that may be hits, from 1, if every document is scored.
    pub rank: Option<usize>,
    /// How many those are.
    pub ranked: usize,
}

/// Every token of a query against every token of a document.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenMap {
    /// External id.
    pub id: String,
    /// The query's text.
    pub query: String,
    /// The document's title, a space and its text.
    pub document: String,
    /// Bytes of the query, by row; `(0, 0)` for marks.
    pub query_spans: Vec<(u32, u32)>,
    /// Bytes of the document, by row; several where tokens were pooled, none or `(0, 0)` for marks.
    pub document_spans: Vec<Vec<(u32, u32)>>,
    /// `⟨q, d⟩`, `[document rows, query rows]`.
    pub products: Vec<f32>,
    /// For each query row its best document row and what that adds to the score.
    pub explanation: Explanation,
    /// For each query row the document row that answers it.
    pub best: Vec<usize>,
}

impl Retriever {
    /// Says which document token answers which query token, for the document `id`.
    ///
    /// # Errors
    /// [`Error::NoSuchDocument`], [`Error::EmptyQuery`], or what reading the index runs into.
    pub fn explain(&self, query: &str, id: &str) -> Result<Explanation, Error> {
        let snapshot = self.snapshot();
        let doc = find(&snapshot, id)?;
        let encoded = self.encode(query)?;
        let stored = snapshot.stored(doc)?;
        let mut explainer = Explainer::new(&snapshot, encoded.matrix.view(), Isa::detect())?;
        let rows = explainer.explain(doc)?;
        let score = score_of(&rows);
        let matches = self.matches(doc, stored.as_ref(), (&encoded, &mut explainer))?;
        Ok(Explanation { id: id.to_owned(), score, matches })
    }

    /// All that a heat map of the query's and the document's tokens shows. Cost: as [`Retriever::explain`].
    ///
    /// # Errors
    /// As [`Retriever::explain`], and [`Error::NoTexts`].
    pub fn token_map(&self, query: &str, id: &str) -> Result<TokenMap, Error> {
        let snapshot = self.snapshot();
        let doc = find(&snapshot, id)?;
        let document = full_text(&snapshot.stored(doc)?.ok_or(Error::NoTexts)?);
        let encoded = self.encode(query)?;
        let mut explainer = Explainer::new(&snapshot, encoded.matrix.view(), Isa::detect())?;
        let scores = explainer.token_scores(doc)?;
        let rows = explainer.matches(&scores);
        let places = Places::of(&self.model, &document, (&snapshot, doc))?;
        let explanation = Explanation {
            id: id.to_owned(),
            score: score_of(&rows),
            matches: self.matches(doc, snapshot.stored(doc)?.as_ref(), (&encoded, &mut explainer))?,
        };
        let document_rows = 0..scores.document_rows();
        Ok(TokenMap {
            id: id.to_owned(),
            query: query.to_owned(),
            document,
            query_spans: encoded.spans.clone(),
            document_spans: document_rows.clone().map(|row| places.of_row(row)).collect(),
            products: document_rows.flat_map(|row| scores.of_document_row(row).to_vec()).collect(),
            best: rows.iter().map(|row| row.document_row).collect(),
            explanation,
        })
    }

    /// What a search with these options makes of the document `id`: how far it came, and which place it would have if every
    /// document were scored.
    ///
    /// Cost: the search, and one that scores every document.
    ///
    /// # Errors
    /// As [`Retriever::search`]; [`Error::NoSuchDocument`].
    pub fn standing(&self, query: &str, id: &str, options: &SearchOptions) -> Result<Standing, Error> {
        let snapshot = self.snapshot();
        let doc = find(&snapshot, id)?;
        if query.trim().is_empty() {
            return Err(Error::EmptyQuery);
        }
        let exact =
            SearchOptions { k: snapshot.documents() as usize, plan: PlanChoice::Exact, ..options.clone() };
        if snapshot.settings().token_dim == 0 {
            let vector = self.vector(query)?;
            let found = search_dense(&snapshot, &vector, options)?;
            let all = search_dense(&snapshot, &vector, &exact)?;
            let fate = fate_of_vector(doc, &found, &all);
            return Ok(standing(id, doc, (fate, Vec::new()), &all));
        }
        let encoded = self.encode(query)?;
        let (_, traces) = trace(&snapshot, encoded.matrix.view(), options, &[doc])?;
        let all = search_tokens(&snapshot, encoded.matrix.view(), &exact)?;
        let way = traces.into_iter().next().map_or((Fate::NotReached, Vec::new()), |t| (t.fate, t.stages));
        Ok(standing(id, doc, way, &all))
    }

    /// The way of each of the documents `ids` through the search that finds them; see [`trace`].
    ///
    /// # Errors
    /// As [`Retriever::standing`]; [`Error::Search`] for an index without token vectors.
    pub fn traces(&self, query: &str, ids: &[&str], options: &SearchOptions) -> Result<Vec<Trace>, Error> {
        let snapshot = self.snapshot();
        let docs = ids.iter().map(|id| find(&snapshot, id)).collect::<Result<Vec<DocId>, Error>>()?;
        let encoded = self.encode(query)?;
        Ok(trace(&snapshot, encoded.matrix.view(), options, &docs)?.1)
    }

    fn encode(&self, query: &str) -> Result<EncodedTokens, Error> {
        let encoded = self.model.encode_query_tokens(query)?;
        if encoded.matrix.view().is_empty() { Err(Error::EmptyQuery) } else { Ok(encoded) }
    }

    fn vector(&self, query: &str) -> Result<Vec<f32>, Error> {
        let mut vector = self.model.encode_queries_dense(&[query])?.pop().ok_or(Error::EmptyQuery)?;
        if normalize(&mut vector) { Ok(vector) } else { Err(Error::EmptyQuery) }
    }
}

fn find(snapshot: &Snapshot, id: &str) -> Result<DocId, Error> {
    snapshot.find(id)?.ok_or_else(|| Error::NoSuchDocument { id: id.to_owned() })
}

fn standing(id: &str, doc: DocId, (fate, stages): (Fate, Vec<TraceStage>), all: &SearchOutcome) -> Standing {
    let at = all.hits.iter().position(|hit| hit.doc == doc);
    Standing {
        id: id.to_owned(),
        fate,
        stages,
        score: at.map(|at| all.hits[at].score.get()),
        rank: at.map(|at| at + 1),
        ranked: all.hits.len(),
    }
}

/// Of dense vectors it is known which were found, and what all score.
fn fate_of_vector(doc: DocId, found: &SearchOutcome, all: &SearchOutcome) -> Fate {
    if let Some(at) = found.hits.iter().position(|hit| hit.doc == doc) {
        return Fate::Hit { rank: at + 1, score: found.hits[at].score.get() };
    }
    let last = found.hits.last().map_or(f32::NEG_INFINITY, |hit| hit.score.get());
    match all.hits.iter().find(|hit| hit.doc == doc) {
        None => Fate::Excluded,
        Some(hit) if hit.score.get() > last => Fate::NotReached,
        Some(hit) => Fate::Outscored { score: hit.score.get(), last },
    }
}
