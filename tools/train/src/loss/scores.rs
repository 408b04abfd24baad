//! From vectors and groups to the tables of scores that losses read.

use burn_tensor::{Device, Tensor, TensorData, activation};

use crate::data::Groups;
use crate::model::normalize;

/// Added to a score that may not count.
pub(super) const EXCLUDED: f32 = -1e9;

/// Cosines of all queries with all documents: `[queries, dim]` and `[documents, dim]` to `[queries, documents]`.
#[must_use]
pub fn cosines(queries: Tensor<2>, documents: Tensor<2>) -> Tensor<2> {
    normalize(queries).matmul(normalize(documents).transpose())
}

/// The scores of each query's own documents, side by side.
#[derive(Debug, Clone)]
pub struct Grouped {
    /// `[queries, size]`, where `size` is that of the largest group; places behind a shorter group repeat its first score.
    pub scores: Tensor<2>,
    /// `[queries, size]`: the labels, 0 behind shorter groups.
    pub labels: Vec<f32>,
    /// `[queries, size]`: whether there is a document.
    pub present: Vec<bool>,
    /// Documents of the largest group.
    pub size: usize,
}

impl Grouped {
    /// Picks own documents out of the table of all scores, `[queries, documents]`.
    ///
    /// # Panics
    /// If a group is empty or names a document that is not there: batches are checked where they are made.
    #[must_use]
    pub fn from_table(scores: Tensor<2>, groups: &Groups) -> Self {
        let [queries, documents] = scores.dims();
        assert_eq!(queries, groups.ranges.len(), "one group a query is expected");
        Self::pick(scores.reshape([queries * documents]), groups, |query, document| {
            query * documents + document
        })
    }

    /// Takes one score a document, in the order of the groups.
    ///
    /// # Panics
    /// As [`Self::from_table`].
    #[must_use]
    pub fn from_pairs(scores: Tensor<1>, groups: &Groups) -> Self {
        Self::pick(scores, groups, |_, document| document)
    }

    fn pick(flat: Tensor<1>, groups: &Groups, place: impl Fn(usize, usize) -> usize) -> Self {
        let size = groups.ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let (mut places, mut labels, mut present) = (Vec::new(), Vec::new(), Vec::new());
        for (query, range) in groups.ranges.iter().enumerate() {
            assert!(!range.is_empty(), "group {query} is empty");
            for at in 0..size {
                let there = at < range.len();
                let document = if there { range.start + at } else { range.start };
                places.push(place(query, document) as i64);
                labels.push(if there { groups.labels[document] } else { 0.0 });
                present.push(there);
            }
        }
        let queries = groups.ranges.len();
        let count = places.len();
        let places = Tensor::from_data(TensorData::new(places, [count]), &flat.device());
        Self { scores: flat.select(0, places).reshape([queries, size]), labels, present, size }
    }

    /// Number of groups.
    #[must_use]
    pub fn queries(&self) -> usize {
        self.present.len() / self.size.max(1)
    }

    /// One row's labels and whether they are there.
    #[must_use]
    pub fn row(&self, query: usize) -> (&[f32], &[bool]) {
        let range = query * self.size..(query + 1) * self.size;
        (&self.labels[range.clone()], &self.present[range])
    }

    /// `log softmax(scores / temperature)` over each row's documents.
    #[must_use]
    pub fn log_probabilities(&self, temperature: f64) -> Tensor<2> {
        let bias: Vec<f32> = self.present.iter().map(|there| if *there { 0.0 } else { EXCLUDED }).collect();
        let bias = constant(&self.scores.device(), bias, [self.queries(), self.size]);
        activation::log_softmax(self.scores.clone() / temperature + bias, 1)
    }

    /// `s[a] - s[b]` for places `a` and `b` of the flattened table, `[pairs]`.
    #[must_use]
    pub fn differences(&self, pairs: &[(usize, usize)]) -> Tensor<1> {
        let flat: Tensor<1> = self.scores.clone().flatten(0, 1);
        let pick = |of: fn(&(usize, usize)) -> usize| {
            let places: Vec<i64> = pairs.iter().map(|pair| of(pair) as i64).collect();
            flat.clone().select(0, Tensor::from_data(TensorData::new(places, [pairs.len()]), &flat.device()))
        };
        pick(|pair| pair.0) - pick(|pair| pair.1)
    }
}

/// The mean over queries of `-log softmax(logits)[target]`.
pub(super) fn cross_entropy(logits: Tensor<2>, targets: &[usize]) -> Tensor<1> {
    let device = logits.device();
    let targets: Vec<i64> = targets.iter().map(|target| *target as i64).collect();
    let rows = targets.len();
    let targets = Tensor::from_data(TensorData::new(targets, [rows, 1]), &device);
    -activation::log_softmax(logits, 1).gather(1, targets).mean()
}

pub(super) fn constant<const D: usize>(device: &Device, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `softplus(x) = ln(1 + eˣ)`, exact for large `|x|` as well.
pub(super) fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let positive = activation::relu(x.clone());
    positive + (-x.abs()).exp().log1p()
}

/// A loss of 0 that keeps the graph whole: for batches that say nothing.
pub(super) fn nothing<const D: usize>(scores: Tensor<D>) -> Tensor<1> {
    scores.sum() * 0.0
}
