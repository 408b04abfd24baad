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
use std::path::{Path, PathBuf};

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

/// Why no student could be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudentError {
    /// See there.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Write to another folder than the table's: its files have the same names.
    #[error("{} is the table itself", .path.display())]
    Same {
        /// The folder.
        path: PathBuf,
    },
}

/// Writes a BERT checkpoint into `target` whose word vectors are the rows of the static table in `table`, at length 1.
///
/// # Errors
/// [`StudentError`] names the file and what is wrong with it; nothing is written if table or shape are refused.
pub fn begin(table: &Path, target: &Path, options: &StudentOptions) -> Result<StudentReport, StudentError> {
    if fs::canonicalize(table).ok().is_some_and(|path| fs::canonicalize(target).ok() == Some(path)) {
        return Err(StudentError::Same { path: target.to_owned() });
    }
    let (rows, dim) = read_table(table)?;
    let tokens = rows.len() / dim;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ModelError::Io { path, source }
    };
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
    // The same check that training makes, so that what is written can be trained.
    let backbone = Backbone::new(&ConfigFile::of(&path, config.clone()), false)?;
    fs::create_dir_all(target).map_err(failed(target))?;
    write_whole(&path, format!("{config:#}\n").as_bytes()).map_err(failed(&path))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stored;
    use safetensors::tensor::TensorView;

    fn table(folder: &Path) {
        fs::write(folder.join("config.json"), r#"{"model_type":"lateen-static","version":1,"dim":4}"#)
            .unwrap();
        fs::write(folder.join("tokenizer.json"), "{}").unwrap();
        let rows = [0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, (-2_i8) as u8];
        let view = TensorView::new(Dtype::I8, vec![3, 4], &rows).unwrap();
        safetensors::serialize_to_file([("embeddings", view)], None, &folder.join("model.safetensors"))
            .unwrap();
    }

    fn options(heads: usize) -> StudentOptions {
        StudentOptions { layers: 2, heads, inner: 8, max_tokens: 16, seed: 1 }
    }

    #[test]
    fn word_vectors_are_the_tables_rows_and_layers_are_near_nothing() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        table(from.path());
        let report = begin(from.path(), to.path(), &options(2)).unwrap();
        let tensors = Stored::read(to.path()).unwrap().into_tensors();
        assert_eq!((report.tokens, report.dim), (3, 4));
        assert_eq!(report.parameters, tensors.values().map(|(_, values)| values.len() as u64).sum::<u64>());
        let (shape, words) = &tensors["embeddings.word_embeddings.weight"];
        assert_eq!(
            (shape.as_slice(), &words[4..]),
            (&[3, 4][..], &[0.6, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0][..])
        );
        // A row without direction is drawn, small, and not left at zero.
        assert!(words[..4].iter().all(|x| *x != 0.0 && x.abs() < 0.2), "{words:?}");
        let (_, dense) = &tensors["encoder.layer.1.output.dense.weight"];
        assert!(dense.iter().all(|x| x.abs() < 0.2) && dense.iter().any(|x| *x != 0.0));
        assert_eq!(tensors["encoder.layer.0.output.LayerNorm.weight"].1, [1.0; 4]);
        assert_eq!(tensors["encoder.layer.0.output.dense.bias"].1, [0.0; 4]);
    }

    #[test]
    fn a_refused_student_leaves_everything_as_it_was() {
        let from = tempfile::tempdir().unwrap();
        table(from.path());
        let before = fs::read(from.path().join("tokenizer.json")).unwrap();
        assert!(matches!(begin(from.path(), from.path(), &options(2)), Err(StudentError::Same { .. })));
        assert_eq!(fs::read(from.path().join("tokenizer.json")).unwrap(), before);
        let target = from.path().join("student");
        assert!(matches!(begin(from.path(), &target, &options(3)), Err(StudentError::Model(_))));
        assert!(!target.exists());
    }
}
