//! The charts under docs/img/, from the records under benches/record/.

use crate::chart::{Axis, Chart, Series};
use anyhow::Context as _;
use serde_json::Value;
use std::path::Path;

/// A chart's file name and its text.
pub type Drawn = (String, String);

/// A record, and what is drawn of it.
type Drawing = (&'static str, fn(&Value) -> Vec<(&'static str, Chart)>);

const DRAWINGS: [Drawing; 4] =
    [("peers-scifact", tokens), ("peers-books", tokens), ("peers-dense-100k", dense), ("scaling", scaling)];

/// All charts whose records are there.
pub fn all(records: &Path) -> anyhow::Result<Vec<Drawn>> {
    let mut drawn = Vec::new();
    for (name, draw) in DRAWINGS {
        let file = records.join(format!("{name}.json"));
        if !file.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let record: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let charts = draw(&record).into_iter();
        drawn.extend(charts.map(|(what, chart)| (format!("{name}-{what}.svg"), chart.svg())));
    }
    Ok(drawn)
}

/// One series per build of a system: a point per setting, or one for all if the figure belongs to the build.
fn series(record: &Value, x: impl Fn(&Value, &Value) -> Option<f64>, y: &str) -> Vec<Series> {
    let systems = list(&record["systems"]).iter().map(|system| {
        let points =
            list(&system["settings"]).iter().filter_map(|row| Some((x(system, row)?, row[y].as_f64()?)));
        Series { name: name(system), points: points.collect() }
    });
    systems.filter(|series| !series.points.is_empty()).collect()
}

/// Of the points that share an `x`, the best.
fn best(mut series: Vec<Series>) -> Vec<Series> {
    for one in &mut series {
        one.points.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        one.points.dedup_by(|later, first| later.0 == first.0);
    }
    series
}

fn tokens(record: &Value) -> Vec<(&'static str, Chart)> {
    let what = format!("{} tokens, k = {}", figure(&record["tokens"]), record["k"]);
    let chart = |title: &str, x: &str, series| Chart {
        title: format!("{title} ({what})"),
        x: Axis { label: x.to_owned(), logarithmic: true },
        y: Axis { label: "recall@100 of exact float scores".to_owned(), logarithmic: false },
        series,
    };
    let of_build = |field: &'static str| move |system: &Value, _: &Value| system["build"][field].as_f64();
    let tokens = record["tokens"].as_f64().unwrap_or(f64::NAN);
    let bytes = move |system: &Value, _: &Value| Some(system["build"]["bytes"].as_f64()? / tokens);
    let latency = series(record, |_, row| row["ms_p50"].as_f64(), "recall@100");
    let build = best(series(record, of_build("cpu_seconds"), "recall@100"));
    let size = best(series(record, bytes, "recall@100"));
    vec![
        ("latency", chart("Quality against latency", "median query, ms, one thread", latency)),
        ("build", chart("Quality against build time", "build, processor seconds, one thread", build)),
        ("bytes", chart("Quality against bytes", "bytes per token, all files", size)),
    ]
}

fn dense(record: &Value) -> Vec<(&'static str, Chart)> {
    let latency = series(record, |_, row| row["ms_mean_min"].as_f64(), "recall@10");
    let title = format!(
        "Recall against latency ({} vectors of {} dimensions)",
        figure(&record["documents"]),
        record["dim"]
    );
    let x = Axis { label: "mean query, ms, one thread".to_owned(), logarithmic: true };
    let y = Axis { label: "recall@10".to_owned(), logarithmic: false };
    vec![("latency", Chart { title, x, y, series: latency })]
}

fn scaling(record: &Value) -> Vec<(&'static str, Chart)> {
    let curve = |figure: fn(&Value) -> Option<f64>, unit: &str, title: &str| {
        let systems = ["lateen", "next-plaid"].map(|name| {
            let points = list(&record["points"]).iter().filter_map(|point| {
                let found = list(&point["systems"]).iter().find(|system| system["system"] == name)?;
                Some((point["tokens"].as_f64()?, figure(found)?))
            });
            Series { name: name.to_owned(), points: points.collect() }
        });
        Chart {
            title: title.to_owned(),
            x: Axis { label: "tokens".to_owned(), logarithmic: true },
            y: Axis { label: unit.to_owned(), logarithmic: true },
            series: systems.into_iter().filter(|series| !series.points.is_empty()).collect(),
        }
    };
    let latency = |system: &Value| {
        list(&system["settings"]).iter().find(|row| row["default"] == true)?["ms_p50"].as_f64()
    };
    let build = |system: &Value| system["build"]["cpu_seconds"].as_f64();
    let memory = |system: &Value| system["build"]["peak_mib"].as_f64();
    vec![
        ("latency", curve(latency, "median query, ms, one thread", "Latency at the default setting, 4 bits")),
        ("build", curve(build, "processor seconds, one thread", "Build time, 4 bits")),
        ("memory", curve(memory, "MiB", "Peak memory of the build, 4 bits")),
    ]
}

fn name(system: &Value) -> String {
    format!("{}, {}", system["system"].as_str().unwrap_or("?"), system["variant"].as_str().unwrap_or("?"))
}

/// 1693234 as 1.7 M.
fn figure(value: &Value) -> String {
    let value = value.as_f64().unwrap_or(0.0);
    if value >= 1e6 { format!("{:.1} M", value / 1e6) } else { format!("{:.0} k", value / 1e3) }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_becomes_three_charts() {
        let row = |ms: f64, recall: f64| json!({ "ms_p50": ms, "recall@100": recall });
        let record = json!({
            "tokens": 1_000_000, "k": 100, "systems": [
                { "system": "a", "variant": "4 bits", "build": { "bytes": 70_000_000, "cpu_seconds": 9 },
                  "settings": [row(1.0, 0.5), row(2.0, 0.9), json!({ "recall@100": 0.2 })] },
                { "system": "b", "variant": "x", "build": {}, "settings": [] },
            ],
        });
        let charts = tokens(&record);
        let points =
            |at: usize| charts[at].1.series.iter().map(|series| series.points.clone()).collect::<Vec<_>>();
        assert_eq!(points(0), [[(1.0, 0.5), (2.0, 0.9)]]);
        assert_eq!(points(1), [[(9.0, 0.9)]]);
        assert_eq!(points(2), [[(70.0, 0.9)]]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("peers-books.json"), record.to_string()).unwrap();
        let drawn = all(folder.path()).unwrap();
        assert_eq!(drawn.len(), 3);
        assert_eq!(drawn[0].0, "peers-books-latency.svg");
    }
}
