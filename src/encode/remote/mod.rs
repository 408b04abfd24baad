//! Encoders and judges that answer over HTTP (feature `remote`).
//!
//! What is sent where is stated by the caller alone, in [`RemoteOptions`]: no model directory can name an endpoint or a
//! key. Requests wait for their turn under a rate limit, are made again after errors that pass (429, 5xx, broken
//! connections), and end after a time limit.
//!
//! | dialect | request | answer |
//! |---|---|---|
//! | `openai` | `POST …/embeddings` `{model, input, encoding_format, dimensions?}` | `data[].{index, embedding}` |
//! | `cohere` | `POST …/v2/rerank` `{model, query, documents}` | `results[].{index, relevance_score}` |
//! | `jina` | `POST …/v1/rerank` `{model, query, documents, return_documents}` | `results[].{index, relevance_score}` |
//! | `voyage` | `POST …/v1/rerank` `{model, query, documents, truncation}` | `data[].{index, relevance_score}` |
//! | `tei` | `POST …/rerank` `{query, texts, raw_scores, truncate}` | `[].{index, score}` |

mod client;
mod encoder;
mod error;
mod options;
#[cfg(test)]
mod tests;

pub(crate) use client::Client;
pub use encoder::RemoteEncoder;
pub use error::RemoteError;
pub use options::{Dialect, KeySource, RemoteOptions};
