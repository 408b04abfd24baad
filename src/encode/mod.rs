//! Text to matrices: encoders of every kind behind one [`Model`], and judges of pairs behind one [`PairModel`].
//!
//! ```text
//!            ┌ table look-up ───────────────────────────────┐
//! text ─ cut ┤                                              ├─ rows ─ pool or select ─ project ─ scale
//!            └ tokenise ─ buckets ─ ONNX Runtime or rten ───┘
//! ```
//!
//! # Layouts
//!
//! A model directory describes itself; there is no table of models. The first of these that fits is taken:
//!
//! | layout | known by | gives |
//! |---|---|---|
//! | Lateen static | `config.json`: `model_type` = `lateen-static` | a vector per token, and their weighted mean |
//! | Model2Vec | `config.json`: `model_type` = `model2vec` | one vector |
//! | Stanford ColBERT | `artifact.metadata`, or architecture `HF_ColBERT` | a vector per token |
//! | PyLate | its keys in `config_sentence_transformers.json` | a vector per token |
//! | sentence-transformers | `modules.json` | one vector, or one per token with `MultiVectorMask` |
//! | bge-m3, RAG-Retrieval ColBERT | `colbert_linear.safetensors`, `sparse_linear.safetensors`, or such outputs | several kinds at once |
//! | next-plaid | `onnx_config.json` | a vector per token |
//! | plain | `model.onnx` | one vector: the tokens' mean |
//!
//! All but the first two need a graph, `model.onnx` or `onnx/model.onnx` (or another that [`ModelOptions::variant`] names); one is
//! made of safetensors of a known family ([`export`]) when they are first loaded, and kept in the cache
//! ([`ModelOptions::convert`]). Its inputs are `input_ids` and any of `attention_mask`, `token_type_ids`, `position_ids` and
//! `past_key_values.…` (which get no tokens), its outputs one of
//!
//! | output | content |
//! |---|---|
//! | `sentence_embedding` | `[batch, dim]`, pooled, projected, and scaled if the model scales |
//! | `normalized_token_embeddings`, `token_embeddings` | `[batch, tokens, dim]`; projected in late-interaction models |
//! | `last_hidden_state` | `[batch, tokens, hidden]` |
//! | `dense_vecs`, `sparse_vecs`, `colbert_vecs` | a dense vector, weights of tokens, vectors of all tokens but the first |
//! | `logits` | `[batch, labels]`, of cross-encoders |
//!
//! Dense layers beside the graph are applied here unless the graph's columns show that it contains them.
//!
//! # What holds
//!
//! * Text is cut to `16 × max_tokens + 256` characters before it is tokenised; [`Model::statistics`] counts texts whose
//!   end was not seen.
//! * Texts run in batches of similar length, and come back in order. A text's vectors do not depend on its batch mates
//!   beyond rounding, except in graphs that quantise by the range of a batch, which [`Model::notes`] tells.
//! * Model files are untrusted: sizes and shapes are checked, pickles never read, external weights must lie beside the
//!   graph, numbers must be finite. What is not checked is how long a graph computes.
//! * One session serves all threads. Which runtime it is, and why, is told by [`Model::runtime`].
//! * Only [`RuntimeSearch::from_environment`], [`runtime::cache_directory`] and [`hub::HubCache::from_environment`] read
//!   environment variables here; rten reads its own `RTEN_TIMING` at every run.
//!
//! # Literature
//!
//! Khattab & Zaharia, "ColBERT", SIGIR 2020, arXiv:2004.12832 (one vector per token, MaxSim, query expansion).
//! Santhanam et al., "ColBERTv2", NAACL 2022, arXiv:2112.01488. Reimers & Gurevych, "Sentence-BERT", EMNLP 2019,
//! arXiv:1908.10084 (pooling).

mod activation;
pub mod arrays;
mod batch;
#[cfg(feature = "bundled-model")]
mod bundled;
pub mod cache;
mod directory;
pub mod distil;
mod error;
pub mod export;
mod fingerprint;
#[cfg(test)]
mod hostile_tests;
#[cfg(all(test, any(feature = "hub", feature = "remote")))]
pub(crate) mod http_stub;
pub mod hub;
mod inputs;
pub mod inspect;
mod layer;
mod layout;
#[cfg(test)]
mod layout_tests;
mod m3;
mod model;
mod model2vec;
#[cfg(all(test, feature = "bundled-model"))]
mod nano_tests;
#[cfg(test)]
mod onnx_tests;
mod options;
mod output;
mod pair;
mod pooling;
mod projection;
pub mod quantise;
#[cfg(feature = "remote")]
pub mod remote;
pub mod runtime;
mod several;
mod side;
mod special;
#[cfg(test)]
mod static_tests;
mod static_tokens;
mod statistics;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod token_weights;
mod tokenizer_file;
#[cfg(test)]
mod tokenizer_tests;
mod transformer;
mod weights;

pub use activation::Activation;
pub use error::{Attempt, Attempts, EncodeError};
pub use m3::{SparseVector, TextVectors};
pub use model::{Model, ModelKind};
pub use options::{ModelOptions, RuntimeChoice};
pub use pair::{
    Calibration, DocumentScores, JudgeSettings, PairKind, PairModel, PairOptions, PairTemplate, WindowScore,
    Windows,
};
pub(crate) use pair::{overlap, readable};
pub use runtime::{RuntimeReport, RuntimeSearch};
pub use statistics::EncodeStatistics;
