//! MaxSim kernels: 32 query tokens against 1,000 documents.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::collection::Collection;
use crate::compose::{write_matrix, write_numbers};
use crate::machine;
use crate::measure::{Measured, rounded};
use crate::protocol::{Job, Search};
use crate::suite::write;
use crate::worker::{Home, Worker};

const DOCUMENTS: usize = 1000;
const QUERY_ROWS: usize = 32;
const QUERIES: usize = 5;

/// A kernel: system, engine, where it runs, precision.
const KERNELS: [(&str, &str, Home, &str); 5] = [
    ("lateen", "lateen-maxsim", Home::Rust, "f32"),
    ("lateen", "lateen-maxsim", Home::Rust, "bf16"),
    ("lateen", "lateen-maxsim", Home::Rust, "int8"),
    ("maxsim-cpu", "maxsim-cpu", Home::Python, "f32"),
    ("next-plaid", "next-plaid-maxsim", Home::Rust, "f32"),
];

pub fn maxsim(arguments: &Arguments) -> anyhow::Result<()> {
    let shapes = ["300 tokens each", "as the texts are"];
    let records = shapes.iter().map(|shape| {
        let data = arguments.work.join("maxsim").join(shape.replace(' ', "-"));
        let tokens = vectors(arguments, &data, *shape == shapes[0])?;
        compare(arguments, shape, &data, tokens)
    });
    let records = records.collect::<anyhow::Result<Vec<_>>>()?;
    let record = json!({
        "bench": "peers-maxsim", "collection": arguments.name, "query_rows": QUERY_ROWS, "documents": DOCUMENTS,
        "dim": Collection::open(&arguments.data[0])?.dim, "threads": 1, "rounds": arguments.effort.rounds,
        "commit": arguments.effort.commit, "cpu": machine::cpu(),
        "pinned_to_one_core": arguments.launcher.core.is_some(), "shapes": records,
    });
    write(&arguments.record, &record)
}

/// Writes queries and documents of real token vectors; returns how many tokens the documents have.
fn vectors(arguments: &Arguments, data: &Path, uniform: bool) -> anyhow::Result<u32> {
    std::fs::create_dir_all(data)?;
    let collection = Collection::open(arguments.data.first().context("--data DIR is needed")?)?;
    let dim = collection.dim;
    let queries: Vec<f32> = collection.queries()?.into_iter().flat_map(|query| query.into_vec()).collect();
    let queries = queries.get(..QUERIES * QUERY_ROWS * dim).context("too few queries")?;
    let (mut rows, mut lengths) = (Vec::new(), Vec::new());
    for document in collection.documents()?.take(DOCUMENTS) {
        let document = document?;
        rows.extend(document.rows);
        lengths.push(u32::try_from(document.token_ids.len())?);
    }
    if uniform {
        lengths = vec![300; DOCUMENTS];
        let own = rows.clone();
        while rows.len() < 300 * DOCUMENTS * dim {
            rows.extend_from_slice(&own);
        }
        rows.truncate(300 * DOCUMENTS * dim);
    }
    write_matrix(&data.join("base.npy"), dim, &rows)?;
    write_matrix(&data.join("queries.npy"), dim, queries)?;
    write_numbers(&data.join("query_rows.npy"), &[QUERY_ROWS as u32])?;
    write_numbers(&data.join("lengths.npy"), &lengths)?;
    Ok(lengths.iter().sum())
}

struct Kernel {
    system: &'static str,
    precision: &'static str,
    about: Value,
    worker: Worker,
    measured: Measured,
    scores: Vec<f64>,
}

fn compare(arguments: &Arguments, shape: &str, data: &Path, tokens: u32) -> anyhow::Result<Value> {
    let (mut kernels, mut missing) = (Vec::new(), Vec::new());
    for (system, engine, home, precision) in KERNELS {
        match arguments.launcher.start(home, engine) {
            Ok((mut worker, about)) => {
                let settings = json!({ "precision": precision });
                worker.open(Job { data: data.to_owned(), index: PathBuf::new(), settings })?;
                let (measured, scores) = (Measured::default(), Vec::new());
                kernels.push(Kernel { system, precision, about, worker, measured, scores });
            }
            Err(error) => missing.push(json!({ "system": system, "why": format!("{error:#}") })),
        }
    }
    // The first round warms up and hands over the scores.
    for round in 0..=arguments.effort.rounds {
        for kernel in &mut kernels {
            let settings = json!({ "precision": kernel.precision });
            let queries = (0..QUERIES as u32).collect();
            let found = kernel.worker.search(Search { settings, k: 1, queries, hits: round == 0 })?;
            if round == 0 {
                kernel.scores = serde_json::from_value(found.note["scores"].clone())?;
            } else {
                kernel.measured.add(found.seconds, QUERIES);
            }
        }
    }
    let reference = kernels.first().map(|kernel| kernel.scores.clone()).unwrap_or_default();
    let operations =
        2.0 * QUERY_ROWS as f64 * f64::from(tokens) * Collection::open(&arguments.data[0])?.dim as f64;
    let rows = kernels.iter().map(|kernel| {
        let report = kernel.measured.report();
        let ms = report["ms_p50"].as_f64().unwrap_or(f64::NAN);
        let off = kernel.scores.iter().zip(&reference).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        json!({
            "system": kernel.system, "precision": kernel.precision, "about": kernel.about, "ms": report,
            "gop_per_second": rounded(operations / ms / 1e6), "largest_difference": off,
        })
    });
    let rows: Vec<_> = rows.collect();
    Ok(json!({ "shape": shape, "tokens": tokens, "kernels": rows, "missing": missing }))
}
