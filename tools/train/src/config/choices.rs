//! Settings that are one of a few words.

use serde::{Deserialize, Serialize};

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One vector a text.
    Embedding,
    /// One vector a token.
    Colbert,
    /// One score a pair.
    Reranker,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Embedding, Self::Colbert, Self::Reranker];

    /// The subcommand.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Colbert => "colbert",
            Self::Reranker => "reranker",
        }
    }
}

/// How token vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// As the model directory says, else the mean.
    Auto,
    /// The first token's.
    Cls,
    /// The mean of all tokens'.
    Mean,
    /// The last token's.
    Last,
}

/// What kind of model reranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// A cross-encoder: `bert_encoder` of RAG-Retrieval.
    Encoder,
    /// A decoder with a score head: `llm_decoder`.
    Decoder,
}

/// How many examples a record with several positives makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positives {
    /// One for each of them.
    Each,
    /// One, with another positive each epoch.
    One,
}

/// Numbers of the forward and backward pass. Weights and the optimiser's memory are `f32` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 16 bits with the range of 32.
    Bf16,
}

/// How the learning rate falls after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// Straight down to 0.
    Linear,
    /// Half a cosine down to 0.
    Cosine,
    /// Stays, then half a cosine.
    Wsd,
    /// Stays.
    Constant,
}

/// The losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossName {
    /// What fits task and data.
    Auto,
    /// Softmax over the batch.
    InfoNce,
    /// Softmax over hard negatives alone.
    Triplet,
    /// Divergence from a teacher's softmax over a group.
    Kl,
    /// Order of similarities by score.
    Cosent,
    /// A teacher's differences.
    MarginMse,
    /// A teacher's vectors.
    Stella,
    /// A teacher's vectors of tokens.
    TokenCosine,
    /// Cross-entropy of a pair's label.
    Bce,
    /// Squared error of a pair's label.
    Mse,
    /// Order of pairs, weighted by their labels' difference.
    RankNet,
    /// Cross-entropy over a group.
    Listwise,
    /// RankNet weighted by what a swap changes in nDCG.
    Lambda,
}

impl LossName {
    /// Which tasks it can train.
    #[must_use]
    pub fn tasks(self) -> &'static [Task] {
        match self {
            Self::Auto | Self::Kl | Self::MarginMse => &Task::ALL,
            Self::InfoNce | Self::Triplet => &[Task::Embedding, Task::Colbert],
            Self::Cosent | Self::Stella => &[Task::Embedding],
            Self::TokenCosine => &[Task::Colbert],
            Self::Bce | Self::Mse | Self::RankNet | Self::Listwise | Self::Lambda => &[Task::Reranker],
        }
    }
}
