//! Queries made of an index's own documents.

use super::stored_tokens::StoredTokens;
use crate::index::Snapshot;
use crate::quant::SplitMix64;
use crate::search::SearchError;
use crate::types::{TokenMatrix, TokenMatrixBuf, normalize};

/// How queries are made of documents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PseudoQueries {
    /// How many. Fewer come back if the index has fewer documents with tokens.
    pub count: usize,
    /// Fewest tokens taken in a row.
    pub shortest: usize,
    /// Most tokens taken in a row.
    pub longest: usize,
    /// Length of the random vector added to each row of length 1.
    pub noise: f32,
    /// Everything random follows from it.
    pub seed: u64,
}

impl Default for PseudoQueries {
    fn default() -> Self {
        Self { count: 256, shortest: 4, longest: 10, noise: 1.0, seed: 42 }
    }
}

impl PseudoQueries {
    /// Samples queries from the live documents of `snapshot`.
    ///
    /// A query is the first row of a document, `shortest` to `longest` consecutive ones from a random place, and the
    /// last row, each moved by a random vector of length `noise` and scaled back to length 1. First and last rows
    /// are what a transformer makes of its marks; queries have them too. Documents are drawn without replacement.
    ///
    /// * Returns matrices of `[2..=longest + 2, dim]`, unit rows, in the order of their documents.
    /// * Cost: `count` documents decoded.
    ///
    /// # Errors
    /// [`SearchError::NotStored`] if the index has no token vectors, or what reading it runs into.
    pub fn sample(&self, snapshot: &Snapshot) -> Result<Vec<TokenMatrixBuf>, SearchError> {
        let dim = snapshot.settings().token_dim as usize;
        if dim == 0 {
            return Err(SearchError::NotStored { what: "token vectors" });
        }
        let live = usize::try_from(snapshot.documents()).unwrap_or(usize::MAX);
        let chosen = SplitMix64::stream(self.seed, 0).distinct(self.count, live);
        let mut chosen = chosen.into_iter().peekable();
        let mut queries = Vec::with_capacity(self.count.min(live));
        let mut number = 0;
        for segment in snapshot.segments() {
            let tokens = StoredTokens::of(segment, dim)?;
            for local in (0..segment.documents()).filter(|&local| segment.is_live(local)) {
                if chosen.next_if_eq(&number).is_some() {
                    queries.extend(self.query_of(tokens.document(local)?.view(), number as u64));
                }
                number += 1;
            }
        }
        Ok(queries)
    }

    /// A query made of one document, as [`sample`](Self::sample) makes them; `None` if it has no tokens.
    ///
    /// What is random follows from the seed and `number`. Cost: the query's rows.
    #[must_use]
    pub fn query_of(&self, document: TokenMatrix<'_>, number: u64) -> Option<TokenMatrixBuf> {
        let mut random = SplitMix64::stream(self.seed, 1 + number);
        let (rows, dim) = (document.rows(), document.dim());
        if rows == 0 {
            return None;
        }
        let spread = self.longest.saturating_sub(self.shortest) + 1;
        let wanted = (self.shortest + random.below(spread)).max(1);
        let (start, taken) = match rows.checked_sub(2) {
            Some(inner) if inner > 0 => {
                let taken = wanted.min(inner);
                (1 + random.below(inner - taken + 1), taken)
            }
            _ => (0, 0),
        };
        let last = (rows > 1).then_some(rows - 1);
        let chosen = std::iter::once(0).chain(start..start + taken).chain(last);
        let mut data = Vec::with_capacity((taken + 2) * dim);
        for row in chosen {
            let from = data.len();
            data.extend_from_slice(document.row(row));
            self.disturb(&mut data[from..], &mut random);
        }
        TokenMatrixBuf::new(data, dim).ok()
    }

    fn disturb(&self, row: &mut [f32], random: &mut SplitMix64) {
        let mut noise: Vec<f32> = row.iter().map(|_| bell(random)).collect();
        if self.noise > 0.0 && normalize(&mut noise) {
            row.iter_mut().zip(&noise).for_each(|(x, noise)| *x += self.noise * noise);
            normalize(row);
        }
    }
}

/// Close to normally distributed, by additions alone, so that every machine gives the same bits.
fn bell(random: &mut SplitMix64) -> f32 {
    let uniform = |random: &mut SplitMix64| (random.next() >> 40) as i32 - (1 << 23);
    let sum: i32 = (0..4).map(|_| uniform(random)).sum();
    sum as f32 / (1 << 23) as f32
}
