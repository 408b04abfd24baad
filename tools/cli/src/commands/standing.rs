//! What a search made of single documents: hits, and those that somebody misses.

use super::hits::HitRow;
use super::queries::Query;
use crate::output::{BOLD, Output};
use crate::page::heat_map;
use crate::text::plain;
use anyhow::Context as _;
use lateen::retriever::{Retriever, Standing, TokenMap};
use lateen::search::{Fate, SearchOptions, TraceStage};
use serde::Serialize;
use std::path::Path;

/// One stage of a document's way.
#[derive(Debug, Clone, Serialize)]
pub struct StageRow {
    name: &'static str,
    value: Option<f32>,
    bar: Option<f32>,
    kept: bool,
}

impl From<TraceStage> for StageRow {
    fn from(stage: TraceStage) -> Self {
        let TraceStage { name, value, bar, kept, .. } = stage;
        Self { name, value, bar, kept }
    }
}

/// What became of a document that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct StandingRow {
    id: String,
    fate: &'static str,
    why: String,
    score: Option<f32>,
    rank: Option<usize>,
    ranked: usize,
    stages: Vec<StageRow>,
}

/// Adds what each stage of the search made of each hit.
pub fn add_ways(
    hits: &mut [HitRow],
    query: &Query,
    (retriever, options): (&Retriever, &SearchOptions),
) -> anyhow::Result<()> {
    if retriever.snapshot().settings().token_dim == 0 {
        return Ok(());
    }
    let ids: Vec<String> = hits.iter().map(|hit| hit.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (hit, trace) in hits.iter_mut().zip(retriever.traces(&query.text, &ids, options)?) {
        hit.way = Some(trace.stages.into_iter().map(StageRow::from).collect());
    }
    Ok(())
}

/// What became of the documents `ids`.
pub fn standings(
    ids: &[String],
    query: &Query,
    (retriever, options): (&Retriever, &SearchOptions),
) -> anyhow::Result<Vec<StandingRow>> {
    let one = |id: &String| {
        let standing = retriever.standing(&query.text, id, options)?;
        Ok(StandingRow::of(standing, options.k))
    };
    ids.iter().map(one).collect()
}

/// The stages in one line.
pub fn way(stages: &[StageRow]) -> String {
    let word = |stage: &StageRow| {
        let value = stage.value.map_or_else(|| "?".to_owned(), |value| format!("{value:.4}"));
        let bar = stage.bar.map_or_else(String::new, |bar| format!(" of at least {bar:.4}"));
        match (stage.kept, stage.value) {
            (true, _) => format!("{} {value}", stage.name),
            (false, Some(_)) => {
                format!("{} {value}{bar} needed", stage.name).replace(" of at least", ", at least")
            }
            (false, None) => format!("{} left it out", stage.name),
        }
    };
    stages.iter().map(word).collect::<Vec<_>>().join(" → ")
}

impl StandingRow {
    fn of(standing: Standing, k: usize) -> Self {
        let (fate, why) = words(standing.fate, k);
        let stages = standing.stages.into_iter().map(StageRow::from).collect();
        let Standing { id, score, rank, ranked, .. } = standing;
        Self { id, fate, why, score, rank, ranked, stages }
    }

    pub fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let id = output.paint(BOLD, plain(&self.id));
        output.line(format_args!("{id}: {}", self.why))?;
        for line in self.notes() {
            output.line(format_args!("     {line}"))?;
        }
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let (Some(rank), Some(score)) = (self.rank, self.score) {
            let ranked = crate::size::grouped(self.ranked as u64);
            notes.push(format!("if every document is scored: rank {rank} of {ranked}, score {score:.4}"));
        }
        if !self.stages.is_empty() {
            notes.push(way(&self.stages));
        }
        notes
    }
}

/// A name for machines and a sentence for people.
fn words(fate: Fate, k: usize) -> (&'static str, String) {
    match fate {
        Fate::Hit { rank, .. } => ("hit", format!("it is hit {rank}")),
        Fate::Excluded => ("excluded", "it is deleted, or the filter leaves it out".to_owned()),
        Fate::NoTokens => ("no-tokens", "it has no token that the model knows".to_owned()),
        Fate::NotReached => (
            "not-reached",
            "the first stage did not reach it: ask for more recall (--recall) or --plan exact".to_owned(),
        ),
        Fate::LeftByLists => (
            "left-by-lists",
            "the first stage reached it, and enough others by more: ask for more recall or --candidates"
                .to_owned(),
        ),
        Fate::LeftByEstimate { estimate, bar } => {
            let bar = bar.map_or_else(String::new, |bar| format!(" of the {bar:.4} that were needed"));
            (
                "left-by-estimate",
                format!("its centroids promise {estimate:.4}{bar}: ask for more recall or --candidates"),
            )
        }
        Fate::RuledOut => (
            "ruled-out",
            "its estimate is too far below the scores of the hits: ask for more recall".to_owned(),
        ),
        Fate::Outscored { score, last } => (
            "outscored",
            format!("it scores {score:.4}, and the last of {k} hits {last:.4}: ask for more hits (-k)"),
        ),
        _ => ("unknown", "the search does not say".to_owned()),
    }
}

/// Writes the heat maps of the hits, and of the documents that were asked for and are none.
pub fn write_page(
    path: &Path,
    query: &Query,
    (hits, standings): (&[HitRow], &[StandingRow]),
    retriever: &Retriever,
) -> anyhow::Result<()> {
    let mut maps: Vec<(String, TokenMap, Vec<String>)> = Vec::new();
    for hit in hits {
        let map = retriever.token_map(&query.text, &hit.id)?;
        let notes = hit.way.iter().map(|stages| way(stages)).filter(|way| !way.is_empty()).collect();
        maps.push((format!("{}.", hit.rank), map, notes));
    }
    for standing in standings.iter().filter(|standing| standing.fate != "hit") {
        let map = retriever.token_map(&query.text, &standing.id)?;
        let notes = std::iter::once(standing.why.clone()).chain(standing.notes()).collect();
        maps.push(("Not a hit:".to_owned(), map, notes));
    }
    let sections: Vec<heat_map::Section<'_>> = maps
        .iter()
        .map(|(heading, map, notes)| heat_map::Section {
            heading: heading.clone(),
            map,
            notes: notes.clone(),
        })
        .collect();
    std::fs::write(path, heat_map::page(&query.text, &sections))
        .with_context(|| format!("writing {}", path.display()))
}
