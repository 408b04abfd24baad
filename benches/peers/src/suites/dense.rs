//! One vector per document: 100,000 passages, each the mean of a window of token vectors.

use std::path::Path;

use anyhow::Context;
use lateen::kernel::{Isa, dot};
use lateen::types::normalize;
use rayon::prelude::*;
use serde_json::json;

use crate::arguments::Arguments;
use crate::collection::{Collection, matrix};
use crate::compose::{Random, write_matrix};
use crate::quality::Quality;
use crate::suite::{Suite, write};
use crate::systems;

const PASSAGES: usize = 100_000;
const QUERIES: usize = 1000;
/// Tokens of a passage.
const WINDOW: usize = 16;
const K: usize = 10;

pub fn dense(arguments: &Arguments) -> anyhow::Result<()> {
    let work = arguments.work.join("dense");
    let data = work.join("data");
    if !data.join("ids.txt").is_file() {
        passages(arguments, &data)?;
    }
    let (dim, base) = matrix(&data.join("base.npy"))?;
    let (_, queries) = matrix(&data.join("queries.npy"))?;
    let truth = nearest(&base, &queries, dim);
    let (launcher, effort) = (&arguments.launcher, &arguments.effort);
    let suite = Suite {
        launcher,
        effort,
        quality: Quality::new(&data, truth)?,
        data,
        work,
        systems: systems::dense(),
        k: K,
        queries: QUERIES,
    };
    let head = json!({
        "bench": "peers-dense", "collection": arguments.name, "documents": base.len() / dim, "dim": dim,
        "what": format!("means of {WINDOW} consecutive token vectors, overlapping by half, unit length"),
    });
    write(&arguments.record, &suite.run(head)?)
}

/// Windows of the documents in their order, overlapping by half, as many as needed; the queries are windows drawn at
/// random, which the others do not contain.
fn passages(arguments: &Arguments, data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data)?;
    let collection = Collection::open(arguments.data.first().context("--data DIR is needed")?)?;
    let dim = collection.dim;
    let mut all: Vec<f32> = Vec::with_capacity((PASSAGES + QUERIES) * dim);
    for document in collection.documents()? {
        let document = document?;
        let mut rows = document.rows.as_slice();
        while rows.len() >= WINDOW * dim && all.len() < (PASSAGES + QUERIES) * dim {
            let mut mean = vec![0.0; dim];
            let window = rows[..WINDOW * dim].chunks_exact(dim);
            window.for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x));
            normalize(&mut mean);
            all.extend(mean);
            rows = &rows[WINDOW / 2 * dim..];
        }
    }
    let count = all.len() / dim;
    anyhow::ensure!(
        count == PASSAGES + QUERIES,
        "the collection has only {count} passages of {WINDOW} tokens"
    );
    let mut random = Random(7);
    for query in 0..QUERIES {
        // Swapped to the end, where the queries are cut off.
        let (from, to) = (random.below((count - query) as u64) as usize, count - 1 - query);
        (0..dim).for_each(|at| all.swap(from * dim + at, to * dim + at));
    }
    let (base, queries) = all.split_at(PASSAGES * dim);
    write_matrix(&data.join("base.npy"), dim, base)?;
    write_matrix(&data.join("queries.npy"), dim, queries)?;
    let names = |count: usize| (0..count).map(|at| format!("{at}\n")).collect::<String>();
    std::fs::write(data.join("query_ids.txt"), names(QUERIES))?;
    Ok(std::fs::write(data.join("ids.txt"), names(PASSAGES))?)
}

/// The ten of largest inner product with each query; ties by position.
fn nearest(base: &[f32], queries: &[f32], dim: usize) -> Vec<Vec<u32>> {
    let isa = Isa::detect();
    let best = |query: &[f32]| {
        let scores = base.chunks_exact(dim).enumerate().map(|(at, row)| (dot(isa, query, row), at as u32));
        let mut scores: Vec<_> = scores.collect();
        scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scores.into_iter().take(K).map(|(_, at)| at).collect()
    };
    queries.par_chunks_exact(dim).map(best).collect()
}
