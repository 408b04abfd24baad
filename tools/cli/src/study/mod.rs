//! Comparisons: systems × collections, from one TOML file to tables, runs and a page.
//!
//! ```text
//! study.toml ─ Study ─┬─ Collection (texts, queries, judgements, buckets) ─┐
//!                     └─ Plan of systems ─ Ranker ─────────────────────────┴─ rank → run ─ metrics ─┬─ table
//!                                             └─ all of a collection, in turns ─ latencies ──────────┼─ report.json
//!                                                                                                    └─ report.html
//! ```
//!
//! What is finished is kept in the output folder under a key of everything that decides it, so that the same command goes on where it
//! was stopped.

mod build;
mod collection;
mod config;
mod judge;
mod machine;
mod measure;
mod outcome;
mod position;
mod ranker;
mod runner;
mod scorer;
mod statistics;

pub use config::{BoundarySpec, CollectionSpec, Fold, Study, SystemSpec, Thirds};
pub use outcome::{Outcome, StudyReport};
pub use position::{BucketResult, PositionResult};
pub use ranker::Models;
pub use runner::run;
pub use scorer::Scorer;
pub use statistics::Cell;
