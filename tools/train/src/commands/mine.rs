//! `lateen-train mine`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lateen::rerank::Reranker;
use lateen::retriever::{Answer, ModelSource, Retriever};
use lateen_train::data::{DataSet, Dice, Document, Purpose, Record, Role};
use lateen_train::mine::{Candidate, Fate, MineOptions, Mined, select};
use lateen_train::score::rows;
use serde::Serialize;

use super::data::{Reading, count, document};
use super::found::{By, Finding, text_of};
use super::score::{ShapeName, bar, replace};
use super::teacher::Teaching;
use crate::Global;
use crate::exit::{Outcome, usage};

/// Search an index for hard negatives
///
/// For each record the index is searched with the query. Documents that answer it by any row of the file, the query itself
/// and copies are left out; so are the best ranks (--skip), and documents whose score comes too near to the positive's,
/// for they may answer too. A teacher, if one is named, gives the scores that are compared. Shared words say little about
/// who answers, so searches by words keep no margin unless one is given or a teacher is named.
#[derive(Debug, Args)]
pub struct Mine {
    /// Training file whose queries and positives are taken
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A Lateen index that keeps texts
    #[arg(long, value_name = "DIR")]
    index: PathBuf,
    /// What the index is searched by: its vectors (dense or late interaction), its words (BM25), or both rankings as one
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    by: By,
    /// The JSONL file to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Negatives a record
    #[arg(long, default_value_t = 7, value_name = "N")]
    negatives: usize,
    /// Hits looked at
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    depth: u32,
    /// Best ranks that are left out
    #[arg(long, default_value_t = 0, value_name = "N")]
    skip: usize,
    /// Smallest score of a negative
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    min_score: Option<f32>,
    /// Largest score of a negative
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    max_score: Option<f32>,
    /// A negative's score is at least so far below the positive's
    #[arg(long, value_name = "MARGIN")]
    absolute_margin: Option<f32>,
    /// A negative's score is below the positive's by at least this share of it; 0 is no limit [default: 0.05 of scores of
    /// vectors and teachers, else 0]
    #[arg(long, value_name = "SHARE")]
    relative_margin: Option<f32>,
    /// Draw among what is left, instead of the best
    #[arg(long)]
    random: bool,
    /// Chooses another draw
    #[arg(long, default_value_t = 666)]
    seed: u64,
    /// Keep the file's own negatives, before the mined ones
    #[arg(long)]
    keep_negatives: bool,
    /// Write what comes too near to the positive under "suspects", instead of dropping it
    #[arg(long)]
    mark: bool,
    /// Directory of a teacher whose scores are compared and written
    #[arg(long, value_name = "DIR")]
    teacher: Option<PathBuf>,
    /// How records are written
    #[arg(long, value_enum, default_value = "lists", value_name = "FORMAT")]
    format: ShapeName,
    /// Leave bad rows out instead of ending at the first
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    teaching: Teaching,
}

/// Records whose queries are searched together, on all cores.
const BATCH: usize = 64;

/// What was found, over all records.
#[derive(Debug, Default, Serialize)]
struct Report {
    records: u64,
    negatives: u64,
    without_negatives: u64,
    /// Records whose query finds nothing at all.
    without_hits: u64,
    /// Records whose positive the index did not find, so that no margin could be kept. Only where one is asked for.
    without_margin: u64,
    fates: BTreeMap<Fate, u64>,
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    query: String,
    positive: String,
    negative: String,
    /// Of the search or the teacher.
    positive_score: Option<f32>,
    negative_score: f32,
}

impl Mine {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        if self.relative_margin.is_some_and(|share| !(0.0..1.0).contains(&share)) {
            return usage("--relative-margin is a share from 0 to below 1");
        }
        let set = self.reading.open(&self.file, self.skip_bad)?;
        let retriever = Retriever::open(&self.index, ModelSource::Recorded(self.teaching.model()))
            .with_context(|| format!("opening the index {}", self.index.display()))?;
        let teacher = self.teacher.as_ref().map(|directory| self.teaching.load(directory)).transpose()?;
        let mut report = Report::default();
        let bar = bar(set.len() as u64, global.quiet);
        let finding = Finding { by: self.by, depth: self.depth as usize };
        let mined = replace(&self.out, |writer| {
            for start in (0..set.len()).step_by(BATCH) {
                let records = (start..set.len().min(start + BATCH)).map(|at| set.read(at));
                let records = records.collect::<Result<Vec<_>, _>>()?;
                let answers = finding.search(&retriever, &records)?;
                for ((at, record), answer) in (start..).zip(records).zip(answers) {
                    for row in self.record(&set, (at, record), answer, teacher.as_ref(), &mut report)? {
                        writeln!(writer, "{row}").context("writing a row")?;
                    }
                    bar.inc(1);
                }
            }
            Ok(())
        });
        bar.finish_and_clear();
        mined?;
        if global.json {
            document(out, "mine", &report)?;
        } else {
            self.tell(out, &report)?;
        }
        Ok(if report.negatives == 0 { Outcome::Nothing } else { Outcome::Done })
    }

    /// Which candidates become negatives. `judged`: their scores are a teacher's.
    fn options(&self, judged: bool) -> MineOptions {
        let usual = if judged || self.by == By::Vectors { 0.05 } else { 0.0 };
        let share = self.relative_margin.unwrap_or(usual);
        MineOptions {
            negatives: self.negatives,
            skip: self.skip,
            min_score: self.min_score,
            max_score: self.max_score,
            absolute_margin: self.absolute_margin,
            relative_margin: (share > 0.0).then_some(share),
            random: self.random,
        }
    }

    fn record(
        &self,
        set: &DataSet,
        (at, mut record): (usize, Record),
        answer: Option<Answer>,
        teacher: Option<&Reranker>,
        report: &mut Report,
    ) -> anyhow::Result<Vec<serde_json::Value>> {
        if !self.keep_negatives {
            record.documents.retain(|document| document.role != Role::Negative);
        }
        let (candidates, positive) = self.candidates(set, &mut record, answer, teacher)?;
        report.without_hits += u64::from(candidates.is_empty());
        let options = self.options(teacher.is_some());
        let mut dice = Dice::new(self.seed, Purpose::Negatives, &[at as u64]);
        let answers = |text: &str| set.is_answer(&record.query, text);
        let mined = select(&record.query, candidates, answers, positive, &options, &mut dice);
        report.note(&record, &mined, positive);
        let margin = options.relative_margin.is_some() || options.absolute_margin.is_some();
        report.without_margin += u64::from(margin && positive.is_none());
        let scored = record.documents.iter().all(|document| document.label.is_some());
        record.documents.extend(mined.negatives.into_iter().map(|candidate| Document {
            text: candidate.text,
            role: Role::Negative,
            // A score of the search says nothing beside a teacher's.
            label: (scored && teacher.is_some()).then_some(candidate.score),
        }));
        let mut written = rows(&record, self.format.shape());
        if let (true, [serde_json::Value::Object(row)]) = (self.mark, &mut written[..]) {
            let suspects: Vec<_> = mined.suspects.into_iter().map(|candidate| candidate.text).collect();
            row.insert("suspects".to_owned(), suspects.into());
        }
        Ok(written)
    }

    /// What the search finds, and the smallest score of a positive. With a teacher both are its scores, and so are the
    /// labels of the record.
    fn candidates(
        &self,
        set: &DataSet,
        record: &mut Record,
        answer: Option<Answer>,
        teacher: Option<&Reranker>,
    ) -> anyhow::Result<(Vec<Candidate>, Option<f32>)> {
        let mut candidates = Vec::new();
        for hit in answer.into_iter().flat_map(|answer| answer.hits) {
            let score = hit.score;
            candidates.push(Candidate { text: text_of(hit, &self.index)?, score });
        }
        let Some(teacher) = teacher else {
            let found = candidates.iter().filter(|candidate| set.is_answer(&record.query, &candidate.text));
            let positive = found.map(|candidate| candidate.score).reduce(f32::min);
            return Ok((candidates, positive));
        };
        let texts: Vec<String> = candidates
            .iter()
            .map(|candidate| candidate.text.clone())
            .chain(record.documents.iter().map(|document| document.text.clone()))
            .collect();
        let pairs: Vec<(&str, &str)> =
            texts.iter().map(|text| (record.query.as_str(), text.as_str())).collect();
        let scores = teacher.compute_score(&pairs, self.teaching.scale())?;
        let (of_candidates, of_record) = scores.split_at(candidates.len());
        candidates.iter_mut().zip(of_candidates).for_each(|(candidate, score)| candidate.score = *score);
        for (document, score) in record.documents.iter_mut().zip(of_record) {
            document.label = Some(*score);
        }
        let positives = record.documents.iter().filter(|document| document.role != Role::Negative);
        let positive = positives.filter_map(|document| document.label).reduce(f32::min);
        Ok((candidates, positive))
    }

    fn tell(&self, out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
        let (negatives, records) = (count(report.negatives), count(report.records));
        writeln!(out, "{negatives} negatives for {records} records, in {}", self.out.display())?;
        for (number, what) in [
            (report.without_negatives, "records got none"),
            (report.without_hits, "records found nothing in the index"),
            (report.without_margin, "records had no positive among the hits, so no margin was kept"),
        ] {
            if number > 0 {
                writeln!(out, "  {} {what}", count(number))?;
            }
        }
        for (fate, number) in &report.fates {
            writeln!(out, "  {:>12} {}", count(*number), name(*fate))?;
        }
        for example in &report.examples {
            let found = example.positive_score.map_or("not found".to_owned(), |score| format!("{score:.3}"));
            writeln!(out, "\n  query               {}", example.query)?;
            writeln!(out, "  positive {found:>9}  {}", example.positive)?;
            writeln!(out, "  negative {:>9.3}  {}", example.negative_score, example.negative)?;
        }
        Ok(())
    }
}

impl Report {
    fn note(&mut self, record: &Record, mined: &Mined, positive_score: Option<f32>) {
        self.records += 1;
        self.negatives += mined.negatives.len() as u64;
        self.without_negatives += u64::from(mined.negatives.is_empty());
        for (fate, number) in &mined.fates {
            *self.fates.entry(*fate).or_default() += number;
        }
        let positive = record.documents.iter().find(|document| document.role != Role::Negative);
        if let (true, Some(positive), Some(negative)) =
            (self.examples.len() < 3, positive, mined.negatives.first())
        {
            let (query, positive) = (start(&record.query), start(&positive.text));
            let (negative, negative_score) = (start(&negative.text), negative.score);
            self.examples.push(Example { query, positive, negative, positive_score, negative_score });
        }
    }
}

/// As much of a text as a line holds.
fn start(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(100).collect();
    if cut.len() < line.len() { format!("{cut}…") } else { cut }
}

fn name(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept => "became negatives",
        Fate::Positive => "are known positives",
        Fate::Query => "are the query itself",
        Fate::Repeated => "were there before",
        Fate::Rank => "are of the best ranks",
        Fate::Score => "have a score out of bounds",
        Fate::Suspect => "come too near to the positive",
        Fate::Spare => "were not needed",
    }
}
