//! Comparisons from a TOML file, told in a table, JSON and a page.

use crate::exit::Outcome;
use crate::output::{BOLD, DIM, Output};
use crate::page::report;
use crate::study::{Cell, PositionResult, Study, StudyReport};
use anyhow::Context as _;
use std::path::Path;

/// Runs the study in `path`.
pub fn run_file(output: &mut Output, path: &Path) -> anyhow::Result<Outcome> {
    let study = Study::open(path)?;
    let settings = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let command = format!("lateen eval {}", path.display());
    run(output, &study, (&command, &settings))
}

/// Runs a study and tells what it found.
pub fn run(output: &mut Output, study: &Study, (command, settings): (&str, &str)) -> anyhow::Result<Outcome> {
    let Some(found) = crate::study::run(output, study, command)? else { return Ok(Outcome::Interrupted) };
    let write = |name: &str, content: &[u8]| {
        let path = study.out.join(name);
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
    };
    write("report.json", &serde_json::to_vec_pretty(&found)?)?;
    write("report.html", report::page(&found, settings).as_bytes())?;
    if output.json {
        output.document("comparison", &found)?;
    } else {
        tell(output, &found)?;
    }
    let out = study.out.display();
    output.note(format_args!("wrote {out}/report.html, {out}/report.json and {out}/runs"));
    Ok(Outcome::Done)
}

fn tell(output: &mut Output, found: &StudyReport) -> anyhow::Result<()> {
    for collection in &found.collections {
        let queries = crate::size::count(collection.queries as u64, "query");
        output.line(output.paint(BOLD, format_args!("{}: {queries}", collection.name)))?;
        let outcomes = || found.outcomes.iter().filter(|outcome| outcome.collection == collection.name);
        let mut rows = vec![vec!["system".to_owned()]];
        rows[0].extend(found.metrics.iter().cloned());
        rows[0].extend(["p50 ms", "p95 ms", "index"].map(str::to_owned));
        for outcome in outcomes() {
            let mut row = vec![outcome.system.clone()];
            row.extend(
                found.metrics.iter().map(|metric| outcome.metrics.get(metric).map_or_else(String::new, cell)),
            );
            let latency = outcome.finished.latency.as_ref();
            let ms = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
            row.push(ms(latency.map(|latency| latency.p50_ms)));
            row.push(ms(latency.map(|latency| latency.p95_ms)));
            row.push(crate::size::bytes(outcome.finished.bytes));
            rows.push(row);
        }
        aligned(output, &rows)?;
        let positions: Vec<&PositionResult> =
            found.positions.iter().filter(|result| result.collection == collection.name).collect();
        tell_positions(output, &positions)?;
        for result in found.thirds.iter().filter(|result| result.collection == collection.name) {
            let (texts, system) = (crate::size::count(result.texts as u64, "text"), &result.system);
            let (beginning, middle, end) = (result.beginning, result.middle, result.end);
            output.line(format_args!(
                "{system}: {texts} and their thirds: beginning {beginning:.4}, middle {middle:.4}, end {end:.4}"
            ))?;
        }
    }
    let legend = format!(
        "± half the 95 % interval (bootstrap); ▲ ▼ better or worse than {} (paired randomisation, Holm, 5 %)",
        found.baseline
    );
    output.line(output.paint(DIM, legend))?;
    Ok(())
}

fn cell(cell: &Cell) -> String {
    let mark = match &cell.against {
        Some(against) if against.is_significant() => {
            if against.difference > 0.0 {
                "▲"
            } else {
                "▼"
            }
        }
        _ => " ",
    };
    format!("{:.4} ±{:.4}{mark}", cell.mean, (cell.upper - cell.lower) / 2.0)
}

fn tell_positions(output: &mut Output, positions: &[&PositionResult]) -> anyhow::Result<()> {
    let Some(first) = positions.first() else { return Ok(()) };
    let mut rows = vec![vec!["nDCG@10 by position".to_owned()]];
    rows[0].extend(first.buckets.iter().map(|bucket| format!("{} ({})", bucket.name, bucket.queries)));
    rows[0].push("PSI".to_owned());
    for result in positions {
        let mut row = vec![result.system.clone()];
        row.extend(result.buckets.iter().map(|bucket| format!("{:.4}", bucket.mean)));
        row.push(result.sensitivity.map_or_else(|| "–".to_owned(), |index| format!("{index:.3}")));
        rows.push(row);
    }
    aligned(output, &rows)
}

/// Columns as wide as they must be; the first to the left, the others to the right.
fn aligned(output: &mut Output, rows: &[Vec<String>]) -> anyhow::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            line += &if column == 0 { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        output.line(line.trim_end())?;
    }
    Ok(())
}
