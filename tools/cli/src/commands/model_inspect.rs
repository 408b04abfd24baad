use super::inspect::hex;
use super::model_choice::{Engine, ModelChoice, is_compiled_in, located};
use crate::exit::Outcome;
use crate::output::Output;
use crate::size;
use crate::text::plain;
use clap::Args;
use lateen::encode::export::{self, CheckpointSummary, Head};
use lateen::encode::inspect::{Finding, GraphInspection, Inspection, Role, SideInspection, inspect};
use lateen::encode::{EncodeError, Model, PairKind, PairModel, PairOptions, RuntimeReport};
use serde::Serialize;
use std::path::PathBuf;

/// Show what a model directory (or the bundled model) holds, which file says so, and what would run it
#[derive(Debug, Args)]
pub struct Inspect {
    /// The model directory, its name on the hub, or `bundled`
    model: PathBuf,
    #[command(flatten)]
    engine: Engine,
}

#[derive(Default, Serialize)]
struct Body {
    role: &'static str,
    layout: Option<&'static str>,
    because: Vec<File>,
    query: Option<Side>,
    document: Option<Side>,
    positions: Option<u64>,
    pooling: Vec<&'static str>,
    pools_prompt: bool,
    skipped_words: u64,
    layers: Vec<String>,
    graph: Option<Graph>,
    variants: Vec<File>,
    refused: Vec<File>,
    name: Option<String>,
    model_kind: Option<&'static str>,
    description: Option<String>,
    fingerprint: Option<String>,
    token_dim: Option<u64>,
    dense_dim: Option<u64>,
    gives_sparse: bool,
    max_query_tokens: Option<u64>,
    max_document_tokens: Option<u64>,
    judge: Option<Judge>,
    /// What the weights beside it hold, if they are of a family that can be converted.
    checkpoint: Option<Checkpoint>,
    notes: Vec<String>,
    runtime: Option<&'static str>,
    why: Option<String>,
}

#[derive(Serialize)]
struct File {
    file: String,
    says: String,
}

#[derive(Serialize)]
struct Side {
    prompt: String,
    prefix: String,
    max_tokens: Option<u64>,
    filled_up_to: Option<u64>,
}

#[derive(Serialize)]
struct Graph {
    file: String,
    bytes: u64,
    external: Vec<String>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    quantises_as_it_runs: bool,
}

#[derive(Serialize)]
struct Judge {
    template: Option<Value>,
    activation: Value,
    calibration: Option<Value>,
    layers: Vec<u64>,
    max_tokens: u64,
}

#[derive(Serialize)]
struct Checkpoint {
    family: &'static str,
    hidden_size: u64,
    layers: u64,
    max_tokens: u64,
    tensors: u64,
    parameters: u64,
    heads: Vec<&'static str>,
}

impl From<CheckpointSummary> for Checkpoint {
    fn from(summary: CheckpointSummary) -> Self {
        Self {
            family: summary.family,
            hidden_size: summary.hidden_size as u64,
            layers: summary.layers as u64,
            max_tokens: summary.max_tokens as u64,
            tensors: summary.tensors as u64,
            parameters: summary.parameters,
            heads: summary.heads.into_iter().map(Head::name).collect(),
        }
    }
}

type Value = serde_json::Value;

fn files(all: Vec<Finding>) -> Vec<File> {
    all.into_iter().map(|one| File { file: one.file.display().to_string(), says: one.says }).collect()
}

impl From<SideInspection> for Side {
    fn from(side: SideInspection) -> Self {
        let SideInspection { prompt, prefix, max_tokens, filled_up_to } = side;
        let number = |number: Option<usize>| number.map(|number| number as u64);
        Self { prompt, prefix, max_tokens: number(max_tokens), filled_up_to: number(filled_up_to) }
    }
}

impl From<GraphInspection> for Graph {
    fn from(graph: GraphInspection) -> Self {
        Self {
            file: graph.path.display().to_string(),
            bytes: graph.bytes,
            external: graph.external.iter().map(|path| path.display().to_string()).collect(),
            inputs: graph.inputs,
            outputs: graph.outputs,
            quantises_as_it_runs: graph.quantises_as_it_runs,
        }
    }
}

impl Inspect {
    pub fn run(mut self, output: &mut Output) -> anyhow::Result<Outcome> {
        let mut body = Body { role: "encoder", ..Body::default() };
        let mut is_judge = false;
        if !self.model.to_str().is_some_and(is_compiled_in) {
            self.model = located(&self.model)?;
            // What is no checkpoint, or of no known family, is left out: the model itself is shown all the same.
            body.checkpoint = export::inspect(&self.model).ok().map(Checkpoint::from);
            match inspect(&self.model, &self.engine.options()) {
                Ok(seen) => {
                    is_judge = seen.role == Role::Judge;
                    body.see(seen);
                }
                // A checkpoint that is nothing else becomes a model when it is loaded.
                Err(EncodeError::UnknownLayout { .. }) if body.checkpoint.is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let loaded = match is_judge {
            true => body.load_judge(&self),
            false => body.load_encoder(self),
        };
        if output.json {
            output.document("model", &body)?;
        } else {
            body.print(output)?;
        }
        loaded.map(|()| Outcome::Done)
    }
}

impl Body {
    fn see(&mut self, seen: Inspection) {
        self.role = if seen.role == Role::Judge { "judge" } else { "encoder" };
        self.layout = Some(seen.layout);
        self.because = files(seen.because);
        self.positions = seen.positions.map(|positions| positions as u64);
        self.pooling = seen.pooling;
        self.pools_prompt = seen.pools_prompt;
        self.skipped_words = seen.skipped_words as u64;
        self.layers = seen.layers;
        if seen.role == Role::Encoder && seen.graph.is_some() {
            (self.query, self.document) = (Some(seen.query.into()), Some(seen.document.into()));
        }
        self.graph = seen.graph.map(Graph::from);
        self.variants = files(seen.variants);
        self.refused = files(seen.refused);
    }

    fn load_encoder(&mut self, command: Inspect) -> anyhow::Result<()> {
        let model = ModelChoice {
            model: Some(command.model),
            #[cfg(feature = "remote")]
            remote: None,
            engine: command.engine,
        };
        let model = model.load()?;
        let model: &Model = &model;
        let (query, document) = model.limits();
        self.name = Some(model.name().to_owned());
        self.model_kind = Some(model.kind().name());
        self.description = Some(model.description());
        self.fingerprint = Some(hex(&model.fingerprint()));
        self.token_dim = model.token_dim().map(|dim| dim as u64);
        self.dense_dim = model.dense_dim().map(|dim| dim as u64);
        self.gives_sparse = model.gives_sparse();
        self.max_query_tokens = Some(query as u64);
        self.max_document_tokens = Some(document as u64);
        self.told(model.notes(), model.runtime());
        Ok(())
    }

    fn load_judge(&mut self, command: &Inspect) -> anyhow::Result<()> {
        let options = PairOptions { model: command.engine.options(), ..PairOptions::default() };
        let model = PairModel::load(&command.model, &options)?;
        self.name = Some(model.name().to_owned());
        self.model_kind = Some(match model.kind() {
            PairKind::Labels => "scores of labels",
            PairKind::NextToken => "logits of the next token",
            PairKind::FirstToken => "logits of the first token behind an encoder",
            PairKind::Layers => "a score for each of several layers",
        });
        self.fingerprint = Some(hex(&model.fingerprint()));
        self.judge = Some(Judge {
            template: model.template().map(serde_json::to_value).transpose()?,
            activation: serde_json::to_value(model.activation())?,
            calibration: model.calibration().map(serde_json::to_value).transpose()?,
            layers: model.layers().into_iter().map(|layer| layer as u64).collect(),
            max_tokens: model.max_tokens() as u64,
        });
        self.told(model.notes(), model.runtime());
        Ok(())
    }

    fn told(&mut self, notes: &[String], runtime: &RuntimeReport) {
        self.notes = notes.to_vec();
        self.runtime = Some(runtime.name);
        self.why = Some(runtime.why.clone());
    }

    fn print(&self, output: &mut Output) -> anyhow::Result<()> {
        let mut line = |name: &str, text: &str| output.line(format_args!("{name:<12} {}", plain(text)));
        let or_none = |dim: Option<u64>| dim.map_or("none".to_owned(), |dim| format!("{dim} dimensions"));
        for (name, text) in [("name", &self.name), ("description", &self.description)] {
            text.iter().try_for_each(|text| line(name, text))?;
        }
        self.model_kind.iter().try_for_each(|kind| line("kind", kind))?;
        if let Some(layout) = self.layout {
            line("layout", &format!("{layout} ({})", self.role))?;
        }
        self.because.iter().try_for_each(|one| line("because", &format!("{}: {}", one.file, one.says)))?;
        for (name, side) in [("query", &self.query), ("document", &self.document)] {
            side.iter().try_for_each(|side| line(name, &side.text()))?;
        }
        if !self.pooling.is_empty() {
            let prompt = if self.pools_prompt { "" } else { ", without the prompt" };
            line("pooling", &format!("{}{prompt}", self.pooling.join(" and ")))?;
        }
        if self.skipped_words > 0 {
            line("skipped", &format!("{} words of documents", self.skipped_words))?;
        }
        self.layers.iter().try_for_each(|layer| line("then", layer))?;
        if self.fingerprint.is_some() && self.judge.is_none() {
            line("tokens", &or_none(self.token_dim))?;
            line("dense", &or_none(self.dense_dim))?;
            line("sparse", if self.gives_sparse { "weights of tokens" } else { "none" })?;
        }
        if let (Some(query), Some(document)) = (self.max_query_tokens, self.max_document_tokens) {
            line("longest", &format!("query {query}, document {document} tokens"))?;
        }
        if let Some(judge) = &self.judge {
            line("reads", &format!("{} tokens of query and document", judge.max_tokens))?;
            judge.template.iter().try_for_each(|template| line("template", &template.to_string()))?;
            line("activation", judge.activation.as_str().unwrap_or_default())?;
            judge.calibration.iter().try_for_each(|fitted| line("calibration", &fitted.to_string()))?;
        }
        if let Some(graph) = &self.graph {
            line("graph", &format!("{}, {}", graph.file, size::bytes(graph.bytes)))?;
            graph.external.iter().try_for_each(|file| line("weights", file))?;
            line("inputs", &graph.inputs.join(", "))?;
            line("outputs", &graph.outputs.join(", "))?;
        }
        if let Some(Checkpoint { family, hidden_size, layers, tensors, parameters, heads, .. }) =
            &self.checkpoint
        {
            let shape = format!(
                "{family}: {layers} layers of {hidden_size}, {parameters} numbers in {tensors} tensors"
            );
            line("checkpoint", &shape)?;
            line("heads", &heads.join(", "))?;
        }
        self.variants.iter().try_for_each(|one| line("variant", &format!("{}: {}", one.says, one.file)))?;
        self.refused.iter().try_for_each(|one| line("refused", &format!("{}: {}", one.file, one.says)))?;
        self.notes.iter().try_for_each(|note| line("note", note))?;
        self.fingerprint.iter().try_for_each(|print| line("fingerprint", print))?;
        if let (Some(runtime), Some(why)) = (self.runtime, &self.why) {
            line("runtime", &format!("{runtime}: {why}"))?;
        }
        Ok(())
    }
}

impl Side {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.prompt.is_empty() {
            parts.push(format!("prompt {:?}", self.prompt));
        }
        if !self.prefix.is_empty() {
            parts.push(format!("prefix {:?}", self.prefix));
        }
        parts.extend(self.max_tokens.map(|max| format!("at most {max} tokens")));
        parts.extend(self.filled_up_to.map(|length| format!("filled up to {length}")));
        if parts.is_empty() { "as it is".to_owned() } else { parts.join(", ") }
    }
}
