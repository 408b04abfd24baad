//! What a model directory says about itself.

use serde::Deserialize;

use super::EncodeError;
use super::directory::ModelDirectory;

/// The layouts a directory can have.
pub(super) enum Layout {
    LateenStatic,
    Model2Vec,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    model_type: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
}

pub(super) fn detect(directory: &ModelDirectory) -> Result<Layout, EncodeError> {
    let config: Config = directory.optional_json("config.json")?.unwrap_or_default();
    let architecture = |name: &str| config.architectures.iter().flatten().any(|found| found == name);
    match config.model_type.as_deref() {
        Some("lateen-static") => return Ok(Layout::LateenStatic),
        Some("model2vec") => return Ok(Layout::Model2Vec),
        _ if architecture("StaticModel") => return Ok(Layout::Model2Vec),
        _ => {}
    }
    Err(EncodeError::UnknownLayout { directory: directory.root().to_owned() })
}
