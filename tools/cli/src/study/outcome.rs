//! What a comparison found.

use super::machine::Machine;
use super::measure::Latency;
use super::position::{PositionResult, ThirdsResult};
use super::statistics::Cell;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of one system on one collection beside its run; kept for the next time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Of everything that decides the run.
    pub key: String,
    pub description: String,
    pub plan: Option<String>,
    pub bytes: u64,
    /// Of the whole ranking pass, encodings of earlier passes used again.
    pub rank_seconds: f64,
    /// The most memory of the process during that pass.
    pub peak_bytes: Option<u64>,
    /// Opening the index and answering one encoded query, with its files forgotten by the system.
    pub cold_ms: Option<f64>,
    pub latency: Option<Latency>,
    /// Of everything that decides the latencies.
    pub latency_key: String,
}

/// One system on one collection.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub collection: String,
    pub system: String,
    pub is_baseline: bool,
    #[serde(flatten)]
    pub finished: Finished,
    /// By metric.
    pub metrics: BTreeMap<String, Cell>,
    /// The TREC run, seen from the output folder; none if ids have spaces.
    pub run: Option<String>,
}

/// A collection as it was evaluated.
#[derive(Debug, Clone, Serialize)]
pub struct CollectionFacts {
    pub name: String,
    pub path: String,
    pub split: String,
    pub documents: usize,
    pub queries: usize,
    pub hash: String,
    pub notes: Vec<String>,
}

/// Everything, as `report.json` has it.
#[derive(Debug, Clone, Serialize)]
pub struct StudyReport {
    pub title: String,
    pub command: String,
    pub machine: Machine,
    pub baseline: String,
    /// In the order they were asked for.
    pub metrics: Vec<String>,
    pub collections: Vec<CollectionFacts>,
    pub outcomes: Vec<Outcome>,
    pub positions: Vec<PositionResult>,
    pub thirds: Vec<ThirdsResult>,
}
