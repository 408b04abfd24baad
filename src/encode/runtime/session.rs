use super::super::EncodeError;

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

/// A loaded graph: one for all threads, with one copy of the weights.
pub(in super::super) trait Session: Send + Sync {
    /// The names of the graph's outputs.
    fn outputs(&self) -> &[String];

    /// Runs the graph and gives its output number `output`.
    fn run(&self, batch: &TokenBatch, output: usize) -> Result<Tensor, EncodeError>;
}

/// The three inputs that a text graph may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Ids,
    Mask,
    Types,
}

impl Input {
    /// Which input a name stands for.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "input_ids" => Some(Self::Ids),
            "attention_mask" => Some(Self::Mask),
            "token_type_ids" => Some(Self::Types),
            _ => None,
        }
    }

    pub(super) fn of(self, batch: &TokenBatch) -> &[i64] {
        match self {
            Self::Ids => &batch.ids,
            Self::Mask => &batch.mask,
            Self::Types => &batch.types,
        }
    }
}
