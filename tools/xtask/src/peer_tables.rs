//! Tables of the comparisons with other engines, from their records.

use crate::tables::{Column, rows};
use serde_json::{Value, json};

/// The table of one comparison, as `view` shows it; `None` if this is no such record or it has no such view.
pub fn table(record: &Value, view: &str) -> Option<String> {
    let (rows_shown, columns): (Vec<Value>, &[Column]) = match (record["bench"].as_str()?, view) {
        ("peers-tokens", "headline") => (headline(record), AGAINST),
        ("peers-tokens", "against") => (against(record), AGAINST),
        ("peers-tokens", "settings") => (settings(record), SETTINGS),
        ("peers-tokens", "builds") => (builds(record), BUILDS),
        ("peers-dense", "settings") => (settings(record), DENSE_SETTINGS),
        ("peers-dense", "builds") => (builds(record), DENSE_BUILDS),
        ("peers-text", "settings") => (settings(record), TEXT),
        ("peers-maxsim", "kernels") => (kernels(record), MAXSIM),
        ("scaling", "points") => (points(record), POINTS),
        ("scaling", "fits") => (list(&record["fits"]).to_vec(), FITS),
        _ => return None,
    };
    Some(format!("{}{}", rows(&Value::Array(rows_shown), columns), foot(record)))
}

const AGAINST: &[Column] = &[
    ("peer", "peer", 0),
    ("its setting", "setting", 0),
    ("nDCG@10", "their_ndcg", 4),
    ("recall@100", "their_recall", 3),
    ("ms", "their_ms", 2),
    ("Lateen's setting", "our_setting", 0),
    ("nDCG@10", "our_ndcg", 4),
    ("recall@100", "our_recall", 3),
    ("ms", "our_ms", 2),
    ("times faster", "times_faster", 1),
    ("build, times faster", "build_times_faster", 1),
    ("times smaller", "times_smaller", 2),
];
const SETTINGS: &[Column] = &[
    ("system", "system", 0),
    ("setting", "setting", 0),
    ("nDCG@10", "ndcg@10", 4),
    ("recall@10", "recall@10", 3),
    ("recall@100", "recall@100", 3),
    ("ms p50", "ms_p50", 2),
    ("ms p95", "ms_p95", 2),
    ("ms mean, fastest round", "ms_mean_min", 2),
    ("median round", "ms_mean_median", 2),
    ("rounds", "rounds", 0),
];
const BUILDS: &[Column] = &[
    ("system", "system", 0),
    ("processor s", "cpu_seconds", 1),
    ("wall s", "wall_seconds", 1),
    ("tuning, processor s", "tune_cpu_seconds", 1),
    ("peak MiB", "peak_mib", 0),
    ("of it input", "input_mib", 0),
    ("bytes/token", "bytes_per_token", 1),
    ("open, ms", "open_ms", 2),
    ("peak MiB of a searching process", "search_peak_mib", 0),
];
const DENSE_SETTINGS: &[Column] = &[
    ("system", "system", 0),
    ("setting", "setting", 0),
    ("recall@10", "recall@10", 4),
    ("queries/s", "queries_per_second", 0),
    ("ms mean, fastest round", "ms_mean_min", 4),
    ("median round", "ms_mean_median", 4),
];
const DENSE_BUILDS: &[Column] = &[
    ("system", "system", 0),
    ("build, processor s", "cpu_seconds", 1),
    ("bytes/vector", "bytes_per_document", 0),
    ("open, ms", "open_ms", 2),
    ("peak MiB of a searching process", "search_peak_mib", 0),
];
const TEXT: &[Column] = &[
    ("system", "system", 0),
    ("nDCG@10", "ndcg@10", 4),
    ("ms p50", "ms_p50", 3),
    ("ms p95", "ms_p95", 3),
    ("build, processor s", "cpu_seconds", 2),
];
const MAXSIM: &[Column] = &[
    ("documents", "shape", 0),
    ("kernel", "kernel", 0),
    ("ms", "ms", 2),
    ("Gop/s", "gop_per_second", 0),
    ("times maxsim-cpu's speed", "times", 2),
    ("largest difference of a score", "largest_difference", 5),
];
const POINTS: &[Column] = &[
    ("tokens", "tokens", 0),
    ("documents", "documents", 0),
    ("of it synthetic, %", "synthetic", 0),
    ("system", "system", 0),
    ("build, processor s", "cpu_seconds", 1),
    ("peak MiB", "peak_mib", 0),
    ("bytes/token", "bytes_per_token", 1),
    ("open, ms", "open_ms", 2),
    ("segments", "segments", 0),
    ("recall@100", "recall@100", 3),
    ("ms p50", "ms_p50", 2),
    ("ms p95", "ms_p95", 2),
    ("exact scan, ms p50", "exact_ms", 1),
];
const FITS: &[Column] = &[
    ("system", "system", 0),
    ("figure", "figure", 0),
    ("exponent", "exponent", 2),
    ("residual (ln)", "residual", 2),
    ("points", "points", 0),
];

/// Where, when, on what; and what is missing.
fn foot(record: &Value) -> String {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let facts = FOOT.iter().filter_map(|(key, before, after)| {
        let value = record.get(key).filter(|value| !value.is_null())?;
        Some(format!("{before}{}{after}", shown(value)))
    });
    let facts: Vec<String> = ["one thread".to_owned()].into_iter().chain(facts).collect();
    let mut missing: Vec<&Value> = list(&record["missing"]).iter().collect();
    for part in list(&record["shapes"]).iter().chain(list(&record["points"])) {
        missing.extend(list(&part["missing"]));
    }
    let missing: Vec<String> = missing
        .into_iter()
        .map(|one| {
            let name = format!("{} {}", text(one, "system"), text(one, "variant"));
            format!(" **Missing: {}** ({}).", name.trim(), text(one, "why"))
        })
        .collect();
    format!("\n*{}.*{}\n", facts.join(", "), missing.join(""))
}

/// Facts of a record, what is said before and what after them.
const FOOT: [(&str, &str, &str); 10] = [
    ("collection", "", ""),
    ("documents", "", " documents"),
    ("tokens", "", " tokens"),
    ("dim", "", " dimensions"),
    ("k", "k = ", ""),
    ("queries", "quality over ", " queries"),
    ("timed_queries", "time over ", " queries"),
    ("memory_budget_mib", "Lateen's memory budget ", " MiB"),
    ("cpu", "", ""),
    ("commit", "commit ", ""),
];

fn against(record: &Value) -> Vec<Value> {
    let flat = |row: &Value| {
        let setting = row["our_setting"][1].as_str().unwrap_or("none is as good");
        json!({
            "peer": format!("{}, {}", text(row, "peer"), text(row, "variant")), "setting": row["setting"],
            "their_ndcg": row["theirs"]["ndcg@10"], "their_recall": row["theirs"]["recall@100"],
            "their_ms": row["theirs"]["ms_p50"], "our_setting": setting,
            "our_ndcg": row["ours"]["ndcg@10"], "our_recall": row["ours"]["recall@100"],
            "our_ms": row["ours"]["ms_p50"], "times_faster": row["times_faster"],
            "build_times_faster": row["build_times_faster"], "times_smaller": row["times_smaller"],
        })
    };
    list(&record["against"]).iter().map(flat).collect()
}

/// Of each peer its default and its fastest setting.
fn headline(record: &Value) -> Vec<Value> {
    let all = list(&record["against"]);
    let flat = against(record);
    let is_shown = |at: usize| {
        let row = &all[at];
        let same = |other: &&Value| other["peer"] == row["peer"] && other["variant"] == row["variant"];
        let time = |row: &Value| row["theirs"]["ms_p50"].as_f64().unwrap_or(f64::INFINITY);
        let fastest = all.iter().filter(same).map(time).fold(f64::INFINITY, f64::min);
        row["default"] == true || time(row) <= fastest
    };
    flat.into_iter().enumerate().filter(|(at, _)| is_shown(*at)).map(|(_, row)| row).collect()
}

fn settings(record: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for system in list(&record["systems"]) {
        for row in list(&system["settings"]) {
            let mut row = row.clone();
            row["system"] = name(system).into();
            row["cpu_seconds"] = system["build"]["cpu_seconds"].clone();
            row["queries_per_second"] = row["ms_mean_min"].as_f64().map(|ms| 1e3 / ms).into();
            all.push(row);
        }
    }
    all
}

fn builds(record: &Value) -> Vec<Value> {
    let row = |system: &Value| {
        let mut row = system["build"].clone();
        row["system"] = name(system).into();
        row["open_ms"] = system["open_ms"].clone();
        row["tune_cpu_seconds"] = system["build"]["first_opened"]["tune_cpu_seconds"].clone();
        row["search_peak_mib"] = system["search_peak_mib"].clone();
        let per = |count: &Value| Some(system["build"]["bytes"].as_f64()? / count.as_f64()?);
        row["bytes_per_token"] = per(&record["tokens"]).into();
        row["bytes_per_document"] = per(&record["documents"]).into();
        row
    };
    list(&record["systems"]).iter().map(row).collect()
}

fn kernels(record: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for shape in list(&record["shapes"]) {
        let ms = |kernel: &Value| kernel["ms"]["ms_p50"].as_f64();
        let peer =
            list(&shape["kernels"]).iter().find(|kernel| kernel["system"] == "maxsim-cpu").and_then(ms);
        all.extend(list(&shape["kernels"]).iter().map(|kernel| {
            json!({
                "shape": shape["shape"], "kernel": format!("{}, {}", text(kernel, "system"), text(kernel, "precision")),
                "ms": ms(kernel), "gop_per_second": kernel["gop_per_second"],
                "times": peer.zip(ms(kernel)).map(|(peer, own)| peer / own),
                "largest_difference": kernel["largest_difference"],
            })
        }));
    }
    all
}

fn points(record: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for point in list(&record["points"]) {
        let parts = list(&point["made_of"]).iter();
        let synthetic =
            parts.filter(|part| part["source"] == "synthetic").filter_map(|part| part["tokens"].as_f64());
        let share = synthetic.sum::<f64>() / point["tokens"].as_f64().unwrap_or(f64::NAN) * 100.0;
        for system in list(&point["systems"]) {
            let rows = list(&system["settings"]);
            let Some(default) = rows.iter().find(|row| row["default"] == true) else { continue };
            let exact = rows.iter().find(|row| row["setting"] == "exact scan");
            let bytes = system["build"]["bytes"].as_f64().zip(point["tokens"].as_f64());
            all.push(json!({
                "tokens": point["tokens"], "documents": point["documents"], "synthetic": share,
                "system": system["system"], "cpu_seconds": system["build"]["cpu_seconds"],
                "peak_mib": system["build"]["peak_mib"], "bytes_per_token": bytes.map(|(bytes, tokens)| bytes / tokens),
                "open_ms": system["open_ms"], "segments": default["note"]["segments"],
                "recall@100": default["recall@100"], "ms_p50": default["ms_p50"], "ms_p95": default["ms_p95"],
                "exact_ms": exact.map(|row| row["ms_p50"].clone()),
            }));
        }
    }
    all
}

fn name(system: &Value) -> String {
    format!("{}, {}", text(system, "system"), text(system, "variant"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_has_the_default_and_the_fastest() {
        let row = |setting: &str, ms: f64, default: bool| {
            json!({
                "peer": "p", "variant": "4 bits", "setting": setting, "default": default,
                "theirs": { "ms_p50": ms }, "ours": { "ms_p50": 1.0 }, "our_setting": ["4 bits", "x"], "times_faster": ms,
            })
        };
        let against = [row("default", 20.0, true), row("fast", 5.0, false), row("slow", 90.0, false)];
        let record = json!({
            "bench": "peers-tokens", "against": against, "commit": "abc",
            "missing": [{ "system": "q", "variant": "4 bits", "why": "no wheel" }],
        });
        let shown = table(&record, "headline").unwrap();
        assert!(
            shown.contains("| default |") && shown.contains("| fast |") && !shown.contains("| slow |"),
            "{shown}"
        );
        assert!(shown.contains("commit abc.* **Missing: q 4 bits** (no wheel)."), "{shown}");
        assert!(table(&record, "against").unwrap().contains("| slow |"));
        assert!(table(&record, "nothing").is_none() && table(&json!({}), "headline").is_none());
    }

    #[test]
    fn kernels_are_compared_with_the_peer() {
        let kernel =
            |system: &str, ms: f64| json!({ "system": system, "precision": "f32", "ms": { "ms_p50": ms } });
        let record = json!({
            "bench": "peers-maxsim",
            "shapes": [{ "shape": "s", "kernels": [kernel("lateen", 2.0), kernel("maxsim-cpu", 12.0)] }],
        });
        assert!(table(&record, "kernels").unwrap().contains("| s | lateen, f32 | 2.00 | – | 6.00 |"));
    }
}
