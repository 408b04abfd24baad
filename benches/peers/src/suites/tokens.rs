//! Late interaction: every system over the same token vectors.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use crate::against::against;
use crate::arguments::Arguments;
use crate::collection::Collection;
use crate::compose::compose;
use crate::quality::{Quality, exact};
use crate::suite::{Suite, write};
use crate::systems::{self, System};

/// Hits per query, as in the papers on late interaction that report recall@100.
const K: usize = 100;

/// All systems on one collection.
pub fn tokens(arguments: &Arguments) -> anyhow::Result<()> {
    let mut systems = systems::tokens(arguments.memory_mib);
    let tokens = arguments.sizes.first().copied();
    if tokens.is_some() {
        // Of composed, large collections a peer's every build takes long: at 4 bits only.
        systems.retain(|system| system.name == "lateen" || system.variant.starts_with("4 bits"));
    }
    let work =
        tokens.map_or_else(|| arguments.work.join(&arguments.name), |tokens| folder(arguments, tokens));
    let mut record = measure(arguments, tokens, &work, systems)?;
    record["against"] = against(&record);
    write(&arguments.record, &record)
}

/// The working folder of a composed collection; comparisons of one size share what is built there.
pub fn folder(arguments: &Arguments, tokens: u64) -> PathBuf {
    arguments.work.join(format!("tokens-{tokens}"))
}

/// The record of `systems` on a collection of `tokens` tokens; of the only folder as it is, if none are asked for.
pub fn measure(
    arguments: &Arguments,
    tokens: Option<u64>,
    work: &Path,
    systems: Vec<System>,
) -> anyhow::Result<Value> {
    std::fs::create_dir_all(work)?;
    let (data, made_of) = data(arguments, tokens, work)?;
    let collection = Collection::open(&data)?;
    let queries = collection.queries()?;
    let count = queries.len();
    let rows: usize = queries.iter().map(|query| query.view().rows()).sum();
    let truth = exact(&collection, K, &work.join("truth.json"))?;
    let quality = Quality::new(&data, truth)?;
    let head = json!({
        "bench": "peers-tokens", "collection": arguments.name, "made_of": made_of,
        "documents": collection.lengths.len(), "tokens": collection.tokens(), "dim": collection.dim,
        "query_tokens_mean": rows as f64 / count.max(1) as f64,
        "exact_float": quality.of_truth()?, "memory_budget_mib": arguments.memory_mib,
    });
    let (launcher, effort) = (&arguments.launcher, &arguments.effort);
    let suite =
        Suite { launcher, effort, data, work: work.to_owned(), systems, k: K, quality, queries: count };
    suite.run(head)
}

fn data(arguments: &Arguments, tokens: Option<u64>, work: &Path) -> anyhow::Result<(PathBuf, Value)> {
    let first = arguments.data.first().context("--data DIR is needed")?;
    match tokens {
        None => Ok((std::path::absolute(first)?, Value::Null)),
        Some(tokens) => {
            let out = work.join("data");
            let made_of = compose(&arguments.data, tokens, &out)?;
            Ok((out, made_of))
        }
    }
}
