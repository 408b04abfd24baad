//! Distils a BERT checkpoint into a static late-interaction table.
//!
//! `cargo run --release --example distil_static -- CHECKPOINT TARGET CORPUS.jsonl.gz...`
//!
//! CHECKPOINT holds `config.json`, `model.safetensors` and `tokenizer.json`. A line of a corpus is a JSON object with
//! `text`, and perhaps `title` and `metadata.examples` (a list of texts).

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use lateen::encode::distil::{DistilOptions, OnnxStates, distil};
use lateen::encode::export::{ConvertOptions, Head, convert};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkpoint, target, corpora @ ..] = arguments.as_slice() else {
        return Err("arguments: CHECKPOINT TARGET CORPUS.jsonl.gz...".into());
    };
    let mut texts = Vec::new();
    for corpus in corpora {
        read(Path::new(corpus), &mut texts)?;
    }
    // Corpora are sorted by subject; contexts are to come from all of it.
    texts.shuffle(&mut StdRng::seed_from_u64(0));
    let checkpoint = Path::new(checkpoint);
    let folder = tempfile::tempdir()?;
    let made = convert(checkpoint, folder.path(), &ConvertOptions::new(Head::Tokens))?;
    let mut model = OnnxStates::load(&made.onnx)?;
    let start = Instant::now();
    let table = distil(&checkpoint.join("tokenizer.json"), &mut model, texts, &DistilOptions::default())?;
    table.write(Path::new(target))?;
    println!("{} tokens, {} dimensions, {:.0} s", table.len(), table.dim(), start.elapsed().as_secs_f64());
    Ok(())
}

fn read(path: &Path, texts: &mut Vec<String>) -> Result<(), Box<dyn Error + Send + Sync>> {
    for line in BufReader::new(MultiGzDecoder::new(File::open(path)?)).lines() {
        let value: Value = serde_json::from_str(&line?)?;
        let mut text = value["text"].as_str().unwrap_or_default().to_owned();
        if let Some(title) = value["title"].as_str().filter(|title| !title.is_empty()) {
            text = format!("{title}: {text}");
        }
        for example in value["metadata"]["examples"].as_array().into_iter().flatten() {
            text = format!("{text}; {}", example.as_str().unwrap_or_default());
        }
        texts.push(text);
    }
    Ok(())
}
