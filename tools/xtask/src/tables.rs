//! `cargo xtask tables`: tables and charts of the documentation, from the files under `benches/record/`.

use crate::process::root;
use crate::{charts, peer_tables};
use anyhow::Context;
use clap::Args;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Writes tables and charts of the documentation from the records of the benches.
#[derive(Debug, Args)]
pub struct Tables {
    /// Change nothing; fail if a table or chart is not what its record says
    #[arg(long)]
    check: bool,
}

/// The pages with tables.
const PAGES: [&str; 3] = ["README.md", "docs/peers.md", "docs/scaling.md"];

impl Tables {
    /// Puts each table between its marks, and the charts beside the pages.
    pub fn run(self) -> anyhow::Result<()> {
        let records = root().join("benches/record");
        for page in PAGES {
            let old = std::fs::read_to_string(root().join(page)).context(page)?;
            self.put(page, Some(&old), &filled(&old, &records)?)?;
        }
        for (name, chart) in charts::all(&records)? {
            let page = format!("docs/img/{name}");
            self.put(&page, std::fs::read_to_string(root().join(&page)).ok().as_deref(), &chart)?;
        }
        Ok(())
    }

    fn put(&self, page: &str, old: Option<&str>, new: &str) -> anyhow::Result<()> {
        if old == Some(new) {
            return Ok(());
        }
        anyhow::ensure!(!self.check, "{page} differs from benches/record/: run `cargo xtask tables`");
        let path = root().join(page);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&path, new).with_context(|| path.display().to_string())
    }
}

/// `text` with every block between `<!-- record NAME -->`, or `<!-- record NAME VIEW -->` where a record is shown in
/// several ways, and `<!-- end -->` made anew.
fn filled(text: &str, records: &Path) -> anyhow::Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- record ") {
        let (name, after) = after.split_once(" -->\n").context("a record mark without its end")?;
        let (_, after) = after.split_once("<!-- end -->").context("a record without `<!-- end -->`")?;
        let (record, view) = name.split_once(' ').unwrap_or((name, ""));
        let file = records.join(format!("{record}.json"));
        let record = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let record = serde_json::from_str(&record).with_context(|| file.display().to_string())?;
        let table = match peer_tables::table(&record, view) {
            Some(table) => table,
            None => table(&record).with_context(|| file.display().to_string())?,
        };
        write!(out, "{before}<!-- record {name} -->\n{table}<!-- end -->")?;
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn table(record: &Value) -> anyhow::Result<String> {
    let whole = || Value::Array(vec![record.clone()]);
    let (body, caption) = match record["bench"].as_str().unwrap_or("kernel") {
        "search" => (
            rows(&record["rows"], SEARCH),
            "{collection}, {documents} documents, {tokens} tokens of {dim} dimensions, {queries} queries, k = {k}; \
             {cpu}, {kernel}, commit {commit}.",
        ),
        "open" => (rows(&whole(), OPEN), "{cpu}, commit {commit}."),
        "encode" => {
            (rows(&record["rows"], ENCODE), "{texts} documents of {collection}; {cpu}, commit {commit}.")
        }
        "lifecycle" => (
            rows(&record["history"], HISTORY) + "\n" + &rows(&record["latency"], LATENCY),
            "Latency: {documents} documents of {tokens} tokens, {changes} changes of each kind, each with its commit; \
             {cpu}, {kernel}, commit {commit}.",
        ),
        "quality" => return Ok(rows(&record["rows"], QUALITY)),
        "recall" => (rows(&record["rows"], RECALL), "{kernel}, commit {commit}."),
        "codecs" => (
            rows(&own_codecs(record), CODECS),
            "{collection}, {documents} documents, {tokens} tokens of {dim} dimensions, {queries} queries; {cpu}, \
             commit {commit}.",
        ),
        "build" => (rows(&whole(), BUILD), "{threads} threads; {cpu}, commit {commit}."),
        "kernel" => (
            rows(&best_kernels(record), KERNEL),
            "32 query tokens × 1,000 documents × 300 tokens (codes: 180), 128 dimensions, one thread; {cpu}, commit \
             {commit}.",
        ),
        other => anyhow::bail!("there is no table for the bench {other:?}"),
    };
    Ok(format!("{body}\n*{}*\n", filled_in(caption, record)))
}

/// `template` with each name in braces replaced by the record's value of that name.
fn filled_in(template: &str, record: &Value) -> String {
    let mut parts = template.split(['{', '}']);
    let mut out = parts.next().unwrap_or_default().to_owned();
    while let (Some(name), Some(text)) = (parts.next(), parts.next()) {
        let value = match &record[name] {
            Value::String(value) => value.clone(),
            Value::Number(value) => value.to_string(),
            _ => "not recorded".to_owned(),
        };
        out.push_str(&value);
        out.push_str(text);
    }
    out
}

/// A column: its head, the key of its value, and how many decimals it has.
pub type Column = (&'static str, &'static str, usize);

const SEARCH: &[Column] = &[
    ("tokens as", "storage", 0),
    ("plan", "plan", 0),
    ("nDCG@10", "ndcg@10", 4),
    ("recall@100 of exact float", "recall@100_vs_float", 3),
    ("recall@100 of a scan", "recall@100_vs_scan", 3),
    ("ms p50", "ms_p50", 1),
    ("ms p95", "ms_p95", 1),
    ("bytes/token", "bytes_per_token", 1),
    ("build s", "build_seconds", 1),
];
const RECALL: &[Column] = &[
    ("collection", "collection", 0),
    ("tokens as", "storage", 0),
    ("k", "k", 0),
    ("asked", "target", 2),
    ("found", "recall", 4),
    ("95 % from", "lower", 4),
    ("to", "upper", 4),
    ("queries", "queries", 0),
    ("of a scan's work", "work_of_scan", 3),
];
const OPEN: &[Column] = &[
    ("documents", "documents", 0),
    ("tokens", "tokens", 0),
    ("bytes", "bytes", 0),
    ("open, ms", "open_ms_median", 2),
    ("heap grown, KiB", "own_memory_grown_kib", 0),
    ("resident grown, KiB", "resident_memory_grown_kib", 0),
];
const ENCODE: &[Column] = &[
    ("model", "model", 0),
    ("runtime", "runtime", 0),
    ("threads (0: all)", "threads", 0),
    ("documents/s", "documents_per_second", 0),
    ("token vectors/s", "rows_per_second", 0),
];
const HISTORY: &[Column] = &[
    ("codes", "storage", 0),
    ("index", "index", 0),
    ("commits", "commits", 0),
    ("segments", "segments", 0),
    ("nDCG@10", "ndcg@10", 4),
    ("recall@10 of exact float", "recall@10", 4),
    ("bytes/token", "bytes_per_token", 1),
    ("ms p50", "ms_p50", 2),
];
const LATENCY: &[Column] = &[
    ("one document", "operation", 0),
    ("merging", "merging", 0),
    ("ms p50", "ms_p50", 1),
    ("ms p99", "ms_p99", 1),
    ("ms max", "ms_max", 1),
];
const QUALITY: &[Column] = &[
    ("system", "system", 0),
    ("collection", "collection", 0),
    ("nDCG@10", "ndcg@10", 4),
    ("Recall@100", "recall@100", 4),
    ("command", "command", 0),
];
const CODECS: &[Column] = &[
    ("tokens as", "codec", 0),
    ("bytes/token", "bytes_per_token", 1),
    ("recall@10", "recall@10", 3),
    ("recall@100", "recall@100", 3),
    ("nDCG@10", "ndcg@10", 4),
];
const BUILD: &[Column] = &[
    ("documents", "documents", 0),
    ("tokens", "tokens_encoded", 0),
    ("as f16, MiB", "vectors_f16_mib", 0),
    ("budget, MiB", "budget_mib", 0),
    ("own memory at most, MiB", "own_memory_peak_mib", 0),
    ("segments", "segments", 0),
    ("seconds", "seconds", 1),
];
const KERNEL: &[Column] = &[
    ("kernel", "kernel", 0),
    ("instruction set", "isa", 0),
    ("Gop/s", "gop_per_second", 0),
    ("of the core's peak, %", "percent", 0),
];

/// What an index can store, without the codecs that it is compared with.
fn own_codecs(record: &Value) -> Value {
    let rows = record["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = |row: &&Value| {
        let codec = row["codec"].as_str().unwrap_or_default();
        codec == "f32" || codec.starts_with("Lateen") && !codec.contains("without")
    };
    Value::Array(rows.iter().filter(own).cloned().collect())
}

/// The MaxSim kernels on the best instruction set.
fn best_kernels(record: &Value) -> Value {
    let kernels = record["kernels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let best = kernels.last().map(|kernel| kernel["isa"].clone());
    let rows = kernels.iter().filter(|kernel| Some(&kernel["isa"]) == best.as_ref()).filter_map(|kernel| {
        let mut kernel = kernel.clone();
        let share = kernel["share_of_peak"].as_f64()?;
        kernel["percent"] = Value::from(share * 100.0);
        Some(kernel)
    });
    Value::Array(rows.collect())
}

/// A Markdown table with a line per row.
pub fn rows(rows: &Value, columns: &[Column]) -> String {
    let mut out = format!("| {} |\n|{}\n", heads(columns).join(" | "), "---|".repeat(columns.len()));
    for row in rows.as_array().map(Vec::as_slice).unwrap_or_default() {
        let cells: Vec<String> = columns.iter().map(|column| cell(&row[column.1], column.2)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    out
}

fn heads(columns: &[Column]) -> Vec<&'static str> {
    columns.iter().map(|column| column.0).collect()
}

fn cell(value: &Value, decimals: usize) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("{:.decimals$}", number.as_f64().unwrap_or(f64::NAN)),
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_say_what_the_records_say() {
        Tables { check: true }.run().unwrap();
    }

    #[test]
    fn a_changed_figure_is_found_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let record = r#"{"bench":"quality","rows":[{"system":"s","collection":"c","ndcg@10":0.5}]}"#;
        std::fs::write(folder.path().join("q.json"), record).unwrap();
        let text = "before\n<!-- record q -->\n| nDCG@10 | 0.9 |\n<!-- end -->\nafter\n";
        let new = filled(text, folder.path()).unwrap();
        assert!(new.contains("| s | c | 0.5000 | – | – |") && !new.contains("0.9"), "{new}");
        assert!(new.starts_with("before\n<!-- record q -->\n") && new.ends_with("<!-- end -->\nafter\n"));
        assert_eq!(filled(&new, folder.path()).unwrap(), new);
        assert!(filled("<!-- record none -->\n<!-- end -->", folder.path()).is_err());
        assert!(filled("<!-- record q -->\n", folder.path()).is_err());
    }
}
