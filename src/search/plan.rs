//! Which way a segment is searched.

use std::fmt;

use super::{PlanChoice, SearchError, SearchOptions};
use lateen_index_format::TokenStorage;

/// The way in which hits were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plan {
    /// There was nothing to search.
    Empty,
    /// Every live document was scored on its uncompressed token vectors.
    ExactTokens,
    /// Every live document was scored on its codes.
    ExactCodes,
    /// Every document that may be a hit was scored on its codes, together with its own tokens' centroids only.
    ExactFew,
    /// Centroids and inverted lists gave a shortlist, which was scored on its codes.
    TwoStage,
    /// Every live document's vector was compared.
    DenseExact,
    /// A graph was followed from neighbour to neighbour.
    DenseGraph,
    /// The documents that have a word of the query were scored by BM25.
    Words,
    /// Two searches, for vectors and for words, whose rankings were fused.
    Hybrid,
}

impl Plan {
    /// The name that reports and `--json` show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::ExactTokens => "exact-tokens",
            Self::ExactCodes => "exact-codes",
            Self::ExactFew => "exact-few",
            Self::TwoStage => "two-stage",
            Self::DenseExact => "dense-exact",
            Self::DenseGraph => "dense-graph",
            Self::Words => "words",
            Self::Hybrid => "hybrid",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The facts that the choice depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub storage: TokenStorage,
    /// The index stores codes, this segment not yet.
    pub unmerged: bool,
    pub documents: u64,
    /// Documents that may be hits.
    pub allowed: u64,
    pub tokens: u64,
    pub centroids: u64,
    pub query_tokens: u64,
}

impl Shape {
    fn tokens_per_document(self) -> f64 {
        self.tokens as f64 / self.documents.max(1) as f64
    }
}

/// What things cost in units of scoring one document token on its codes, as measured on one core (`benches/search.rs`).
pub(super) mod cost {
    /// Scoring one centroid and looking for the best.
    pub const CENTROID: f64 = 0.8;
    /// Walking one posting.
    pub const POSTING: f64 = 0.2;
    /// Looking a token's centroid up in the coarse scores.
    pub const ESTIMATE: f64 = 0.1;
    /// Scoring a token's centroid along with the token.
    pub const OWN_CENTROID: f64 = 1.0;
}

/// A scan of so many token scores takes about a millisecond. It finds everything: nothing is gained by approximating it.
const CHEAP_SCAN: f64 = 65_536.0;

/// Chooses the plan for one segment and says why. Costs are in units of scoring one document token.
pub(super) fn choose(shape: Shape, options: &SearchOptions) -> Result<(Plan, String), SearchError> {
    let storage = match shape.storage {
        TokenStorage::None => return Err(SearchError::NotStored { what: "token vectors" }),
        TokenStorage::F16 => Some("f16 tokens"),
        TokenStorage::F32 => Some("f32 tokens"),
        TokenStorage::Residual1
        | TokenStorage::ResidualTernary
        | TokenStorage::Residual2
        | TokenStorage::Residual4 => None,
    };
    if shape.unmerged {
        return Ok((
            Plan::ExactTokens,
            "recent documents are in half precision until they are merged".to_owned(),
        ));
    }
    match (storage, options.plan) {
        (Some(storage), PlanChoice::TwoStage) => Err(SearchError::PlanNotPossible { storage }),
        (Some(storage), _) => Ok((Plan::ExactTokens, format!("{storage} are stored without centroids"))),
        (None, PlanChoice::Exact) => Ok((exact(shape), "asked for".to_owned())),
        (None, PlanChoice::TwoStage) => Ok((Plan::TwoStage, "asked for".to_owned())),
        (None, PlanChoice::Auto) => Ok(cheaper(shape, options)),
    }
}

/// Whichever way to score all that may be hits is cheaper.
fn exact(shape: Shape) -> Plan {
    let tokens = shape.allowed as f64 * shape.tokens_per_document();
    let all_centroids = shape.centroids as f64 * cost::CENTROID;
    if tokens * cost::OWN_CENTROID < all_centroids { Plan::ExactFew } else { Plan::ExactCodes }
}

fn cheaper(shape: Shape, options: &SearchOptions) -> (Plan, String) {
    let per_document = shape.tokens_per_document();
    let centroids = shape.centroids as f64;
    let tokens = shape.allowed as f64 * per_document;
    let exact = exact(shape);
    let scan = match exact {
        Plan::ExactFew => tokens * (1.0 + cost::OWN_CENTROID),
        _ => tokens + centroids * cost::CENTROID,
    };
    let effort = options.effort();
    let postings_of_list = shape.tokens as f64 / centroids.max(1.0);
    let postings = shape.query_tokens as f64 * (effort.nprobe as f64).min(centroids) * postings_of_list;
    let shortlist = (effort.expected(options.k) as f64).min(shape.allowed as f64) * per_document;
    let refined = (effort.refine as f64).min(shape.allowed as f64) * per_document;
    let staged = centroids * cost::CENTROID + postings * cost::POSTING + refined * cost::ESTIMATE + shortlist;
    let why = format!("a scan costs {scan:.0} token scores, two stages about {staged:.0}");
    (if scan <= staged || scan <= CHEAP_SCAN { exact } else { Plan::TwoStage }, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(storage: TokenStorage, documents: u64) -> Shape {
        let tokens = documents * 200;
        Shape {
            storage,
            unmerged: false,
            documents,
            allowed: documents,
            tokens,
            centroids: tokens / 64,
            query_tokens: 32,
        }
    }

    #[test]
    fn small_segments_are_scanned_and_large_ones_are_not() {
        let plan =
            |documents| choose(shape(TokenStorage::Residual4, documents), &SearchOptions::top(10)).unwrap().0;
        assert_eq!(plan(1), Plan::ExactCodes);
        assert_eq!(plan(300), Plan::ExactCodes);
        assert_eq!(plan(5_000), Plan::TwoStage);
        assert_eq!(plan(1_000_000), Plan::TwoStage);
    }

    #[test]
    fn uncompressed_tokens_are_always_scanned() {
        let (plan, _) = choose(shape(TokenStorage::F16, 100_000), &SearchOptions::default()).unwrap();
        assert_eq!(plan, Plan::ExactTokens);
        let asked = SearchOptions { plan: PlanChoice::TwoStage, ..SearchOptions::default() };
        let refused = choose(shape(TokenStorage::F32, 10), &asked);
        assert!(matches!(refused, Err(SearchError::PlanNotPossible { storage: "f32 tokens" })));
        let none = choose(shape(TokenStorage::None, 10), &asked);
        assert!(matches!(none, Err(SearchError::NotStored { .. })));
    }
}
