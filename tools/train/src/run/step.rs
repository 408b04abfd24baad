//! The gradient of one batch.
//!
//! Either the whole batch is one graph, or it goes through the model in chunks of rows (Gao et al., "GradCache",
//! arXiv:2101.06983): vectors of all chunks without a graph, the loss and its gradient with respect to the vectors, then
//! each chunk again, pulled by its vectors' gradients. All rows are negatives of each other either way, the numbers
//! are the same, and memory is that of one chunk.
//!
//! With recomputation only the states between layers are kept, and each layer runs again when its gradient is due
//! (Chen et al., arXiv:1604.06174). Dropout is a function of seed, chunk and place, so that what runs twice drops the
//! same numbers.

use std::ops::Range;

use burn_tensor::{Tensor, TensorData};

use super::codes::through;
use super::error::RunError;
use super::objective::{
    Judged, Objective, judge_pairs, judge_student, judge_student_tokens, judge_tokens, judge_vectors,
};
use super::peers::Peers;
use crate::data::Tokens;
use crate::feed::Batch;
use crate::model::{Gradients, Head, Model, ModelError, Pass, TokenVectors, accumulate, floats};

impl Batch {
    /// Tokens, padding included: what the step costs.
    #[must_use]
    pub fn tokens(&self) -> usize {
        match self {
            Self::Texts(batch) => batch.queries.ids.len() + batch.documents.ids.len(),
            Self::Pairs(batch) => batch.pairs.ids.len(),
            Self::Vectors(batch) => batch.texts.ids.len(),
            Self::Tokens(batch) => batch.texts.ids.len(),
        }
    }

    /// Queries, or texts where there are none.
    #[must_use]
    pub fn examples(&self) -> usize {
        match self {
            Self::Texts(batch) => batch.groups.ranges.len(),
            Self::Pairs(batch) => batch.groups.ranges.len(),
            Self::Vectors(batch) => batch.texts.rows,
            Self::Tokens(batch) => batch.texts.rows,
        }
    }
}

/// How a batch goes through the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flow {
    /// Rows at a time; 0: all.
    pub chunk: usize,
    /// Keep states between layers only.
    pub recompute: bool,
    /// Seed of the dropout masks; `None`: no dropout.
    pub dropout: Option<u64>,
}

/// What a batch gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The loss.
    pub loss: f32,
    /// The share of queries that were answered rightly.
    pub accuracy: Option<f32>,
    /// By parameter; empty where none were asked for.
    pub gradients: Gradients,
}

/// Loss and gradients of `batch`.
///
/// # Errors
/// [`RunError`] for tokens of another model, and [`RunError::Mismatch`] if batch and objective are of different kinds.
pub fn differentiate(
    model: &Model,
    objective: &Objective,
    batch: &Batch,
    flow: Flow,
) -> Result<Outcome, RunError> {
    differentiate_with(model, objective, batch, flow, None)
}

/// As [`differentiate`], with the work shared between processes: each encodes some of the chunks, all get the loss and the
/// sum of gradients.
///
/// # Errors
/// As [`differentiate`], and [`RunError::Peers`].
pub fn differentiate_with(
    model: &Model,
    objective: &Objective,
    batch: &Batch,
    flow: Flow,
    peers: Option<&mut Peers>,
) -> Result<Outcome, RunError> {
    match (objective, batch, &model.head) {
        (Objective::Embedding { loss, matryoshka, guide }, Batch::Texts(batch), Head::Embedding { .. }) => {
            run(model, [&batch.queries, &batch.documents], (flow, peers), vector_head, |[q, d]| {
                Ok(judge_vectors(loss, matryoshka, *guide, (&q, &d), batch))
            })
        }
        (Objective::ColBert { loss, max_sim, guide, codec }, Batch::Texts(batch), Head::ColBert(colbert)) => {
            let sides = [&batch.queries, &batch.documents];
            run(model, sides, (flow, peers), token_head, |[q, d]| {
                let q = colbert.queries(q, &batch.queries);
                let mut d = TokenVectors { vectors: d, kept: colbert.kept(&batch.documents) };
                if let Some(codec) = codec {
                    d = through(codec, d)?;
                }
                Ok(judge_tokens(loss, *max_sim, *guide, (&q, &d), batch))
            })
        }
        (Objective::Reranker(loss), Batch::Pairs(batch), Head::Reranker(_)) => {
            run(model, [&batch.pairs], (flow, peers), score_head, |[logits]| {
                Ok(judge_pairs(loss, logits, &batch.groups))
            })
        }
        (Objective::Stella(options), Batch::Vectors(batch), Head::Embedding { .. }) => {
            run(model, [&batch.texts], (flow, peers), vector_head, |[student]| {
                judge_student(options, &student, &batch.teacher)
            })
        }
        (Objective::TokenCosine, Batch::Tokens(batch), Head::ColBert(colbert)) => {
            run(model, [&batch.texts], (flow, peers), token_head, |[vectors]| {
                let student = TokenVectors { vectors, kept: colbert.kept(&batch.texts) };
                judge_student_tokens(&student, &batch.teacher)
            })
        }
        _ => Err(RunError::Mismatch),
    }
}

/// The loss of `batch` alone, without dropout.
///
/// # Errors
/// As [`differentiate`].
pub fn evaluate(
    model: &Model,
    objective: &Objective,
    batch: &Batch,
    chunk: usize,
) -> Result<Outcome, RunError> {
    let mut frozen = model.clone();
    frozen.params.set_trainable(|_| false);
    differentiate(&frozen, objective, batch, Flow { chunk: chunk.max(1), recompute: false, dropout: None })
}

fn vector_head(model: &Model, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> Tensor<2> {
    model.pool(pass, states, tokens)
}

fn token_head(model: &Model, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> Tensor<3> {
    model.project(pass, states, tokens).vectors
}

fn score_head(model: &Model, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> Tensor<1> {
    model.classify(pass, states, tokens)
}

/// States to what the loss reads, row by row.
type HeadFn<const D: usize> = fn(&Model, &Pass<'_>, Tensor<3>, &Tokens) -> Tensor<D>;

fn run<const D: usize, const S: usize>(
    model: &Model,
    sides: [&Tokens; S],
    (flow, peers): (Flow, Option<&mut Peers>),
    head: HeadFn<D>,
    judge: impl Fn([Tensor<D>; S]) -> Result<Judged, RunError>,
) -> Result<Outcome, RunError> {
    for side in sides {
        model.backbone.check(side)?;
    }
    let pass = Pass::training(&model.params, flow.dropout);
    if flow.chunk == 0 && !flow.recompute && peers.is_none() {
        let mut part = 0;
        let outputs = sides.map(|tokens| {
            part += 1;
            output(model, &pass.part(part), tokens, head)
        });
        let judged = judge(collect(outputs)?)?;
        let gradients = model.params.gradients(&judged.loss);
        return Ok(Outcome { loss: floats(judged.loss)[0], accuracy: judged.accuracy, gradients });
    }
    run_chunks(model, sides, (flow, peers), head, judge)
}

fn run_chunks<const D: usize, const S: usize>(
    model: &Model,
    sides: [&Tokens; S],
    (flow, mut peers): (Flow, Option<&mut Peers>),
    head: HeadFn<D>,
    judge: impl Fn([Tensor<D>; S]) -> Result<Judged, RunError>,
) -> Result<Outcome, RunError> {
    let pass = Pass::training(&model.params, flow.dropout);
    let (rank, size) = peers.as_ref().map_or((0, 1), |peers| (peers.rank(), peers.size()));
    let mut chunks = cut(sides, flow, size);
    let mut parts = Vec::new();
    for (at, chunk) in chunks.iter_mut().enumerate() {
        parts.push(if at % size == rank {
            let pass = pass.part(at as u64).without_graph();
            let states = chunk.states(model, &pass, flow.recompute);
            Some(head(model, &pass, states, &chunk.tokens))
        } else {
            None
        });
    }
    let parts = match peers.as_deref_mut() {
        None => parts.into_iter().flatten().collect(),
        Some(peers) => exchange(&chunks, &parts, peers, &pass)?,
    };
    let mut by_side: [Vec<Tensor<D>>; S] = std::array::from_fn(|_| Vec::new());
    for (chunk, part) in chunks.iter().zip(parts) {
        by_side[chunk.side].push(part);
    }
    let leaves = by_side.map(|parts| Tensor::from_inner(Tensor::cat(parts, 0)).require_grad());
    let judged = judge(leaves.clone())?;
    let (loss, accuracy) = (floats(judged.loss.clone())[0], judged.accuracy);
    let mut gradients = Gradients::new();
    if model.params.count().0 == 0 {
        return Ok(Outcome { loss, accuracy, gradients });
    }
    let mut found = judged.loss.backward();
    let pulls = leaves.map(|leaf| leaf.grad_remove(&mut found));
    for (at, chunk) in chunks.into_iter().enumerate().filter(|(at, _)| at % size == rank) {
        let Some(pull) = &pulls[chunk.side] else { continue };
        let pull = pull.clone().narrow(0, chunk.range.start, chunk.range.len());
        let pass = pass.part(at as u64);
        let more = if flow.recompute {
            chunk.pull_by_layers(model, &pass, head, pull)
        } else {
            let value = output(model, &pass, &chunk.tokens, head)?;
            model.params.gradients(&pulled(value, pull))
        };
        accumulate(&mut gradients, more, 1.0);
    }
    if let Some(peers) = peers {
        let trainable = model.params.iter().filter(|(_, parameter)| parameter.trainable());
        let names: Vec<_> =
            trainable.map(|(name, p)| (name.to_owned(), p.shape().iter().product())).collect();
        peers.sum(&mut gradients, &names).map_err(RunError::Peers)?;
    }
    Ok(Outcome { loss, accuracy, gradients })
}

/// Cuts the rows of all sides into chunks, at least one for each of `size` processes if there are rows for it.
fn cut<const S: usize>(sides: [&Tokens; S], flow: Flow, size: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for (side, tokens) in sides.iter().enumerate() {
        let rows_each = if flow.chunk == 0 { tokens.rows.div_ceil(size) } else { flow.chunk };
        for start in (0..tokens.rows).step_by(rows_each.max(1)) {
            let range = start..(start + rows_each).min(tokens.rows);
            chunks.push(Chunk { side, tokens: rows(tokens, range.clone()), range, states: Vec::new() });
        }
    }
    chunks
}

/// All processes' outputs, in the order of chunks.
fn exchange<const D: usize>(
    chunks: &[Chunk],
    parts: &[Option<Tensor<D>>],
    peers: &mut Peers,
    pass: &Pass<'_>,
) -> Result<Vec<Tensor<D>>, RunError> {
    let own: Vec<f32> = parts.iter().flatten().flat_map(|part| floats(part.clone())).collect();
    let (size, all) = (peers.size(), peers.share(&own).map_err(RunError::Peers)?);
    let device = pass.without_graph().device();
    let mut read = vec![0; size];
    let mut outputs = Vec::with_capacity(chunks.len());
    let unit = unit_of::<D>(chunks, &all)?;
    for (at, chunk) in chunks.iter().enumerate() {
        let (rows, width) = (chunk.tokens.rows, chunk.tokens.width);
        let count = if D == 3 { rows * width * unit } else { rows * unit };
        let from = read[at % size];
        read[at % size] += count;
        let Some(numbers) = all[at % size].get(from..from + count) else { return Err(RunError::Mismatch) };
        let shape: Vec<usize> = match D {
            1 => vec![rows],
            2 => vec![rows, unit],
            _ => vec![rows, width, unit],
        };
        outputs.push(Tensor::from_data(TensorData::new(numbers.to_vec(), shape), &device));
    }
    Ok(outputs)
}

/// Numbers of a row, or of a token where each has its own.
fn unit_of<const D: usize>(chunks: &[Chunk], all: &[Vec<f32>]) -> Result<usize, RunError> {
    let numbers: usize = all.iter().map(Vec::len).sum();
    let count =
        |chunk: &Chunk| if D == 3 { chunk.tokens.rows * chunk.tokens.width } else { chunk.tokens.rows };
    numbers.checked_div(chunks.iter().map(count).sum()).ok_or(RunError::Mismatch)
}

/// Some rows of a side.
struct Chunk {
    side: usize,
    tokens: Tokens,
    range: Range<usize>,
    /// States before each layer and behind the last, where they are kept.
    states: Vec<Tensor<2>>,
}

impl Chunk {
    /// The last states; all of them are kept if they will be needed.
    fn states(&mut self, model: &Model, pass: &Pass<'_>, keep: bool) -> Tensor<3> {
        let backbone = &model.backbone;
        let mut states = backbone.embed(pass, &self.tokens);
        for layer in 0..backbone.layers() {
            if keep {
                self.states.push(states.clone());
            }
            states = backbone.layer(pass, layer, &self.tokens, states);
        }
        if keep {
            self.states.push(states.clone());
        }
        let shape = [self.tokens.rows, self.tokens.width, backbone.hidden()];
        backbone.finish(pass, states).reshape(shape)
    }

    /// The gradients of all weights, given that of the head's output, one layer in memory at a time.
    fn pull_by_layers<const D: usize>(
        mut self,
        model: &Model,
        pass: &Pass<'_>,
        head: HeadFn<D>,
        pull: Tensor<D>,
    ) -> Gradients {
        let backbone = &model.backbone;
        let mut gradients = Gradients::new();
        let mut leaf = leaf_of(self.states.pop());
        let shape = [self.tokens.rows, self.tokens.width, backbone.hidden()];
        let value = head(model, pass, backbone.finish(pass, leaf.clone()).reshape(shape), &self.tokens);
        let mut pull = backward(model, pulled(value, pull), &leaf, &mut gradients);
        for layer in (0..backbone.layers()).rev() {
            leaf = leaf_of(self.states.pop());
            let value = backbone.layer(pass, layer, &self.tokens, leaf.clone());
            pull = backward(model, pulled(value, pull), &leaf, &mut gradients);
        }
        let value = backbone.embed(pass, &self.tokens);
        if value.is_tracked() {
            accumulate(&mut gradients, model.params.gradients(&pulled(value, pull)), 1.0);
        }
        gradients
    }
}

fn leaf_of(states: Option<Tensor<2>>) -> Tensor<2> {
    match states {
        Some(states) => Tensor::from_inner(states).require_grad(),
        None => unreachable!("a state was kept for each layer and one for the head"),
    }
}

/// A number whose gradient with respect to `value` is `pull`.
fn pulled<const D: usize>(value: Tensor<D>, pull: Tensor<D>) -> Tensor<1> {
    (value * Tensor::from_inner(pull)).sum()
}

/// Adds the weights' gradients to `gradients` and returns that of `leaf`.
fn backward(model: &Model, number: Tensor<1>, leaf: &Tensor<2>, gradients: &mut Gradients) -> Tensor<2> {
    let mut found = number.backward();
    accumulate(gradients, model.params.take_gradients(&mut found), 1.0);
    let shape = leaf.dims();
    leaf.grad_remove(&mut found).unwrap_or_else(|| Tensor::zeros(shape, &leaf.device().inner()))
}

fn output<const D: usize>(
    model: &Model,
    pass: &Pass<'_>,
    tokens: &Tokens,
    head: HeadFn<D>,
) -> Result<Tensor<D>, ModelError> {
    Ok(head(model, pass, model.backbone.states(pass, tokens)?, tokens))
}

fn collect<const D: usize, const S: usize>(
    outputs: [Result<Tensor<D>, ModelError>; S],
) -> Result<[Tensor<D>; S], ModelError> {
    let all: Vec<_> = outputs.into_iter().collect::<Result<_, _>>()?;
    match all.try_into() {
        Ok(all) => Ok(all),
        Err(_) => unreachable!("as many as there were"),
    }
}

/// Some rows of `tokens`, as wide as they were.
pub(super) fn rows(tokens: &Tokens, range: Range<usize>) -> Tokens {
    let cells = range.start * tokens.width..range.end * tokens.width;
    Tokens {
        ids: tokens.ids[cells.clone()].to_vec(),
        mask: tokens.mask[cells.clone()].to_vec(),
        counted: tokens.counted[cells.clone()].to_vec(),
        types: tokens.types[cells].to_vec(),
        rows: range.len(),
        width: tokens.width,
    }
}
