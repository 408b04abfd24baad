//! Speed of encoders on real texts.
//!
//! ```text
//! cargo bench --bench encode -- --collection DIR [--model DIR,DIR…] [--texts N] [--json FILE] [--commit REV]
//! ```
//!
//! Encodes the same documents with each model in each runtime that can be had, in turns, on one thread and on all, and
//! prints documents and tokens per second of the fastest turn. `nano` and `bundled` are the models inside the library; without
//! `--model` both are measured.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use lateen::corpus::{Document, ReadOptions, Source};
use lateen::encode::{Model, ModelOptions, RuntimeChoice};
use serde_json::json;

#[path = "support/machine.rs"]
mod machine;

const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let mut named = std::collections::HashMap::new();
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        named.insert(word.clone(), words.next().with_context(|| format!("{word} needs a value"))?);
    }
    let Some(collection) = named.get("--collection") else {
        println!(
            "usage: cargo bench --bench encode -- --collection DIR [--model DIR,DIR…] [--texts N] [--json FILE]"
        );
        return Ok(());
    };
    let texts = named.get("--texts").map_or(Ok(256), |count| count.parse())?;
    let texts = Source::open(collection, ReadOptions::default())?
        .take(texts)
        .map(|document| Ok(Document::full_text(&document?).into_owned()))
        .collect::<anyhow::Result<Vec<String>>>()?;
    let mut systems = Vec::new();
    for model in named.get("--model").map_or("nano,bundled", String::as_str).split(',') {
        systems.extend(of_model(model)?);
    }
    for _ in 0..ROUNDS {
        for system in &mut systems {
            system.round(&texts)?;
        }
    }
    let rows: Vec<serde_json::Value> = systems.iter().map(|system| system.row(texts.len())).collect();
    for row in &rows {
        println!("{row}");
    }
    if let Some(file) = named.get("--json") {
        let record = json!({
            "bench": "encode", "collection": Path::new(collection).file_name().map(|name| name.to_string_lossy()),
            "commit": named.get("--commit"), "cpu": machine::cpu(), "texts": texts.len(), "rounds": ROUNDS,
            "rows": rows,
        });
        std::fs::write(file, serde_json::to_string_pretty(&record)? + "\n")?;
    }
    Ok(())
}

/// A model in one runtime with so many threads.
struct System {
    model: Model,
    threads: usize,
    seconds: f64,
    tokens: usize,
}

fn of_model(name: &str) -> anyhow::Result<Vec<System>> {
    let system = |model, threads| System { model, threads, seconds: f64::INFINITY, tokens: 0 };
    if name == Model::BUNDLED {
        return Ok(vec![system(Model::bundled()?, 0)]);
    }
    let mut systems = Vec::new();
    for runtime in [RuntimeChoice::OnnxRuntime, RuntimeChoice::Rten] {
        for threads in [1, 0] {
            let options = ModelOptions { runtime, threads, ..ModelOptions::default() };
            match Model::by_name(name, &options).unwrap_or_else(|| Model::load(name.as_ref(), &options)) {
                Ok(model) => systems.push(system(model, threads)),
                Err(error) => eprintln!("left out: {error}"),
            }
        }
    }
    Ok(systems)
}

impl System {
    fn round(&mut self, texts: &[String]) -> anyhow::Result<()> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let start = Instant::now();
        self.tokens = match self.model.token_dim() {
            Some(_) => {
                let encoded = self.model.encode_document_tokens(&texts)?;
                encoded.iter().map(|tokens| tokens.matrix.view().rows()).sum()
            }
            None => self.model.encode_documents_dense(&texts)?.len(),
        };
        self.seconds = self.seconds.min(start.elapsed().as_secs_f64());
        Ok(())
    }

    fn row(&self, texts: usize) -> serde_json::Value {
        json!({
            "model": self.model.name(), "runtime": self.model.runtime().name,
            "threads": self.threads, "documents_per_second": texts as f64 / self.seconds,
            "rows_per_second": self.tokens as f64 / self.seconds,
        })
    }
}
