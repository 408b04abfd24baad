//! A BEIR folder as training data: queries, their judged documents, and where those stand.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use lateen::corpus::Place;
use serde_json::Value;

use super::error::{DataError, RowProblem};
use super::format::names;
use super::lines::{Lines, Span};
use super::parse;
use super::record::{Document, Record, Role};
use super::set::ReadOptions;

/// A document's line and its grade.
type Judgement = (Span, f32);

/// `queries.jsonl`, `corpus.jsonl` (packed or not) and `qrels/<split>.tsv`. Only judged documents are indexed.
#[derive(Debug)]
pub(super) struct Beir {
    queries: Lines,
    corpus: Lines,
    records: Vec<(Span, Vec<Judgement>)>,
    problems: Vec<(Place, RowProblem)>,
}

impl Beir {
    pub(super) fn open(folder: &Path, options: &ReadOptions) -> Result<Self, DataError> {
        let limit = options.max_line_bytes;
        let qrels = Lines::open(&find(folder, &format!("qrels/{}.tsv", options.split)), limit)?;
        let mut problems = Vec::new();
        let judged = read_qrels(&qrels, &mut problems)?;
        let queries = Lines::open(&find(folder, "queries.jsonl"), limit)?;
        let names: HashSet<&str> = judged.iter().map(|(query, _, _)| query.as_str()).collect();
        let query_spans = index(&queries, |id| names.contains(id), &mut problems)?;
        let names: HashSet<&str> = judged.iter().map(|(_, id, _)| id.as_str()).collect();
        let corpus = Lines::open(&find(folder, "corpus.jsonl"), limit)?;
        let corpus_spans = index(&corpus, |id| names.contains(id), &mut problems)?;
        let mut this = Self { queries, corpus, records: Vec::new(), problems };
        this.join(&judged, &query_spans, &corpus_spans);
        Ok(this)
    }

    /// Judgements of a query stand together in qrels files; if not, they are brought together.
    fn join(
        &mut self,
        judged: &[(String, String, f32)],
        queries: &HashMap<String, Span>,
        corpus: &HashMap<String, Span>,
    ) {
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (query, document, grade) in judged {
            let (Some(&query_span), Some(&span)) = (queries.get(query), corpus.get(document)) else {
                continue;
            };
            let at = *places.entry(query).or_insert_with(|| {
                self.records.push((query_span, Vec::new()));
                self.records.len() - 1
            });
            self.records[at].1.push((span, *grade));
        }
        // A query without an answer teaches nothing.
        self.records.retain(|(_, judged)| judged.iter().any(|&(_, grade)| grade > 0.0));
        for (_, judged) in &mut self.records {
            judged.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn problems(&self) -> &[(Place, RowProblem)] {
        &self.problems
    }

    pub(super) fn place(&self, span: Span) -> Place {
        self.queries.place(span)
    }

    pub(super) fn read(&self, at: usize) -> Result<(Span, Record), DataError> {
        let (span, judged) = &self.records[at];
        let query = self.text(&self.queries, *span)?;
        let mut documents = Vec::with_capacity(judged.len());
        for &(document, grade) in judged {
            let role = if grade > 0.0 { Role::Positive } else { Role::Negative };
            documents.push(Document { text: self.text(&self.corpus, document)?, role, label: None });
        }
        Ok((*span, Record { query, prompt: None, documents }))
    }

    fn text(&self, lines: &Lines, span: Span) -> Result<String, DataError> {
        let row =
            parse::json(&lines.read(span)?).map_err(|problem| lines.changed(span, problem.to_string()))?;
        let part = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let (title, text) = (part("title"), part("text"));
        Ok(match (title.is_empty(), text.is_empty()) {
            (true, _) => text,
            (_, true) => title,
            _ => format!("{title} {text}"),
        })
    }
}

fn find(folder: &Path, name: &str) -> PathBuf {
    let names = [name.to_owned(), format!("{name}.gz"), format!("{name}.zst")];
    names.iter().map(|name| folder.join(name)).find(|path| path.exists()).unwrap_or_else(|| folder.join(name))
}

fn read_qrels(
    qrels: &Lines,
    problems: &mut Vec<(Place, RowProblem)>,
) -> Result<Vec<(String, String, f32)>, DataError> {
    let mut judged = Vec::new();
    qrels.each(|span, line| {
        let row = line.and_then(|line| {
            let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
            let (query, document, grade) = match cells[..] {
                [query, document, grade] | [query, _, document, grade] => (query, document, grade),
                _ => return Err(RowProblem::Columns { found: cells.len(), expected: 3 }),
            };
            match grade.parse::<f32>() {
                Ok(grade) if grade.is_finite() => Ok(Some((query.to_owned(), document.to_owned(), grade))),
                _ if span.line == 1 => Ok(None),
                _ => Err(RowProblem::WrongType {
                    field: "score".to_owned(),
                    found: "a text",
                    needed: "a number",
                }),
            }
        });
        match row {
            Ok(row) => judged.extend(row),
            Err(problem) => problems.push((qrels.place(span), problem)),
        }
        Ok(())
    })?;
    Ok(judged)
}

/// Where the wanted records of a file are.
fn index(
    lines: &Lines,
    wanted: impl Fn(&str) -> bool,
    problems: &mut Vec<(Place, RowProblem)>,
) -> Result<HashMap<String, Span>, DataError> {
    let mut spans = HashMap::new();
    lines.each(|span, line| {
        let found = line.and_then(parse::json).and_then(|row| {
            let id = match row.get("_id").or_else(|| row.get("id")) {
                Some(Value::String(id)) => id.clone(),
                Some(Value::Number(id)) => id.to_string(),
                _ => {
                    let present = row.as_object().map(names).unwrap_or_default();
                    return Err(RowProblem::Missing { field: "_id".to_owned(), present });
                }
            };
            let has = |name: &str| {
                row.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
            };
            if wanted(&id) && !has("text") && !has("title") {
                return Err(RowProblem::EmptyText { field: "text".to_owned() });
            }
            Ok(id)
        });
        match found {
            Ok(id) if wanted(&id) => {
                spans.insert(id, span);
            }
            Ok(_) => {}
            Err(problem) => problems.push((lines.place(span), problem)),
        }
        Ok(())
    })?;
    Ok(spans)
}
