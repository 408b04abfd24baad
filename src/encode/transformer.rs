use std::collections::HashSet;

use rayon::prelude::*;

use super::batch::{GraphText, buckets, pad};
use super::directory::{ModelDirectory, TOKENIZER_LIMIT};
use super::fingerprint::Fingerprint;
use super::inputs::{KeptShape, TextGraph};
use super::layer::Layer;
use super::layout::{Head, Recipe};
use super::output::Output;
use super::pooling::Pooling;
use super::runtime::{self, Graph, RuntimeReport};
use super::side::{Side, SideMaker, SideRules};
use super::special::Special;
use super::text::TextTokenizer;
use super::token_weights::{self, TokenWeights};
use super::{EncodeError, ModelOptions};
use crate::types::{EncodedTokens, MAX_DIM, TokenMatrixBuf, normalize};

/// Said of graphs that quantise activations as they run.
const DYNAMIC: &str =
    "the graph measures the range of each batch: its vectors depend a little on batch mates";

/// What becomes of the graph's output.
enum Form {
    Pooled { modes: Vec<Pooling>, skip_prompt: bool },
    Tokens { skip: HashSet<u32>, in_queries: bool, in_documents: bool },
}

impl Form {
    /// How many vectors of a token's width a row is put together from.
    fn parts(&self) -> usize {
        match self {
            Self::Pooled { modes, .. } => modes.len(),
            Self::Tokens { .. } => 1,
        }
    }

    fn add_to(&self, fingerprint: &mut Fingerprint) {
        match self {
            Self::Pooled { modes, skip_prompt } => {
                fingerprint.add("pooling", format!("{modes:?} {skip_prompt}").as_bytes());
            }
            Self::Tokens { skip, in_queries, in_documents } => {
                let mut skip: Vec<u64> = skip.iter().map(|&id| u64::from(id)).collect();
                skip.sort_unstable();
                fingerprint.add_numbers("skip", &skip);
                if *in_queries || !in_documents {
                    fingerprint.add_numbers("skip in", &[u64::from(*in_queries), u64::from(*in_documents)]);
                }
            }
        }
    }
}

/// An ONNX graph with a tokenizer, as an encoder of texts.
pub(super) struct Transformer {
    pub(super) name: String,
    pub(super) fingerprint: [u8; 16],
    pub(super) notes: Vec<String>,
    tokenizer: TextTokenizer,
    graph: TextGraph,
    output: Output,
    query: SideRules,
    document: SideRules,
    form: Form,
    /// What a query's tokens count, in late interaction.
    weights: Option<TokenWeights>,
    layers: Vec<Layer>,
    normalize: bool,
    padding: u32,
    batch_tokens: usize,
    dim: usize,
}

/// A text ready for the graph, and the rows of it that are kept.
struct Prepared {
    text: GraphText,
    keep: Vec<bool>,
}

/// The vectors of one text: `[kept tokens, dim]`, or one row if pooled.
struct Rows {
    values: Vec<f32>,
    text: Prepared,
}

impl Transformer {
    pub(super) fn load(
        directory: &ModelDirectory,
        recipe: Recipe,
        graph: Graph,
        options: &ModelOptions,
    ) -> Result<(Self, RuntimeReport), EncodeError> {
        let tokenizer_path = recipe.transformer.path("tokenizer.json");
        let bytes = recipe.transformer.read_path(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
        let tokenizer = TextTokenizer::new(&tokenizer_path, &bytes, recipe.lowercase)?;
        let special = Special::load(&recipe.transformer)?;
        let mut notes = recipe.notes.clone();
        let maker = SideMaker { recipe: &recipe, tokenizer: &tokenizer, special: &special, options };
        let query = maker.rules(Side::Query, &mut notes)?;
        let document = maker.rules(Side::Document, &mut notes)?;
        let form = form(&recipe.head, &tokenizer, &mut notes);
        if graph.has_dynamic_quantisation {
            notes.push(DYNAMIC.to_owned());
        }
        let weights = match &form {
            Form::Tokens { .. } => TokenWeights::read(&recipe.transformer, tokenizer.largest_id())?,
            Form::Pooled { .. } => {
                if recipe.transformer.has(token_weights::FILE) {
                    notes.push(format!(
                        "{} is not read: one vector is given, not one a token",
                        token_weights::FILE
                    ));
                }
                None
            }
        };
        let fingerprint =
            fingerprint(&graph, &bytes, &recipe, [&query, &document], (&form, weights.as_ref()))?;
        let graph_path = graph.path.clone();
        let (session, report) = runtime::load(graph, options)?;
        let graph = TextGraph::new(&graph_path, session, &KeptShape::read(&recipe.transformer)?)?;
        let output = Output::choose(&graph_path, graph.outputs(), matches!(form, Form::Tokens { .. }))?;
        let mut this = Self {
            name: directory.name(),
            fingerprint,
            notes,
            padding: special.padding(&tokenizer),
            tokenizer,
            graph,
            output,
            query,
            document,
            form,
            weights,
            layers: recipe.layers,
            normalize: recipe.normalize,
            batch_tokens: options.batch_tokens.max(1),
            dim: 0,
        };
        this.probe()?;
        this.notes.iter().for_each(|note| tracing::warn!(model = %this.name, "{note}"));
        Ok((this, report))
    }

    /// Runs an empty text, to learn the dimension and whether the graph already contains the projections.
    fn probe(&mut self) -> Result<(), EncodeError> {
        let text = self.prepare("a", Side::Document)?;
        let batch = pad(std::slice::from_ref(&text.text), &[0], self.padding);
        let tensor = self.graph.run(&batch, &[self.output.index])?.swap_remove(0);
        let mut dim = self.output.dim(&tensor, &batch)?;
        if !self.output.pooled {
            dim *= self.form.parts();
        }
        let mut widths = self.layers.iter().filter_map(Layer::widths);
        if let Some((inputs, first)) = widths.next() {
            let outputs = widths.next_back().map_or(first, |(_, outputs)| outputs);
            let contained = match dim {
                _ if dim != inputs && dim != outputs => {
                    let expected =
                        format!("{inputs} columns before the dense layers or {outputs} after them");
                    return Err(EncodeError::OutputShape { found: tensor.shape, expected });
                }
                _ if inputs == outputs => self.output.is_finished,
                _ => dim == outputs,
            };
            if contained {
                self.layers.clear();
            } else {
                dim = outputs;
            }
        }
        if dim > MAX_DIM {
            let expected = format!("at most {MAX_DIM} columns");
            return Err(EncodeError::OutputShape { found: tensor.shape, expected });
        }
        self.dim = dim;
        Ok(())
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn gives_tokens(&self) -> bool {
        matches!(self.form, Form::Tokens { .. })
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        (self.query.max_tokens, self.document.max_tokens)
    }

    pub(super) fn description(&self) -> String {
        let kind = if self.gives_tokens() { "late interaction" } else { "dense" };
        let (query, document) = self.limits();
        format!("{}: {kind}, ONNX, dim {}, {query} query and {document} document tokens", self.name, self.dim)
    }

    fn rules(&self, side: Side) -> &SideRules {
        match side {
            Side::Query => &self.query,
            Side::Document => &self.document,
        }
    }

    /// A text as token ids, with prefix and expansion, and the tokens whose vectors are kept.
    fn prepare(&self, text: &str, side: Side) -> Result<Prepared, EncodeError> {
        let rules = self.rules(side);
        let room = rules.max_tokens - usize::from(rules.prefix.is_some());
        let mut tokens = self.tokenizer.tokens(&rules.prompt, text, room, true)?;
        if let Some(prefix) = rules.prefix {
            let at = tokens.ids.len().min(1);
            tokens.ids.insert(at, prefix);
            tokens.types.insert(at, 0);
            tokens.spans.insert(at, (0, 0));
        }
        let mut keep = match &self.form {
            Form::Tokens { skip, in_queries, in_documents }
                if (side == Side::Document && *in_documents) || (side == Side::Query && *in_queries) =>
            {
                tokens.ids.iter().map(|id| !skip.contains(id)).collect()
            }
            Form::Pooled { skip_prompt: true, .. } => {
                (0..tokens.ids.len()).map(|at| at >= rules.prompt_tokens).collect()
            }
            _ => vec![true; tokens.ids.len()],
        };
        let mut text = GraphText::from(tokens);
        if let Some((expansion, token)) = &rules.expansion {
            while text.tokens.ids.len() < expansion.length {
                text.tokens.ids.push(*token);
                text.tokens.types.push(0);
                text.tokens.spans.push((0, 0));
                text.attend.push(expansion.attend);
                keep.push(true);
            }
        }
        if let (Some(weights), Side::Query) = (&self.weights, side) {
            weights.leave_out(&text.tokens.ids, &mut keep);
        }
        Ok(Prepared { text, keep })
    }

    /// Runs all texts in batches of similar length and gives their rows in the order of `texts`.
    fn run(&self, texts: &[&str], side: Side) -> Result<Vec<Rows>, EncodeError> {
        let prepared: Vec<Prepared> =
            texts.par_iter().map(|text| self.prepare(text, side)).collect::<Result<_, _>>()?;
        let (graph_texts, keeps): (Vec<_>, Vec<_>) =
            prepared.into_iter().map(|prepared| (prepared.text, prepared.keep)).unzip();
        let lengths: Vec<usize> = graph_texts.iter().map(|text| text.tokens.ids.len()).collect();
        let mut all: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
        for positions in buckets(&lengths, self.batch_tokens) {
            let batch = pad(&graph_texts, &positions, self.padding);
            let tensor = self.graph.run(&batch, &[self.output.index])?.swap_remove(0);
            let width = self.output.dim(&tensor, &batch)?;
            let row_len = tensor.values.len() / batch.rows;
            for (values, &at) in tensor.values.chunks_exact(row_len.max(1)).zip(&positions) {
                all[at] = self.finish(values, width, &keeps[at]);
            }
        }
        let texts = graph_texts.into_iter().zip(keeps).map(|(text, keep)| Prepared { text, keep });
        Ok(all.into_iter().zip(texts).map(|(values, text)| Rows { values, text }).collect())
    }

    /// Pools or selects one text's rows, projects and scales them.
    fn finish(&self, values: &[f32], width: usize, keep: &[bool]) -> Vec<f32> {
        let mut rows = if self.output.pooled {
            values.to_vec()
        } else {
            let kept: Vec<f32> = values
                .chunks_exact(width)
                .zip(keep)
                .filter(|(_, keep)| **keep)
                .flat_map(|(row, _)| row.iter().copied())
                .collect();
            match &self.form {
                Form::Tokens { .. } => kept,
                Form::Pooled { modes, .. } => {
                    let mut out = Vec::with_capacity(width * modes.len());
                    let skipped = keep.iter().take_while(|keep| !**keep).count();
                    modes.iter().for_each(|mode| mode.pool(&kept, width, skipped, &mut out));
                    out
                }
            }
        };
        let mut width = if self.output.pooled { values.len() } else { width * self.form.parts() };
        for layer in &self.layers {
            rows = layer.apply(rows, width);
            width = layer.widths().map_or(width, |(_, outputs)| outputs);
        }
        if self.normalize || self.gives_tokens() {
            rows.chunks_exact_mut(self.dim).for_each(|row| {
                normalize(row);
            });
        }
        rows
    }

    /// A vector per kept token of each text, and whether the text was cut. Its length is 1, or a query token's weight.
    pub(super) fn tokens(
        &self,
        texts: &[&str],
        side: Side,
    ) -> Result<Vec<(EncodedTokens, bool)>, EncodeError> {
        self.run(texts, side)?
            .into_iter()
            .map(|rows| {
                let truncated = rows.text.text.tokens.truncated;
                let (token_ids, spans) = kept(&rows.text);
                let mut values = rows.values;
                if let (Some(weights), Side::Query) = (&self.weights, side) {
                    let rows = values.chunks_exact_mut(self.dim).zip(weights.of(&token_ids));
                    rows.for_each(|(row, weight)| row.iter_mut().for_each(|x| *x *= weight));
                }
                let matrix = TokenMatrixBuf::new(values, self.dim)?;
                Ok((EncodedTokens { matrix, token_ids, spans }, truncated))
            })
            .collect()
    }

    /// One vector for each text, and whether the text was cut.
    pub(super) fn dense(&self, texts: &[&str], side: Side) -> Result<Vec<(Vec<f32>, bool)>, EncodeError> {
        self.run(texts, side)?
            .into_iter()
            .map(|rows| {
                let truncated = rows.text.text.tokens.truncated;
                Ok((TokenMatrixBuf::new(rows.values, self.dim)?.into_vec(), truncated))
            })
            .collect()
    }

    /// The spans of the rows that [`Transformer::tokens`] gives, from the tokenizer alone.
    pub(super) fn spans(&self, text: &str, side: Side) -> Result<Vec<(u32, u32)>, EncodeError> {
        Ok(kept(&self.prepare(text, side)?).1)
    }
}

/// Ids and spans of the tokens that are kept.
fn kept(text: &Prepared) -> (Vec<u32>, Vec<(u32, u32)>) {
    let tokens = &text.text.tokens;
    let all = tokens.ids.iter().zip(&tokens.spans).zip(&text.keep);
    all.filter(|(_, keep)| **keep).map(|((&id, &span), _)| (id, span)).unzip()
}

fn form(head: &Head, tokenizer: &TextTokenizer, notes: &mut Vec<String>) -> Form {
    match head {
        Head::Pooled { modes, include_prompt } => {
            Form::Pooled { modes: modes.clone(), skip_prompt: !include_prompt }
        }
        Head::Tokens(rules) => {
            let mut skip = HashSet::new();
            let mut unknown = Vec::new();
            for word in &rules.skip_words {
                match tokenizer.id(word) {
                    Some(id) => {
                        skip.insert(id);
                    }
                    None => unknown.push(word.as_str()),
                }
            }
            if !unknown.is_empty() {
                let mut note = format!("these words to skip are no tokens: {}", unknown.join(" "));
                if let (true, Some(id)) = (rules.skip_unknown, tokenizer.unknown()) {
                    skip.insert(id);
                    note.push_str("; as in PyLate, unknown tokens of documents are skipped for them");
                }
                notes.push(note);
            }
            Form::Tokens { skip, in_queries: rules.skip_in_queries, in_documents: rules.skip_in_documents }
        }
    }
}

fn fingerprint(
    graph: &Graph,
    tokenizer: &[u8],
    recipe: &Recipe,
    sides: [&SideRules; 2],
    (form, weights): (&Form, Option<&TokenWeights>),
) -> Result<[u8; 16], EncodeError> {
    let mut fingerprint = Fingerprint::new("onnx");
    graph.add_to(&mut fingerprint)?;
    fingerprint.add("tokenizer", tokenizer);
    fingerprint.add_numbers("recipe", &[u64::from(recipe.lowercase), u64::from(recipe.normalize)]);
    recipe.layer_bytes.iter().for_each(|bytes| fingerprint.add("projection", bytes));
    for rules in sides {
        fingerprint.add("prompt", rules.prompt.as_bytes());
        let (length, attend, token) = match &rules.expansion {
            Some((expansion, token)) => (expansion.length, expansion.attend, u64::from(*token)),
            None => (0, false, 0),
        };
        let prefix = rules.prefix.map_or(u64::MAX, u64::from);
        let numbers = [prefix, rules.max_tokens as u64, length as u64, u64::from(attend), token];
        fingerprint.add_numbers("side", &numbers);
    }
    form.add_to(&mut fingerprint);
    weights.iter().for_each(|weights| weights.add_to(&mut fingerprint));
    Ok(fingerprint.finish())
}
