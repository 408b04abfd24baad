//! Where each kind of vectors comes from: an output of the graph, or a head over its hidden states.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::super::EncodeError;
use super::super::directory::ModelDirectory;
use super::super::fingerprint::Fingerprint;
use super::super::layout::{Head, Recipe};
use super::super::pooling::Pooling;
use super::super::projection::Projection;
use super::super::runtime::{Tensor, TokenBatch};
use super::{SparseVector, Wanted};
use crate::types::{TokenMatrixBuf, normalize};

const DENSE: [&str; 3] = ["dense_vecs", "dense_embeddings", "sentence_embedding"];
const SPARSE: [&str; 3] = ["sparse_vecs", "sparse_weights", "sparse_embeddings"];
const TOKENS: [&str; 3] = ["colbert_vecs", "colbert_vectors", "colbert_embeddings"];
const HIDDEN: [&str; 2] = ["last_hidden_state", "token_embeddings"];

const SPARSE_HEAD: &str = "sparse_linear";
const TOKEN_HEAD: &str = "colbert_linear";

/// Whether a graph with these outputs gives more than one kind of vectors.
pub(in super::super) fn gives_several(outputs: &[String]) -> bool {
    outputs.iter().any(|name| SPARSE.contains(&name.as_str()) || TOKENS.contains(&name.as_str()))
}

/// Whether heads lie beside the graph that can be read.
pub(in super::super) fn has_heads(directory: &ModelDirectory) -> bool {
    [SPARSE_HEAD, TOKEN_HEAD].iter().any(|head| directory.has(&format!("{head}.safetensors")))
}

/// The heads that are there only as pickles.
pub(super) fn pickled_heads(directory: &ModelDirectory) -> Vec<PathBuf> {
    let files = [SPARSE_HEAD, TOKEN_HEAD].into_iter();
    let unread = |head: &&str| !directory.has(&format!("{head}.safetensors"));
    let pickles = files.filter(unread).map(|head| format!("{head}.pt"));
    pickles.filter(|name| directory.has(name)).map(|name| directory.path(&name)).collect()
}

/// Whether a directory is a late-interaction model whose only head is a pickle: there is nothing else to run.
pub(in super::super) fn is_unread_colbert(directory: &ModelDirectory) -> Option<PathBuf> {
    let pickled =
        pickled_heads(directory).into_iter().find(|path| path.file_stem().is_some_and(|s| s == TOKEN_HEAD));
    pickled.filter(|_| !directory.has("modules.json") && !has_heads(directory))
}

/// An output of the graph, and the head that goes over it if it is hidden states.
pub(super) struct Source {
    output: usize,
    head: Option<Projection>,
}

/// Heads of a graph.
pub(super) struct Heads {
    dense: Option<(Source, Vec<Pooling>)>,
    pub(super) sparse: Option<Source>,
    tokens: Option<Source>,
    pub(super) dense_dim: Option<usize>,
    pub(super) token_dim: Option<usize>,
}

/// What a graph gave for a batch.
pub(super) struct Given<'a> {
    pub(super) outputs: &'a [usize],
    pub(super) tensors: &'a [Tensor],
    pub(super) batch: &'a TokenBatch,
}

impl Given<'_> {
    /// The rows of an output for one text, and their width: `[tokens, width]`. `fewer`: the first token may be missing.
    fn rows(&self, source: &Source, row: usize, fewer: bool) -> Result<(&[f32], usize, usize), EncodeError> {
        let at = self.outputs.iter().position(|&output| output == source.output);
        let Some(tensor) = at.and_then(|at| self.tensors.get(at)) else { return Ok((&[], 1, 0)) };
        let (rows, columns) = (self.batch.rows, self.batch.columns);
        let (missing, width) = match tensor.shape[..] {
            [r, c, width] if (r, c) == (rows, columns) => (0, width),
            [r, c, width] if (r, c + 1) == (rows, columns) && fewer => (1, width),
            [r, c] if (r, c) == (rows, columns) => (0, 1),
            _ => (0, 0),
        };
        let length = (columns - missing) * width;
        match tensor.values.get(row * length..(row + 1) * length) {
            Some(values) if width > 0 => Ok((values, width, missing)),
            _ => Err(EncodeError::OutputShape {
                found: tensor.shape.clone(),
                expected: format!("[{rows}, {columns}, columns]"),
            }),
        }
    }
}

impl Heads {
    pub(super) fn load(
        directory: &ModelDirectory,
        recipe: &Recipe,
        graph: &Path,
        names: &[String],
        fingerprint: &mut Fingerprint,
    ) -> Result<Self, EncodeError> {
        let output = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
        let only = (names.len() == 1).then_some(0).filter(|_| !gives_several(names));
        let hidden = output(&HIDDEN).or(only);
        let mut head = |file: &str| -> Result<Option<Source>, EncodeError> {
            let path = directory.path(&format!("{file}.safetensors"));
            let (Some(output), true) = (hidden, path.exists()) else { return Ok(None) };
            let (head, bytes) = Projection::linear(&path)?;
            fingerprint.add(file, &bytes);
            Ok(Some(Source { output, head: Some(head) }))
        };
        let finished = |wanted: &[&str]| output(wanted).map(|output| Source { output, head: None });
        let sparse = match finished(&SPARSE) {
            Some(source) => Some(source),
            None => head(SPARSE_HEAD)?,
        };
        let tokens = match finished(&TOKENS) {
            Some(source) => Some(source),
            None => head(TOKEN_HEAD)?,
        };
        // The dense vector of bge-m3 is the first token's; RAG-Retrieval's ColBERT models have none.
        let modes = match &recipe.head {
            Head::Pooled { modes, .. } if directory.has("modules.json") => Some(modes.clone()),
            _ => sparse.is_some().then(|| vec![Pooling::Cls]),
        };
        let pooled = hidden.zip(modes).map(|(output, modes)| (Source { output, head: None }, modes));
        let dense = finished(&DENSE).map(|source| (source, Vec::new())).or(pooled);
        if dense.is_none() && tokens.is_none() {
            return Err(EncodeError::GraphInterface {
                path: graph.to_owned(),
                problem: "has no output \"last_hidden_state\", \"dense_vecs\" or \"colbert_vecs\"".to_owned(),
                names: names.to_vec(),
            });
        }
        let (has_sparse, has_tokens) = (u64::from(sparse.is_some()), u64::from(tokens.is_some()));
        fingerprint.add_numbers("heads", &[u64::from(dense.is_some()), has_sparse, has_tokens]);
        Ok(Self { dense, sparse, tokens, dense_dim: None, token_dim: None })
    }

    /// The outputs that are run for what is wanted, each once.
    pub(super) fn outputs(&self, wanted: Wanted) -> Vec<usize> {
        let dense = self.dense.as_ref().filter(|_| wanted.dense).map(|(source, _)| source.output);
        let sparse = self.sparse.as_ref().filter(|_| wanted.sparse).map(|source| source.output);
        let tokens = self.tokens.as_ref().filter(|_| wanted.tokens).map(|source| source.output);
        let mut all: Vec<usize> = [dense, sparse, tokens].into_iter().flatten().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The dense vector of a text of `tokens` tokens, of length 1.
    pub(super) fn dense_of(
        &self,
        given: &Given<'_>,
        row: usize,
        tokens: usize,
    ) -> Result<Option<Vec<f32>>, EncodeError> {
        let Some((source, modes)) = &self.dense else { return Ok(None) };
        let mut vector = Vec::new();
        if modes.is_empty() {
            let at = given.outputs.iter().position(|&output| output == source.output);
            let Some(tensor) = at.and_then(|at| given.tensors.get(at)) else { return Ok(None) };
            let width = match tensor.shape[..] {
                [rows, width] if rows == given.batch.rows => width,
                _ => 0,
            };
            let found = tensor.values.get(row * width..(row + 1) * width).filter(|found| !found.is_empty());
            vector.extend_from_slice(found.ok_or_else(|| EncodeError::OutputShape {
                found: tensor.shape.clone(),
                expected: format!("[{}, dim]", given.batch.rows),
            })?);
        } else {
            let (values, width, _) = given.rows(source, row, false)?;
            modes.iter().for_each(|mode| mode.pool(&values[..tokens * width], width, 0, &mut vector));
        }
        normalize(&mut vector);
        let dim = vector.len();
        Ok(Some(TokenMatrixBuf::new(vector, dim)?.into_vec()))
    }

    /// The weights of the tokens `ids`, without those in `silent`.
    pub(super) fn sparse_of(
        &self,
        given: &Given<'_>,
        row: usize,
        ids: &[u32],
        silent: &HashSet<u32>,
    ) -> Result<Option<SparseVector>, EncodeError> {
        let Some(source) = &self.sparse else { return Ok(None) };
        let (values, width, _) = given.rows(source, row, false)?;
        let values = &values[..ids.len() * width];
        let weights = match &source.head {
            None => values.chunks_exact(width).map(|all| all.iter().copied().fold(0.0, f32::max)).collect(),
            Some(head) if (head.inputs, head.outputs) == (width, 1) => head.apply(values),
            Some(head) => return Err(misfit(head, width, "1 output")),
        };
        TokenMatrixBuf::new(weights.clone(), 1)?;
        let loud = ids.iter().copied().zip(weights).filter(|(id, _)| !silent.contains(id));
        Ok(Some(SparseVector::largest(loud.collect())))
    }

    /// The vectors of all tokens but the first, of length 1.
    pub(super) fn tokens_of(
        &self,
        given: &Given<'_>,
        row: usize,
        tokens: usize,
    ) -> Result<Option<TokenMatrixBuf>, EncodeError> {
        let Some(source) = &self.tokens else { return Ok(None) };
        let (values, width, missing) = given.rows(source, row, source.head.is_none())?;
        // A text without a token has none behind the first.
        let kept = &values[(1 - missing) * width..tokens.max(1).saturating_sub(missing) * width];
        let (rows, dim) = match &source.head {
            None => (kept.to_vec(), width),
            Some(head) if head.inputs == width => (head.apply(kept), head.outputs),
            Some(head) => return Err(misfit(head, width, "as many inputs as the graph has columns")),
        };
        let mut matrix = TokenMatrixBuf::new(rows, dim)?;
        matrix.normalize_rows();
        Ok(Some(matrix))
    }
}

fn misfit(head: &Projection, width: usize, expected: &str) -> EncodeError {
    EncodeError::OutputShape {
        found: vec![width],
        expected: format!("{expected}; the head has {} inputs and {} outputs", head.inputs, head.outputs),
    }
}
