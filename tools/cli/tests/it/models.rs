//! Small static models, sound and not.

use crate::workspace::Workspace;
use std::fmt::Write as _;

/// What is to be wrong with the model.
#[derive(Clone, Copy, PartialEq)]
pub enum Model {
    Sound,
    WrongDimension,
    NotANumber,
}

const WORDS: [&str; 6] = ["[UNK]", "tides", "moon", "bread", "rises", "flowers"];

/// Writes a static token model of four dimensions into the folder `name`.
pub fn write_model(space: &Workspace, name: &str, model: Model) {
    let dim = if model == Model::WrongDimension { 3 } else { 4 };
    let config = format!(
        r#"{{"model_type": "lateen-static", "version": 1, "name": "{name}", "dim": 4, "max_query_tokens": 32, "max_document_tokens": 64, "skip_ids": []}}"#
    );
    space.write(&format!("{name}/config.json"), config);
    let mut vocabulary = String::new();
    for (id, word) in WORDS.iter().enumerate() {
        write!(vocabulary, "{}\"{word}\": {id}", if id > 0 { ", " } else { "" }).unwrap();
    }
    let tokenizer = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": {{"type": "Lowercase"}},
            "pre_tokenizer": {{"type": "Whitespace"}}, "post_processor": null, "decoder": null,
            "model": {{"type": "WordLevel", "vocab": {{{vocabulary}}}, "unk_token": "[UNK]"}}}}"#
    );
    space.write(&format!("{name}/tokenizer.json"), tokenizer);
    space.write(&format!("{name}/model.safetensors"), weights(dim, model == Model::NotANumber));
}

/// `embeddings` (int8, `[words, dim]`), `scales` and `weights` (f32, `[words]`) as safetensors.
fn weights(dim: usize, nan: bool) -> Vec<u8> {
    let rows = WORDS.len();
    let floats = rows * 4;
    let header = format!(
        r#"{{"scales":{{"dtype":"F32","shape":[{rows}],"data_offsets":[0,{floats}]}},"weights":{{"dtype":"F32","shape":[{rows}],"data_offsets":[{floats},{}]}},"embeddings":{{"dtype":"I8","shape":[{rows},{dim}],"data_offsets":[{},{}]}}}}"#,
        2 * floats,
        2 * floats,
        2 * floats + rows * dim
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let scale = |row: usize| if nan && row == 2 { f32::NAN } else { 0.01 };
    (0..rows).for_each(|row| bytes.extend(scale(row).to_le_bytes()));
    (0..rows).for_each(|_| bytes.extend(1f32.to_le_bytes()));
    bytes.extend((0..rows * dim).map(|at| (at * 37 % 101) as u8));
    bytes
}
