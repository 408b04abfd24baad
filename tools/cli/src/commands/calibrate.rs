use crate::exit::Outcome;
use crate::output::{DIM, Output};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lateen::encode::JudgeSettings;
use lateen::eval::{Qrels, Run};
use lateen::rerank::{Calibration, Fit, Threshold, Thresholds, expected_calibration_error, fit, labelled};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  lateen rerank --model models/judge hits.jsonl --format trec > judged.trec
  lateen calibrate judged.trec --qrels qrels.tsv --precision 0.9 --write models/judge
  lateen rerank --model models/judge hits.jsonl --scale unit --min-score 0.5";

/// Fit what a judge's scores mean to judgements, and show what thresholds keep
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Calibrate {
    /// A TREC run with the judge's raw scores (`lateen rerank --format trec`)
    run: PathBuf,
    /// Judgements: TREC or BEIR
    #[arg(long, value_name = "FILE")]
    qrels: PathBuf,
    /// The least grade that is relevant
    #[arg(long, value_name = "GRADE", default_value_t = 1)]
    min_grade: i32,
    /// Fit slope and intercept (platt), or a slope only (temperature)
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    fit: FitName,
    /// Tell the threshold that reaches this precision
    #[arg(long, value_name = "SHARE", value_parser = share)]
    precision: Option<f64>,
    /// Tell the threshold that reaches this recall
    #[arg(long, value_name = "SHARE", value_parser = share)]
    recall: Option<f64>,
    /// Write the calibration into this model directory, where `lateen rerank --scale unit` finds it
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("write a share between 0 and 1, for example 0.9".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FitName {
    #[default]
    Platt,
    Temperature,
}

#[derive(Serialize)]
struct Body {
    examples: usize,
    relevant: usize,
    slope: f64,
    intercept: f64,
    expected_calibration_error: f64,
    thresholds: Vec<Row>,
    best_f1: Option<Row>,
    at_precision: Option<Row>,
    at_recall: Option<Row>,
}

#[derive(Serialize)]
struct Row {
    score: f32,
    probability: f32,
    kept: usize,
    precision: f64,
    recall: f64,
    f1: f64,
}

impl Row {
    fn of(row: Threshold, calibration: Calibration) -> Self {
        Self {
            score: row.score,
            probability: calibration.probability(row.score),
            kept: row.kept,
            precision: row.precision,
            recall: row.recall,
            f1: row.f1(),
        }
    }
}

impl Calibrate {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let (run, qrels) = (Run::open(&self.run)?, Qrels::open(&self.qrels)?);
        let examples = labelled(&run, &qrels, self.min_grade);
        let how = match self.fit {
            FitName::Platt => Fit::Platt,
            FitName::Temperature => Fit::Temperature,
        };
        let calibration =
            fit(&examples, how).with_context(|| format!("fitting the scores of {}", self.run.display()))?;
        let table = Thresholds::new(&examples)?;
        if let Some(directory) = &self.write {
            JudgeSettings::store_calibration(directory, calibration)?;
        }
        let row = |row| Row::of(row, calibration);
        let body = Body {
            examples: examples.len(),
            relevant: examples.iter().filter(|example| example.relevant).count(),
            slope: calibration.slope,
            intercept: calibration.intercept,
            expected_calibration_error: expected_calibration_error(&examples, calibration),
            thresholds: table.summary().into_iter().map(row).collect(),
            best_f1: table.best_f1().map(row),
            at_precision: self.precision.and_then(|share| table.at_precision(share)).map(row),
            at_recall: self.recall.and_then(|share| table.at_recall(share)).map(row),
        };
        if output.json {
            output.document("calibration", &body)?;
        } else {
            self.tell(output, &body)?;
        }
        Ok(Outcome::Done)
    }

    fn tell(&self, output: &mut Output, body: &Body) -> anyhow::Result<()> {
        output.line(format_args!(
            "P(relevant) = 1 / (1 + e^-({:.6} · score + {:.6})), from {} judged documents, {} relevant",
            body.slope, body.intercept, body.examples, body.relevant
        ))?;
        output.line(format_args!("expected calibration error {:.4}", body.expected_calibration_error))?;
        let heading = format!(
            "{:>10} {:>11} {:>8} {:>9} {:>7} {:>7}",
            "score", "probability", "kept", "precision", "recall", "F1"
        );
        let heading = output.paint(DIM, heading);
        output.line(heading)?;
        let line = |row: &Row| {
            format!(
                "{:>10.4} {:>11.4} {:>8} {:>9.4} {:>7.4} {:>7.4}",
                row.score, row.probability, row.kept, row.precision, row.recall, row.f1
            )
        };
        for row in &body.thresholds {
            output.line(line(row))?;
        }
        let named = [
            ("best F1", true, &body.best_f1),
            ("asked-for precision", self.precision.is_some(), &body.at_precision),
            ("asked-for recall", self.recall.is_some(), &body.at_recall),
        ];
        for (name, wanted, row) in named {
            match row {
                Some(row) => output.line(format_args!("{}  {name}", line(row)))?,
                None if wanted => output.line(format_args!("no threshold reaches the {name}"))?,
                None => {}
            }
        }
        Ok(())
    }
}
