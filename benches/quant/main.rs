//! Codecs compared on real token vectors: how much of the ranking by exact MaxSim each keeps for its bytes.
//!
//! ```text
//! cargo bench --bench quant -- DIR [--queries 300] [--only TEXT] [--pool 2,3,4] [--json FILE] [--commit HASH]
//! ```
//!
//! `DIR` is a collection as the example `encode_collection` writes it. Every codec sees the same vectors, the same centroids (those of
//! Lateen's codec, except where its name says otherwise) and the same queries; a row is decoded as the codec would and scored in single
//! precision, so that the figures are of the codes alone. Recall: the share of the best 10 and 100 documents by exact MaxSim that
//! are among its best 10 and 100. Bytes: codes, scale, centroid number and the token's share of centroids; the lists of the
//! first stage, 1.2 bytes or so, come on top of all.

mod collection;
mod product;
mod scalar;
mod shipped;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use collection::{Collection, Judged};
use lateen::format::CodeWidth;
use lateen::quant::CodecOptions;
use product::Product;
use scalar::{Grid, Scalar, ScaleRule, Space};
use serde_json::{Value, json};
use shipped::{Cells, Shipped};

/// A way to store token vectors.
pub trait Codec: Sync {
    /// What it stores for a token, in bytes.
    fn bytes_per_token(&self) -> f64;

    /// Replaces a row by what decoding its codes would give.
    fn restore(&self, token: usize, row: &mut [f32]);
}

/// Single precision: what the others are compared with.
struct Float;

impl Codec for Float {
    fn bytes_per_token(&self) -> f64 {
        512.0
    }
    fn restore(&self, _: usize, _: &mut [f32]) {}
}

struct Options {
    folder: String,
    queries: usize,
    only: Option<String>,
    pool: Vec<usize>,
    json: Option<String>,
    commit: String,
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    let collection = Collection::open(Path::new(&options.folder), options.queries)?;
    let mut table = Table::new(&collection, &options);
    shipped(&collection, &mut table)?;
    rivals(&collection, &mut table)?;
    pooled(&collection, &mut table)?;
    table.finish(&collection)
}

/// What Lateen builds.
fn shipped(collection: &Collection, table: &mut Table<'_>) -> anyhow::Result<()> {
    for width in CodeWidth::ALL {
        for ids in [true, false] {
            let without = if ids { "" } else { ", without token ids" };
            let name = format!("Lateen {}{without}", width.name());
            if table.wants(&name) {
                let start = Instant::now();
                let codec = Shipped::build(collection, ids, &CodecOptions::with_width(width))?;
                table.measure(&name, collection, &codec, Some(start.elapsed().as_secs_f64()));
            }
        }
    }
    Ok(())
}

/// Everything else, over the same cells.
fn rivals(collection: &Collection, table: &mut Table<'_>) -> anyhow::Result<()> {
    let cells = Cells::of(collection)?;
    for (name, space, grid, levels, scale) in scalar_codecs() {
        let name = format!("{name}, {levels} levels");
        if table.wants(&name) {
            let codec = Scalar::train(collection, &cells, (space, grid, levels), scale);
            table.measure(&name, collection, &codec, None);
        }
    }
    for parts in [64, 32, 16] {
        let name = format!("product quantisation, {parts} bytes");
        if table.wants(&name) {
            table.measure(&name, collection, &Product::train(collection, &cells, parts), None);
        }
    }
    Ok(())
}

/// Lateen's codes over pooled tokens.
fn pooled(collection: &Collection, table: &mut Table<'_>) -> anyhow::Result<()> {
    for &factor in &table.options.pool {
        let names = CodeWidth::ALL.map(|width| format!("Lateen {}, pooled by {factor}", width.name()));
        if !names.iter().any(|name| table.wants(name)) {
            continue;
        }
        let start = Instant::now();
        let pooled = collection.pooled(factor)?;
        let seconds = start.elapsed().as_secs_f64();
        let wanted: Vec<_> = names.iter().zip(CodeWidth::ALL).filter(|(name, _)| table.wants(name)).collect();
        for (name, width) in wanted {
            let codec = Shipped::build(&pooled, true, &CodecOptions::with_width(width))?;
            table.measure(name, &pooled, &codec, Some(seconds));
        }
    }
    Ok(())
}

struct Table<'a> {
    options: &'a Options,
    exact: Judged,
    tokens: usize,
    rows: Vec<Value>,
}

const COLUMNS: &[&str] = &["codec", "bytes_per_token", "recall@10", "recall@100", "ndcg@10", "mean_cosine"];

impl<'a> Table<'a> {
    fn new(collection: &Collection, options: &'a Options) -> Self {
        let exact = collection.judge(&Float);
        let float = json!({
            "codec": "f32", "bytes_per_token": 4 * collection.dim(), "recall@10": 1.0, "recall@100": 1.0,
            "ndcg@10": collection.ndcg(&exact), "mean_cosine": 1.0,
        });
        println!("{float}");
        Self { options, exact, tokens: collection.rows(), rows: vec![float] }
    }

    fn wants(&self, name: &str) -> bool {
        self.options.only.as_ref().is_none_or(|only| only.split(';').any(|only| name.contains(only)))
    }

    /// `seconds`: what building the codec took, or pooling.
    fn measure(&mut self, name: &str, collection: &Collection, codec: &dyn Codec, seconds: Option<f64>) {
        let found = collection.judge(codec);
        // Of pooled tokens, per token before pooling.
        let share = collection.rows() as f64 / self.tokens as f64;
        let row = json!({
            "codec": name,
            "bytes_per_token": codec.bytes_per_token() * share,
            "recall@10": self.exact.recall(&found, 10),
            "recall@100": self.exact.recall(&found, 100),
            "ndcg@10": collection.ndcg(&found),
            "mean_cosine": found.mean_cosine,
            "seconds": seconds,
        });
        println!("{row}");
        self.rows.push(row);
    }

    fn finish(&self, collection: &Collection) -> anyhow::Result<()> {
        support::print_table(&self.rows, COLUMNS);
        let Some(file) = &self.options.json else { return Ok(()) };
        let name = Path::new(&self.options.folder).file_name().unwrap_or_default().to_string_lossy();
        let record = json!({
            "bench": "codecs", "collection": name, "documents": collection.documents(),
            "tokens": collection.rows(), "dim": collection.dim(), "queries": collection.queries(),
            "cpu": support::machine::cpu(), "threads": rayon::current_num_threads(),
            "commit": self.options.commit, "rows": self.rows,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n").with_context(|| file.clone())
    }
}

type ScalarCodec = (&'static str, Space, Grid, usize, ScaleRule);

/// Codes of each dimension by itself.
fn scalar_codecs() -> Vec<ScalarCodec> {
    let mut codecs = Vec::new();
    for levels in [2, 3, 4, 16] {
        codecs.extend([
            ("not rotated", Space::Given, Grid::LloydMax, levels, ScaleRule::Unit),
            ("unit length", Space::Rotated, Grid::LloydMax, levels, ScaleRule::Unit),
            ("least-squares scale", Space::Rotated, Grid::LloydMax, levels, ScaleRule::LeastSquares),
            ("scale along the row", Space::Rotated, Grid::LloydMax, levels, ScaleRule::Along),
            ("anisotropic scale", Space::Rotated, Grid::LloydMax, levels, ScaleRule::Anisotropic),
            ("unbiased scale (RaBitQ)", Space::Rotated, Grid::Uniform, levels, ScaleRule::Unbiased),
            ("Lloyd–Max, unbiased scale", Space::Rotated, Grid::LloydMax, levels, ScaleRule::Unbiased),
            ("no centroids", Space::RotatedWithoutCentroids, Grid::LloydMax, levels, ScaleRule::Unit),
        ]);
        if levels > 3 {
            codecs.extend([
                ("uniform levels", Space::Rotated, Grid::Uniform, levels, ScaleRule::Unit),
                ("levels by dimension", Space::Given, Grid::ByDimension, levels, ScaleRule::Unit),
                ("quantile buckets (PLAID)", Space::Given, Grid::Quantiles, levels, ScaleRule::Normalise),
            ]);
        }
    }
    codecs
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        folder: String::new(),
        queries: 300,
        only: None,
        pool: vec![2, 3, 4],
        json: None,
        commit: "unknown".to_owned(),
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--queries" => options.queries = value()?.parse()?,
            "--only" => options.only = Some(value()?),
            "--pool" => options.pool = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--json" => options.json = Some(value()?),
            "--commit" => options.commit = value()?,
            _ => options.folder = word,
        }
    }
    anyhow::ensure!(!options.folder.is_empty(), "name a folder that examples/encode_collection wrote");
    Ok(options)
}
