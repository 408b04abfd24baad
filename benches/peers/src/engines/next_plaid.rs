//! next-plaid over token vectors.

use std::time::Instant;

use anyhow::{Context, anyhow};
use ndarray::Array2;
use next_plaid::{IndexConfig, MmapIndex, SearchParameters};
use serde_json::{Value, json};

use crate::collection::Collection;
use crate::protocol::{Engine, Job, Watch};

#[derive(Default)]
pub struct NextPlaid {
    opened: Option<MmapIndex>,
    queries: Vec<Array2<f32>>,
    parameters: SearchParameters,
}

impl Engine for NextPlaid {
    fn about(&self) -> Value {
        let products = if cfg!(feature = "openblas") { "OpenBLAS" } else { "pure Rust" };
        json!({ "version": "1.8.5", "matrix_products": products })
    }

    /// Settings: `bits`. The library takes all documents at once, in single precision.
    fn build(&mut self, job: &Job) -> anyhow::Result<(usize, Watch)> {
        let collection = Collection::open(&job.data)?;
        let mut documents = Vec::with_capacity(collection.lengths.len());
        for document in collection.documents()? {
            let rows = document?.rows;
            documents.push(Array2::from_shape_vec((rows.len() / collection.dim, collection.dim), rows)?);
        }
        let bytes = documents.iter().map(|document| document.len() * 4).sum();
        let mut config = IndexConfig { seed: Some(42), ..IndexConfig::default() };
        config.nbits = job.settings["bits"].as_u64().context("no bits")? as usize;
        // Small indexes would keep the vectors as well, to be rebuilt from on every update.
        config.start_from_scratch = 0;
        std::fs::create_dir_all(&job.index)?;
        let path = job.index.to_str().context("a path that is not Unicode")?;
        let built = || MmapIndex::create_with_kmeans(&documents, path, &config).map_err(|e| anyhow!("{e}"));
        let (_, watch) = Watch::of(built)?;
        Ok((bytes, watch))
    }

    fn open(&mut self, job: &Job) -> anyhow::Result<f64> {
        let path = job.index.to_str().context("a path that is not Unicode")?;
        let start = Instant::now();
        let index = MmapIndex::load(path).map_err(|error| anyhow!("{error}"))?;
        let seconds = start.elapsed().as_secs_f64();
        self.opened = Some(index);
        let queries = Collection::open(&job.data)?.queries()?.into_iter();
        let queries = queries.map(|query| {
            let (rows, dim) = (query.view().rows(), query.view().dim());
            Array2::from_shape_vec((rows, dim), query.into_vec())
        });
        self.queries = queries.collect::<Result<_, _>>()?;
        Ok(seconds)
    }

    /// Settings: `n_full_scores`, `n_ivf_probe`, `threshold` (`null`: its default; `false`: none).
    fn prepare(&mut self, settings: &Value, k: usize) -> anyhow::Result<()> {
        let mut parameters = SearchParameters { top_k: k, ..SearchParameters::default() };
        if let Some(number) = settings["n_full_scores"].as_u64() {
            parameters.n_full_scores = number as usize;
        }
        if let Some(number) = settings["n_ivf_probe"].as_u64() {
            parameters.n_ivf_probe = number as usize;
        }
        match &settings["threshold"] {
            Value::Bool(false) => parameters.centroid_score_threshold = None,
            Value::Number(number) => parameters.centroid_score_threshold = number.as_f64().map(|x| x as f32),
            _ => {}
        }
        self.parameters = parameters;
        Ok(())
    }

    fn search(&mut self, query: usize) -> anyhow::Result<Vec<u32>> {
        let index = self.opened.as_ref().context("no index is open")?;
        let found = index.search(&self.queries[query], &self.parameters, None);
        let found = found.map_err(|error| anyhow!("{error}"))?;
        Ok(found.passage_ids.iter().map(|&id| id as u32).collect())
    }
}
