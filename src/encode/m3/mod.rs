//! Several kinds of vectors from one pass: a dense one, weights of the text's tokens, and a vector for each token.
//!
//! ```text
//!                        ┌ first token ─ scale ──────────────────────────── dense
//! text ─ tokens ─ graph ─┼ sparse_linear ─ relu ─ largest of each token ─── sparse
//!                        └ all but the first ─ colbert_linear ─ scale ───── tokens
//! ```
//!
//! The heads are in the graph (outputs `dense_vecs`, `sparse_vecs` and `colbert_vecs`, as exports of bge-m3 name them),
//! or beside it as `sparse_linear.safetensors` and `colbert_linear.safetensors`, for graphs that give hidden states.
//! RAG-Retrieval's ColBERT models have the last of the three alone. Chen et al., "M3-Embedding", arXiv:2402.03216.

mod heads;
mod sparse;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use rayon::prelude::*;

pub(super) use heads::{gives_several, has_heads, is_unread_colbert};
pub use sparse::SparseVector;

use self::heads::Heads;
use super::batch::{GraphText, buckets, pad};
use super::directory::{self, ModelDirectory, TOKENIZER_LIMIT};
use super::fingerprint::Fingerprint;
use super::inputs::{KeptShape, TextGraph};
use super::layout::Recipe;
use super::runtime::{self, Graph, RuntimeReport};
use super::side::{Side, SideMaker, SideRules};
use super::special::Special;
use super::text::TextTokenizer;
use super::{EncodeError, ModelOptions};
use crate::types::{EncodedTokens, TokenMatrixBuf};

/// All that a model gives for one text; what it does not give is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextVectors {
    /// One vector for the text.
    pub dense: Option<Vec<f32>>,
    /// How much each of its tokens counts.
    pub sparse: Option<SparseVector>,
    /// A vector for each token.
    pub tokens: Option<EncodedTokens>,
}

/// Which of a model's vectors are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) dense: bool,
    pub(super) sparse: bool,
    pub(super) tokens: bool,
}

impl Wanted {
    pub(super) const ALL: Self = Self { dense: true, sparse: true, tokens: true };
    pub(super) const DENSE: Self = Self { dense: true, sparse: false, tokens: false };
    pub(super) const TOKENS: Self = Self { dense: false, sparse: false, tokens: true };
}

/// A graph with heads for several kinds of vectors.
pub(super) struct M3 {
    pub(super) name: String,
    pub(super) fingerprint: [u8; 16],
    pub(super) notes: Vec<String>,
    tokenizer: TextTokenizer,
    graph: TextGraph,
    heads: Heads,
    query: SideRules,
    document: SideRules,
    /// Tokens that have no weight of their own.
    silent: HashSet<u32>,
    padding: u32,
    batch_tokens: usize,
}

impl M3 {
    pub(super) fn load(
        directory: &ModelDirectory,
        recipe: Recipe,
        graph: Graph,
        options: &ModelOptions,
    ) -> Result<(Self, RuntimeReport), EncodeError> {
        let tokenizer_path = recipe.transformer.path("tokenizer.json");
        let bytes = directory::read(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
        let tokenizer = TextTokenizer::new(&tokenizer_path, &bytes, recipe.lowercase)?;
        let special = Special::load(&recipe.transformer)?;
        let mut notes = Vec::new();
        let maker = SideMaker { recipe: &recipe, tokenizer: &tokenizer, special: &special, options };
        let (query, document) =
            (maker.rules(Side::Query, &mut notes)?, maker.rules(Side::Document, &mut notes)?);
        let mut fingerprint = Fingerprint::new("m3");
        graph.add_to(&mut fingerprint)?;
        fingerprint.add("tokenizer", &bytes);
        for side in [&query, &document] {
            fingerprint.add("prompt", side.prompt.as_bytes());
            fingerprint.add_numbers("side", &[side.max_tokens as u64, u64::from(recipe.lowercase)]);
        }
        let path = graph.path.clone();
        let (session, report) = runtime::load(graph, options)?;
        let graph = TextGraph::new(&path, session, &KeptShape::read(&recipe.transformer)?)?;
        let heads = Heads::load(directory, &recipe, &path, graph.outputs(), &mut fingerprint)?;
        let marks = tokenizer.tokens("", "", 8, true)?.ids;
        let known = [special.begin(&tokenizer), special.end(&tokenizer), tokenizer.unknown()];
        let padding = special.padding(&tokenizer);
        let silent = marks.into_iter().chain(known.into_iter().flatten()).chain([padding]).collect();
        notes.iter().for_each(|note| tracing::warn!(model = %directory.name(), "{note}"));
        let mut this = Self {
            name: directory.name(),
            fingerprint: fingerprint.finish(),
            notes,
            tokenizer,
            graph,
            heads,
            query,
            document,
            silent,
            padding,
            batch_tokens: options.batch_tokens.max(1),
        };
        this.probe()?;
        Ok((this, report))
    }

    /// Runs a short text, to learn the dimensions.
    fn probe(&mut self) -> Result<(), EncodeError> {
        let (found, _) = self.encode(&["a"], Side::Document, Wanted::ALL)?.remove(0);
        self.heads.dense_dim = found.dense.map(|vector| vector.len());
        self.heads.token_dim = found.tokens.map(|tokens| tokens.matrix.view().dim());
        Ok(())
    }

    pub(super) fn dense_dim(&self) -> Option<usize> {
        self.heads.dense_dim
    }

    pub(super) fn token_dim(&self) -> Option<usize> {
        self.heads.token_dim
    }

    pub(super) fn gives_sparse(&self) -> bool {
        self.heads.sparse.is_some()
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        (self.query.max_tokens, self.document.max_tokens)
    }

    pub(super) fn description(&self) -> String {
        let mut kinds = Vec::new();
        kinds.extend(self.dense_dim().map(|dim| format!("dense, dim {dim}")));
        kinds.extend(self.gives_sparse().then(|| "sparse".to_owned()));
        kinds.extend(self.token_dim().map(|dim| format!("late interaction, dim {dim}")));
        let (query, document) = self.limits();
        format!("{}: {}; ONNX, {query} query and {document} document tokens", self.name, kinds.join(" and "))
    }

    fn prepare(&self, text: &str, side: Side) -> Result<GraphText, EncodeError> {
        let rules = if side == Side::Query { &self.query } else { &self.document };
        Ok(GraphText::from(self.tokenizer.tokens(&rules.prompt, text, rules.max_tokens, true)?))
    }

    /// The vectors of each text, and whether it was cut, in the order of `texts`.
    pub(super) fn encode(
        &self,
        texts: &[&str],
        side: Side,
        wanted: Wanted,
    ) -> Result<Vec<(TextVectors, bool)>, EncodeError> {
        let prepared: Vec<GraphText> =
            texts.par_iter().map(|text| self.prepare(text, side)).collect::<Result<_, _>>()?;
        let lengths: Vec<usize> = prepared.iter().map(|text| text.tokens.ids.len()).collect();
        let outputs = self.heads.outputs(wanted);
        let mut all = vec![TextVectors::default(); texts.len()];
        for positions in buckets(&lengths, self.batch_tokens) {
            let batch = pad(&prepared, &positions, self.padding);
            let tensors = self.graph.run(&batch, &outputs)?;
            let given = heads::Given { outputs: &outputs, tensors: &tensors, batch: &batch };
            for (row, &at) in positions.iter().enumerate() {
                let ids = &prepared[at].tokens.ids;
                if wanted.dense {
                    all[at].dense = self.heads.dense_of(&given, row, ids.len())?;
                }
                if wanted.sparse {
                    all[at].sparse = self.heads.sparse_of(&given, row, ids, &self.silent)?;
                }
                if wanted.tokens {
                    let rows = self.heads.tokens_of(&given, row, ids.len())?;
                    all[at].tokens = rows.map(|rows| behind_first(rows, &prepared[at]));
                }
            }
        }
        Ok(all.into_iter().zip(prepared).map(|(vectors, text)| (vectors, text.tokens.truncated)).collect())
    }

    /// The spans of the rows that token vectors are for.
    pub(super) fn spans(&self, text: &str, side: Side) -> Result<Vec<(u32, u32)>, EncodeError> {
        Ok(self.prepare(text, side)?.tokens.spans.into_iter().skip(1).collect())
    }
}

/// The vectors of all tokens but the first.
fn behind_first(matrix: TokenMatrixBuf, text: &GraphText) -> EncodedTokens {
    let token_ids = text.tokens.ids.iter().copied().skip(1).collect();
    let spans = text.tokens.spans.iter().copied().skip(1).collect();
    EncodedTokens { matrix, token_ids, spans }
}

/// The token vectors of all texts.
pub(super) fn tokens(all: Vec<(TextVectors, bool)>) -> Vec<(EncodedTokens, bool)> {
    all.into_iter().filter_map(|(vectors, cut)| Some((vectors.tokens?, cut))).collect()
}

/// Says which heads of a model are not read.
pub(super) fn unread(directory: &ModelDirectory) -> Option<String> {
    let unread = heads::pickled_heads(directory).into_iter();
    let unread: Vec<String> = unread.map(|path| EncodeError::PickledHead { path }.to_string()).collect();
    (!unread.is_empty()).then(|| format!("only the dense vector is given: {}", unread.join("; ")))
}
