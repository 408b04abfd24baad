//! Time, size and loss of the residual codec.
//!
//! ```text
//! cargo bench --bench quant -- [--tokens DIR] [--queries N] [--bits 4,2] [--per-centroid 64] [--json FILE]
//! ```
//!
//! `DIR` holds `docs.npy` (f16, `[tokens, dim]`, unit rows), `ids.npy` (u32 vocabulary ids), `ends.npy` (u32, end of each
//! document), `q.npy` (f16) and `qends.npy` (u32). Without it, clustered synthetic tokens are made. For each setting:
//! seconds to build, bytes per token, and the share of the best 10 and 100 documents by exact MaxSim that MaxSim over
//! decoded tokens also ranks there.

use std::path::Path;
use std::time::Instant;

use half::f16;
use lateen::format::CodeWidth;
use lateen::quant::{CodecOptions, ResidualCodec, TokenCodes, TokenRows};
use rayon::prelude::*;
use serde_json::{Value, json};

type AnyError = Box<dyn std::error::Error>;

struct Halves {
    data: Vec<f16>,
    dim: usize,
}

impl Halves {
    fn row(&self, row: usize) -> &[f16] {
        &self.data[row * self.dim..(row + 1) * self.dim]
    }
}

impl TokenRows for Halves {
    fn len(&self) -> usize {
        self.data.len() / self.dim
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn copy_row(&self, row: usize, out: &mut [f32]) {
        half::slice::HalfFloatSliceExt::convert_to_f32_slice(self.row(row), out);
    }
}

struct Collection {
    docs: Halves,
    ids: Vec<u32>,
    ends: Vec<u32>,
    queries: Halves,
    query_ends: Vec<u32>,
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let list = |name: &str, default: &str| -> Result<Vec<usize>, std::num::ParseIntError> {
        option(name).unwrap_or_else(|| default.into()).split(',').map(str::parse).collect()
    };
    let collection = match option("--tokens") {
        Some(directory) => load(Path::new(&directory))?,
        None => synthetic(),
    };
    let queries: usize = option("--queries").map_or(Ok(20), |n| n.parse())?;
    let ids =
        if arguments.iter().any(|argument| argument == "--without-ids") { &[][..] } else { &collection.ids };
    let exact = rankings(&collection, queries, |row, out| collection.docs.copy_row(row, out));
    let mut results = Vec::new();
    for width in option("--bits").unwrap_or_else(|| "4,2,ternary,1".into()).split(',') {
        let width = CodeWidth::ALL.into_iter().find(|known| known.name() == width).ok_or("no such width")?;
        for &tokens_per_centroid in &list("--per-centroid", "64")? {
            let mut options = CodecOptions::with_width(width);
            options.tokens_per_centroid = tokens_per_centroid;
            results.push(measure(&collection, ids, &options, &exact)?);
        }
    }
    if let Some(file) = option("--json") {
        let threads = rayon::current_num_threads();
        std::fs::write(file, serde_json::to_vec_pretty(&json!({"threads": threads, "results": results}))?)?;
    }
    Ok(())
}

fn measure(
    collection: &Collection,
    ids: &[u32],
    options: &CodecOptions,
    exact: &[Vec<u32>],
) -> Result<Value, AnyError> {
    let start = Instant::now();
    let (codec, coded) = ResidualCodec::build(&collection.docs, ids, options)?;
    let seconds = start.elapsed().as_secs_f64();
    let tokens = collection.docs.len();
    let id_width = if codec.centroid_count() <= 1 << 16 { 2 } else { 3 };
    let centroid_bytes = codec.centroids.len() + 4 * codec.centroid_count();
    let bytes = (codec.row_bytes() + 1 + id_width) as f64 + centroid_bytes as f64 / tokens as f64;
    let rotation = codec.rotation();
    let approximate = rankings(collection, exact.len(), |row, out| {
        decode(&codec, &coded, row, out);
        rotation.apply_inverse(out);
    });
    let (cosine, length) = fidelity(collection, &codec, &coded);
    let result = json!({
        "bits": options.width.name(), "tokens_per_centroid": options.tokens_per_centroid, "with_ids": !ids.is_empty(),
        "tokens": tokens, "centroids": codec.centroid_count(), "build_seconds": seconds,
        "bytes_per_token": bytes, "recall_10": recall(exact, &approximate, 10),
        "recall_100": recall(exact, &approximate, 100), "mean_cosine": cosine, "rms_length_error": length,
        "scale_log2_min": codec.scale_log2_min, "scale_log2_step": codec.scale_log2_step,
    });
    println!("{result}");
    Ok(result)
}

fn decode(codec: &ResidualCodec, coded: &TokenCodes, row: usize, out: &mut [f32]) {
    let codes = &coded.codes[row * codec.row_bytes()..(row + 1) * codec.row_bytes()];
    codec.decode(coded.centroids[row], coded.scales[row], codes, out).expect("own codes are sound");
}

fn fidelity(collection: &Collection, codec: &ResidualCodec, coded: &TokenCodes) -> (f64, f64) {
    let rotation = codec.rotation();
    let (mut row, mut back) = (vec![0.0; codec.dim], vec![0.0; codec.dim]);
    let (mut cosine, mut off, mut count) = (0.0, 0.0, 0.0);
    for number in (0..collection.docs.len()).step_by(17) {
        collection.docs.copy_row(number, &mut row);
        rotation.apply(&mut row);
        decode(codec, coded, number, &mut back);
        let length = back.iter().map(|&x| f64::from(x * x)).sum::<f64>().sqrt();
        cosine += row.iter().zip(&back).map(|(a, b)| f64::from(a * b)).sum::<f64>() / length;
        off += (length - 1.0).powi(2);
        count += 1.0;
    }
    (cosine / count, (off / count).sqrt())
}

/// The numbers of the best 100 documents of each query.
fn rankings(
    collection: &Collection,
    queries: usize,
    row: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<Vec<u32>> {
    let dim = collection.docs.dim();
    let queries = queries.min(collection.query_ends.len());
    let query_tokens = collection.query_ends[queries - 1] as usize;
    // Transposed: one document token against all query tokens is a sum of multiples of rows.
    let mut transposed = vec![0.0f32; dim * query_tokens];
    let mut buffer = vec![0.0; dim];
    for token in 0..query_tokens {
        collection.queries.copy_row(token, &mut buffer);
        (0..dim).for_each(|at| transposed[at * query_tokens + token] = buffer[at]);
    }
    let scores: Vec<Vec<f32>> = (0..collection.ends.len())
        .into_par_iter()
        .map(|document| {
            let start = if document == 0 { 0 } else { collection.ends[document - 1] as usize };
            let mut best = vec![f32::NEG_INFINITY; query_tokens];
            let (mut row_values, mut products) = (vec![0.0; dim], vec![0.0f32; query_tokens]);
            for token in start..collection.ends[document] as usize {
                row(token, &mut row_values);
                products.fill(0.0);
                for (&x, column) in row_values.iter().zip(transposed.chunks_exact(query_tokens)) {
                    products.iter_mut().zip(column).for_each(|(product, &y)| *product += x * y);
                }
                best.iter_mut().zip(&products).for_each(|(best, &product)| *best = best.max(product));
            }
            let mut start = 0;
            let ends = &collection.query_ends[..queries];
            ends.iter()
                .map(|&end| best[std::mem::replace(&mut start, end as usize)..end as usize].iter().sum())
                .collect()
        })
        .collect();
    (0..queries)
        .map(|query| {
            let mut order: Vec<u32> = (0..scores.len() as u32).collect();
            let score = |document: &u32| scores[*document as usize][query];
            order.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
            order.truncate(100);
            order
        })
        .collect()
}

fn recall(exact: &[Vec<u32>], approximate: &[Vec<u32>], k: usize) -> f64 {
    let (mut found, mut all) = (0, 0);
    for (exact, approximate) in exact.iter().zip(approximate) {
        let (exact, approximate) = (&exact[..k.min(exact.len())], &approximate[..k.min(approximate.len())]);
        found += exact.iter().filter(|document| approximate.contains(document)).count();
        all += exact.len();
    }
    found as f64 / all as f64
}

/// The numbers of a file in NumPy's format, and the length of its rows.
fn read_npy(path: &Path, width: usize) -> Result<(Vec<u8>, usize), AnyError> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
    let shape = header.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
    let dim = shape.split(',').nth(1).and_then(|number| number.trim().parse().ok()).unwrap_or(1);
    assert!(header.contains(&format!("{width}'")), "{}: numbers are not {width} bytes wide", path.display());
    Ok((bytes[10 + length..].to_vec(), dim))
}

fn load(directory: &Path) -> Result<Collection, AnyError> {
    let halves = |name: &str| -> Result<Halves, AnyError> {
        let (bytes, dim) = read_npy(&directory.join(name), 2)?;
        Ok(Halves { data: bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]])).collect(), dim })
    };
    let numbers = |name: &str| -> Result<Vec<u32>, AnyError> {
        let (bytes, _) = read_npy(&directory.join(name), 4)?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    Ok(Collection {
        docs: halves("docs.npy")?,
        ids: numbers("ids.npy")?,
        ends: numbers("ends.npy")?,
        queries: halves("q.npy")?,
        query_ends: numbers("qends.npy")?,
    })
}

/// 200,000 tokens of 3,000 words in 1,000 documents.
fn synthetic() -> Collection {
    let (dim, words) = (128, 3000usize);
    let mut state = 1u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let centres: Vec<f32> = (0..words * dim).map(|_| uniform()).collect();
    let mut rows = |count: usize| {
        let (mut data, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..count {
            // Zipf-like: the logarithm of the rank is uniform.
            let word = ((words as f32).powf(0.5 * uniform() + 0.5) as usize).min(words - 1);
            let mut row: Vec<f32> =
                centres[word * dim..(word + 1) * dim].iter().map(|c| c + 0.7 * uniform()).collect();
            lateen::types::normalize(&mut row);
            data.extend(row.into_iter().map(f16::from_f32));
            ids.push(word as u32);
        }
        (Halves { data, dim }, ids)
    };
    let (docs, ids) = rows(200_000);
    let (queries, _) = rows(640);
    Collection {
        docs,
        ids,
        ends: (1..=1000).map(|document| document * 200).collect(),
        queries,
        query_ends: (1..=20).map(|query| query * 32).collect(),
    }
}
