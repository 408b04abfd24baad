//! `softmax(Q·Kᵀ/√d + mask)·V` (Vaswani et al., arXiv:1706.03762), with rotary positions where a family has them.

use super::graph::{GraphBuilder, int, ints};
use super::net::Net;

/// How a layer's heads are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) count: usize,
    /// Heads of keys and values; each serves `count / shared` heads of queries (Ainslie et al., arXiv:2305.13245).
    pub(super) shared: usize,
    pub(super) width: usize,
}

impl Heads {
    /// As many heads of keys as of queries.
    pub(super) fn equal(count: usize, hidden: usize) -> Self {
        Self { count, shared: count, width: hidden / count }
    }

    pub(super) fn is_grouped(self) -> bool {
        self.count != self.shared
    }

    /// Axes of the attention logits.
    pub(super) fn axes(self) -> usize {
        if self.is_grouped() { 5 } else { 4 }
    }
}

/// `[batch, sequence, heads · width]` of each.
pub(super) struct Parts {
    pub(super) query: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// Turns the halves of each head by an angle that grows with the place (Su et al., "RoFormer", arXiv:2104.09864).
#[derive(Debug, Clone)]
pub(super) struct Rotary {
    cos: String,
    sin: String,
}

impl Rotary {
    /// Angles of the places `0..sequence` at `frequencies`, one for each pair of a head's numbers.
    pub(super) fn new(net: &mut Net<'_>, name: &str, frequencies: &[f32]) -> Self {
        let places = net.places();
        let graph = &mut net.graph;
        let places = graph.unsqueeze(&places, &[1]);
        let frequencies = graph.inline(name, &[1, frequencies.len()], frequencies);
        let angles = graph.node("Mul", &[&places, &frequencies], vec![]);
        let cos = graph.node("Cos", &[&angles], vec![]);
        let sin = graph.node("Sin", &[&angles], vec![]);
        Self { cos, sin }
    }

    /// Turns `[batch, heads, sequence, width]`.
    fn turn(&self, graph: &mut GraphBuilder, rows: &str, width: usize) -> String {
        let half = (width / 2) as i64;
        let first = graph.slice(rows, -1, 0, half);
        let second = graph.slice(rows, -1, half, 2 * half);
        let mut product = |a: &str, b: &str| graph.node("Mul", &[a, b], vec![]);
        let (first_cos, first_sin) = (product(&first, &self.cos), product(&first, &self.sin));
        let (second_cos, second_sin) = (product(&second, &self.cos), product(&second, &self.sin));
        let first = graph.node("Sub", &[&first_cos, &second_sin], vec![]);
        let second = graph.node("Add", &[&second_cos, &first_sin], vec![]);
        graph.node("Concat", &[&first, &second], vec![int("axis", -1)])
    }
}

/// The context of each token, `[batch, sequence, heads · width]`. `bias` has [`Heads::axes`] axes.
pub(super) fn attend(
    net: &mut Net<'_>,
    parts: &Parts,
    heads: Heads,
    rotary: Option<&Rotary>,
    bias: &str,
) -> String {
    let graph = &mut net.graph;
    let Heads { count, shared, width } = heads;
    let query = split(graph, &parts.query, count, width);
    let key = split(graph, &parts.key, shared, width);
    attend_split(graph, [query, key, parts.value.clone()], heads, rotary, bias)
}

/// `[batch, sequence, heads · width]` as `[batch, sequence, heads, width]`.
pub(super) fn split(graph: &mut GraphBuilder, flat: &str, heads: usize, width: usize) -> String {
    let shape = graph.constant_i64(&[4], &[0, 0, heads as i64, width as i64]);
    graph.node("Reshape", &[flat, &shape], vec![])
}

/// As [`attend`], of queries and keys that are cut into heads and values that are not.
pub(super) fn attend_split(
    graph: &mut GraphBuilder,
    [query, key, value]: [String; 3],
    heads: Heads,
    rotary: Option<&Rotary>,
    bias: &str,
) -> String {
    let Heads { count, shared, width } = heads;
    let value = split(graph, &value, shared, width);
    let turned = |graph: &mut GraphBuilder, parts: &str, perm: &[i64]| match rotary {
        None => graph.node("Transpose", &[parts], vec![ints("perm", perm)]),
        Some(rotary) => {
            let rows = graph.node("Transpose", &[parts], vec![ints("perm", &[0, 2, 1, 3])]);
            let rows = rotary.turn(graph, &rows, width);
            match perm {
                [0, 2, 1, 3] => rows,
                _ => graph.node("Transpose", &[&rows], vec![ints("perm", &[0, 1, 3, 2])]),
            }
        }
    };
    let mut query = turned(graph, &query, &[0, 2, 1, 3]);
    let mut key = turned(graph, &key, &[0, 2, 3, 1]);
    let mut value = graph.node("Transpose", &[&value], vec![ints("perm", &[0, 2, 1, 3])]);
    if heads.is_grouped() {
        // [batch, shared, 1, …] is broadcast over the queries of a group: nothing is copied.
        let group = (count / shared) as i64;
        let shape = graph.constant_i64(&[5], &[0, shared as i64, group, -1, width as i64]);
        query = graph.node("Reshape", &[&query, &shape], vec![]);
        key = graph.unsqueeze(&key, &[2]);
        value = graph.unsqueeze(&value, &[2]);
    }
    let scores = graph.node("MatMul", &[&query, &key], vec![]);
    let scale = graph.scalar((width as f32).sqrt());
    let scores = graph.node("Div", &[&scores, &scale], vec![]);
    let scores = graph.node("Add", &[&scores, bias], vec![]);
    let weights = graph.node("Softmax", &[&scores], vec![int("axis", -1)]);
    let context = graph.node("MatMul", &[&weights, &value], vec![]);
    let context = match heads.is_grouped() {
        false => graph.node("Transpose", &[&context], vec![ints("perm", &[0, 2, 1, 3])]),
        true => graph.node("Transpose", &[&context], vec![ints("perm", &[0, 3, 1, 2, 4])]),
    };
    let merge = graph.constant_i64(&[3], &[0, 0, (count * width) as i64]);
    graph.node("Reshape", &[&context, &merge], vec![])
}
