//! The small files around a model: read from the checkpoint, written beside the graph.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::checkpoint::Checkpoint;
use super::head::SeveralHeads;
use super::initializer::WeightSource;
use super::{ConvertOptions, ExportError, Head, Pooling, Projection, read_json};

/// Files that are taken over as they are, where the checkpoint has them.
const COPIED: [&str; 5] =
    ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"];
/// Files that say how a judge reads a pair and what its scores mean.
const COPIED_FOR_JUDGES: [&str; 2] = ["lateen.json", "config_sentence_transformers.json"];
/// What each token of a query counts, for models that give vectors of tokens.
const COPIED_FOR_TOKENS: [&str; 1] = [crate::encode::token_weights::FILE];

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    r#type: String,
}

/// What a checkpoint says about the way from hidden states to vectors.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) pooling: Option<Pooling>,
    pub(super) projection: Option<Projection>,
    pub(super) max_tokens: Option<usize>,
}

impl Declared {
    /// Reads `modules.json` and what it names, as far as `head` uses it.
    pub(super) fn read(directory: &Path, head: Head) -> Result<Self, ExportError> {
        let mut declared = Self::default();
        let lengths = directory.join("sentence_bert_config.json");
        if lengths.exists() {
            let value: Value = read_json(&lengths)?;
            declared.max_tokens = value["max_seq_length"].as_u64().map(|tokens| tokens as usize);
        }
        let file = directory.join("modules.json");
        if !matches!(head, Head::Dense | Head::Tokens) || !file.exists() {
            return Ok(declared);
        }
        let modules: Vec<Module> = read_json(&file)?;
        for module in modules {
            let kind = module.r#type.rsplit('.').next().unwrap_or_default();
            match (kind, head) {
                ("Transformer", _) if matches!(module.path.as_str(), "" | ".") => {}
                ("Normalize", _) | ("Pooling", Head::Tokens) => {}
                ("Pooling", _) => declared.pooling = Some(pooling(&directory.join(module.path))?),
                ("Dense", Head::Tokens) if declared.projection.is_none() => {
                    declared.projection = Some(projection(&directory.join(module.path))?);
                }
                _ => {
                    let expected = match head {
                        Head::Tokens => "a Transformer in the folder itself and one Dense can be written",
                        _ => "a Transformer in the folder itself, Pooling and Normalize can be written",
                    };
                    let found = module.r#type;
                    return Err(ExportError::Config { file, field: "type", found, expected });
                }
            }
        }
        Ok(declared)
    }
}

fn pooling(directory: &Path) -> Result<Pooling, ExportError> {
    let file = directory.join("config.json");
    let config: serde_json::Map<String, Value> = read_json(&file)?;
    let modes: Vec<_> = config
        .iter()
        .filter(|(key, value)| key.starts_with("pooling_mode_") && value.as_bool() == Some(true))
        .map(|(key, _)| key.as_str())
        .collect();
    match modes.as_slice() {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::Cls),
        ["pooling_mode_lasttoken"] => Ok(Pooling::LastToken),
        _ => Err(ExportError::Config {
            file,
            field: "pooling_mode_*",
            found: modes.join(" and "),
            expected: "exactly one of pooling_mode_mean_tokens, pooling_mode_cls_token and pooling_mode_lasttoken can be \
                       written",
        }),
    }
}

fn projection(directory: &Path) -> Result<Projection, ExportError> {
    #[derive(Deserialize)]
    struct Config {
        in_features: usize,
        out_features: usize,
        #[serde(default)]
        bias: bool,
        #[serde(default)]
        activation_function: Option<String>,
        #[serde(default)]
        use_residual: bool,
    }
    let file = directory.join("config.json");
    let config: Config = read_json(&file)?;
    let refuse =
        |field, found, expected| Err(ExportError::Config { file: file.clone(), field, found, expected });
    match config.activation_function {
        Some(name) if !name.ends_with("Identity") => {
            return refuse("activation_function", name, "a projection without one can be written");
        }
        _ if config.use_residual => {
            return refuse("use_residual", "true".into(), "a plain projection can be written");
        }
        _ => {}
    }
    let weights = Checkpoint::open(directory)?;
    let shape = [config.out_features, config.in_features];
    let weight = weights.read(&weights.expect("linear.weight", &shape)?)?;
    let bias = match config.bias {
        true => Some(weights.read(&weights.expect("linear.bias", &shape[..1])?)?),
        false => None,
    };
    match Projection::new(config.in_features, config.out_features, weight, bias) {
        Some(projection) => Ok(projection),
        None => refuse("in_features", config.in_features.to_string(), "sizes of at least 1 are expected"),
    }
}

/// The linear maps that bge-m3 has beside its weights.
pub(super) fn several(directory: &Path) -> Result<SeveralHeads, ExportError> {
    let heads = SeveralHeads {
        sparse: linear(directory, "sparse_linear.safetensors")?,
        tokens: linear(directory, "colbert_linear.safetensors")?,
    };
    match (&heads.sparse, &heads.tokens) {
        (None, None) => Err(ExportError::MissingFile { path: directory.join("colbert_linear.safetensors") }),
        (Some(sparse), _) if sparse.outputs() != 1 => Err(ExportError::Shape {
            tensor: "weight".into(),
            file: directory.join("sparse_linear.safetensors"),
            expected: vec![1, sparse.inputs()],
            found: vec![sparse.outputs(), sparse.inputs()],
        }),
        _ => Ok(heads),
    }
}

/// `weight` and `bias` of one file, if it is there.
fn linear(directory: &Path, name: &'static str) -> Result<Option<Projection>, ExportError> {
    let file = directory.join(name);
    if !file.exists() {
        let path = file.with_extension("pt");
        return if path.exists() { Err(ExportError::Pickle { path, wanted: name }) } else { Ok(None) };
    }
    let weights = Checkpoint::open_file(&file)?.with_prefix("linear.");
    let shape = match weights.find("weight") {
        Some((_, &[outputs, inputs])) => [outputs, inputs],
        _ => [1, 1], // `expect` below says what is missing or misshapen
    };
    let weight = weights.read(&weights.expect("weight", &shape)?)?;
    let bias = match weights.find("bias") {
        Some(_) => Some(weights.read(&weights.expect("bias", &shape[..1])?)?),
        None => None,
    };
    match Projection::new(shape[1], shape[0], weight, bias) {
        Some(projection) => Ok(Some(projection)),
        None => Err(ExportError::Shape {
            tensor: "weight".into(),
            file,
            expected: vec![1, 1],
            found: shape.to_vec(),
        }),
    }
}

/// What the graph turned out to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) pooling: Pooling,
    pub(super) dim: usize,
    pub(super) max_tokens: usize,
}

/// Writes everything but the graph into `target`.
pub(super) fn write(
    source: &Path,
    target: &Path,
    options: &ConvertOptions,
    shape: Shape,
) -> Result<(), ExportError> {
    let more: &[&str] = match options.head {
        Head::CrossEncoder | Head::NextToken => &COPIED_FOR_JUDGES,
        Head::Tokens => &COPIED_FOR_TOKENS,
        _ => &[],
    };
    for name in COPIED.iter().chain(more) {
        let from = source.join(name);
        if from.exists() {
            fs::copy(&from, target.join(name)).map_err(|source| ExportError::Io { path: from, source })?;
        }
    }
    match options.head {
        Head::Dense => write_dense(source, target, shape),
        Head::Tokens => write_tokens(target, options, shape.max_tokens),
        Head::CrossEncoder | Head::NextToken | Head::Hidden | Head::Several => {
            write_lengths(target, shape.max_tokens)
        }
    }
}

fn write_lengths(target: &Path, max_tokens: usize) -> Result<(), ExportError> {
    let lengths = json!({ "max_seq_length": max_tokens, "do_lower_case": false });
    write_json(&target.join("sentence_bert_config.json"), &lengths)
}

fn write_dense(source: &Path, target: &Path, shape: Shape) -> Result<(), ExportError> {
    write_lengths(target, shape.max_tokens)?;
    let module = |idx: usize, path: &str, kind: &str| {
        let kind = format!("sentence_transformers.models.{kind}");
        json!({ "idx": idx, "name": idx.to_string(), "path": path, "type": kind })
    };
    let modules = json!([
        module(0, "", "Transformer"),
        module(1, "1_Pooling", "Pooling"),
        module(2, "2_Normalize", "Normalize"),
    ]);
    write_json(&target.join("modules.json"), &modules)?;
    let folder = target.join("1_Pooling");
    fs::create_dir_all(&folder).map_err(|source| ExportError::Io { path: folder.clone(), source })?;
    let config = json!({
        "word_embedding_dimension": shape.dim,
        "pooling_mode_cls_token": shape.pooling == Pooling::Cls,
        "pooling_mode_mean_tokens": shape.pooling == Pooling::Mean,
        "pooling_mode_lasttoken": shape.pooling == Pooling::LastToken,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
    });
    write_json(&folder.join("config.json"), &config)?;
    let settings = source.join("config_sentence_transformers.json");
    match settings.exists() {
        true => {
            write_json(&target.join("config_sentence_transformers.json"), &read_json::<Value>(&settings)?)
        }
        false => Ok(()),
    }
}

fn write_tokens(target: &Path, options: &ConvertOptions, max_tokens: usize) -> Result<(), ExportError> {
    write_lengths(target, max_tokens)?;
    // The projection is part of the graph: no Dense module is listed.
    let modules =
        json!([{ "idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer" }]);
    write_json(&target.join("modules.json"), &modules)?;
    let settings = json!({
        "model_type": "ColBERT",
        "similarity_fn_name": "MaxSim",
        "query_prefix": options.query_prefix,
        "document_prefix": options.document_prefix,
        "query_length": options.max_query_tokens.min(max_tokens),
        "document_length": max_tokens,
        "do_query_expansion": false,
        "attend_to_expansion_tokens": false,
        "skiplist_words": options.skip_words,
    });
    write_json(&target.join("config_sentence_transformers.json"), &settings)
}

pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), ExportError> {
    fs::write(path, format!("{value:#}\n"))
        .map_err(|source| ExportError::Io { path: path.to_owned(), source })
}
