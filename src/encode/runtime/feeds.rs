//! Graphs with any inputs, fed by name: decoders with a cache, encoder-decoders.

use std::borrow::Cow;

use super::super::EncodeError;
use super::session::Tensor;

/// Numbers for one input of a graph.
#[derive(Debug, Clone)]
pub(in super::super) enum FeedValues<'a> {
    Integers(&'a [i64]),
    Floats(Cow<'a, [f32]>),
}

/// One input of a graph and what it gets.
#[derive(Debug, Clone)]
pub(in super::super) struct Feed<'a> {
    /// The position in [`FeedSession::inputs`].
    pub(in super::super) input: usize,
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) values: FeedValues<'a>,
}

/// What a graph says of one of its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct InputInfo {
    pub(in super::super) name: String,
    /// The sizes that are fixed, `None` for those that are not; empty if the graph states no shape.
    pub(in super::super) shape: Vec<Option<usize>>,
}

/// A loaded graph, whose inputs are fed one by one: one for all threads, with one copy of the weights.
pub(in super::super) trait FeedSession: Send + Sync {
    fn inputs(&self) -> &[InputInfo];

    /// The names of the graph's outputs.
    fn outputs(&self) -> &[String];

    /// Runs the graph on `feeds` and gives the outputs with these numbers, in their order.
    fn run(&self, feeds: &[Feed<'_>], outputs: &[usize]) -> Result<Vec<Tensor>, EncodeError>;
}
