//! Models that can be trained: what is read from a Hugging Face directory, run, and written back.
//!
//! ```text
//! config.json ─ Backbone ┐
//! modules.json ─ Head ───┼─ Model ─ Pass → vectors, scores
//! safetensors ─ Params ──┘
//! ```
//!
//! The families are plain functions of [`Params`] and a [`Pass`]; which tensor library runs them is decided in this
//! room and in `loss` alone.

mod attention;
mod backbone;
mod bert;
mod classifier;
mod colbert;
mod colbert_linear;
mod config;
mod decoder;
mod dense;
mod error;
mod layout;
mod lora;
mod modern_bert;
mod modules;
mod params;
mod pass;
mod pooling;
mod rope;
mod token_weights;
mod weights;

use std::path::{Path, PathBuf};

use burn_tensor::{Device, Tensor};

pub use backbone::Backbone;
pub use classifier::{Classifier, Form};
pub use colbert::{ColBert, TokenVectors};
pub use config::ConfigFile;
pub(crate) use config::read_json;
pub use dense::Dense;
pub use error::ModelError;
pub use layout::{PairTexts, TextSettings};
pub use modules::Modules;
pub use params::{Declared, Gradients, Parameter, Params, Start, accumulate, floats};
pub use pass::Pass;
pub use pooling::{Pooling, normalize};
pub(crate) use token_weights::FILE as TOKEN_WEIGHTS;
pub use token_weights::TokenWeights;
pub(crate) use weights::draw;
pub use weights::{Stored, sync_directory, write, write_whole};

use crate::data::Tokens;

/// What a model shall answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// One vector a text.
    Embedding {
        /// How token states become one; `None`: as the directory says, or the mean.
        pooling: Option<Pooling>,
        /// Add a linear map to this many dimensions behind pooling where there is none: what Matryoshka training and
        /// distillation from a wider teacher want.
        dense: Option<usize>,
        /// Whether saved models bring vectors to unit length.
        normalize: bool,
    },
    /// A vector a token.
    ColBert {
        /// Its dimensions.
        dim: usize,
        /// Whether the linear map has a bias.
        bias: bool,
        /// Leave out the first token.
        drop_first: bool,
    },
    /// A score a pair.
    Reranker {
        /// Of decoders: token ids of the words for a match and for none, whose logits are compared; `None`: a `score`
        /// head.
        words: Option<(u32, u32)>,
    },
}

/// What comes behind the backbone.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// Pooling, linear maps, and whether the model answers unit vectors.
    Embedding {
        /// Which states count.
        pooling: Pooling,
        /// Behind it.
        dense: Vec<Dense>,
        /// Whether saved models bring vectors to unit length. Losses compare directions either way.
        normalize: bool,
    },
    /// Late interaction.
    ColBert(ColBert),
    /// One score.
    Reranker(Classifier),
}

impl Head {
    /// With what each token of a query counts, if `directory` says so and the head is late interaction's.
    fn weighed(mut self, directory: &Path, backbone: &Backbone) -> Result<Self, ModelError> {
        if let Self::ColBert(colbert) = &mut self {
            colbert.weights = TokenWeights::read(directory, backbone.vocabulary())?;
        }
        Ok(self)
    }
}

/// A model: its shape, its weights, and where it came from.
#[derive(Debug, Clone)]
pub struct Model {
    /// The transformer.
    pub backbone: Backbone,
    /// What comes behind it.
    pub head: Head,
    /// All weights.
    pub params: Params,
    /// Weights that the base did not have and that start afresh.
    pub fresh: Vec<String>,
    source: PathBuf,
}

impl Model {
    /// Reads the base in `directory` and puts the head for `task` behind it.
    ///
    /// Weights the base lacks are drawn with `seed`.
    ///
    /// # Errors
    /// [`ModelError`], which names the file and the setting or tensor.
    pub fn read(directory: &Path, task: &Task, device: Device, seed: u64) -> Result<Self, ModelError> {
        let path = directory.join("config.json");
        let file = ConfigFile::read(&path)?;
        let reranker = matches!(task, Task::Reranker { .. });
        let backbone = Backbone::new(&file, reranker)?;
        let modules = if reranker { Modules::default() } else { Modules::read(directory)? };
        let bare = colbert_linear::find(directory, task, &modules)?;
        let head = head(task, &file, &backbone, modules, bare.as_ref())?.weighed(directory, &backbone)?;
        let mut params = Params::new(device);
        let mut declared = backbone.declare();
        let mut fresh = Vec::new();
        match &head {
            Head::Reranker(classifier) => declared.extend(classifier.declare(&backbone)),
            Head::Embedding { dense, .. } => {
                for dense in dense {
                    fresh.extend(modules::read_dense(directory, dense, &mut params, seed)?);
                }
            }
            Head::ColBert(colbert) if bare.is_some() => {
                colbert_linear::read(directory, &colbert.linear, &mut params)?;
            }
            Head::ColBert(colbert) => {
                fresh.extend(modules::read_dense(directory, &colbert.linear, &mut params, seed)?);
            }
        }
        fresh.extend(Stored::read(directory)?.fill(&declared, &mut params, seed)?);
        Ok(Self { backbone, head, params, fresh, source: directory.to_owned() })
    }

    /// The base's directory.
    #[must_use]
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// One vector a text, `[rows, dim]`, not brought to unit length.
    ///
    /// # Errors
    /// [`ModelError`] for tokens of another model.
    ///
    /// # Panics
    /// If the model has another head.
    pub fn embed(&self, pass: &Pass<'_>, tokens: &Tokens) -> Result<Tensor<2>, ModelError> {
        Ok(self.pool(pass, self.backbone.states(pass, tokens)?, tokens))
    }

    /// States of tokens, `[rows, width, hidden]`, to one vector a text.
    ///
    /// # Panics
    /// If the model is no embedding model.
    #[must_use]
    pub fn pool(&self, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> Tensor<2> {
        let Head::Embedding { pooling, dense, .. } = &self.head else { panic!("not an embedding model") };
        let pooled = pooling.apply(pass, states, tokens);
        dense.iter().fold(pooled, |x, dense| dense.apply(pass, x))
    }

    /// A unit vector a token.
    ///
    /// # Errors
    /// [`ModelError`] for tokens of another model.
    ///
    /// # Panics
    /// If the model has another head.
    pub fn token_vectors(&self, pass: &Pass<'_>, tokens: &Tokens) -> Result<TokenVectors, ModelError> {
        Ok(self.project(pass, self.backbone.states(pass, tokens)?, tokens))
    }

    /// States of tokens to unit vectors of tokens.
    ///
    /// # Panics
    /// If the model is no ColBERT model.
    #[must_use]
    pub fn project(&self, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> TokenVectors {
        let Head::ColBert(colbert) = &self.head else { panic!("not a ColBERT model") };
        colbert.apply(pass, states, tokens)
    }

    /// A score a pair, `[rows]`.
    ///
    /// # Errors
    /// [`ModelError`] for tokens of another model.
    ///
    /// # Panics
    /// If the model has another head.
    pub fn score(&self, pass: &Pass<'_>, tokens: &Tokens) -> Result<Tensor<1>, ModelError> {
        Ok(self.classify(pass, self.backbone.states(pass, tokens)?, tokens))
    }

    /// States of tokens to a score a pair.
    ///
    /// # Panics
    /// If the model is no reranker.
    #[must_use]
    pub fn classify(&self, pass: &Pass<'_>, states: Tensor<3>, tokens: &Tokens) -> Tensor<1> {
        let Head::Reranker(classifier) = &self.head else { panic!("not a reranker") };
        classifier.apply(pass, &self.backbone, states, tokens)
    }
}

fn head(
    task: &Task,
    file: &ConfigFile<'_>,
    backbone: &Backbone,
    modules: Modules,
    bare: Option<&Dense>,
) -> Result<Head, ModelError> {
    let hidden = backbone.hidden();
    Ok(match task {
        Task::Embedding { pooling, dense, normalize } => {
            let mut maps = modules.dense;
            if let Some(outputs) = dense.filter(|_| maps.is_empty()) {
                let folder = "2_Dense".to_owned();
                maps.push(Dense { folder, inputs: hidden, outputs, bias: true, tanh: false });
            }
            let pooling = pooling.or(modules.pooling).unwrap_or(Pooling::Mean);
            Head::Embedding { pooling, dense: maps, normalize: *normalize }
        }
        Task::ColBert { dim, bias, drop_first } => {
            let kept =
                modules.dense.into_iter().find(|dense| dense.outputs == *dim && dense.inputs == hidden);
            let fresh = || Dense {
                folder: "1_Dense".into(),
                inputs: hidden,
                outputs: *dim,
                bias: *bias,
                tanh: false,
            };
            let linear = kept.or_else(|| bare.cloned()).unwrap_or_else(fresh);
            Head::ColBert(ColBert { linear, drop_first: *drop_first, weights: None })
        }
        Task::Reranker { words } => Head::Reranker(classifier(file, *words)?),
    })
}

fn classifier(file: &ConfigFile<'_>, words: Option<(u32, u32)>) -> Result<Classifier, ModelError> {
    let dropout = match file.value("classifier_dropout") {
        Some(_) => file.dropout("classifier_dropout", 0.1)?,
        None => file.dropout("hidden_dropout_prob", 0.0)?,
    };
    let form = match (file.word("model_type"), words) {
        ("bert", None) => Form::Bert,
        ("roberta" | "xlm-roberta" | "camembert", None) => Form::Roberta,
        ("modernbert", None) => Form::ModernBert {
            pooling: if file.word("classifier_pooling") == "mean" { Pooling::Mean } else { Pooling::Cls },
            activation: file.activation("classifier_activation")?,
            bias: file.flag("classifier_bias", false),
        },
        ("qwen2" | "qwen3" | "mistral", None) => Form::Score,
        ("qwen2" | "qwen3" | "mistral", Some((yes, no))) => Form::YesNo { yes, no },
        _ => return Err(file.refuse("model_type", "words are compared by decoders only")),
    };
    Ok(Classifier { form, dropout })
}
