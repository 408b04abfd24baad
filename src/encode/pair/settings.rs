//! What a model directory says about itself as a judge.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::directory::ModelDirectory;
use super::super::{Activation, EncodeError};
use super::template::PairTemplate;

/// The file in which a directory states what no other file does.
const FILE: &str = "lateen.json";

/// `lateen.json`: how a model judges, and what its scores mean.
///
/// ```json
/// {"judge": {"template": "rag-retrieval", "max_tokens": 512}, "calibration": {"slope": 0.8, "intercept": -1.2}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JudgeSettings {
    judge: JudgeFile,
    /// `P(relevant) = 1 / (1 + e^-(slope · score + intercept))`.
    pub calibration: Option<Calibration>,
}

/// What a raw score means: `P(relevant) = 1 / (1 + e^-(slope · score + intercept))` (Platt, "Probabilistic Outputs for
/// Support Vector Machines", 1999). A temperature `T` is the slope `1 / T` without an intercept.
///
/// The slope is above 0, so the order of scores stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What a score is multiplied by; above 0.
    pub slope: f64,
    /// What is added.
    pub intercept: f64,
}

impl Calibration {
    /// The probability that a document with this raw score is relevant.
    #[must_use]
    pub fn probability(self, score: f32) -> f32 {
        let odds = self.slope * f64::from(score) + self.intercept;
        (1.0 / (1.0 + (-odds).exp())) as f32
    }

    /// Whether the numbers make sense: finite, and the slope above 0.
    #[must_use]
    pub fn is_sound(self) -> bool {
        self.slope.is_finite() && self.intercept.is_finite() && self.slope > 0.0
    }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JudgeFile {
    template: Option<StatedTemplate>,
    instruction: Option<String>,
    cutoff_layer: Option<usize>,
    max_tokens: Option<usize>,
    /// The answers that a template's are replaced with: checkpoints of one family differ in them.
    positive: Option<String>,
    negative: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum StatedTemplate {
    Name(String),
    Whole(Box<PairTemplate>),
}

impl JudgeSettings {
    /// Reads `lateen.json` of a model directory; what it does not say is left open.
    ///
    /// # Errors
    /// [`EncodeError::Json`] or [`EncodeError::Field`] if it is there and wrong.
    pub fn load(directory: &Path) -> Result<Self, EncodeError> {
        Self::read(&ModelDirectory::open(directory)?)
    }

    /// Writes a calibration into `lateen.json` of a model directory; whatever else the file says stays.
    ///
    /// # Errors
    /// As [`JudgeSettings::load`], and [`EncodeError::Unwritable`].
    pub fn store_calibration(directory: &Path, calibration: Calibration) -> Result<(), EncodeError> {
        let directory = ModelDirectory::open(directory)?;
        Self::read(&directory)?;
        let mut all: Map<String, Value> = directory.optional_json(FILE)?.unwrap_or_default();
        let stated = serde_json::json!({"slope": calibration.slope, "intercept": calibration.intercept});
        all.insert("calibration".to_owned(), stated);
        let path = directory.path(FILE);
        let text = format!("{:#}\n", Value::Object(all));
        // A reader sees the old file or the new one.
        let beside = path.with_extension("json.new");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|source| EncodeError::Unwritable { path, source })
    }

    pub(super) fn read(directory: &ModelDirectory) -> Result<Self, EncodeError> {
        let this: Self = directory.optional_json(FILE)?.unwrap_or_default();
        if let Some(stated) = this.calibration
            && !stated.is_sound()
        {
            return Err(EncodeError::Field {
                path: directory.path(FILE),
                field: "calibration",
                found: format!("{} and {}", stated.slope, stated.intercept),
                expected: "a slope above 0 and a finite intercept",
            });
        }
        Ok(this)
    }

    pub(super) fn template(&self, directory: &ModelDirectory) -> Result<Option<PairTemplate>, EncodeError> {
        let field = |field, found, expected| EncodeError::Field {
            path: directory.path(FILE),
            field,
            found,
            expected,
        };
        let template = match &self.judge.template {
            None => return Ok(None),
            Some(StatedTemplate::Whole(template)) => (**template).clone(),
            Some(StatedTemplate::Name(name)) => PairTemplate::named(name).ok_or_else(|| {
                field("judge.template", name.clone(), "the name of a template, or one in full")
            })?,
        };
        match template.problem() {
            Some((name, found, expected)) => Err(field(name, found, expected)),
            None => Ok(Some(template)),
        }
    }

    pub(super) fn instruction(&self) -> Option<&str> {
        self.judge.instruction.as_deref()
    }

    /// The template with the answers that the directory states.
    pub(super) fn with_answers(&self, mut template: PairTemplate) -> PairTemplate {
        if let Some(positive) = &self.judge.positive {
            template.positive.clone_from(positive);
        }
        if self.judge.negative.is_some() {
            template.negative.clone_from(&self.judge.negative);
        }
        template
    }

    pub(super) fn cutoff_layer(&self) -> Option<usize> {
        self.judge.cutoff_layer
    }

    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.judge.max_tokens
    }
}

/// `config.json`, as far as judging goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    architectures: Option<Vec<String>>,
    id2label: Option<Map<String, Value>>,
    num_labels: Option<usize>,
    sbert_ce_default_activation_function: Option<String>,
    sentence_transformers: Option<Nested>,
    pub(super) pad_token_id: Option<Value>,
    pub(super) decoder_start_token_id: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nested {
    activation_fn: Option<String>,
}

/// `config_sentence_transformers.json` of a cross-encoder.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Saved {
    activation_fn: Option<String>,
    prompts: Map<String, Value>,
    default_prompt_name: Option<String>,
}

impl Saved {
    /// The prompt that queries get, which decoders read as their instruction.
    pub(super) fn prompt(&self) -> Option<&str> {
        self.prompts.get(self.default_prompt_name.as_deref()?)?.as_str()
    }
}

impl Config {
    pub(super) fn architecture(&self) -> &str {
        self.architectures.iter().flatten().next().map_or("", String::as_str)
    }

    /// 1 or 2.
    pub(super) fn labels(&self, directory: &ModelDirectory) -> Result<usize, EncodeError> {
        // A configuration that names no labels means two, as in transformers.
        match self.num_labels.or(self.id2label.as_ref().map(Map::len)).unwrap_or(2) {
            labels @ 1..=2 => Ok(labels),
            labels => Err(EncodeError::Field {
                path: directory.path("config.json"),
                field: "id2label",
                found: format!("{labels} labels"),
                expected: "1 or 2 labels",
            }),
        }
    }

    pub(super) fn activation(&self, saved: &Saved, labels: usize) -> Activation {
        let nested = self.sentence_transformers.as_ref().and_then(|nested| nested.activation_fn.as_deref());
        let stated = saved.activation_fn.as_deref().or(nested);
        let name = stated.or(self.sbert_ce_default_activation_function.as_deref()).unwrap_or_default();
        match name.rsplit('.').next() {
            Some("Identity") => Activation::Identity,
            Some("Sigmoid") => Activation::Sigmoid,
            // As sentence-transformers: a single score is shown as a probability.
            _ if labels == 1 => Activation::Sigmoid,
            _ => Activation::Identity,
        }
    }
}

/// The token ids of a sentence-transformers `LogitScore` module.
#[derive(Debug, Deserialize)]
pub(super) struct LogitScore {
    pub(super) true_token_id: u32,
    pub(super) false_token_id: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Whether `modules.json` pools or projects, as those of encoders do.
pub(super) fn encodes(directory: &ModelDirectory) -> Result<bool, EncodeError> {
    let modules: Vec<Module> = directory.optional_json("modules.json")?.unwrap_or_default();
    Ok(modules.iter().any(|module| module.kind.ends_with(".Pooling") || module.kind.ends_with(".Dense")))
}

/// The module of `modules.json` that says which tokens are read, if there is one.
pub(super) fn logit_score(directory: &ModelDirectory) -> Result<Option<LogitScore>, EncodeError> {
    let modules: Vec<Module> = directory.optional_json("modules.json")?.unwrap_or_default();
    match modules.iter().find(|module| module.kind.ends_with(".LogitScore")) {
        None => Ok(None),
        Some(module) => {
            let part = directory.part("modules.json", &module.path)?;
            part.json("config.json", "the configuration of the LogitScore module").map(Some)
        }
    }
}
