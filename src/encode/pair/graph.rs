//! Runs rows through a graph, whichever inputs it has, and gives the numbers at each row's last token.

use std::borrow::Cow;

use super::super::EncodeError;
use super::super::batch::buckets;
use super::super::inputs::Role;
use super::super::runtime::{Feed, FeedSession, FeedValues, Tensor, TokenBatch};
use super::cache::Past;
use super::reader::Row;
use super::seq2seq::Encoder;

/// Prefixes shorter than this are not worth a run of their own.
const LEAST_PREFIX: usize = 8;

/// Where the numbers of a row lie in an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// `[rows, numbers]`.
    Row,
    /// `[rows, tokens, numbers]`, or `[rows, 1, numbers]` for the last token only.
    Vocabulary,
    /// `[rows, tokens]`, `[rows, 1]` or `[rows]`: one number.
    Position,
}

/// Which of the numbers at a row's last token is its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readout {
    /// With one label its logit; with two, the second's less the first's: the log odds that the pair fits.
    Labels(usize),
    /// A token's logit, less another's.
    Tokens { yes: u32, no: Option<u32> },
    /// The only number.
    Number,
}

impl Readout {
    pub(super) fn score(self, numbers: &[f32]) -> Result<f32, EncodeError> {
        let wrong = |expected: String| EncodeError::OutputShape { found: vec![numbers.len()], expected };
        match (self, numbers) {
            (Self::Labels(1) | Self::Number, &[score]) => Ok(score),
            (Self::Labels(2), &[bad, good]) => Ok(good - bad),
            (Self::Labels(labels), _) => {
                Err(wrong(format!("{labels} columns, one for a label of config.json")))
            }
            (Self::Number, _) => Err(wrong("one number".to_owned())),
            (Self::Tokens { yes, no }, numbers) => {
                let logit = |token: u32| {
                    let found = numbers.get(token as usize).copied();
                    found.ok_or_else(|| wrong(format!("more than {token} logits, one for a token")))
                };
                Ok(logit(yes)? - no.map(logit).transpose()?.unwrap_or_default())
            }
        }
    }
}

/// A graph that judges rows.
pub(super) struct PairGraph {
    pub(super) session: Box<dyn FeedSession>,
    pub(super) roles: Vec<Role>,
    /// What runs before, where the graph is a decoder behind an encoder.
    pub(super) encoder: Option<Encoder>,
    /// The token that such a decoder begins with.
    pub(super) first: u32,
    /// Outputs that take part in the cache, in the order of the past inputs.
    pub(super) presents: Vec<usize>,
    pub(super) reading: Reading,
    pub(super) padding: u32,
    /// Rows are padded before their first token: the graph gives numbers for the last position only.
    pub(super) pad_left: bool,
    /// Tokens of a batch, and bytes of its largest output.
    pub(super) batch_tokens: usize,
    pub(super) batch_bytes: usize,
    /// Bytes of output for a token; learnt from the first run.
    pub(super) token_bytes: usize,
}

impl PairGraph {
    /// For each row the numbers that each of `outputs` gives: `[row][output]`.
    pub(super) fn run(&self, rows: &[Row], outputs: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, EncodeError> {
        let shared = self.shared_prefix(rows);
        let past = match shared {
            0 => Past::default(),
            _ => self.prefix(&rows[0].ids[..shared])?,
        };
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len() - shared).collect();
        let mut all = vec![Vec::new(); rows.len()];
        let bytes = (self.token_bytes + past.row_bytes() / (shared.max(1))).max(1);
        let budget = self.batch_tokens.min(self.batch_bytes / bytes).max(1);
        for positions in buckets(&lengths, budget) {
            self.batch(rows, &positions, &past, outputs, &mut all)?;
        }
        Ok(all)
    }

    /// Learns from one row how large the output is, and whether it is that of the last position only.
    pub(super) fn probe(&mut self, row: &Row, output: usize) -> Result<(), EncodeError> {
        let batch = Batch::new(std::slice::from_ref(row), &[0], 0, self);
        let tensor = self.run_batch(&batch, &Past::default(), &[output])?.swap_remove(0);
        if self.reading != Reading::Row && batch.columns > 1 && !self.roles.contains(&Role::FirstIds) {
            let positions = match (self.reading, &tensor.shape[..]) {
                (Reading::Vocabulary, &[_, positions, _]) | (Reading::Position, &[_, positions]) => positions,
                _ => 1,
            };
            self.pad_left = positions == 1;
        }
        self.token_bytes = tensor.values.len() / batch.columns * size_of::<f32>();
        Ok(())
    }

    /// Runs the rows at `positions`; if memory does not suffice, half of them at a time.
    fn batch(
        &self,
        rows: &[Row],
        positions: &[usize],
        past: &Past,
        outputs: &[usize],
        all: &mut [Vec<Vec<f32>>],
    ) -> Result<(), EncodeError> {
        let batch = Batch::new(rows, positions, past.tokens, self);
        let tensors = match self.run_batch(&batch, past, outputs) {
            Err(EncodeError::Runtime { message, .. })
                if positions.len() > 1 && is_out_of_memory(&message) =>
            {
                tracing::warn!(rows = positions.len(), "a batch did not fit into memory; halving it");
                let (first, second) = positions.split_at(positions.len() / 2);
                self.batch(rows, first, past, outputs, all)?;
                return self.batch(rows, second, past, outputs, all);
            }
            other => other?,
        };
        for (row, &at) in positions.iter().enumerate() {
            let numbers = tensors.iter().map(|tensor| self.numbers(tensor, &batch, row));
            all[at] = numbers.collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// Tokens that all rows begin with, where the graph can keep them.
    fn shared_prefix(&self, rows: &[Row]) -> usize {
        let [first, others @ ..] = rows else { return 0 };
        if others.is_empty() || self.presents.is_empty() || self.pad_left {
            return 0;
        }
        // The last token of a row is always run, for its numbers.
        let mut shared = first.ids.len() - 1;
        for row in others {
            let same = first.ids.iter().zip(&row.ids[..row.ids.len() - 1]).take_while(|(a, b)| a == b);
            shared = shared.min(same.count());
        }
        if shared < LEAST_PREFIX { 0 } else { shared }
    }

    /// What the graph keeps of a prefix.
    fn prefix(&self, ids: &[u32]) -> Result<Past, EncodeError> {
        let row = Row { ids: ids.to_vec(), ..Row::default() };
        let batch = Batch::new(&[row], &[0], 0, self);
        let tensors = self.run_batch(&batch, &Past::default(), &self.presents)?;
        Past::new(ids.len(), tensors)
    }

    fn run_batch(&self, batch: &Batch, past: &Past, outputs: &[usize]) -> Result<Vec<Tensor>, EncodeError> {
        let states = match &self.encoder {
            None => None,
            Some(encoder) => {
                let Batch { rows, columns, ids, mask, types, .. } = batch;
                let (ids, mask, types) = (ids.clone(), mask.clone(), types.clone());
                Some(encoder.run(&TokenBatch { rows: *rows, columns: *columns, ids, mask, types })?)
            }
        };
        let first = vec![i64::from(self.first); batch.rows];
        self.session.run(&self.feeds(batch, past, states.as_ref(), &first), outputs)
    }

    fn feeds<'a>(
        &'a self,
        batch: &'a Batch,
        past: &'a Past,
        states: Option<&'a Tensor>,
        first: &'a [i64],
    ) -> Vec<Feed<'a>> {
        let plain = vec![batch.rows, batch.columns];
        let masked = vec![batch.rows, past.tokens + batch.columns];
        let feed = |(input, role): (usize, &'a Role)| {
            let (shape, values) = match role {
                Role::Ids => (plain.clone(), FeedValues::Integers(&batch.ids)),
                Role::Mask => (masked.clone(), FeedValues::Integers(&batch.mask)),
                Role::Types => (plain.clone(), FeedValues::Integers(&batch.types)),
                Role::Positions => (plain.clone(), FeedValues::Integers(&batch.positions)),
                Role::FirstIds => (vec![batch.rows, 1], FeedValues::Integers(first)),
                Role::States => {
                    let shape = states.map_or_else(Vec::new, |states| states.shape.clone());
                    let values = states.map_or(&[][..], |states| &states.values[..]);
                    (shape, FeedValues::Floats(Cow::Borrowed(values)))
                }
                Role::Past(past_input) => {
                    let (shape, values) = past.feed(past_input, batch.rows);
                    return Feed { input, shape, values: FeedValues::Floats(values) };
                }
            };
            Feed { input, shape, values }
        };
        self.roles.iter().enumerate().map(feed).collect()
    }

    /// The numbers that a tensor gives for a row of the batch.
    fn numbers(&self, tensor: &Tensor, batch: &Batch, row: usize) -> Result<Vec<f32>, EncodeError> {
        let rows = batch.rows;
        let at = batch.last[row];
        let range = match (self.reading, &tensor.shape[..]) {
            (Reading::Row, &[r, n]) if r == rows => Some((row * n, n)),
            (Reading::Vocabulary, &[r, 1, n]) if r == rows => Some((row * n, n)),
            (Reading::Vocabulary, &[r, n]) if r == rows => Some((row * n, n)),
            (Reading::Vocabulary, &[r, c, n]) if (r, c) == (rows, batch.columns) => {
                Some(((row * c + at) * n, n))
            }
            (Reading::Position, &[r] | &[r, 1]) if r == rows => Some((row, 1)),
            (Reading::Position, &[r, c]) if (r, c) == (rows, batch.columns) => Some((row * c + at, 1)),
            _ => None,
        };
        let found = range.and_then(|(start, length)| tensor.values.get(start..start + length));
        found.map(<[f32]>::to_vec).ok_or_else(|| EncodeError::OutputShape {
            found: tensor.shape.clone(),
            expected: self.expected(batch),
        })
    }

    fn expected(&self, batch: &Batch) -> String {
        let (rows, columns) = (batch.rows, batch.columns);
        match self.reading {
            Reading::Row => format!("[{rows}, labels]"),
            Reading::Vocabulary => format!("[{rows}, {columns} or 1, vocabulary]"),
            Reading::Position => format!("[{rows}, {columns} or 1]"),
        }
    }
}

fn is_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    ["alloc", "out of memory", "bad_alloc"].iter().any(|word| message.contains(word))
}

/// Rows padded to one length, as a graph wants them.
struct Batch {
    rows: usize,
    columns: usize,
    ids: Vec<i64>,
    /// Over the prefix, if there is one, and the row.
    mask: Vec<i64>,
    types: Vec<i64>,
    positions: Vec<i64>,
    /// The column of each row's last token.
    last: Vec<usize>,
}

impl Batch {
    /// The rows at `positions` without their first `skip` tokens.
    fn new(rows: &[Row], positions: &[usize], skip: usize, graph: &PairGraph) -> Self {
        let columns = positions.iter().map(|&at| rows[at].ids.len() - skip).max().unwrap_or(1).max(1);
        let mut batch = Self {
            rows: positions.len(),
            columns,
            ids: Vec::new(),
            mask: Vec::new(),
            types: Vec::new(),
            positions: Vec::new(),
            last: Vec::new(),
        };
        for &at in positions {
            batch.push(&rows[at], skip, graph);
        }
        batch
    }

    fn push(&mut self, row: &Row, skip: usize, graph: &PairGraph) {
        let length = row.ids.len() - skip;
        let fill = self.columns - length;
        let (left, right) = if graph.pad_left { (fill, 0) } else { (0, fill) };
        let around = |out: &mut Vec<i64>, values: &mut dyn Iterator<Item = i64>, filling: i64| {
            out.extend(std::iter::repeat_n(filling, left));
            out.extend(values);
            out.extend(std::iter::repeat_n(filling, right));
        };
        let ids = &row.ids[skip..];
        around(&mut self.ids, &mut ids.iter().map(|&id| i64::from(id)), i64::from(graph.padding));
        self.mask.extend(std::iter::repeat_n(1, skip));
        around(&mut self.mask, &mut std::iter::repeat_n(1, length), 0);
        let types = row.types.get(skip..).unwrap_or_default();
        let padded = types.iter().map(|&kind| i64::from(kind)).chain(std::iter::repeat(0));
        around(&mut self.types, &mut padded.take(length), 0);
        let first = skip as i64;
        around(&mut self.positions, &mut (first..first + length as i64), 0);
        self.last.push(left + length.saturating_sub(1));
    }
}
