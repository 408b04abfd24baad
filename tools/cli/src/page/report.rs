//! The page of a comparison.

use super::chart::{Chart, Horizontal, Point, Series};
use super::{Html, StyleRules, THEME};
use crate::size;
use crate::study::{Cell, Outcome, PositionResult, StudyReport};

/// The whole page; `settings` is the TOML file as it was read.
pub fn page(report: &StudyReport, settings: &str) -> String {
    let mut body = Html::new();
    body.raw("<main>").with("h1", &[], &report.title);
    body.with("p", &[("class", "dim")], report.machine.line());
    for collection in &report.collections {
        let outcomes: Vec<&Outcome> =
            report.outcomes.iter().filter(|outcome| outcome.collection == collection.name).collect();
        body.tag("section", &[], |out| {
            out.with("h2", &[], &collection.name);
            let (documents, queries) = (collection.documents as u64, collection.queries as u64);
            out.with(
                "p",
                &[("class", "dim")],
                format_args!(
                    "{}, {}, split {}",
                    size::count(documents, "document"),
                    size::count(queries, "query"),
                    collection.split
                ),
            );
            quality(out, report, &outcomes);
            cost(out, &outcomes);
            charts(out, report, &outcomes);
            let positions: Vec<&PositionResult> =
                report.positions.iter().filter(|result| result.collection == collection.name).collect();
            position(out, &positions);
            thirds(out, report, &collection.name);
        });
    }
    provenance(&mut body, report, settings);
    body.raw("</main>");
    Html::page(&report.title, THEME, &StyleRules::default(), body)
}

/// A table that scrolls by itself.
fn table(out: &mut Html, head: &[&str], rows: impl FnOnce(&mut Html)) {
    out.tag("div", &[("class", "scroll"), ("tabindex", "0")], |out| {
        out.tag("table", &[], |out| {
            out.tag("thead", &[], |out| {
                out.tag("tr", &[], |out| {
                    for name in head {
                        out.with("th", &[("scope", "col")], name);
                    }
                });
            });
            out.tag("tbody", &[], rows);
        });
    });
}

fn quality(out: &mut Html, report: &StudyReport, outcomes: &[&Outcome]) {
    let mut head = vec!["system"];
    head.extend(report.metrics.iter().map(String::as_str));
    table(out, &head, |out| {
        for outcome in outcomes {
            out.tag("tr", &[], |out| {
                out.with("td", &[], &outcome.system);
                for metric in &report.metrics {
                    let cells = outcomes.iter().filter_map(|outcome| outcome.metrics.get(metric));
                    let best = cells.map(|cell| cell.mean).fold(f64::NEG_INFINITY, f64::max);
                    match outcome.metrics.get(metric) {
                        Some(cell) => quality_cell(out, cell, best),
                        None => drop(out.raw("<td></td>")),
                    }
                }
            });
        }
    });
    let words = format!(
        "With the interval that holds the mean in 95 of 100 such samples of queries (bootstrap). ▲ and ▼: better and worse than {}, \
         by a paired randomisation test at 5 % after Holm's correction over the systems of a column.",
        report.baseline
    );
    out.with("p", &[("class", "note")], words);
}

fn quality_cell(out: &mut Html, cell: &Cell, best: f64) {
    let mark = match &cell.against {
        Some(against) if against.is_significant() && against.difference > 0.0 => " ▲",
        Some(against) if against.is_significant() => " ▼",
        _ => "",
    };
    let says = cell.against.as_ref().map_or_else(String::new, |against| {
        let (difference, p) = (against.difference, against.adjusted_p);
        format!("{difference:+.4} against the baseline, p = {p:.4} after correction")
    });
    let class = if cell.mean >= best { "best" } else { "" };
    out.tag("td", &[("class", class), ("title", &says)], |out| {
        out.text(format_args!("{:.4}{mark}", cell.mean)).raw("<br>");
        out.with("span", &[("class", "dim")], format_args!("{:.4}–{:.4}", cell.lower, cell.upper));
    });
}

fn cost(out: &mut Html, outcomes: &[&Outcome]) {
    out.raw("<h3>What it costs</h3>");
    let head =
        ["system", "p50 ms", "p95 ms", "p99 ms", "timed", "cold ms", "index", "peak memory", "what it is"];
    table(out, &head, |out| {
        for outcome in outcomes {
            let finished = &outcome.finished;
            let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), size::bytes);
            out.tag("tr", &[], |out| {
                out.with("td", &[], &outcome.system);
                match &finished.latency {
                    Some(latency) => {
                        for value in [latency.p50_ms, latency.p95_ms, latency.p99_ms] {
                            out.with("td", &[], format_args!("{value:.2}"));
                        }
                        out.with("td", &[], latency.samples);
                    }
                    None => drop(out.raw("<td>–</td><td>–</td><td>–</td><td>–</td>")),
                }
                let cold = finished.cold_ms.map_or_else(|| "–".to_owned(), |cold| format!("{cold:.2}"));
                out.with("td", &[], cold).with("td", &[], size::bytes(finished.bytes));
                out.with("td", &[], bytes(finished.peak_bytes));
                let plan = finished.plan.as_ref().map_or_else(String::new, |plan| format!("; {plan}"));
                out.with("td", &[("class", "left")], format_args!("{}{plan}", finished.description));
            });
        }
    });
    out.raw("<p class=\"note\">Latency is from text to hits, one query after another, searches on one thread and models on all cores, encoding and judging included, warm, all systems asked in turns. Cold is \
        opening the index and answering one query that is encoded already, after the system was asked to forget the index’s files. Peak memory is that of \
        the whole process while it ranks, mapped files, texts and encodings included.</p>");
}

fn charts(out: &mut Html, report: &StudyReport, outcomes: &[&Outcome]) {
    let main = report.metrics.first().cloned().unwrap_or_default();
    let recall = report
        .metrics
        .iter()
        .find(|metric| metric.starts_with("recall"))
        .cloned()
        .unwrap_or_else(|| main.clone());
    let points = |metric: &str, x: &dyn Fn(&Outcome) -> Option<f64>, unit: &str| -> Vec<Series> {
        let one = |outcome: &&Outcome| {
            let (cell, x) = (outcome.metrics.get(metric)?, x(outcome)?);
            let says =
                format!("{metric} {:.4} ({:.4}–{:.4}), {x:.2} {unit}", cell.mean, cell.lower, cell.upper);
            let point = Point { x, y: cell.mean, ends: Some((cell.lower, cell.upper)), says };
            Some(Series { name: outcome.system.clone(), points: vec![point] })
        };
        outcomes.iter().filter_map(one).collect()
    };
    out.raw("<div class=\"charts\">");
    let latency = |outcome: &Outcome| outcome.finished.latency.as_ref().map(|latency| latency.p50_ms);
    let horizontal = Horizontal::Logarithmic;
    let title = format!("{recall} against latency");
    Chart {
        title: &title,
        x: "p50 latency, ms",
        y: &recall,
        horizontal,
        series: points(&recall, &latency, "ms"),
    }
    .draw(out);
    let systems = outcomes.iter().map(|outcome| outcome.system.clone()).collect::<Vec<_>>();
    let place =
        |outcome: &Outcome| systems.iter().position(|name| *name == outcome.system).map(|at| at as f64);
    let numbers = (1..=systems.len()).map(|at| at.to_string()).collect();
    let title = format!("{main} with its interval");
    let horizontal = Horizontal::Names(numbers);
    Chart { title: &title, x: "system", y: &main, horizontal, series: points(&main, &place, "") }.draw(out);
    let bytes =
        |outcome: &Outcome| Some(outcome.finished.bytes as f64 / f64::from(1 << 20)).filter(|mib| *mib > 0.0);
    let horizontal = Horizontal::Logarithmic;
    let title = format!("{main} against size");
    Chart { title: &title, x: "index, MiB", y: &main, horizontal, series: points(&main, &bytes, "MiB") }
        .draw(out);
    out.raw("</div>");
}

fn position(out: &mut Html, positions: &[&PositionResult]) {
    let Some(first) = positions.first() else { return };
    out.raw("<h3>By where the answer stands</h3>");
    let names: Vec<String> = first.buckets.iter().map(|bucket| bucket.name.clone()).collect();
    let heads: Vec<String> =
        first.buckets.iter().map(|bucket| format!("{} ({})", bucket.name, bucket.queries)).collect();
    let mut head = vec!["system, nDCG@10"];
    head.extend(heads.iter().map(String::as_str));
    head.push("PSI");
    table(out, &head, |out| {
        for result in positions {
            out.tag("tr", &[], |out| {
                out.with("td", &[], &result.system);
                for bucket in &result.buckets {
                    let says = format!(
                        "{:.4}–{:.4}, recall@10 {:.4}",
                        bucket.lower, bucket.upper, bucket.metrics["recall@10"]
                    );
                    out.with("td", &[("title", &says)], format_args!("{:.4}", bucket.mean));
                }
                let index = result.sensitivity.map_or_else(|| "–".to_owned(), |index| format!("{index:.3}"));
                out.with("td", &[("class", "best")], index);
            });
        }
    });
    out.raw("<p class=\"note\">Queries by the character at which their answer begins (their number in brackets). PSI, the Position Sensitivity Index, \
        is 1 − min / max of a row: 0 is a system that does not mind where the answer stands.</p>");
    let series = |result: &&PositionResult| {
        let point = |(at, bucket): (usize, &crate::study::BucketResult)| Point {
            x: at as f64,
            y: bucket.mean,
            ends: Some((bucket.lower, bucket.upper)),
            says: format!("{}: {:.4} ({:.4}–{:.4})", bucket.name, bucket.mean, bucket.lower, bucket.upper),
        };
        Series { name: result.system.clone(), points: result.buckets.iter().enumerate().map(point).collect() }
    };
    Chart {
        title: "nDCG@10 by position",
        x: "where the answer begins, characters",
        y: "nDCG@10",
        horizontal: Horizontal::Names(names),
        series: positions.iter().map(series).collect(),
    }
    .draw(out);
}

fn thirds(out: &mut Html, report: &StudyReport, collection: &str) {
    let found: Vec<_> = report.thirds.iter().filter(|result| result.collection == collection).collect();
    if found.is_empty() {
        return;
    }
    out.raw("<h3>A text and its thirds</h3>");
    table(out, &["system", "texts", "beginning", "middle", "end"], |out| {
        for result in found {
            out.tag("tr", &[], |out| {
                out.with("td", &[], &result.system).with("td", &[], result.texts);
                for value in [result.beginning, result.middle, result.end] {
                    out.with("td", &[], format_args!("{value:.4}"));
                }
            });
        }
    });
    out.raw("<p class=\"note\">Mean cosine of the vector of a whole text with those of its first, middle and last third.</p>");
}

fn provenance(out: &mut Html, report: &StudyReport, settings: &str) {
    out.tag("section", &[], |out| {
        out.raw("<h2>How this was made</h2>").with("pre", &[], &report.command);
        table(out, &["collection", "path", "XXH3-128 of texts, queries and judgements"], |out| {
            for collection in &report.collections {
                out.tag("tr", &[], |out| {
                    out.with("td", &[], &collection.name).with("td", &[("class", "left")], &collection.path);
                    out.tag("td", &[("class", "left")], |out| {
                        out.with("code", &[], &collection.hash);
                    });
                });
            }
        });
        out.tag("details", &[], |out| {
            out.raw("<summary>The settings</summary>");
            // Lines stay lines: each is an element of its own.
            out.tag("pre", &[], |out| {
                for line in settings.lines() {
                    out.text(line).raw("\n");
                }
            });
        });
    });
}
