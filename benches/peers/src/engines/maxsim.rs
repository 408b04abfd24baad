//! MaxSim kernels over documents in memory.

use std::path::Path;

use anyhow::{Context, bail};
use half::bf16;
use lateen::kernel::{Isa, QueryBf16, QueryF32, QueryI8};
use lateen::types::TokenMatrix;
use ndarray::ArrayView2;
use serde_json::{Value, json};

use crate::collection::{list, matrix};
use crate::protocol::{Engine, Job, Watch};

/// Documents and queries as the comparison has written them.
#[derive(Default)]
struct Vectors {
    dim: usize,
    /// Of one query.
    query_rows: usize,
    queries: Vec<f32>,
    rows: Vec<f32>,
    /// Where each document's tokens end.
    ends: Vec<u32>,
}

impl Vectors {
    fn open(data: &Path) -> anyhow::Result<Self> {
        let (dim, rows) = matrix(&data.join("base.npy"))?;
        let (_, queries) = matrix(&data.join("queries.npy"))?;
        let ends = list(&data.join("lengths.npy"))?.into_iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        let query_rows = list(&data.join("query_rows.npy"))?[0] as usize;
        Ok(Self { dim, query_rows, queries, rows, ends: ends.collect() })
    }

    fn query(&self, query: usize) -> &[f32] {
        let numbers = self.query_rows * self.dim;
        &self.queries[query * numbers..][..numbers]
    }
}

/// Lateen's kernels; packing the query is part of the time.
#[derive(Default)]
pub struct Lateen {
    vectors: Vectors,
    bf16: Vec<bf16>,
    int8: Vec<i8>,
    scales: Vec<f32>,
    precision: String,
    scores: Vec<f32>,
}

impl Engine for Lateen {
    fn about(&self) -> Value {
        json!({ "version": "this checkout", "kernel": Isa::detect().name() })
    }

    fn build(&mut self, _: &Job) -> anyhow::Result<(usize, Watch)> {
        bail!("kernels build nothing")
    }

    fn open(&mut self, job: &Job) -> anyhow::Result<f64> {
        self.vectors = Vectors::open(&job.data)?;
        self.bf16 = self.vectors.rows.iter().map(|&x| bf16::from_f32(x)).collect();
        for row in self.vectors.rows.chunks_exact(self.vectors.dim) {
            let scale = row.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0;
            self.int8.extend(row.iter().map(|x| (x / scale).round() as i8));
            self.scales.push(scale);
        }
        Ok(f64::NAN)
    }

    /// Settings: `precision` (`f32`, `bf16`, `int8`).
    fn prepare(&mut self, settings: &Value, _: usize) -> anyhow::Result<()> {
        self.precision = settings["precision"].as_str().context("no precision")?.to_owned();
        self.scores = vec![0.0; self.vectors.ends.len()];
        Ok(())
    }

    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>> {
        let (isa, vectors) = (Isa::detect(), &self.vectors);
        let query = TokenMatrix::new(vectors.query(query), vectors.dim)?;
        let (ends, scores) = (&vectors.ends, &mut self.scores);
        match self.precision.as_str() {
            "f32" => QueryF32::pack(isa, query).maxsim_ragged(&vectors.rows, ends, scores),
            "bf16" => QueryBf16::pack(isa, query).maxsim_ragged(&self.bf16, ends, scores),
            "int8" => QueryI8::pack(isa, query).maxsim_ragged(&self.int8, &self.scales, ends, scores),
            other => bail!("there is no precision {other:?}"),
        }
        Ok(Vec::new())
    }

    fn note(&self) -> Value {
        json!({ "scores": self.scores })
    }
}

/// next-plaid's float kernel.
#[derive(Default)]
pub struct NextPlaid {
    vectors: Vectors,
    scores: Vec<f32>,
}

impl Engine for NextPlaid {
    fn about(&self) -> Value {
        json!({ "version": "1.8.5" })
    }

    fn build(&mut self, _: &Job) -> anyhow::Result<(usize, Watch)> {
        bail!("kernels build nothing")
    }

    fn open(&mut self, job: &Job) -> anyhow::Result<f64> {
        self.vectors = Vectors::open(&job.data)?;
        Ok(f64::NAN)
    }

    fn prepare(&mut self, _: &Value, _: usize) -> anyhow::Result<()> {
        Ok(())
    }

    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>> {
        let vectors = &self.vectors;
        let query = ArrayView2::from_shape((vectors.query_rows, vectors.dim), vectors.query(query))?;
        self.scores.clear();
        let mut start = 0;
        for &end in &vectors.ends {
            let rows = &vectors.rows[start as usize * vectors.dim..end as usize * vectors.dim];
            let document = ArrayView2::from_shape(((end - start) as usize, vectors.dim), rows)?;
            self.scores.push(next_plaid::maxsim::maxsim_score(&query, &document));
            start = end;
        }
        Ok(Vec::new())
    }

    fn note(&self) -> Value {
        json!({ "scores": self.scores })
    }
}
