//! A small BERT that begins as a static table: the student of a larger late-interaction model.
//!
//! ```text
//! embeddings of a table ─ word vectors ┐
//! drawn, near nothing ──── layers ─────┴─ config.json, model.safetensors, tokenizer.json
//! ```
//!
//! Layers add to what they are given, and begin by adding little; so a token's first state is its row of the table, and what is
//! left to learn is what the words around it change. Trained with [`token_cosine`](crate::loss::token_cosine), the student
//! then stands between the table and its teacher, in speed as in quality.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use serde::Serialize;
use serde_json::{Value, json};

use crate::model::{Backbone, ConfigFile, ModelError, Start, draw, read_json, write, write_whole};

/// The student's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StudentOptions {
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads a layer; must divide the table's dimension.
    pub heads: usize,
    /// Width of the feed-forward layers.
    pub inner: usize,
    /// The longest text in tokens.
    pub max_tokens: usize,
    /// Of the layers' first weights.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StudentReport {
    /// Rows of the table.
    pub tokens: usize,
    /// Columns.
    pub dim: usize,
    /// Numbers of the model, all together.
    pub parameters: u64,
}

/// Writes a BERT checkpoint into `target` whose word vectors are the rows of the static table in `table`, at length 1.
///
/// # Errors
/// [`ModelError`] names the file and what is wrong with it.
pub fn begin(table: &Path, target: &Path, options: &StudentOptions) -> Result<StudentReport, ModelError> {
    let (rows, dim) = read_table(table)?;
    let tokens = rows.len() / dim;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ModelError::Io { path, source }
    };
    fs::create_dir_all(target).map_err(failed(target))?;
    let path = target.join("config.json");
    let config = json!({
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": tokens,
        "hidden_size": dim,
        "num_hidden_layers": options.layers,
        "num_attention_heads": options.heads,
        "intermediate_size": options.inner,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": options.max_tokens,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
    });
    write_whole(&path, format!("{config:#}\n").as_bytes()).map_err(failed(&path))?;
    // The same check that training makes, so that what is written can be trained.
    let backbone = Backbone::new(&ConfigFile::read(&path)?, false)?;
    let (from, to) = (table.join("tokenizer.json"), target.join("tokenizer.json"));
    fs::copy(&from, &to).map_err(failed(&from))?;
    let declared = backbone.declare();
    let weights: Vec<Vec<f32>> = declared
        .iter()
        .map(|wanted| {
            let name = wanted.name.as_str();
            let count = wanted.shape.iter().product();
            match name {
                "embeddings.word_embeddings.weight" => words(&rows, dim, name, options.seed),
                _ if name.ends_with("LayerNorm.weight") => draw(Start::One, name, count, options.seed),
                _ if name.ends_with(".bias") => draw(Start::Zero, name, count, options.seed),
                _ => draw(Start::Normal, name, count, options.seed),
            }
        })
        .collect();
    let views = declared.iter().zip(&weights);
    let views =
        views.map(|(wanted, values)| (wanted.name.as_str(), wanted.shape.as_slice(), values.as_slice()));
    write(&target.join("model.safetensors"), views)?;
    let parameters = weights.iter().map(|values| values.len() as u64).sum();
    Ok(StudentReport { tokens, dim, parameters })
}

/// The signed bytes of a static table, and its number of columns.
fn read_table(table: &Path) -> Result<(Vec<i8>, usize), ModelError> {
    let path = table.join("config.json");
    let config: Value = read_json(&path)?;
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
    if kind != "lateen-static" {
        let (field, found) = ("model_type", kind.to_owned());
        return Err(ModelError::Config {
            path,
            field,
            found,
            expected: "a table of the kind lateen-static is expected",
        });
    }
    let path = table.join("model.safetensors");
    let bytes = fs::read(&path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| ModelError::Safetensors { path: path.clone(), source })?;
    let tensor = "embeddings".to_owned();
    let Ok(view) = file.tensor(&tensor) else { return Err(ModelError::MissingTensor { path, tensor }) };
    if view.dtype() != Dtype::I8 {
        return Err(ModelError::DType { path, tensor, dtype: format!("{:?}", view.dtype()) });
    }
    match *view.shape() {
        [rows, dim] if rows > 0 && dim > 0 => Ok((view.data().iter().map(|byte| *byte as i8).collect(), dim)),
        _ => {
            let found = view.shape().to_vec();
            Err(ModelError::Shape { path, tensor, expected: vec![1, 1], found })
        }
    }
}

/// Rows at length 1; those without direction, of marks and tokens that no text has, are drawn as other weights are.
fn words(rows: &[i8], dim: usize, name: &str, seed: u64) -> Vec<f32> {
    let mut values = draw(Start::Normal, name, rows.len(), seed);
    for (row, values) in rows.chunks_exact(dim).zip(values.chunks_exact_mut(dim)) {
        let square: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
        if square > 0.0 {
            values.iter_mut().zip(row).for_each(|(value, x)| *value = (f64::from(*x) / square.sqrt()) as f32);
        }
    }
    values
}
