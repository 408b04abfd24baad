//! Hits as people and machines read them.

use super::queries::Query;
use crate::exit::bad_data;
use crate::output::{BOLD, DIM, MATCH, Output};
use crate::text::{Characters, plain, whole_words, window};
use clap::{Args, ValueEnum};
use lateen::corpus::Document;
use lateen::lexical::Analyzer;
use lateen::retriever::Found;
use serde::Serialize;
use serde_json::Value;
use std::ops::Range;

/// Characters of a document that a hit shows.
const SNIPPET: usize = 240;
/// A word is marked if it is at least this close to a word of the query,
const CLOSE: f32 = 0.5;
/// and this close by the measure of the hit's best word.
const MARKED: f32 = 0.75;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct HitFormat {
    /// How hits are written: text for people, json (one answer per line), jsonl (one hit per line), or a TREC run
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// The last column of a TREC run
    #[arg(long, value_name = "NAME", default_value = "lateen", hide_short_help = true)]
    pub tag: String,
    /// Print text as it is, control characters and all
    #[arg(long)]
    pub raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Jsonl,
    Trec,
}

/// One hit, whoever found it.
#[derive(Debug, Clone, Serialize)]
pub struct HitRow {
    pub rank: usize,
    pub id: String,
    pub score: f32,
    pub title: Option<String>,
    pub text: Option<String>,
    pub metadata: Value,
    pub matches: Vec<MatchRow>,
    /// Where the query's words are, if it was searched for by words.
    #[serde(skip)]
    pub words: Vec<Range<usize>>,
    /// With --explain: what each stage of the search made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Vec<super::standing::StageRow>>,
    /// After reranking: whether the judge saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<bool>,
    /// After reranking: the bytes, `(start, end)`, of title, a space, and text that gave the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passage: Option<(usize, usize)>,
}

/// One query token and the document token closest to it. Spans are bytes, `[start, end]`, of the query and of
/// the document's title, a space, and its text.
#[derive(Debug, Clone, Serialize)]
pub struct MatchRow {
    pub query: (u32, u32),
    pub document: (u32, u32),
    /// The same in characters.
    pub query_characters: (u32, u32),
    pub document_characters: (u32, u32),
    /// What the pair adds to the score.
    pub contribution: f32,
    /// Cosine of their vectors.
    pub similarity: f32,
    /// Whether the query's word is worth marking.
    #[serde(skip)]
    pub content: bool,
}

/// A hit on a line of its own.
#[derive(Serialize)]
struct HitLine<'a> {
    query_id: Option<&'a str>,
    query: &'a str,
    #[serde(flatten)]
    hit: &'a HitRow,
}

impl HitRow {
    /// What a search for `query` found.
    pub fn found(found: Found, query: &str) -> Self {
        let (title, text, metadata) = match found.document {
            Some(stored) => {
                let metadata = serde_json::from_str(&stored.metadata).unwrap_or(Value::Null);
                (Some(stored.title), Some(stored.text), metadata)
            }
            None => (None, None, Value::Null),
        };
        let full = joined(title.as_deref(), text.as_deref());
        let (asked, said) = (Characters::of(query), Characters::of(&full));
        let row = |found: lateen::retriever::TokenMatch| MatchRow {
            query: found.query_span,
            document: found.document_span,
            query_characters: asked.span(found.query_span),
            document_characters: said.span(found.document_span),
            contribution: found.contribution,
            similarity: found.similarity,
            content: is_content(query, found.query_span),
        };
        let matches = found.matches.into_iter().map(row).collect();
        let words = found.words.into_iter().map(|(start, end)| start as usize..end as usize).collect();
        Self {
            rank: found.rank,
            id: found.id,
            score: found.score,
            title,
            text,
            metadata,
            matches,
            words,
            way: None,
            judged: None,
            passage: None,
        }
    }
}

/// Title, a space, and text, as they are indexed.
fn joined(title: Option<&str>, text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    match title {
        None | Some("") => text.to_owned(),
        Some(title) => format!("{title} {text}"),
    }
}

/// Whether a word of the query says something: not a mark, a sign, or a word such as "the".
fn is_content(query: &str, span: (u32, u32)) -> bool {
    query.get(span.0 as usize..span.1 as usize).is_some_and(|word| !Analyzer::English.terms(word).is_empty())
}

impl HitFormat {
    /// The format asked for: `--format`, else `--json`, else text.
    pub fn chosen(&self, output: &Output) -> Format {
        self.format.unwrap_or(if output.json { Format::Json } else { Format::Text })
    }

    /// Writes the hits of one query, in every format but [`Format::Json`], which the command itself writes.
    pub fn write(&self, output: &mut Output, query: &Query, hits: &[HitRow]) -> anyhow::Result<()> {
        match self.chosen(output) {
            Format::Json => {}
            Format::Jsonl => {
                for hit in hits {
                    let query_id = query.id.as_deref();
                    output.document("hit", &HitLine { query_id, query: &query.text, hit })?;
                }
            }
            Format::Trec => self.trec(output, query, hits)?,
            Format::Text => {
                if let Some(id) = &query.id {
                    let heading = output.paint(BOLD, format_args!("{id}: {}", self.shown(&query.text)));
                    output.line(heading)?;
                }
                for hit in hits {
                    self.text(output, hit)?;
                }
            }
        }
        Ok(())
    }

    fn trec(&self, output: &mut Output, query: &Query, hits: &[HitRow]) -> anyhow::Result<()> {
        let query_id = query.id.as_deref().unwrap_or("1");
        for hit in hits {
            for id in [query_id, &hit.id, &self.tag] {
                if id.is_empty() || id.contains(char::is_whitespace) {
                    return bad_data(format!(
                        "a TREC run is split at spaces and cannot hold {id:?}; use --format jsonl"
                    ));
                }
            }
            output
                .line(format_args!("{query_id} Q0 {} {} {:.6} {}", hit.id, hit.rank, hit.score, self.tag))?;
        }
        Ok(())
    }

    fn text(&self, output: &mut Output, hit: &HitRow) -> anyhow::Result<()> {
        let rank = output.paint(DIM, format_args!("{:>3}.", hit.rank));
        let id = output.paint(BOLD, self.shown(&hit.id));
        let score = output.paint(DIM, format_args!("{:.4}", hit.score));
        let title = hit.title.as_deref().unwrap_or_default();
        let text = hit.text.as_deref().unwrap_or_default();
        let offset = if title.is_empty() { 0 } else { title.len() + 1 };
        let title_line = self.marked(output, title, &hit.marks(0, title), 0..title.len());
        output.line(format!("{rank} {id}  {score}  {title_line}").trim_end())?;
        if !text.is_empty() {
            let marks = hit.marks(offset, text);
            let part = window(text, &marks, SNIPPET);
            let (before, after) =
                (if part.start > 0 { "… " } else { "" }, if part.end < text.len() { " …" } else { "" });
            let snippet = self.marked(output, text, &marks, part);
            output.line(format_args!("     {before}{}{after}", snippet.trim()))?;
        }
        Ok(())
    }

    fn shown<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.raw { text.into() } else { plain(text) }
    }

    /// The `part` of `text`, its matching words in colour or, without colours, in `[brackets]`.
    fn marked(
        &self,
        output: &Output,
        text: &str,
        marks: &[(Range<usize>, f32)],
        part: Range<usize>,
    ) -> String {
        let mut line = String::new();
        let mut at = part.start;
        for word in whole_words(text, marks.iter().map(|(range, _)| range.clone()).collect()) {
            let word = word.start.max(part.start)..word.end.min(part.end);
            if word.start >= word.end || word.start < at {
                continue;
            }
            line.push_str(&self.shown(&text[at..word.start]));
            let shown = self.shown(&text[word.clone()]);
            let marked = if output.colored { output.paint(MATCH, shown) } else { format!("[{shown}]") };
            line.push_str(&marked);
            at = word.end;
        }
        line.push_str(&self.shown(&text[at..part.end]));
        line
    }
}

impl HitRow {
    /// A document that no search has found.
    pub fn of_document(rank: usize, document: Document) -> Self {
        let Document { id, title, text, metadata } = document;
        let (title, text, metadata) = (Some(title), Some(text), Value::Object(metadata));
        Self {
            rank,
            id,
            score: 0.0,
            title,
            text,
            metadata,
            matches: Vec::new(),
            words: Vec::new(),
            way: None,
            judged: None,
            passage: None,
        }
    }

    /// Reads a hit back; `text` must be there.
    pub fn of_json(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let Some(body) = text("text") else {
            return Err("a hit has no `text`; was the index made with --no-store?".to_owned());
        };
        Ok(Self {
            rank: value["rank"].as_u64().unwrap_or(0) as usize,
            id: text("id").ok_or("a hit has no `id`")?,
            score: value["score"].as_f64().unwrap_or(0.0) as f32,
            title: text("title"),
            text: Some(body),
            metadata: value["metadata"].clone(),
            matches: Vec::new(),
            words: Vec::new(),
            way: None,
            judged: None,
            passage: None,
        })
    }

    /// Title, a space, and text, as it was indexed.
    pub fn full_text(&self) -> String {
        joined(self.title.as_deref(), self.text.as_deref())
    }

    /// The best matches that lie in `part`, which begins at `offset` of the document's full text, and their weight.
    fn marks(&self, offset: usize, part: &str) -> Vec<(Range<usize>, f32)> {
        let best = self.matches.iter().map(|row| row.similarity).fold(0.0, f32::max);
        let strong =
            self.matches.iter().filter(|row| row.content && row.similarity >= (best * MARKED).max(CLOSE));
        let inside = |row: &MatchRow| {
            let range = (row.document.0 as usize).checked_sub(offset)?
                ..(row.document.1 as usize).checked_sub(offset)?;
            let is_word = part.get(range.clone())?.chars().any(char::is_alphanumeric);
            is_word.then_some((range, row.similarity))
        };
        let words = self.words.iter().filter_map(|word| {
            let range = word.start.checked_sub(offset)?..word.end.checked_sub(offset)?;
            part.get(range.clone()).map(|_| (range, 1.0))
        });
        strong.filter_map(inside).chain(words).collect()
    }
}
