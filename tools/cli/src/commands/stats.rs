use crate::exit::Outcome;
use crate::output::{BOLD, Output};
use crate::size;
use clap::Args;
use lateen::index::{Index, SegmentStats};
use lateen::search::TuningState;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Count what an index holds, and how large it is
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lateen stats my.lateen")]
pub struct Stats {
    /// The index
    index: PathBuf,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    deleted: u64,
    tokens: u64,
    bytes: u64,
    bytes_per_token: Option<f64>,
    segments: u64,
    tuning: &'static str,
    deleted_share: f64,
    uncoded_tokens: u64,
    drift: Option<f64>,
    each_segment: Vec<Each>,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Each {
    number: u64,
    documents: u32,
    deleted: u32,
    tokens: u64,
    bytes: u64,
    coded: bool,
    residual: Option<f64>,
    drift: Option<f64>,
}

#[derive(Serialize)]
struct Section {
    name: String,
    bytes: u64,
}

impl Stats {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let index = Index::open(&self.index)?;
        let stats = index.stats();
        let body = Body {
            index: &self.index,
            generation: stats.generation,
            documents: stats.documents,
            deleted: stats.deleted,
            tokens: stats.tokens,
            bytes: stats.bytes,
            bytes_per_token: (stats.tokens > 0).then(|| stats.bytes as f64 / stats.tokens as f64),
            segments: stats.segments.len() as u64,
            tuning: tuning_state(TuningState::of(&index.snapshot())),
            deleted_share: stats.deleted as f64 / ((stats.documents + stats.deleted).max(1)) as f64,
            uncoded_tokens: stats.uncoded_tokens,
            drift: stats.drift,
            each_segment: stats.segments.iter().map(Each::of).collect(),
            sections: stats
                .sections
                .iter()
                .map(|s| Section { name: s.section.to_string(), bytes: s.bytes })
                .collect(),
        };
        if output.json {
            output.document("stats", &body)?;
        } else {
            body.write(output)?;
        }
        Ok(Outcome::Done)
    }
}

fn tuning_state(state: TuningState) -> &'static str {
    match state {
        TuningState::Tuned => "measured",
        TuningState::Outdated => "outdated",
        TuningState::NotTuned => "missing",
        _ => "not needed",
    }
}

fn recall_words(state: &str) -> String {
    match state {
        "not needed" => "every document is scored: nothing to measure".to_owned(),
        "missing" => "not measured; `lateen tune` does".to_owned(),
        "outdated" => {
            "measured when the index was less than half as large; `lateen tune` measures again".to_owned()
        }
        state => state.to_owned(),
    }
}

impl Each {
    fn of(stats: &SegmentStats) -> Self {
        Self {
            number: stats.number,
            documents: stats.documents,
            deleted: stats.deleted,
            tokens: stats.tokens,
            bytes: stats.bytes,
            coded: stats.coded,
            residual: stats.residual,
            drift: stats.drift,
        }
    }
}

impl Body<'_> {
    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        output.line(output.paint(BOLD, self.index.display()))?;
        let deleted = match self.deleted {
            0 => String::new(),
            count => {
                let share = 100.0 * self.deleted_share;
                format!(" ({} deleted, {share:.1} % of all, not yet compacted)", size::grouped(count))
            }
        };
        output.line(format_args!("documents   {}{deleted}", size::grouped(self.documents)))?;
        let uncoded = match self.uncoded_tokens {
            0 => String::new(),
            count => format!(" ({} recent ones not yet coded)", size::grouped(count)),
        };
        output.line(format_args!("tokens      {}{uncoded}", size::grouped(self.tokens)))?;
        if let Some(drift) = self.drift {
            output.line(format_args!("drift       {drift:+.3}"))?;
        }
        let each = self.bytes_per_token.map_or_else(String::new, |each| format!(", {each:.1} B a token"));
        output.line(format_args!("size        {}{each}", size::bytes(self.bytes)))?;
        output.line(format_args!("segments    {}", size::grouped(self.segments)))?;
        output.line(format_args!("generation  {}", self.generation))?;
        output.line(format_args!("recall      {}", recall_words(self.tuning)))?;
        for section in self.sections.iter().filter(|section| section.bytes > 0) {
            output.line(format_args!("  {:<20} {:>12}", section.name, size::bytes(section.bytes)))?;
        }
        Ok(())
    }
}
