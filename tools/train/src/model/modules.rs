//! What a sentence-transformers or PyLate directory says about the way from states to vectors.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{ConfigFile, read_json};
use super::dense::Dense;
use super::error::ModelError;
use super::params::Params;
use super::pooling::Pooling;
use super::weights::Stored;

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    r#type: String,
}

/// The modules behind the transformer, as far as they can be trained.
#[derive(Debug, Default, PartialEq)]
pub struct Modules {
    /// `1_Pooling`, if it is there.
    pub pooling: Option<Pooling>,
    /// The linear maps, in their order.
    pub dense: Vec<Dense>,
    /// Whether vectors are brought to unit length at the end.
    pub normalize: bool,
    /// `max_seq_length`.
    pub max_tokens: Option<usize>,
}

impl Modules {
    /// Reads `modules.json` of `directory` and what it names; nothing if there is none.
    ///
    /// # Errors
    /// [`ModelError`] for damaged files and for modules that cannot be trained.
    pub fn read(directory: &Path) -> Result<Self, ModelError> {
        let mut found = Self::default();
        let lengths = directory.join("sentence_bert_config.json");
        if lengths.exists() {
            let value: Value = read_json(&lengths)?;
            found.max_tokens = value["max_seq_length"].as_u64().map(|tokens| tokens as usize);
        }
        let file = directory.join("modules.json");
        if !file.exists() {
            return Ok(found);
        }
        let modules: Vec<Module> = read_json(&file)?;
        for module in modules {
            let kind = module.r#type.rsplit('.').next().unwrap_or_default();
            match kind {
                "Transformer" if matches!(module.path.as_str(), "" | ".") => {}
                "Normalize" => found.normalize = true,
                "Pooling" => found.pooling = Some(pooling(&directory.join(&module.path))?),
                "Dense" => found.dense.push(dense(directory, &module.path)?),
                _ => {
                    let expected =
                        "a Transformer in the folder itself, Pooling, Dense and Normalize can be trained";
                    let found = module.r#type;
                    return Err(ModelError::Config { path: file, field: "type", found, expected });
                }
            }
        }
        Ok(found)
    }
}

fn pooling(folder: &Path) -> Result<Pooling, ModelError> {
    let path = folder.join("config.json");
    let config: Map<String, Value> = read_json(&path)?;
    let on = |key: &str| config.get(key).and_then(Value::as_bool) == Some(true);
    let modes: Vec<_> = config.keys().filter(|key| key.starts_with("pooling_mode_") && on(key)).collect();
    let named = Pooling::ALL.into_iter().find(|pooling| modes == [pooling.key()]);
    // Newer releases write one word instead of switches.
    let word = match config.get("pooling_mode").and_then(Value::as_str) {
        Some("cls") => Some(Pooling::Cls),
        Some("mean") => Some(Pooling::Mean),
        Some("lasttoken") => Some(Pooling::Last),
        _ => None,
    };
    named.or(word).ok_or_else(|| ModelError::Config {
        path,
        field: "pooling_mode_*",
        found: format!("{modes:?}"),
        expected: "one of cls_token, mean_tokens and lasttoken can be trained",
    })
}

fn dense(directory: &Path, folder: &str) -> Result<Dense, ModelError> {
    let path = directory.join(folder).join("config.json");
    let config = ConfigFile::read(&path)?;
    let function = config.word("activation_function");
    let tanh = function.ends_with("Tanh");
    if !(tanh || function.is_empty() || function.ends_with("Identity")) {
        return Err(config.refuse("activation_function", "Identity and Tanh can be trained"));
    }
    if config.flag("use_residual", false) {
        return Err(config.refuse("use_residual", "a map without one can be trained"));
    }
    // The folder becomes part of file names that are written later.
    if folder.is_empty() || Path::new(folder).file_name() != Some(folder.as_ref()) {
        return Err(config.refuse("path", "a plain folder name is expected"));
    }
    Ok(Dense {
        folder: folder.to_owned(),
        inputs: config.size("in_features", 1 << 16)?,
        outputs: config.size("out_features", 1 << 16)?,
        bias: config.flag("bias", false),
        tanh,
    })
}

/// Reads the weights of `dense` from its folder in `directory` into `params`.
///
/// Returns the names that the folder has not.
///
/// # Errors
/// [`ModelError`].
pub fn read_dense(
    directory: &Path,
    dense: &Dense,
    params: &mut Params,
    seed: u64,
) -> Result<Vec<String>, ModelError> {
    let folder = directory.join(&dense.folder);
    let file = folder.join("model.safetensors");
    if !file.exists() && folder.join("config.json").exists() {
        return Err(ModelError::MissingFile { path: file });
    }
    let stored = if file.exists() { Stored::read_file(&file)? } else { Stored::default() };
    stored.named(&format!("{}.", dense.folder)).fill(&dense.declare(), params, seed)
}
