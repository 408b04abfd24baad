//! Which kind of judge a directory holds, told by its own files.

use super::super::EncodeError;
use super::super::directory::ModelDirectory;
use super::super::layout::{self, Layout};
use super::super::text::PairMarks;
use super::PairOptions;
use super::settings::{Config, JudgeSettings, encodes};
use super::template::PairTemplate;

/// What a graph gives for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKind {
    /// Scores of 1 or 2 labels: cross-encoders, and decoders with a score head.
    Labels,
    /// Logits of the next token.
    NextToken,
    /// A score from each of several layers.
    Layers,
    /// Logits of the first token that a decoder says behind an encoder.
    FirstToken,
}

/// A kind, and the template that it is read with; none means the tokenizer's own for pairs.
#[derive(Debug)]
pub(super) struct Recognised {
    pub(super) kind: PairKind,
    pub(super) template: Option<PairTemplate>,
    /// What was assumed.
    pub(super) note: Option<String>,
}

/// The ends of the names of architectures whose graphs judge pairs.
const JUDGES: [&str; 3] = ["ForSequenceClassification", "ForCausalLM", "ForConditionalGeneration"];

/// Whether a directory holds a judge of pairs, told by its own files.
///
/// Encoders built on decoders name the same architectures as judges do; their `modules.json` pools or projects. Static
/// tables name none.
pub(super) fn is_pair_model(directory: &ModelDirectory) -> Result<bool, EncodeError> {
    if encodes(directory)? || directory.path("artifact.metadata").exists() {
        return Ok(false);
    }
    if matches!(layout::detect(directory), Ok(Layout::LateenStatic | Layout::Model2Vec)) {
        return Ok(false);
    }
    let config: Config = directory.json("config.json", "the configuration")?;
    let architecture = config.architecture();
    // A head over labels is what a directory without a word about it has.
    Ok(architecture.is_empty() || JUDGES.iter().any(|end| architecture.ends_with(end)))
}

pub(super) fn recognise(
    directory: &ModelDirectory,
    config: &Config,
    settings: &JudgeSettings,
    marks: &PairMarks,
    options: &PairOptions,
) -> Result<Recognised, EncodeError> {
    let architecture = config.architecture();
    let kind = match architecture {
        name if name.starts_with("LayerWise") || name.starts_with("CostWise") => PairKind::Layers,
        name if name.ends_with("ForCausalLM") => PairKind::NextToken,
        name if name.ends_with("ForConditionalGeneration") => PairKind::FirstToken,
        // A head over labels is what a directory without a word about it has.
        _ => PairKind::Labels,
    };
    if let Some(template) = &options.template {
        return Ok(Recognised { kind, template: Some(template.clone()), note: None });
    }
    if let Some(template) = settings.template(directory)? {
        return Ok(Recognised { kind, template: Some(settings.with_answers(template)), note: None });
    }
    if kind == PairKind::Labels {
        // Tokenizers of decoders put nothing between two texts.
        if marks.between.is_empty() && marks.after.is_empty() {
            let (directory, architecture) = (directory.root().to_owned(), architecture.to_owned());
            return Err(EncodeError::NoTemplate { directory, architecture });
        }
        return Ok(Recognised { kind, template: None, note: None });
    }
    let name = match architecture {
        name if name.starts_with("Qwen3") => "qwen3-reranker",
        name if name.starts_with("Qwen2") => "mxbai-rerank-v2",
        name if name.starts_with("CostWise") => "bge-lightweight",
        name if name.ends_with("ForConditionalGeneration") => "monot5",
        _ => "bge-llm",
    };
    let note = format!("the template {name} is assumed for {architecture}; lateen.json may state another");
    let template = PairTemplate::named(name).map(|template| settings.with_answers(template));
    Ok(Recognised { kind, template, note: Some(note) })
}
