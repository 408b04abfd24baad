//! Models that read a query and a document together and say how well they fit.
//!
//! ```text
//! query ──── tokenise once ─┐
//!                           ├─ rows (one a window) ─ buckets of similar length ─ graph ─ number at the last token ─ score
//! document ─ tokenise ─ cut ┘
//! ```
//!
//! | kind | `config.json` names | the graph gives |
//! |---|---|---|
//! | cross-encoder | `…ForSequenceClassification`, or nothing | `logits` `[rows, 1 or 2]` |
//! | decoder with a score head | the same, with a template in `lateen.json` | the same |
//! | decoder | `…ForCausalLM` | `logits` `[rows, tokens or 1, vocabulary]` |
//! | encoder-decoder | `…ForConditionalGeneration` | `logits` `[rows, 1, vocabulary]` of the decoder's first token |
//! | layer-wise decoder | `LayerWise…`, `CostWise…` | `logits.N` `[rows, tokens or 1]` for layers `N` |
//!
//! Decoders may want `position_ids`, and `past_key_values.N.key` and `.value`: where they give `present.N.…` back, the
//! tokens that all rows begin with (template and query) run once for all documents. Encoder-decoders are two graphs,
//! `encoder_model.onnx` and `decoder_model.onnx` (without a cache), or one that takes `decoder_input_ids`.

mod cache;
mod graph;
mod kind;
mod load;
mod reader;
mod seq2seq;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

pub use kind::PairKind;
pub use settings::{Calibration, JudgeSettings};
pub use template::PairTemplate;
pub use window::Windows;
pub(crate) use window::{overlap, readable};

use super::text::TextTokenizer;
use super::{Activation, EncodeError, ModelOptions, RuntimeReport};
use graph::{PairGraph, Readout};
use reader::{Form, QueryPart, Reader, Row, Shown};

/// How a judge is loaded.
#[derive(Debug, Clone)]
pub struct PairOptions {
    /// Runtime, threads and lengths; `max_document_tokens` is the most tokens of query and document together.
    pub model: ModelOptions,
    /// The template to read with, instead of the one that the directory states.
    pub template: Option<PairTemplate>,
    /// The instruction of templates that have one.
    pub instruction: Option<String>,
    /// Which layer's score is taken where there are several; the last one if not given.
    pub cutoff_layer: Option<usize>,
    /// The most bytes of a batch's output; decoders give a number for each token of their vocabulary.
    pub batch_bytes: usize,
}

impl Default for PairOptions {
    fn default() -> Self {
        Self {
            model: ModelOptions::default(),
            template: None,
            instruction: None,
            cutoff_layer: None,
            batch_bytes: 512 << 20,
        }
    }
}

/// The score of a part of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowScore {
    /// The bytes of the document that were read.
    pub bytes: Range<usize>,
    /// The raw score: larger is better.
    pub score: f32,
}

/// The scores of a document's windows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DocumentScores {
    /// At least one, in the order of the text.
    pub windows: Vec<WindowScore>,
    /// Whether some of the document was in no window.
    pub cut: bool,
}

/// A model that reads a query and a document together and says how well they fit.
///
/// Raw scores are logits: unbounded, larger is better, comparable within one model only. A pair's score does not depend
/// on its batch mates beyond rounding.
pub struct PairModel {
    name: String,
    kind: PairKind,
    notes: Vec<String>,
    tokenizer: TextTokenizer,
    reader: Reader,
    graph: PairGraph,
    /// Scores as `(layer, output of the graph)`.
    outputs: Vec<(usize, usize)>,
    chosen: usize,
    readout: Readout,
    activation: Activation,
    calibration: Option<Calibration>,
    fingerprint: [u8; 16],
    runtime: RuntimeReport,
}

impl PairModel {
    /// Loads the model in `directory`.
    ///
    /// # Errors
    /// [`EncodeError`] names the file and field that is missing or wrong, and the way out.
    pub fn load(directory: &Path, options: &PairOptions) -> Result<Self, EncodeError> {
        load::load(directory, options)
    }

    /// Whether `directory` holds a judge of pairs and no encoder, told by its own files.
    ///
    /// # Errors
    /// [`EncodeError`] if its configuration is missing or broken.
    pub fn recognises(directory: &Path) -> Result<bool, EncodeError> {
        kind::is_pair_model(&super::directory::ModelDirectory::open(directory)?)
    }

    /// The directory's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the graph gives.
    #[must_use]
    pub fn kind(&self) -> PairKind {
        self.kind
    }

    /// What was assumed because the directory does not say it.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The template that query and document are put into; none where the tokenizer has one for pairs.
    #[must_use]
    pub fn template(&self) -> Option<&PairTemplate> {
        match &self.reader.form {
            Form::Pair { .. } => None,
            Form::Text(form) => Some(&form.template),
        }
    }

    /// What turns a score into the one the model was trained to show.
    #[must_use]
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// What turns a score into a probability, if the directory states it.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        self.calibration
    }

    /// The most tokens of query and document together.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.reader.max_tokens
    }

    /// The layers that give scores, lowest first; `[0]` for models with one score.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.outputs.iter().map(|&(layer, _)| layer).collect()
    }

    /// 128 bits over graph, tokenizer, template and lengths.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// What runs the model, and why.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeReport {
        &self.runtime
    }

    /// How well each `(query, document)` fits, in the order given: raw scores, larger is better. Long texts are cut.
    ///
    /// # Errors
    /// [`EncodeError::Runtime`] if the runtime fails, [`EncodeError::OutputShape`] if the graph gives something else than
    /// its kind promises, [`EncodeError::Matrix`] if a score is not a finite number.
    pub fn score(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>, EncodeError> {
        let all = self.score_windows(pairs, Windows::Cut)?;
        Ok(all.iter().map(|document| document.windows[0].score).collect())
    }

    /// The scores of the windows of each pair's document.
    ///
    /// # Errors
    /// As [`PairModel::score`], and [`EncodeError::NoRoom`] if a query leaves too little room to slice.
    pub fn score_windows(
        &self,
        pairs: &[(&str, &str)],
        plan: Windows,
    ) -> Result<Vec<DocumentScores>, EncodeError> {
        let shown = self.shown(pairs, plan)?;
        let rows = rows(&shown);
        let mut scores = self.run(&rows, &[self.chosen])?.into_iter().map(|scores| scores[0]);
        let document = |shown: Shown| {
            let ranges = shown.windows.into_iter().map(|window| window.bytes);
            let windows = ranges.zip(scores.by_ref()).map(|(bytes, score)| WindowScore { bytes, score });
            DocumentScores { windows: windows.collect(), cut: shown.cut }
        };
        Ok(shown.into_iter().map(document).collect())
    }

    /// The raw scores of several layers in one pass: `[pair][layer]`. Long texts are cut.
    ///
    /// # Errors
    /// As [`PairModel::score`], and [`EncodeError::NoLayer`] for a layer that gives no score.
    pub fn score_layers(
        &self,
        pairs: &[(&str, &str)],
        layers: &[usize],
    ) -> Result<Vec<Vec<f32>>, EncodeError> {
        let number = |&layer: &usize| {
            let found = self.outputs.iter().position(|&(named, _)| named == layer);
            found.ok_or_else(|| EncodeError::NoLayer {
                directory: self.name.clone().into(),
                layer,
                layers: self.layers(),
            })
        };
        let wanted = layers.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        self.run(&rows(&self.shown(pairs, Windows::Cut)?), &wanted)
    }

    /// The token ids that the model reads for each window of a pair's document.
    ///
    /// # Errors
    /// As [`PairModel::score_windows`], from the tokenizer alone.
    pub fn token_ids(&self, pair: (&str, &str), plan: Windows) -> Result<Vec<Vec<u32>>, EncodeError> {
        Ok(rows(&self.shown(&[pair], plan)?).into_iter().map(|row| row.ids).collect())
    }

    fn shown(&self, pairs: &[(&str, &str)], plan: Windows) -> Result<Vec<Shown>, EncodeError> {
        let mut queries: HashMap<&str, QueryPart> = HashMap::new();
        for (query, _) in pairs {
            if !queries.contains_key(query) {
                queries.insert(query, self.reader.query(&self.tokenizer, query, plan)?);
            }
        }
        let one = |(query, document): &(&str, &str)| {
            self.reader.document(&self.tokenizer, &queries[query], document, plan)
        };
        pairs.par_iter().map(one).collect()
    }

    /// The scores of rows: `[row][number of outputs]`.
    fn run(&self, rows: &[Row], outputs: &[usize]) -> Result<Vec<Vec<f32>>, EncodeError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<usize> = outputs.iter().map(|&number| self.outputs[number].1).collect();
        let all = self.graph.run(rows, &wanted)?;
        let scores = all.iter().map(|numbers| numbers.iter().map(|one| self.readout.score(one)).collect());
        let scores: Vec<Vec<f32>> = scores.collect::<Result<_, _>>()?;
        crate::types::TokenMatrix::new(&scores.concat(), 1)?;
        Ok(scores)
    }
}

/// The graph that gives scores: of two, the decoder's.
pub(super) fn graph_path(
    directory: &super::directory::ModelDirectory,
    options: &ModelOptions,
) -> Result<std::path::PathBuf, EncodeError> {
    match seq2seq::graphs(directory, options) {
        Some((_, decoder)) => Ok(decoder),
        None => super::layout::graph(&[directory], options),
    }
}

/// All windows as rows; a row has at least one token.
fn rows(shown: &[Shown]) -> Vec<Row> {
    let mut rows: Vec<Row> =
        shown.iter().flat_map(|shown| &shown.windows).map(|window| window.row.clone()).collect();
    for row in rows.iter_mut().filter(|row| row.ids.is_empty()) {
        row.ids.push(0);
    }
    rows
}

impl std::fmt::Debug for PairModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairModel")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("runtime", &self.runtime)
            .finish()
    }
}
