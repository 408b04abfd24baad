use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::batch::{GraphText, buckets, pad};
use super::directory::{self, ModelDirectory, TOKENIZER_LIMIT};
use super::fingerprint::Fingerprint;
use super::runtime::{self, Graph, Session};
use super::special::Special;
use super::text::TextTokenizer;
use super::{EncodeError, ModelOptions, RuntimeReport};

/// The longest pair of a model that states no limit.
const DEFAULT_TOKENS: usize = 512;

/// What turns a raw score into the one the model was trained to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The raw score.
    Identity,
    /// `1 / (1 + e^-x)`: between 0 and 1.
    Sigmoid,
}

impl Activation {
    /// Applies the activation. It never changes an order.
    #[must_use]
    pub fn apply(self, score: f32) -> f32 {
        match self {
            Self::Identity => score,
            Self::Sigmoid => 1.0 / (1.0 + (-score).exp()),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    id2label: Option<Map<String, Value>>,
    num_labels: Option<usize>,
    sbert_ce_default_activation_function: Option<String>,
    sentence_transformers: Option<Nested>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nested {
    activation_fn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    max_seq_length: Option<usize>,
    do_lower_case: bool,
}

/// A model that reads a query and a document together and says how well they fit.
///
/// The directory holds `model.onnx` (or `onnx/model.onnx`) with the output `logits` (`[batch, 1]` or `[batch, 2]`),
/// `tokenizer.json` and `config.json`. With one label the score is its logit; with two, the second's minus the
/// first's, the log odds that the pair fits.
pub struct CrossEncoder {
    name: String,
    tokenizer: TextTokenizer,
    session: Box<dyn Session>,
    output: usize,
    labels: usize,
    max_tokens: usize,
    batch_tokens: usize,
    padding: u32,
    activation: Activation,
    fingerprint: [u8; 16],
    runtime: RuntimeReport,
}

impl CrossEncoder {
    /// Loads the model in `directory`. `options.max_document_tokens` shortens the longest pair.
    ///
    /// # Errors
    /// [`EncodeError`] names the file and field that is missing or wrong, and the way out.
    pub fn load(directory: &Path, options: &ModelOptions) -> Result<Self, EncodeError> {
        let directory = ModelDirectory::open(directory)?;
        let config: Config = directory.json("config.json", "the configuration")?;
        let settings: Settings = directory.optional_json("sentence_bert_config.json")?.unwrap_or_default();
        let tokenizer_path = directory.path("tokenizer.json");
        let bytes = directory::read(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
        let tokenizer = TextTokenizer::new(&tokenizer_path, &bytes, settings.do_lower_case)?;
        let special = Special::load(&directory)?;
        let limit = special.positions.unwrap_or(DEFAULT_TOKENS);
        let wanted = options.max_document_tokens.or(settings.max_seq_length).unwrap_or(limit);
        let max_tokens = wanted.min(limit).max(tokenizer.marks().1 + 2);
        let labels = labels(&directory, &config)?;
        let activation = activation(&config, labels);
        let graph = Graph::open(&super::layout::graph(&[&directory], options)?)?;
        let mut fingerprint = Fingerprint::new("cross-encoder");
        fingerprint.add("graph", &graph.bytes);
        for path in &graph.external {
            fingerprint
                .add("external", &directory::read(path, "external weights", directory::WEIGHTS_LIMIT)?);
        }
        fingerprint.add("tokenizer", &bytes);
        fingerprint.add_numbers("lengths", &[max_tokens as u64, u64::from(settings.do_lower_case)]);
        let graph_path = graph.path.clone();
        let (session, report) = runtime::load(graph, options)?;
        let names = session.outputs();
        let output = names.iter().position(|name| name == "logits").or((names.len() == 1).then_some(0));
        let output = output.ok_or_else(|| EncodeError::GraphInterface {
            path: graph_path,
            problem: "has no output \"logits\"".to_owned(),
            names: names.to_vec(),
        })?;
        let this = Self {
            name: directory.name(),
            padding: special.padding(&tokenizer),
            tokenizer,
            session,
            output,
            labels,
            max_tokens,
            batch_tokens: options.batch_tokens.max(1),
            activation,
            fingerprint: fingerprint.finish(),
            runtime: report,
        };
        this.score(&[("", "")])?;
        Ok(this)
    }

    /// The directory's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What turns a score into the one the model was trained to show.
    #[must_use]
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// The longest pair in tokens, marks included; of longer pairs the longer text loses its end.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// 128 bits over graph, tokenizer and lengths.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// What runs the model, and why.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeReport {
        &self.runtime
    }

    /// How well each `(query, document)` fits, in the order given: raw scores, larger is better.
    ///
    /// # Errors
    /// [`EncodeError::Runtime`] if the runtime fails, [`EncodeError::OutputShape`] if the graph has not the labels that
    /// `config.json` states, [`EncodeError::Matrix`] if a score is not a finite number.
    pub fn score(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>, EncodeError> {
        let texts: Vec<GraphText> = pairs
            .par_iter()
            .map(|(query, document)| {
                self.tokenizer.pair(query, document, self.max_tokens).map(GraphText::from)
            })
            .collect::<Result<_, _>>()?;
        let lengths: Vec<usize> = texts.iter().map(|text| text.tokens.ids.len()).collect();
        let mut scores = vec![0.0; pairs.len()];
        for positions in buckets(&lengths, self.batch_tokens) {
            let tensor = self.session.run(&pad(&texts, &positions, self.padding), self.output)?;
            let rows = positions.len();
            let sound = tensor.values.len() == rows * self.labels && tensor.shape.first() == Some(&rows);
            if !sound {
                let expected = format!("[{rows}, {}], one column a label of config.json", self.labels);
                return Err(EncodeError::OutputShape { found: tensor.shape, expected });
            }
            for (&at, logits) in positions.iter().zip(tensor.values.chunks_exact(self.labels)) {
                scores[at] = if self.labels == 1 { logits[0] } else { logits[1] - logits[0] };
            }
        }
        crate::types::TokenMatrix::new(&scores, 1)?;
        Ok(scores)
    }
}

impl std::fmt::Debug for CrossEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrossEncoder").field("name", &self.name).field("runtime", &self.runtime).finish()
    }
}

fn labels(directory: &ModelDirectory, config: &Config) -> Result<usize, EncodeError> {
    // A configuration that names no labels means two, as in transformers.
    match config.num_labels.or(config.id2label.as_ref().map(Map::len)).unwrap_or(2) {
        labels @ 1..=2 => Ok(labels),
        labels => Err(EncodeError::Field {
            path: directory.path("config.json"),
            field: "id2label",
            found: format!("{labels} labels"),
            expected: "1 or 2 labels",
        }),
    }
}

fn activation(config: &Config, labels: usize) -> Activation {
    let nested = config.sentence_transformers.as_ref().and_then(|nested| nested.activation_fn.as_deref());
    let name = nested.or(config.sbert_ce_default_activation_function.as_deref()).unwrap_or_default();
    match name.rsplit('.').next() {
        Some("Identity") => Activation::Identity,
        Some("Sigmoid") => Activation::Sigmoid,
        // As sentence-transformers: a single score is shown as a probability.
        _ if labels == 1 => Activation::Sigmoid,
        _ => Activation::Identity,
    }
}
