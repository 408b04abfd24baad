/// Token ids of several texts, padded to one length.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct TokenBatch {
    pub(in super::super) rows: usize,
    pub(in super::super) columns: usize,
    /// `[rows, columns]`, row-major, as the next two.
    pub(in super::super) ids: Vec<i64>,
    /// 1 where the model attends, 0 for padding.
    pub(in super::super) mask: Vec<i64>,
    /// Which text of a pair; given only to graphs that ask for it.
    pub(in super::super) types: Vec<i64>,
}

/// Numbers that a graph gave.
#[derive(Debug, Clone)]
pub(in super::super) struct Tensor {
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) values: Vec<f32>,
}
