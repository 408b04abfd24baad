//! The settings of a training run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::choices::{LossName, ModelKind, Pooling, Positives, Precision, ScheduleName, Task};
use crate::data::{Fields, PaddingSide};

/// Everything a run depends on. What each key means is told in `docs/training.md`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Where checkpoints, logs and the final model go.
    pub output: PathBuf,
    /// Seed of data order, dropout and new weights.
    pub seed: u64,
    /// What is trained.
    pub model: ModelConfig,
    /// What it is trained on.
    pub data: DataConfig,
    /// What is made small.
    pub loss: LossConfig,
    /// How weights move.
    pub optimizer: OptimizerConfig,
    /// How long, how much at once, how exact.
    pub training: TrainingConfig,
    /// What is kept.
    pub checkpoint: CheckpointConfig,
    /// What is measured on the way.
    pub evaluation: EvaluationConfig,
    /// What is written down.
    pub log: LogConfig,
}

/// The model and how it reads texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// A model directory in Hugging Face layout.
    pub base: PathBuf,
    /// Tokens of a query at most, marks included.
    pub query_max_tokens: usize,
    /// Tokens of a document at most, marks included.
    pub document_max_tokens: usize,
    /// Stands before every query, unless its row has a prompt.
    pub query_prompt: String,
    /// Stands before every document.
    pub document_prompt: String,
    /// How token vectors become one. `auto`: as the model directory says, else the mean.
    pub pooling: Pooling,
    /// Scale embeddings to length 1.
    pub normalize: bool,
    /// Prefix lengths that shall work as embeddings of their own (Matryoshka). Empty: none.
    pub mrl_dims: Vec<usize>,
    /// Columns of a ColBERT model's vectors.
    pub dim: usize,
    /// Whether its projection adds a vector.
    pub bias: bool,
    /// The token that marks queries; must be in the vocabulary. Empty: none.
    pub query_prefix: String,
    /// The token that marks documents. Empty: none.
    pub document_prefix: String,
    /// Fill queries up to `query_max_tokens` with mask tokens.
    pub query_expansion: bool,
    /// Whether other tokens attend to the expansion.
    pub attend_to_expansion: bool,
    /// Punctuation tokens of documents do not count.
    pub skip_punctuation: bool,
    /// Cross-encoder, or decoder with a score head.
    pub kind: ModelKind,
    /// Tokens of a pair at most, all included.
    pub max_tokens: usize,
    /// `{}` stands for the query.
    pub query_format: String,
    /// `{}` stands for the document.
    pub document_format: String,
    /// Between query and document, of decoders.
    pub separator: String,
    /// Where a decoder's score is read.
    pub end: String,
    /// Of decoders: the words for a match and for none, whose logits are compared. Empty: a score head.
    pub words: Vec<String>,
    /// Where padding stands.
    pub padding: PaddingSide,
    /// The token that pads, if not the tokenizer's.
    pub pad_token: String,
}

/// Training files and how they become batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    /// The sets to train on.
    pub train: Vec<DataFile>,
    /// The sets whose loss is told on the way.
    pub validation: Vec<DataFile>,
    /// Negatives drawn for an example each epoch.
    pub negatives: usize,
    /// One example for each positive, or one a record.
    pub positives: Positives,
    /// Documents a group, where labels rank them.
    pub group_size: usize,
    /// Another order each epoch.
    pub shuffle: bool,
    /// Leave out a last batch that is not full.
    pub drop_last: bool,
    /// No query and no positive twice in a batch, for losses that compare across examples.
    pub no_duplicates: bool,
    /// So many batches' worth of examples are sorted by length. 0: off.
    pub length_buckets: usize,
    /// Examples of all sets in one batch.
    pub mix: bool,
    /// How likely a document of more than 100 characters is cut in three and shuffled.
    pub shuffle_rate: f64,
    /// Count bad rows and go on.
    pub skip_bad: bool,
    /// The longest row in bytes.
    pub max_line_bytes: usize,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataFile {
    /// A JSONL or tab-separated file, packed or not, or a BEIR folder.
    pub path: PathBuf,
    /// How often each example is used an epoch.
    pub weight: f64,
    /// Of a BEIR folder.
    pub split: String,
    /// Smallest and largest label, which become 0 and 1. Empty: labels as they are.
    pub labels: Vec<f64>,
    /// Names of fields that are none of the usual ones.
    pub fields: Fields,
    /// Raw `f32` files of a teacher's vectors, side by side.
    pub vectors: Vec<PathBuf>,
    /// Columns of each of them.
    pub vector_dims: Vec<usize>,
    /// A teacher's vectors of tokens (`tokens.bin`, with `tokens.ends` beside it).
    pub token_vectors: PathBuf,
    /// Columns of these.
    pub token_dim: usize,
}

impl Default for DataFile {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            weight: 1.0,
            split: "train".to_owned(),
            labels: Vec::new(),
            fields: Fields::default(),
            vectors: Vec::new(),
            vector_dims: Vec::new(),
            token_vectors: PathBuf::new(),
            token_dim: 0,
        }
    }
}

/// The loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossConfig {
    /// `auto`: what fits task and data.
    pub name: LossName,
    /// Similarities are divided by it.
    pub temperature: f64,
    /// Documents must find their queries too.
    pub symmetric: bool,
    /// Other queries' hard negatives are negatives as well.
    pub other_negatives: bool,
    /// Other queries' positives are negatives.
    pub in_batch_negatives: bool,
    /// Known positives and copies are no negatives.
    pub mask_known: bool,
    /// Divides a teacher's scores before their softmax.
    pub teacher_temperature: f64,
    /// Softmax over the whole batch instead of a query's group, as RAG-Retrieval has it.
    pub batch_kl: bool,
    /// Padding counts as similarity 0 in MaxSim, as in RAG-Retrieval and bge-m3.
    pub zero_mask: bool,
    /// Texts encoded at once when gradients are cached. 0: no caching.
    pub cache_chunk: usize,
    /// Documents of other processes are negatives, with gradients.
    pub gather: bool,
    /// Who finds false negatives: an embedding model's directory, or `self`, the model as it is. Empty: nobody.
    pub guide: String,
    /// Documents count as false negatives from so far below the positive.
    pub guide_margin: f64,
    /// Bits of the codes that documents' vectors go through. 0: none.
    pub code_bits: usize,
    /// Steps after which the codes are fitted anew.
    pub code_steps: u64,
}

/// AdamW and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Not of biases and norms.
    pub weight_decay: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Keeps the division defined.
    pub epsilon: f64,
    /// How the rate falls.
    pub schedule: ScheduleName,
    /// Share of steps in which the rate rises.
    pub warmup: f64,
    /// Share of steps at the highest rate, of `wsd`.
    pub stable: f64,
    /// The longest gradient, over all weights. 0: no limit.
    pub max_grad_norm: f64,
}

/// Length and size of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Passes through the data.
    pub epochs: u64,
    /// Ends the run earlier. 0: no.
    pub max_steps: u64,
    /// Examples a batch.
    pub batch_size: usize,
    /// Batches whose gradients are added up for one step.
    pub accumulate: usize,
    /// Numbers of the forward and backward pass.
    pub precision: Precision,
    /// Compute activations again instead of keeping them.
    pub gradient_checkpointing: bool,
    /// Rank of LoRA. 0: all weights are trained.
    pub lora_rank: usize,
    /// LoRA's changes are multiplied by `lora_alpha / lora_rank`.
    pub lora_alpha: f64,
    /// Beginnings of names of weights that stay as they are.
    pub freeze: Vec<String>,
    /// Share of the averaged weights kept each step. 0: no averaging.
    pub ema: f64,
}

/// Checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointConfig {
    /// Steps between checkpoints. 0: only at the ends of epochs.
    pub every_steps: u64,
    /// At the end of each epoch.
    pub every_epoch: bool,
    /// How many are kept; the best is kept besides.
    pub keep: usize,
}

/// Evaluation on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationConfig {
    /// A BEIR folder. Empty: none.
    pub folder: PathBuf,
    /// `qrels/<split>.tsv`.
    pub split: String,
    /// What the best checkpoint is best in.
    pub metric: String,
    /// Steps between evaluations. 0: only at the ends of epochs.
    pub every_steps: u64,
    /// Evaluations without a gain after which the run ends. 0: never.
    pub patience: usize,
    /// Documents of the first stage (BM25) that a reranker reorders.
    pub depth: usize,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogConfig {
    /// Steps between lines.
    pub every_steps: u64,
    /// Write `log.jsonl`.
    pub jsonl: bool,
    /// Write TensorBoard event files.
    pub tensorboard: bool,
}

impl RunConfig {
    /// What a run of `task` does unless told otherwise.
    #[must_use]
    pub fn of(task: Task) -> Self {
        let pick = |embedding, colbert, reranker| match task {
            Task::Embedding => embedding,
            Task::Colbert => colbert,
            Task::Reranker => reranker,
        };
        Self {
            output: PathBuf::new(),
            seed: 666,
            model: model(task),
            data: DataConfig {
                train: Vec::new(),
                validation: Vec::new(),
                negatives: pick(5, 15, 9),
                positives: Positives::Each,
                group_size: 10,
                shuffle: true,
                drop_last: true,
                no_duplicates: true,
                length_buckets: 64,
                mix: false,
                shuffle_rate: 0.0,
                skip_bad: false,
                max_line_bytes: 16 << 20,
            },
            loss: loss(),
            optimizer: OptimizerConfig {
                learning_rate: [2e-5, 5e-6, 5e-5][task as usize],
                weight_decay: 0.01,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                schedule: ScheduleName::Cosine,
                warmup: 0.1,
                stable: 0.0,
                max_grad_norm: 1.0,
            },
            training: TrainingConfig {
                epochs: 2,
                max_steps: 0,
                batch_size: pick(8, 4, 8),
                accumulate: pick(3, 12, 2),
                precision: Precision::F32,
                gradient_checkpointing: false,
                lora_rank: 0,
                lora_alpha: 16.0,
                freeze: Vec::new(),
                ema: 0.0,
            },
            checkpoint: CheckpointConfig { every_steps: 0, every_epoch: true, keep: 5 },
            evaluation: EvaluationConfig {
                folder: PathBuf::new(),
                split: "test".to_owned(),
                metric: "ndcg@10".to_owned(),
                every_steps: 0,
                patience: 0,
                depth: 100,
            },
            log: LogConfig { every_steps: 10, jsonl: true, tensorboard: false },
        }
    }
}

fn model(task: Task) -> ModelConfig {
    ModelConfig {
        base: PathBuf::new(),
        query_max_tokens: if task == Task::Colbert { 32 } else { 128 },
        document_max_tokens: 512,
        query_prompt: String::new(),
        document_prompt: String::new(),
        pooling: Pooling::Auto,
        normalize: true,
        mrl_dims: Vec::new(),
        dim: 128,
        bias: false,
        query_prefix: String::new(),
        document_prefix: String::new(),
        query_expansion: false,
        attend_to_expansion: false,
        skip_punctuation: false,
        kind: ModelKind::Encoder,
        max_tokens: 512,
        query_format: "{}".to_owned(),
        document_format: "{}".to_owned(),
        separator: "\n".to_owned(),
        end: "\nrelevance".to_owned(),
        words: Vec::new(),
        padding: PaddingSide::Right,
        pad_token: String::new(),
    }
}

fn loss() -> LossConfig {
    LossConfig {
        name: LossName::Auto,
        temperature: 0.02,
        symmetric: false,
        other_negatives: true,
        in_batch_negatives: true,
        mask_known: true,
        teacher_temperature: 1.0,
        batch_kl: false,
        zero_mask: false,
        cache_chunk: 0,
        gather: true,
        guide: String::new(),
        guide_margin: 0.0,
        code_bits: 0,
        code_steps: 100,
    }
}
