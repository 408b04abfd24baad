//! How much each token of a query counts in late interaction.
//!
//! `score(Q, D) = Σᵢ w(qᵢ) · maxⱼ ⟨qᵢ, dⱼ⟩`, with a weight for each token of the vocabulary. MaxSim knows no inverse document
//! frequency: "the" finds its perfect match in every document and counts as much as a name. Large models learn to make such
//! tokens alike everywhere; small ones are helped by being told. A query's vectors are given at the length of their weight, and
//! tokens of weight 0 are left out, as in static tables.

use std::borrow::Cow;

use super::EncodeError;
use super::directory::ModelDirectory;
use super::fingerprint::Fingerprint;
use super::weights::Weights;

/// The file beside a late-interaction model's tokenizer: `weights`, `f32 [vocabulary]`, finite, at least 0.
pub(super) const FILE: &str = "token_weights.safetensors";

/// A weight for each token of a vocabulary.
pub(super) struct TokenWeights {
    weights: Vec<f32>,
    bytes: Cow<'static, [u8]>,
}

impl TokenWeights {
    /// The weights in `directory`, if it has some, for a vocabulary whose largest number is `largest`.
    pub(super) fn read(directory: &ModelDirectory, largest: u32) -> Result<Option<Self>, EncodeError> {
        if !directory.has(FILE) {
            return Ok(None);
        }
        let path = directory.path(FILE);
        let file = Weights::of_file(directory, FILE, "weights of tokens")?;
        let numbers = file.numbers("weights")?;
        let rows = numbers.values.len();
        if numbers.shape.len() != 1 || rows <= largest as usize {
            let directory = directory.root().to_owned();
            return Err(EncodeError::VocabularyMismatch { directory, token: largest, rows });
        }
        if let Some(at) = numbers.values.iter().position(|&weight| weight < 0.0) {
            let found = format!("{} for token {at}", numbers.values[at]);
            return Err(EncodeError::Field { path, field: "weights", found, expected: "numbers ≥ 0" });
        }
        Ok(Some(Self { weights: numbers.values, bytes: file.into_bytes() }))
    }

    pub(super) fn add_to(&self, fingerprint: &mut Fingerprint) {
        fingerprint.add("token weights", &self.bytes);
    }

    /// Leaves tokens of weight 0 out of those that a query keeps. Where none would be left (a query of marks alone) all stay,
    /// so that no query is empty.
    pub(super) fn leave_out(&self, ids: &[u32], keep: &mut [bool]) {
        let weighs = |id: &u32| self.weights.get(*id as usize).is_some_and(|&weight| weight > 0.0);
        if ids.iter().zip(&*keep).any(|(id, keep)| *keep && weighs(id)) {
            keep.iter_mut().zip(ids).for_each(|(keep, id)| *keep &= weighs(id));
        }
    }

    /// The weights of the tokens that a query has kept: 1 for each if all are 0.
    pub(super) fn of(&self, ids: &[u32]) -> Vec<f32> {
        let weights: Vec<f32> =
            ids.iter().map(|&id| self.weights.get(id as usize).copied().unwrap_or(0.0)).collect();
        if weights.iter().all(|&weight| weight == 0.0) { vec![1.0; ids.len()] } else { weights }
    }
}
