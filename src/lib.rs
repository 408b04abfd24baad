//! **Lateen** is an embedded retrieval engine with a late-interaction (ColBERT) index: link it into an
//! application, give it texts, ask it questions. No server, no Python, no network at run time.
//!
//! # The idea
//!
//! Most vector search keeps one vector per text, and hopes that it says everything. Late interaction
//! keeps one vector per *token*, and lets every word of the query find its own best answer:
//!
//! ```text
//!                  document tokens                    why    does   dough   rise      (query)
//!   yeast  eats  the  sugar  of  the  dough …          │       │      │       │
//!     │                                  └──── 0.94 ───┼───────┼──────┘       │
//!     └───────────────────────── 0.41 ─────────────────┘      …     bubbles ──┴─ 0.55
//!
//!   score(Q, D) = Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩                     each query token's best match, summed
//! ```
//!
//! (Khattab & Zaharia, "ColBERT", SIGIR 2020, [arXiv:2004.12832](https://arxiv.org/abs/2004.12832).)
//! What it costs is bytes and multiplications. Lateen keeps a token of 128 dimensions in about 70 bytes
//! at 4 bits or 40 at 2 (text, lists and centroids included), and multiplies eight bits at a time.
//!
//! # Ten lines
//!
//! ```
//! use lateen::{corpus::Document, encode::{Model, ModelOptions}, search::SearchOptions};
//! use lateen::retriever::{CreateOptions, Retriever, WriteOptions};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("notes.lateen");
//! let model = std::sync::Arc::new(Model::nano(&ModelOptions::default())?);
//! let retriever = Retriever::create(&path, model, &CreateOptions::default())?;
//! let mut writer = retriever.writer(&WriteOptions::default())?;
//! writer.add(Document::new("tides", "The pull of the moon raises the sea twice a day."))?;
//! writer.add(Document::new("bread", "Yeast breathes out gas, whose bubbles make the loaf rise."))?;
//! writer.commit()?;
//! let answer = retriever.search("what makes a loaf rise", &SearchOptions::top(1))?;
//! assert_eq!(answer.hits[0].id, "bread");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Who has token matrices or vectors already uses [`index`] and [`search`] without a model.
//!
//! # The rooms
//!
//! | room | what it does |
//! |---|---|
//! | [`retriever`] | text in, hits out |
//! | [`rerank`] | slower judges reorder hits |
//! | [`search`] | a query and a snapshot in, ranked hits out |
//! | [`index`] | segments over time: one writer, atomic commits, snapshots |
//! | [`encode`] | text to matrices: static tables, ONNX models |
//! | [`quant`], [`ann`] | codes for token vectors; inverted lists and graphs |
//! | [`corpus`], [`eval`], [`lexical`] | files of documents; metrics; BM25 |
//! | [`kernel`], [`types`] | SIMD scoring; the shared nouns |
//! | [`mod@format`] | the bytes on disk |
//!
//! # Costs and guarantees
//!
//! - A commit that returned `Ok` survives a crash; a reader sees exactly one commit; damage is detected.
//! - Opening an index takes the same time for ten documents and ten million; nothing is copied.
//! - A scan costs `query tokens · corpus tokens · dim` multiply-adds; the two-stage plan replaces the
//!   corpus's tokens by its centroids plus a shortlist.
//! - The plan, kernel, runtime and precision that were used are in every answer's report.
//! - The same documents, settings and seed give the same bytes.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![deny(unsafe_code)]

pub mod ann;
pub mod corpus;
pub mod encode;
pub mod eval;
pub mod index;
pub mod kernel;
pub mod lexical;
pub mod quant;
pub mod rerank;
pub mod retriever;
pub mod search;
pub mod types;

pub use lateen_index_format as format;
