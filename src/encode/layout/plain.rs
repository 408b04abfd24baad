use super::{Head, Recipe, graph};
use crate::encode::directory::ModelDirectory;
use crate::encode::pooling::Pooling;
use crate::encode::{EncodeError, ModelOptions};

/// A graph and a tokenizer with nothing that tells how they are meant: the mean of the tokens, scaled to length 1.
pub(super) fn recipe(directory: &ModelDirectory, options: &ModelOptions) -> Result<Recipe, EncodeError> {
    Ok(Recipe {
        transformer: directory.clone(),
        graph: graph(&[directory], options)?,
        lowercase: false,
        max_query: None,
        max_document: None,
        query_prompt: String::new(),
        document_prompt: String::new(),
        head: Head::Pooled { modes: vec![Pooling::Mean], include_prompt: true },
        layers: Vec::new(),
        layer_bytes: Vec::new(),
        normalize: true,
        notes: vec!["no modules.json: mean pooling and unit length are assumed".to_owned()],
    })
}
