//! Turns a BERT checkpoint into an ONNX model directory.
//!
//! `cargo run --release --example convert_model -- SOURCE TARGET dense|tokens|cross-encoder`

use std::error::Error;
use std::path::Path;

use lateen::encode::export::{ConvertOptions, Head, convert};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, head] = arguments.as_slice() else {
        return Err("arguments: SOURCE TARGET dense|tokens|cross-encoder".into());
    };
    let head = [Head::Dense, Head::Tokens, Head::CrossEncoder]
        .into_iter()
        .find(|known| known.name() == head)
        .ok_or_else(|| format!("{head:?} is no head"))?;
    let made = convert(Path::new(source), Path::new(target), &ConvertOptions::new(head))?;
    println!("{}: {} dimensions, {} bytes", made.onnx.display(), made.dim, made.bytes);
    Ok(())
}
