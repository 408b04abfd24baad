//! The inputs of a graph that reads tokens, whichever of them it has.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;

use super::EncodeError;
use super::directory::ModelDirectory;
use super::runtime::{Feed, FeedSession, FeedValues, Tensor, TokenBatch};

/// An input for keys or values of the tokens before: `[rows, heads, tokens, dim]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PastInput {
    /// The position among the past inputs.
    pub(super) index: usize,
    /// The name without `past_key_values.`: `0.key`.
    pub(super) layer: String,
    pub(super) heads: usize,
    pub(super) dim: usize,
}

/// What an input of a graph gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Ids,
    Mask,
    Types,
    Positions,
    Past(PastInput),
    /// The token that a decoder begins with.
    FirstIds,
    /// What an encoder gave.
    States,
}

/// What `config.json` says of keys and values, for graphs that leave it open.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeptShape {
    num_key_value_heads: Option<usize>,
    num_attention_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_size: Option<usize>,
}

impl KeptShape {
    pub(super) fn read(directory: &ModelDirectory) -> Result<Self, EncodeError> {
        Ok(directory.optional_json("config.json")?.unwrap_or_default())
    }

    fn heads(&self) -> Option<usize> {
        self.num_key_value_heads.or(self.num_attention_heads)
    }

    fn dim(&self) -> Option<usize> {
        let split = self.hidden_size.zip(self.num_attention_heads).filter(|&(_, heads)| heads > 0);
        self.head_dim.or(split.map(|(hidden, heads)| hidden / heads))
    }
}

/// What each input of a graph gets, in the order of the inputs.
///
/// # Errors
/// [`EncodeError::GraphInterface`] for an input that no text can fill, or none for token ids.
pub(super) fn roles(
    path: &Path,
    session: &dyn FeedSession,
    kept: &KeptShape,
) -> Result<Vec<Role>, EncodeError> {
    let wrong = |problem: String| EncodeError::GraphInterface {
        path: path.to_owned(),
        problem,
        names: session.inputs().iter().map(|input| input.name.clone()).collect(),
    };
    let mut roles = Vec::with_capacity(session.inputs().len());
    let mut past = 0;
    for input in session.inputs() {
        roles.push(match input.name.as_str() {
            "input_ids" => Role::Ids,
            "attention_mask" => Role::Mask,
            "token_type_ids" => Role::Types,
            "position_ids" => Role::Positions,
            name => {
                let Some(layer) = name.strip_prefix("past_key_values.") else {
                    return Err(wrong(format!("wants the unknown input {name:?}")));
                };
                let size = |at: usize| input.shape.get(at).copied().flatten();
                let (Some(heads), Some(dim)) = (size(1).or(kept.heads()), size(3).or(kept.dim())) else {
                    return Err(wrong(format!("does not say how large its input {name:?} is")));
                };
                past += 1;
                Role::Past(PastInput { index: past - 1, layer: layer.to_owned(), heads, dim })
            }
        });
    }
    if roles.contains(&Role::Ids) { Ok(roles) } else { Err(wrong("has no input \"input_ids\"".to_owned())) }
}

/// A graph that reads whole texts: inputs for the tokens before get none.
pub(super) struct TextGraph {
    session: Box<dyn FeedSession>,
    roles: Vec<Role>,
}

impl TextGraph {
    pub(super) fn new(
        path: &Path,
        session: Box<dyn FeedSession>,
        kept: &KeptShape,
    ) -> Result<Self, EncodeError> {
        let roles = roles(path, &*session, kept)?;
        Ok(Self { session, roles })
    }

    /// The names of the graph's outputs.
    pub(super) fn outputs(&self) -> &[String] {
        self.session.outputs()
    }

    /// Runs the graph and gives the outputs with these numbers, in their order.
    pub(super) fn run(&self, batch: &TokenBatch, outputs: &[usize]) -> Result<Vec<Tensor>, EncodeError> {
        let shape = || vec![batch.rows, batch.columns];
        let columns = if self.roles.contains(&Role::Positions) { batch.columns } else { 0 };
        let positions: Vec<i64> = (0..batch.rows).flat_map(|_| 0..columns as i64).collect();
        let feed = |(input, role): (usize, &Role)| {
            let (shape, values) = match role {
                Role::Ids => (shape(), FeedValues::Integers(&batch.ids)),
                Role::Mask => (shape(), FeedValues::Integers(&batch.mask)),
                Role::Types => (shape(), FeedValues::Integers(&batch.types)),
                Role::Positions => (shape(), FeedValues::Integers(&positions)),
                Role::Past(past) => {
                    (vec![batch.rows, past.heads, 0, past.dim], FeedValues::Floats(Cow::Borrowed(&[])))
                }
                // Only decoders behind an encoder have these.
                Role::FirstIds | Role::States => (Vec::new(), FeedValues::Integers(&[])),
            };
            Feed { input, shape, values }
        };
        let feeds: Vec<Feed<'_>> = self.roles.iter().enumerate().map(feed).collect();
        self.session.run(&feeds, outputs)
    }
}
