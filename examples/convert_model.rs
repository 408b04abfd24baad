//! Turns a BERT checkpoint into an ONNX model directory.
//!
//! `cargo run --release --example convert_model -- SOURCE TARGET dense|tokens|cross-encoder [DIM CORPUS.jsonl.gz TEXTS]`
//!
//! With DIM, a token model is projected to DIM dimensions by the principal components of its own vectors of about
//! TEXTS texts of the corpus, taken evenly; a line is a JSON object with `text`, and perhaps `title`.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use lateen::encode::distil::{OnnxStates, TokenStates};
use lateen::encode::export::{ConvertOptions, Head, Pca, Projection, convert};
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationParams};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, head, fit @ ..] = arguments.as_slice() else {
        return Err("arguments: SOURCE TARGET dense|tokens|cross-encoder [DIM CORPUS.jsonl.gz TEXTS]".into());
    };
    let head = [Head::Dense, Head::Tokens, Head::CrossEncoder]
        .into_iter()
        .find(|known| known.name() == head)
        .ok_or_else(|| format!("{head:?} is no head"))?;
    let source = Path::new(source);
    let mut options = ConvertOptions::new(head);
    if let [dim, corpus, texts] = fit {
        options.projection = Some(fit_projection(source, dim.parse()?, Path::new(corpus), texts.parse()?)?);
    }
    let made = convert(source, Path::new(target), &options)?;
    println!("{}: {} dimensions, {} bytes", made.onnx.display(), made.dim, made.bytes);
    Ok(())
}

fn fit_projection(source: &Path, dim: usize, corpus: &Path, texts: usize) -> Result<Projection, Failure> {
    let folder = tempfile::tempdir()?;
    let made = convert(source, folder.path(), &ConvertOptions::new(Head::Tokens))?;
    let mut model = OnnxStates::load(&made.onnx)?;
    let mut tokenizer = Tokenizer::from_file(source.join("tokenizer.json"))?;
    tokenizer.with_padding(None);
    let truncation = TruncationParams { max_length: made.max_tokens, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation))?;
    let lines: Vec<String> =
        BufReader::new(MultiGzDecoder::new(File::open(corpus)?)).lines().collect::<Result<_, _>>()?;
    let mut pca = Pca::new(model.dim());
    for line in lines.iter().step_by((lines.len() / texts.max(1)).max(1)) {
        let value: Value = serde_json::from_str(line)?;
        let text = ["title", "text"].map(|field| value[field].as_str().unwrap_or_default()).join(" ");
        let ids = tokenizer.encode_fast(text.trim(), true)?.get_ids().to_vec();
        for matrix in model.states(&[ids])? {
            pca.add(matrix.view())?;
        }
    }
    let fitted = pca.fit(dim)?;
    println!("{} vectors, {:.1} % of their squared length kept", fitted.rows, 100.0 * fitted.kept);
    Ok(fitted.projection)
}
