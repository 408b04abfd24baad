use std::error::Error;

use super::vocabulary::Vocabulary;
use super::{DistilError, DistilOptions};
use crate::types::TokenMatrixBuf;

/// A transformer that is run on token ids.
pub trait TokenStates {
    /// Dimensions of a vector.
    fn dim(&self) -> usize;

    /// One row per token of each text of `batch`, special tokens included, in order.
    ///
    /// # Errors
    /// What the runtime says; no row may be missing.
    fn states(&mut self, batch: &[Vec<u32>]) -> Result<Vec<TokenMatrixBuf>, Box<dyn Error + Send + Sync>>;
}

/// Texts that are collected before they are sorted by length and run.
const WINDOW: usize = 1024;

/// Sums of unit vectors by token, in context, and in how many texts each token stands.
pub(super) struct Contexts<'a> {
    vocabulary: &'a Vocabulary,
    options: &'a DistilOptions,
    /// Texts that hold the token.
    pub(super) holding: Vec<u64>,
    /// How often the token was run in context.
    pub(super) seen: Vec<u32>,
    pub(super) sums: Vec<f32>,
    waiting: Vec<Vec<u32>>,
    run: u64,
    /// Texts of the corpus.
    pub(super) texts: u64,
}

impl<'a> Contexts<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary, dim: usize, options: &'a DistilOptions) -> Self {
        let len = vocabulary.len();
        Self {
            vocabulary,
            options,
            holding: vec![0; len],
            seen: vec![0; len],
            sums: vec![0.0; len * dim],
            waiting: Vec::new(),
            run: 0,
            texts: 0,
        }
    }

    /// Counts `text` for its tokens, and runs it if it shows something new.
    pub(super) fn add(&mut self, model: &mut dyn TokenStates, text: &str) -> Result<(), DistilError> {
        let encoding = self.vocabulary.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|source| DistilError::Text { text: self.texts, source })?;
        self.texts += 1;
        let ids = encoding.get_ids();
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.iter().for_each(|&id| self.holding[id as usize] += 1);
        let ids = &ids[..ids.len().min(self.options.max_context_tokens - 2)];
        let new = ids.iter().any(|&id| self.seen[id as usize] < self.options.contexts_per_token);
        if !new || self.run + ids.len() as u64 + 2 > self.options.context_budget {
            return Ok(());
        }
        ids.iter().for_each(|&id| self.seen[id as usize] += 1);
        self.run += ids.len() as u64 + 2;
        self.waiting.push(self.vocabulary.framed(ids));
        if self.waiting.len() == WINDOW {
            self.finish(model)?;
        }
        Ok(())
    }

    /// Runs the texts that wait.
    pub(super) fn finish(&mut self, model: &mut dyn TokenStates) -> Result<(), DistilError> {
        let dim = model.dim();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(Vec::len);
        let sums = &mut self.sums;
        run(model, &waiting, self.options.batch_tokens, |ids, rows| {
            // The frame's own rows are left out.
            for (&id, row) in ids.iter().zip(rows.chunks_exact(dim)).skip(1).take(ids.len() - 2) {
                let at = id as usize * dim;
                sums[at..at + dim].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        })
    }
}

/// The unit vector of each token by itself, `[vocabulary, dim]`; zeros where there is none.
pub(super) fn alone(
    vocabulary: &Vocabulary,
    model: &mut dyn TokenStates,
    options: &DistilOptions,
) -> Result<Vec<f32>, DistilError> {
    let dim = model.dim();
    let texts: Vec<_> = vocabulary.usable().map(|id| vocabulary.framed(&[id])).collect();
    let mut alone = vec![0.0; vocabulary.len() * dim];
    run(model, &texts, options.batch_tokens, |ids, rows| {
        let at = ids[1] as usize * dim;
        alone[at..at + dim].copy_from_slice(&rows[dim..2 * dim]);
    })?;
    Ok(alone)
}

/// Runs `texts`, by ascending length, in batches of about `batch_tokens`, and hands each text's ids and unit rows over in order.
fn run(
    model: &mut dyn TokenStates,
    texts: &[Vec<u32>],
    batch_tokens: usize,
    mut take: impl FnMut(&[u32], &[f32]),
) -> Result<(), DistilError> {
    let mut rest = texts;
    while !rest.is_empty() {
        // Lengths ascend, so the last text of a batch is its longest.
        let fits = |count: &usize| rest[count - 1].len() * count <= batch_tokens;
        // At least one text is run, however long.
        let count = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
        let (batch, later) = rest.split_at(count);
        let states = model.states(batch).map_err(|source| DistilError::Model { source })?;
        for (at, ids) in batch.iter().enumerate() {
            let found = states.get(at).map_or(0, |matrix| matrix.view().rows());
            if found != ids.len() || states[at].view().dim() != model.dim() {
                return Err(DistilError::Rows { expected: ids.len(), found });
            }
        }
        for (ids, mut matrix) in batch.iter().zip(states) {
            matrix.normalize_rows();
            take(ids, matrix.view().as_slice());
        }
        rest = later;
    }
    Ok(())
}
