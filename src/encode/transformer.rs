use std::collections::HashSet;

use rayon::prelude::*;

use super::batch::{GraphText, buckets, pad};
use super::directory::{self, ModelDirectory, TOKENIZER_LIMIT};
use super::fingerprint::Fingerprint;
use super::layout::{Expansion, Head, MAX_TOKENS, Recipe, TokenRules};
use super::output::Output;
use super::pooling::Pooling;
use super::projection::Projection;
use super::runtime::{self, Graph, RuntimeReport, Session};
use super::special::Special;
use super::text::TextTokenizer;
use super::{EncodeError, ModelOptions};
use crate::types::{EncodedTokens, MAX_DIM, TokenMatrixBuf, normalize};

/// The longest text of a model that states no limit.
const DEFAULT_TOKENS: usize = 512;

/// Which side of a search a text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Query,
    Document,
}

/// How the texts of one side are put before the graph.
#[derive(Debug)]
struct SideRules {
    prompt: String,
    /// Tokens of the prompt and the marks before it, where pooling leaves them out.
    prompt_tokens: usize,
    prefix: Option<u32>,
    max_tokens: usize,
    expansion: Option<(Expansion, u32)>,
}

/// What becomes of the graph's output.
enum Form {
    Pooled { modes: Vec<Pooling>, skip_prompt: bool },
    Tokens { skip: HashSet<u32> },
}

/// An ONNX graph with a tokenizer, as an encoder of texts.
pub(super) struct Transformer {
    pub(super) name: String,
    pub(super) fingerprint: [u8; 16],
    pub(super) notes: Vec<String>,
    tokenizer: TextTokenizer,
    session: Box<dyn Session>,
    output: Output,
    query: SideRules,
    document: SideRules,
    form: Form,
    projections: Vec<Projection>,
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
        options: &ModelOptions,
    ) -> Result<(Self, RuntimeReport), EncodeError> {
        let tokenizer_path = recipe.transformer.path("tokenizer.json");
        let bytes = directory::read(&tokenizer_path, "the tokenizer", TOKENIZER_LIMIT)?;
        let tokenizer = TextTokenizer::new(&tokenizer_path, &bytes, recipe.lowercase)?;
        let special = Special::load(&recipe.transformer)?;
        let mut notes = recipe.notes.clone();
        let query = side(&recipe, Side::Query, &tokenizer, &special, options, &mut notes)?;
        let document = side(&recipe, Side::Document, &tokenizer, &special, options, &mut notes)?;
        let form = form(&recipe.head, &tokenizer, &mut notes);
        let graph = Graph::open(&recipe.graph)?;
        if graph.has_dynamic_quantisation {
            notes.push(
                "the graph measures the range of each batch: its vectors depend a little on batch mates"
                    .to_owned(),
            );
        }
        let fingerprint = fingerprint(&graph, &bytes, &recipe, [&query, &document], &form)?;
        let graph_path = graph.path.clone();
        let (session, report) = runtime::load(graph, options)?;
        let output = Output::choose(&graph_path, session.outputs(), matches!(form, Form::Tokens { .. }))?;
        let mut this = Self {
            name: directory.name(),
            fingerprint,
            notes,
            padding: special.padding(&tokenizer),
            tokenizer,
            session,
            output,
            query,
            document,
            form,
            projections: recipe.projections,
            normalize: recipe.normalize,
            batch_tokens: options.batch_tokens.max(1),
            dim: 0,
        };
        this.probe()?;
        for note in &this.notes {
            tracing::warn!(model = %this.name, "{note}");
        }
        Ok((this, report))
    }

    /// Runs an empty text, to learn the dimension and whether the graph already contains the projections.
    fn probe(&mut self) -> Result<(), EncodeError> {
        let text = self.prepare("a", Side::Document)?;
        let batch = pad(std::slice::from_ref(&text.text), &[0], self.padding);
        let tensor = self.session.run(&batch, self.output.index)?;
        let mut dim = self.output.dim(&tensor, &batch)?;
        if let (Form::Pooled { modes, .. }, false) = (&self.form, self.output.pooled) {
            dim *= modes.len();
        }
        if let (Some(first), Some(last)) = (self.projections.first(), self.projections.last()) {
            let (inputs, outputs) = (first.inputs, last.outputs);
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
                self.projections.clear();
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
            Form::Tokens { skip } if side == Side::Document => {
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
            let tensor = self.session.run(&batch, self.output.index)?;
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
                    modes.iter().for_each(|mode| mode.pool(&kept, width, &mut out));
                    out
                }
            }
        };
        for projection in &self.projections {
            rows = projection.apply(&rows);
        }
        if self.normalize || self.gives_tokens() {
            rows.chunks_exact_mut(self.dim).for_each(|row| {
                normalize(row);
            });
        }
        rows
    }

    /// A unit vector per kept token of each text, and whether the text was cut.
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
                let matrix = TokenMatrixBuf::new(rows.values, self.dim)?;
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

fn side(
    recipe: &Recipe,
    side: Side,
    tokenizer: &TextTokenizer,
    special: &Special,
    options: &ModelOptions,
    notes: &mut Vec<String>,
) -> Result<SideRules, EncodeError> {
    let (stated, wanted, mut prompt) = match side {
        Side::Query => (recipe.max_query, options.max_query_tokens, recipe.query_prompt.clone()),
        Side::Document => (recipe.max_document, options.max_document_tokens, recipe.document_prompt.clone()),
    };
    let positions = special.positions.unwrap_or(MAX_TOKENS);
    let default = special.positions.map_or(DEFAULT_TOKENS, |positions| positions.min(8192));
    let max_tokens = wanted.or(stated).unwrap_or(default).min(positions);
    let mut rules =
        SideRules { prompt: String::new(), prompt_tokens: 0, prefix: None, max_tokens, expansion: None };
    if let Head::Tokens(token_rules) = &recipe.head {
        let prefix = match side {
            Side::Query => &token_rules.query_prefix,
            Side::Document => &token_rules.document_prefix,
        };
        rules.prefix = prefix_token(prefix, tokenizer);
        if rules.prefix.is_none() && !prefix.is_empty() {
            notes.push(format!("the prefix {prefix:?} is no token of the vocabulary: it is read as text"));
            prompt.insert_str(0, prefix);
        }
        if side == Side::Query {
            rules.expansion = expansion(token_rules, recipe, max_tokens, tokenizer, special)?;
        }
    }
    let least = tokenizer.marks().0 + usize::from(rules.prefix.is_some()) + 1;
    if rules.max_tokens < least {
        return Err(EncodeError::Field {
            path: recipe.transformer.root().to_owned(),
            field: if side == Side::Query { "query length" } else { "document length" },
            found: rules.max_tokens.to_string(),
            expected: "room for the marks and one token",
        });
    }
    if !prompt.is_empty() {
        rules.prompt_tokens = tokenizer.tokens("", &prompt, max_tokens, true)?.ids.len().saturating_sub(1);
    }
    rules.prompt = prompt;
    Ok(rules)
}

/// The token a prefix stands for: with its trailing space, as PyLate adds it, or without, as Stanford's `[unused0]`.
fn prefix_token(prefix: &str, tokenizer: &TextTokenizer) -> Option<u32> {
    if prefix.is_empty() {
        return None;
    }
    tokenizer.id(prefix).or_else(|| tokenizer.id(prefix.trim_end()))
}

fn expansion(
    rules: &TokenRules,
    recipe: &Recipe,
    max_tokens: usize,
    tokenizer: &TextTokenizer,
    special: &Special,
) -> Result<Option<(Expansion, u32)>, EncodeError> {
    let Some(mut expansion) = rules.expansion.clone() else { return Ok(None) };
    expansion.length = if expansion.fixed { max_tokens } else { expansion.length.min(max_tokens) };
    let token = match &expansion.token {
        Some(token) => tokenizer.id(token),
        None => special.expansion(tokenizer),
    };
    match token {
        Some(token) => Ok(Some((expansion, token))),
        None => Err(EncodeError::Field {
            path: recipe.transformer.path("tokenizer.json"),
            field: "mask_token",
            found: "no token".to_owned(),
            expected: "a mask token to fill queries up with, or query expansion turned off",
        }),
    }
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
            Form::Tokens { skip }
        }
    }
}

fn fingerprint(
    graph: &Graph,
    tokenizer: &[u8],
    recipe: &Recipe,
    sides: [&SideRules; 2],
    form: &Form,
) -> Result<[u8; 16], EncodeError> {
    let mut fingerprint = Fingerprint::new("onnx");
    fingerprint.add("graph", &graph.bytes);
    for path in &graph.external {
        fingerprint.add("external", &directory::read(path, "external weights", directory::WEIGHTS_LIMIT)?);
    }
    fingerprint.add("tokenizer", tokenizer);
    fingerprint.add_numbers("recipe", &[u64::from(recipe.lowercase), u64::from(recipe.normalize)]);
    recipe.projection_bytes.iter().for_each(|bytes| fingerprint.add("projection", bytes));
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
    match form {
        Form::Pooled { modes, skip_prompt } => {
            fingerprint.add("pooling", format!("{modes:?} {skip_prompt}").as_bytes());
        }
        Form::Tokens { skip } => {
            let mut skip: Vec<u64> = skip.iter().map(|&id| u64::from(id)).collect();
            skip.sort_unstable();
            fingerprint.add_numbers("skip", &skip);
        }
    }
    Ok(fingerprint.finish())
}
