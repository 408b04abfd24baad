//! How much each token of a query counts in late interaction.
//!
//! `score(Q, D) = Σᵢ w(qᵢ) · maxⱼ ⟨qᵢ, dⱼ⟩`, with a weight for each token of the vocabulary. MaxSim knows no inverse document
//! frequency: "the" finds its perfect match in every document and counts as much as a name. Large models learn to make such
//! tokens alike everywhere; small ones are helped by being told. A query's vectors are given at the length of their weight, and
//! tokens of weight 0 are left out, as in static tables.

use std::borrow::Cow;

use super::EncodeError;
use super::directory::{ModelDirectory, WEIGHTS_LIMIT};
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
        let file = Weights::new(&path, directory.read_path(&path, "weights of tokens", WEIGHTS_LIMIT)?)?;
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

    /// The weights of a query's tokens. Where all are 0 (a query of marks alone) all count alike, so that no query is empty.
    pub(super) fn of(&self, ids: &[u32]) -> Vec<f32> {
        let weights: Vec<f32> =
            ids.iter().map(|&id| self.weights.get(id as usize).copied().unwrap_or(0.0)).collect();
        if weights.iter().all(|&weight| weight == 0.0) { vec![1.0; ids.len()] } else { weights }
    }
}
