//! The hits of an earlier search, read back from its JSON.

use super::hits::HitRow;
use super::queries::Query;
use super::rerank::Task;
use crate::exit::bad_data;
use crate::output::SCHEMA_VERSION;
use anyhow::Context as _;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Reads `kind: hit` lines, neighbours of one query together, or `kind: answer` lines.
pub fn read(path: &Path) -> anyhow::Result<Vec<Task>> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).with_context(|| format!("opening {name}"))?))
    };
    let mut tasks: Vec<Task> = Vec::new();
    for (at, line) in reader.lines().enumerate() {
        let line = line.with_context(|| format!("reading {name}"))?;
        if line.trim().is_empty() {
            continue;
        }
        if let Err(problem) = take(&line, &mut tasks) {
            return bad_data(format!("{name}:{}: {problem}", at + 1));
        }
    }
    if tasks.is_empty() {
        return bad_data(format!("{name}: no hits in it; make them with `lateen search … --format jsonl`"));
    }
    Ok(tasks)
}

/// Adds what one line holds.
fn take(line: &str, tasks: &mut Vec<Task>) -> Result<(), String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("no JSON: {error}"))?;
    if value["v"] != SCHEMA_VERSION {
        return Err(format!("no result of `lateen search` in schema version {SCHEMA_VERSION}"));
    }
    let text = value["query"].as_str().ok_or("no field `query`")?.to_owned();
    let query = Query { id: value["query_id"].as_str().map(str::to_owned), text };
    match value["kind"].as_str() {
        Some("hit") => {
            let hit = HitRow::of_json(&value)?;
            match tasks.last_mut() {
                Some(task) if task.query == query => task.hits.push(hit),
                _ => tasks.push(Task { query, hits: vec![hit] }),
            }
        }
        Some("answer" | "reranked") => {
            let hits = value["hits"].as_array().ok_or("no field `hits`")?;
            let hits = hits.iter().map(HitRow::of_json).collect::<Result<_, _>>()?;
            tasks.push(Task { query, hits });
        }
        _ => return Err("its kind is neither `hit` nor `answer`".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_query_belong_together() {
        let hit = |query: &str, id: &str| {
            format!(
                r#"{{"v":1,"kind":"hit","query":"{query}","query_id":null,"id":"{id}","score":1.5,"text":"t"}}"#
            )
        };
        let mut tasks = Vec::new();
        for line in [hit("a", "1"), hit("a", "2"), hit("b", "1")] {
            take(&line, &mut tasks).unwrap();
        }
        assert_eq!(tasks.iter().map(|task| task.hits.len()).collect::<Vec<_>>(), [2, 1]);
        for bad in
            ["{", "{}", r#"{"v":1,"kind":"hit"}"#, r#"{"v":2,"kind":"hit","query":"a","id":"1","text":"t"}"#]
        {
            assert!(take(bad, &mut tasks).is_err(), "{bad}");
        }
    }
}
