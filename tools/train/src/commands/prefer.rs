//! `lateen-train prefer`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lateen::retriever::{ModelSource, Retriever};
use lateen_train::data::{DataSet, Record, Role};
use lateen_train::prefer::{CausalModel, PROMPT, PreferOptions, shares};
use lateen_train::score::ScoreCache;
use serde::Serialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::data::{Reading, count, document};
use super::found::{By, Finding, text_of};
use super::score::{bar, replace, with};
use super::teacher::{Teaching, identity};
use crate::Global;
use crate::exit::{Outcome, usage};

/// Let a language model say which passages help it to answer
///
/// For each question an index is searched; for each passage the model reads passage and question, and the mean
/// probability that it gives to the tokens of the answer is the passage's score. Written are the passages of each question
/// with a softmax of their scores: data for `lateen-train embedding` or `colbert` with loss.name=kl. Scores are kept in a file at
/// once, so what is stopped goes on where it was.
#[derive(Debug, Args)]
pub struct Prefer {
    /// Training file with questions and their answers as positives (--positive-field golden_answers, for example)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A Lateen index that keeps texts
    #[arg(long, value_name = "DIR")]
    index: PathBuf,
    /// Directory of a causal language model with safetensors weights: Qwen2, Qwen3, Mistral
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The JSONL file to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// What the index is searched by: its vectors, its words (BM25), or both rankings as one
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    by: By,
    /// Passages a question
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    depth: u32,
    /// What the model reads; {passage} and {question} stand for them [default: RAG-Retrieval's]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Tokens at most, the answer's included; passages are cut
    #[arg(long, default_value_t = 1024, value_name = "TOKENS")]
    max_tokens: usize,
    /// Passages in one pass of the model
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch: usize,
    /// Divides scores before their softmax; smaller makes preferences sharper
    #[arg(long, default_value_t = 1.0, value_name = "T")]
    temperature: f64,
    /// The file of scores [default: the written file's name and .scores]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// Leave bad rows out instead of ending at the first
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    teaching: Teaching,
}

/// What was asked, over all questions.
#[derive(Debug, Default, Serialize)]
struct Report {
    questions: u64,
    passages: u64,
    /// Passages that the model was asked about now.
    asked: u64,
    /// Questions without an answer, or with fewer than two passages: they teach nothing and are left out.
    left_out: u64,
    /// Questions whose best passage is not the one that the search has first.
    reordered: u64,
}

impl Prefer {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return usage("--temperature is a number above 0");
        }
        let set = self.reading.open(&self.file, self.skip_bad)?;
        let retriever = Retriever::open(&self.index, ModelSource::Recorded(self.teaching.model()))
            .with_context(|| format!("opening the index {}", self.index.display()))?;
        let loading = || format!("loading the model {}", self.model.display());
        let model = CausalModel::load(&self.model).with_context(loading)?;
        let options = PreferOptions {
            prompt: self.prompt.clone().unwrap_or_else(|| PROMPT.to_owned()),
            max_tokens: self.max_tokens,
            batch: self.batch,
        };
        let path = self.cache.clone().unwrap_or_else(|| with(&self.out, ".scores"));
        let mut cache = ScoreCache::open(&path, self.identity(&options)?)?;
        let mut report = Report::default();
        let bar = bar(set.len() as u64, global.quiet);
        let written = replace(&self.out, |writer| {
            for at in 0..set.len() {
                let found = self.passages(&set, at, &retriever)?;
                if let Some(row) = self.row(found, &model, &options, (&mut cache, &mut report))? {
                    writeln!(writer, "{row}").context("writing a row")?;
                }
                bar.inc(1);
            }
            Ok(())
        });
        bar.finish_and_clear();
        written?;
        if global.json {
            document(out, "prefer", &report)?;
        } else {
            self.tell(out, &report)?;
        }
        Ok(if report.questions == 0 { Outcome::Nothing } else { Outcome::Done })
    }

    /// The record, and what the index finds for its question.
    fn passages(
        &self,
        set: &DataSet,
        at: usize,
        retriever: &Retriever,
    ) -> anyhow::Result<(Record, Vec<String>)> {
        let record = set.read(at)?;
        let finding = Finding { by: self.by, depth: self.depth as usize };
        let answers = finding.search(retriever, std::slice::from_ref(&record))?;
        let hits = answers.into_iter().flatten().flat_map(|answer| answer.hits);
        let texts = hits.map(|hit| text_of(hit, &self.index)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok((record, texts))
    }

    fn row(
        &self,
        (record, passages): (Record, Vec<String>),
        model: &CausalModel,
        options: &PreferOptions,
        (cache, report): (&mut ScoreCache, &mut Report),
    ) -> anyhow::Result<Option<Value>> {
        let answer = record.documents.iter().find(|document| document.role != Role::Negative);
        let Some(answer) = answer.filter(|answer| passages.len() > 1 && !answer.text.trim().is_empty())
        else {
            report.left_out += 1;
            return Ok(None);
        };
        let key = format!("{}\n{}", record.query, answer.text);
        let new: Vec<&str> =
            passages.iter().map(String::as_str).filter(|p| cache.get(&key, p).is_none()).collect();
        let made = model.preferences(&record.query, &answer.text, &new, options)?;
        report.asked += new.len() as u64;
        let scored: Vec<_> = new.iter().zip(made).map(|(p, score)| (key.as_str(), *p, score)).collect();
        cache.put(&scored)?;
        let scores: Vec<f32> = passages.iter().map(|p| cache.get(&key, p).unwrap_or(0.0)).collect();
        report.questions += 1;
        report.passages += passages.len() as u64;
        report.reordered += u64::from(scores.iter().any(|score| *score > scores[0]));
        let mut row =
            json!({ "query": record.query, "pos": passages, "scores": shares(&scores, self.temperature) });
        if let Some(prompt) = record.prompt {
            row["prompt"] = prompt.into();
        }
        Ok(Some(row))
    }

    /// What distinguishes these scores from others.
    fn identity(&self, options: &PreferOptions) -> anyhow::Result<u128> {
        let mut hash = Xxh3::new();
        hash.update(&identity(&self.model)?.to_le_bytes());
        hash.update(format!("prefer {} {}", options.prompt, options.max_tokens).as_bytes());
        Ok(hash.digest128())
    }

    fn tell(&self, out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
        let (questions, passages) = (count(report.questions), count(report.passages));
        writeln!(out, "{questions} questions with {passages} passages, in {}", self.out.display())?;
        writeln!(out, "  {:>12} passages were asked about now", count(report.asked))?;
        writeln!(
            out,
            "  {:>12} questions are answered best by another passage than the first",
            count(report.reordered)
        )?;
        if report.left_out > 0 {
            let left_out = count(report.left_out);
            writeln!(out, "  {left_out:>12} questions had no answer or fewer than two passages")?;
        }
        Ok(())
    }
}
