//! The graph or graphs behind a judge, and which of their numbers is the score.

use std::borrow::Cow;
use std::path::Path;

use super::super::EncodeError;
use super::super::batch::buckets;
use super::super::runtime::{Feed, FeedSession, FeedValues, Tensor};
use super::graph::PairGraph;
use super::reader::Row;

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
            (Self::Labels(labels), _) => Err(wrong(format!("{labels} columns, one for a label of config.json"))),
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

/// What runs rows.
pub(super) enum Engine {
    Graph(Box<PairGraph>),
    EncoderDecoder(Box<EncoderDecoder>),
}

impl Engine {
    /// For each row the numbers of each output: `[row][output]`.
    pub(super) fn run(&self, rows: &[Row], outputs: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, EncodeError> {
        match self {
            Self::Graph(graph) => graph.run(rows, outputs),
            Self::EncoderDecoder(pair) => pair.run(rows),
        }
    }
}

/// An encoder that reads a row, and one step of a decoder that answers.
pub(super) struct EncoderDecoder {
    encoder: PairGraph,
    /// The encoder's output `[rows, tokens, hidden]`.
    states: usize,
    decoder: Box<dyn FeedSession>,
    inputs: Vec<DecoderInput>,
    logits: usize,
    start: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DecoderInput {
    Start,
    States,
    Mask,
}

impl EncoderDecoder {
    pub(super) fn new(
        encoder: PairGraph,
        states: usize,
        decoder: Box<dyn FeedSession>,
        (path, logits): (&Path, usize),
        start: u32,
    ) -> Result<Self, EncodeError> {
        let mut inputs = Vec::new();
        for input in decoder.inputs() {
            inputs.push(match input.name.as_str() {
                "input_ids" | "decoder_input_ids" => DecoderInput::Start,
                "encoder_hidden_states" => DecoderInput::States,
                "encoder_attention_mask" => DecoderInput::Mask,
                name => {
                    return Err(EncodeError::GraphInterface {
                        path: path.to_owned(),
                        problem: format!("wants the unknown input {name:?}"),
                        names: decoder.inputs().iter().map(|input| input.name.clone()).collect(),
                    });
                }
            });
        }
        Ok(Self { encoder, states, decoder, inputs, logits, start: i64::from(start) })
    }

    fn run(&self, rows: &[Row]) -> Result<Vec<Vec<Vec<f32>>>, EncodeError> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        let mut all = vec![Vec::new(); rows.len()];
        for positions in buckets(&lengths, self.encoder.batch_tokens) {
            let (states, mask) = self.encoder.states(rows, &positions, self.states)?;
            let logits = self.answer(&states, &mask, positions.len())?;
            let width = logits.values.len() / positions.len();
            let expected = || format!("[{}, 1, vocabulary]", positions.len());
            if logits.shape.first() != Some(&positions.len()) || logits.shape.last() != Some(&width) {
                return Err(EncodeError::OutputShape { found: logits.shape, expected: expected() });
            }
            for (numbers, &at) in logits.values.chunks_exact(width.max(1)).zip(&positions) {
                all[at] = vec![numbers.to_vec()];
            }
        }
        Ok(all)
    }

    /// The logits of the decoder's first token.
    fn answer(&self, states: &Tensor, mask: &[i64], rows: usize) -> Result<Tensor, EncodeError> {
        let start = vec![self.start; rows];
        let feed = |(input, kind): (usize, &DecoderInput)| match kind {
            DecoderInput::Start => {
                Feed { input, shape: vec![rows, 1], values: FeedValues::Integers(&start) }
            }
            DecoderInput::States => Feed {
                input,
                shape: states.shape.clone(),
                values: FeedValues::Floats(Cow::Borrowed(&states.values)),
            },
            DecoderInput::Mask => {
                let shape = vec![rows, mask.len() / rows.max(1)];
                Feed { input, shape, values: FeedValues::Integers(mask) }
            }
        };
        let feeds: Vec<Feed<'_>> = self.inputs.iter().enumerate().map(feed).collect();
        let mut found = self.decoder.run(&feeds, &[self.logits])?;
        Ok(found.swap_remove(0))
    }
}
