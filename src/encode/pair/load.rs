//! From a directory to a [`PairModel`].

use std::path::Path;

use super::super::directory::{self, ModelDirectory, TOKENIZER_LIMIT};
use super::super::fingerprint::Fingerprint;
use super::super::inputs::{KeptShape, Role, roles};
use super::super::runtime::{self, FeedSession, Graph};
use super::super::special::Special;
use super::super::text::TextTokenizer;
use super::super::{EncodeError, RuntimeReport, layout};
use super::graph::{PairGraph, Reading, Readout};
use super::kind::{PairKind, Recognised, recognise};
use super::reader::{Form, Reader, Row, TextForm};
use super::seq2seq::{self, Encoder};
use super::settings::{Config, JudgeSettings, Saved, logit_score};
use super::{PairModel, PairOptions};

/// The longest pair of a model that states no limit.
const DEFAULT_TOKENS: usize = 512;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Lengths {
    max_seq_length: Option<usize>,
    do_lower_case: bool,
}

/// The outputs with scores as `(layer, output)`, lowest layer first.
type Outputs = Vec<(usize, usize)>;

/// What was read of a directory before its graph.
struct Read<'a> {
    directory: &'a ModelDirectory,
    options: &'a PairOptions,
    config: Config,
    saved: Saved,
    settings: JudgeSettings,
    special: Special,
    tokenizer: TextTokenizer,
    padding: u32,
}

pub(super) fn load(directory: &Path, options: &PairOptions) -> Result<PairModel, EncodeError> {
    let directory = &ModelDirectory::open(directory)?;
    let config: Config = directory.json("config.json", "the configuration")?;
    let saved: Saved = directory.optional_json("config_sentence_transformers.json")?.unwrap_or_default();
    let lengths: Lengths = directory.optional_json("sentence_bert_config.json")?.unwrap_or_default();
    let settings = JudgeSettings::read(directory)?;
    let tokenizer_path = directory.path("tokenizer.json");
    let bytes = directory::read(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
    let tokenizer = TextTokenizer::new(&tokenizer_path, &bytes, lengths.do_lower_case)?;
    let special = Special::load(directory)?;
    let stated = config.pad_token_id.as_ref().and_then(serde_json::Value::as_u64);
    let padding = stated.and_then(|id| u32::try_from(id).ok()).unwrap_or(special.padding(&tokenizer));
    let read = Read { directory, options, config, saved, settings, special, tokenizer, padding };
    let marks = read.tokenizer.pair_marks()?;
    let recognised = recognise(directory, &read.config, &read.settings, &marks, options)?;
    let reader = read.reader(&recognised, marks, lengths.max_seq_length)?;
    let labels = if recognised.kind == PairKind::Labels { read.config.labels(directory)? } else { 1 };
    let readout = read.readout(&recognised, labels)?;
    let activation = match &recognised.template {
        Some(template) if recognised.kind != PairKind::Labels => template.activation,
        _ => read.config.activation(&read.saved, labels),
    };
    let mut fingerprint = Fingerprint::new("pair");
    fingerprint.add("tokenizer", &bytes);
    let (graph, outputs, runtime) = read.graph(recognised.kind, &mut fingerprint)?;
    fingerprint.add_numbers("lengths", &[reader.max_tokens as u64, u64::from(lengths.do_lower_case)]);
    if let Some(template) = &recognised.template {
        fingerprint.add("template", format!("{template:?}").as_bytes());
    }
    let chosen = read.chosen(&outputs)?;
    let notes: Vec<String> = recognised.note.into_iter().collect();
    notes.iter().for_each(|note| tracing::warn!(model = %directory.name(), "{note}"));
    let mut model = PairModel {
        name: directory.name(),
        kind: recognised.kind,
        notes,
        tokenizer: read.tokenizer,
        reader,
        graph,
        outputs,
        chosen,
        readout,
        activation,
        calibration: read.settings.calibration,
        fingerprint: fingerprint.finish(),
        runtime,
    };
    model.probe()?;
    Ok(model)
}

impl Read<'_> {
    fn reader(
        &self,
        recognised: &Recognised,
        marks: super::super::text::PairMarks,
        max_seq_length: Option<usize>,
    ) -> Result<Reader, EncodeError> {
        let (options, tokenizer) = (self.options, &self.tokenizer);
        let positions = self.special.positions;
        let stated = options.model.max_document_tokens.or(self.settings.max_tokens()).or(max_seq_length);
        let max_query_tokens = options.model.max_query_tokens;
        let Some(template) = recognised.template.clone() else {
            let limit = positions.unwrap_or(DEFAULT_TOKENS);
            let max_tokens = stated.unwrap_or(limit).min(limit).max(tokenizer.marks().1 + 2);
            let form = Form::Pair { marks, single: tokenizer.marks().0 };
            return Ok(Reader { form, max_tokens, max_query_tokens });
        };
        let begin = self.special.begin(tokenizer).filter(|&id| id != self.padding);
        let end = self.special.end(tokenizer);
        let instruction =
            options.instruction.clone().or_else(|| self.settings.instruction().map(str::to_owned));
        let instruction = instruction.or_else(|| self.saved.prompt().map(str::to_owned));
        let form = TextForm::new(template, instruction, tokenizer, (begin, end))?;
        let fixed = form.head.len() + form.tail.len();
        let beside = if form.template.counts_fixed { 0 } else { fixed };
        let limit = positions.map_or(layout::MAX_TOKENS, |limit| limit.saturating_sub(beside));
        let max_tokens = stated.unwrap_or(form.template.max_tokens).min(limit);
        let least = fixed - beside + 8;
        if max_tokens < least {
            return Err(EncodeError::Field {
                path: self.directory.root().to_owned(),
                field: "max_tokens",
                found: max_tokens.to_string(),
                expected: "room for the template, a query and a document",
            });
        }
        Ok(Reader { form: Form::Text(Box::new(form)), max_tokens, max_query_tokens })
    }

    fn readout(&self, recognised: &Recognised, labels: usize) -> Result<Readout, EncodeError> {
        let template = recognised.template.as_ref();
        match (recognised.kind, template) {
            (PairKind::Labels, _) => Ok(Readout::Labels(labels)),
            (PairKind::Layers, _) => Ok(Readout::Number),
            (_, None) => Ok(Readout::Labels(labels)),
            (_, Some(template)) => {
                if let Some(stated) = logit_score(self.directory)? {
                    return Ok(Readout::Tokens { yes: stated.true_token_id, no: stated.false_token_id });
                }
                let first = |text: &str| -> Result<u32, EncodeError> {
                    let tokens = self.tokenizer.tokens("", text, 16, false)?;
                    tokens.ids.first().copied().ok_or_else(|| EncodeError::Field {
                        path: self.directory.path("lateen.json"),
                        field: "judge.template.positive",
                        found: format!("{text:?}"),
                        expected: "a text of at least one token",
                    })
                };
                let no = template.negative.as_deref().map(first).transpose()?;
                Ok(Readout::Tokens { yes: first(&template.positive)?, no })
            }
        }
    }

    fn graph(
        &self,
        kind: PairKind,
        fingerprint: &mut Fingerprint,
    ) -> Result<(PairGraph, Outputs, RuntimeReport), EncodeError> {
        let model = &self.options.model;
        let both = seq2seq::graphs(self.directory, model).filter(|_| kind == PairKind::FirstToken);
        let path = match &both {
            Some((_, decoder)) => decoder.clone(),
            None => layout::graph(&[self.directory], model)?,
        };
        let open = |path: &Path, fingerprint: &mut Fingerprint| {
            let graph = Graph::open(path)?;
            graph.add_to(fingerprint)?;
            runtime::load(graph, model)
        };
        let encoder = match &both {
            None => None,
            Some((path, _)) => Some(Encoder::new(path, open(path, fingerprint)?.0)?),
        };
        let (session, report) = open(&path, fingerprint)?;
        let reading = match kind {
            PairKind::Labels => Reading::Row,
            PairKind::NextToken | PairKind::FirstToken => Reading::Vocabulary,
            PairKind::Layers => Reading::Position,
        };
        let outputs = outputs(&path, session.outputs(), kind)?;
        let graph = self.pair_graph(&path, session, reading, (kind, encoder))?;
        Ok((graph, outputs, report))
    }

    fn pair_graph(
        &self,
        path: &Path,
        session: Box<dyn FeedSession>,
        reading: Reading,
        (kind, encoder): (PairKind, Option<Encoder>),
    ) -> Result<PairGraph, EncodeError> {
        let roles = match kind {
            PairKind::FirstToken => seq2seq::roles(path, &*session, encoder.is_none())?,
            _ => roles(path, &*session, &KeptShape::read(self.directory)?)?,
        };
        let presents = presents(&roles, session.outputs());
        Ok(PairGraph {
            session,
            roles,
            encoder,
            first: self.config.decoder_start_token_id.unwrap_or(self.padding),
            presents,
            reading,
            padding: self.padding,
            pad_left: false,
            batch_tokens: self.options.model.batch_tokens.max(1),
            batch_bytes: self.options.batch_bytes,
            token_bytes: 0,
        })
    }

    /// Which of the outputs, by layer, is the score.
    fn chosen(&self, outputs: &[(usize, usize)]) -> Result<usize, EncodeError> {
        let wanted = self.options.cutoff_layer.or(self.settings.cutoff_layer());
        let found = match wanted {
            None => outputs.len().checked_sub(1),
            Some(layer) => outputs.iter().position(|&(named, _)| named == layer),
        };
        found.ok_or_else(|| EncodeError::NoLayer {
            directory: self.directory.root().to_owned(),
            layer: wanted.unwrap_or_default(),
            layers: outputs.iter().map(|&(layer, _)| layer).collect(),
        })
    }
}

/// The outputs that give back what past inputs take, in their order; none if a prefix cannot be kept.
fn presents(roles: &[Role], outputs: &[String]) -> Vec<usize> {
    let pasts =
        || roles.iter().filter_map(|role| if let Role::Past(past) = role { Some(past) } else { None });
    let given =
        |layer: &str| outputs.iter().position(|output| output.strip_prefix("present.") == Some(layer));
    let presents: Vec<usize> = pasts().filter_map(|past| given(&past.layer)).collect();
    // Without all of them, or without a mask or positions to count on from, a prefix cannot be kept.
    let countable = roles.contains(&Role::Mask) && roles.contains(&Role::Positions);
    if presents.len() == pasts().count() && countable { presents } else { Vec::new() }
}

/// The outputs with scores as `(layer, output)`, lowest layer first; graphs without layers have one, of layer 0.
fn outputs(path: &Path, names: &[String], kind: PairKind) -> Result<Vec<(usize, usize)>, EncodeError> {
    if kind == PairKind::Layers {
        let layer = |name: &String| {
            let number = name.strip_prefix("logits").and_then(|rest| rest.strip_prefix(['.', '_']))?;
            number.parse().ok()
        };
        let mut layers: Vec<(usize, usize)> =
            names.iter().enumerate().filter_map(|(at, name)| Some((layer(name)?, at))).collect();
        layers.sort_unstable();
        if !layers.is_empty() {
            return Ok(layers);
        }
    }
    let plain: Vec<usize> = (0..names.len()).filter(|&at| !names[at].starts_with("present")).collect();
    let only = if plain.len() == 1 { plain.first().copied() } else { None };
    match names.iter().position(|name| name == "logits").or(only) {
        Some(at) => Ok(vec![(0, at)]),
        None => Err(EncodeError::GraphInterface {
            path: path.to_owned(),
            problem: "has no output \"logits\"".to_owned(),
            names: names.to_vec(),
        }),
    }
}

impl PairModel {
    /// Runs one short pair, to learn the shape of the graph's output.
    fn probe(&mut self) -> Result<(), EncodeError> {
        let query = self.reader.query(&self.tokenizer, "a b", super::Windows::Cut)?;
        let mut shown = self.reader.document(&self.tokenizer, &query, "a b", super::Windows::Cut)?;
        let row: Row = shown.windows.remove(0).row;
        let output = self.outputs[self.chosen].1;
        self.graph.probe(&row, output)?;
        self.run(&[row], &[self.chosen]).map(drop)
    }
}
