//! Settings as dotted keys: what is known, what was meant, what type a value has.

use toml::{Table, Value};

use super::choices::Task;
use super::error::ConfigError;
use super::run::{DataFile, RunConfig};

/// Keys, or their beginnings, that only some runs have.
const ONLY: &[(&str, &[Task])] = &[
    ("model.query_max_tokens", &[Task::Embedding, Task::Colbert]),
    ("model.document_max_tokens", &[Task::Embedding, Task::Colbert]),
    ("model.query_prompt", &[Task::Embedding, Task::Colbert]),
    ("model.document_prompt", &[Task::Embedding, Task::Colbert]),
    ("model.pooling", &[Task::Embedding]),
    ("model.normalize", &[Task::Embedding]),
    ("model.mrl_dims", &[Task::Embedding]),
    ("model.dim", &[Task::Colbert]),
    ("model.bias", &[Task::Colbert]),
    ("model.query_prefix", &[Task::Colbert]),
    ("model.document_prefix", &[Task::Colbert]),
    ("model.query_expansion", &[Task::Colbert]),
    ("model.attend_to_expansion", &[Task::Colbert]),
    ("model.skip_punctuation", &[Task::Colbert]),
    ("model.kind", &[Task::Reranker]),
    ("model.max_tokens", &[Task::Reranker]),
    ("model.query_format", &[Task::Reranker]),
    ("model.document_format", &[Task::Reranker]),
    ("model.separator", &[Task::Reranker]),
    ("model.end", &[Task::Reranker]),
    ("model.words", &[Task::Reranker]),
    ("evaluation.depth", &[Task::Reranker]),
    ("loss.temperature", &[Task::Embedding, Task::Colbert]),
    ("loss.symmetric", &[Task::Embedding, Task::Colbert]),
    ("loss.other_negatives", &[Task::Embedding, Task::Colbert]),
    ("loss.in_batch_negatives", &[Task::Embedding, Task::Colbert]),
    ("loss.mask_known", &[Task::Embedding, Task::Colbert]),
    ("loss.batch_kl", &[Task::Embedding]),
    ("loss.zero_mask", &[Task::Colbert]),
    ("loss.cache_chunk", &[Task::Embedding, Task::Colbert]),
    ("loss.gather", &[Task::Embedding, Task::Colbert]),
    ("loss.guide", &[Task::Embedding, Task::Colbert]),
    ("loss.guide_margin", &[Task::Embedding, Task::Colbert]),
    ("loss.code_bits", &[Task::Colbert]),
    ("loss.code_steps", &[Task::Colbert]),
];

/// The runs that have a key.
pub(super) fn tasks_of(key: &str) -> &'static [Task] {
    ONLY.iter().find(|(only, _)| *only == key).map_or(&Task::ALL, |(_, tasks)| tasks)
}

/// The settings of a run as a table.
pub(super) fn table(config: &RunConfig) -> Table {
    Table::try_from(config).unwrap_or_default()
}

/// Keys of scalars and lists, dotted, with their values, in the order of the table.
pub(super) fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    visit("", table, &mut flat);
    flat
}

fn visit(prefix: &str, table: &Table, flat: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => visit(&key, inner, flat),
            value => flat.push((key, value.clone())),
        }
    }
}

/// Puts `over` on top of `base`, which holds every known key.
///
/// # Errors
/// [`ConfigError::Unknown`], [`ConfigError::OtherTask`], [`ConfigError::WrongType`].
pub(super) fn merge(base: &mut Table, over: Table, task: Task) -> Result<(), ConfigError> {
    let known: Vec<String> = flatten(base).into_iter().map(|(key, _)| key).collect();
    merge_at("", base, over, task, &known)
}

fn merge_at(
    prefix: &str,
    base: &mut Table,
    over: Table,
    task: Task,
    known: &[String],
) -> Result<(), ConfigError> {
    for (name, value) in over {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let Some(old) = base.get_mut(&name) else {
            return Err(ConfigError::Unknown { nearest: nearest(&key, known), key });
        };
        let tasks = tasks_of(&key);
        if !tasks.contains(&task) {
            let tasks = tasks.iter().map(|task| task.name()).collect();
            return Err(ConfigError::OtherTask { key, tasks, task: task.name() });
        }
        match (old, value) {
            (Value::Table(old), Value::Table(new)) => merge_at(&key, old, new, task, known)?,
            (old, value) if key == "data.train" || key == "data.validation" => *old = files(&key, value)?,
            (old, value) => *old = fit(&key, old, value)?,
        }
    }
    Ok(())
}

/// Training files: a path, a list of paths, or tables.
fn files(key: &str, value: Value) -> Result<Value, ConfigError> {
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let file = |(at, value): (usize, Value)| match value {
        Value::String(path) => Ok(Value::Table(Table::from_iter([("path".to_owned(), path.into())]))),
        Value::Table(table) => {
            check_file(&format!("{key}[{at}]"), &table)?;
            Ok(Value::Table(table))
        }
        other => Err(wrong(&format!("{key}[{at}]"), &other, "a path or a table")),
    };
    list.into_iter().enumerate().map(file).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn check_file(place: &str, table: &Table) -> Result<(), ConfigError> {
    let example = Table::try_from(DataFile::default()).unwrap_or_default();
    let known: Vec<String> = example.keys().cloned().collect();
    for (name, value) in table {
        let key = format!("{place}.{name}");
        match example.get(name) {
            None => return Err(ConfigError::Unknown { nearest: nearest(name, &known), key }),
            Some(Value::Table(_)) => check_fields(&key, value)?,
            Some(old) => {
                fit(&key, old, value.clone())?;
            }
        }
    }
    if !table.contains_key("path") {
        let reason = format!("{place} has no path");
        return Err(ConfigError::Conflict { key: "data", reason });
    }
    Ok(())
}

fn check_fields(place: &str, value: &Value) -> Result<(), ConfigError> {
    let Value::Table(table) = value else {
        return Err(wrong(place, value, "a table"));
    };
    let known = ["query", "positive", "negative", "label"].map(str::to_owned);
    for (name, value) in table {
        let key = format!("{place}.{name}");
        if !known.contains(name) {
            return Err(ConfigError::Unknown { nearest: nearest(name, &known), key });
        }
        if !value.is_str() {
            return Err(wrong(&key, value, "a text"));
        }
    }
    Ok(())
}

/// `value` as the type that `old` has.
fn fit(key: &str, old: &Value, value: Value) -> Result<Value, ConfigError> {
    match (old, value) {
        (Value::Float(_), Value::Integer(value)) => Ok(Value::Float(value as f64)),
        (Value::Integer(_), Value::Integer(value)) if value < 0 => Err(ConfigError::Range {
            key: key.to_owned(),
            value: value.to_string(),
            range: "0 and above".to_owned(),
        }),
        (old, value) if old.same_type(&value) => Ok(value),
        (old, value) => Err(wrong(key, &value, name_of(old))),
    }
}

fn wrong(key: &str, value: &Value, needed: &'static str) -> ConfigError {
    ConfigError::WrongType { key: key.to_owned(), found: name_of(value), needed }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The known key that is most like `key`, if one is: its last part compared first.
pub(super) fn nearest(key: &str, known: &[String]) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |other: &String| {
        let (whole, part) = (edits(key, other), edits(&last(key), &last(other)));
        whole.min(part)
    };
    let best = known.iter().min_by_key(|other| (distance(other), edits(key, other)))?;
    (distance(best) <= last(key).chars().count().max(3) / 2).then(|| best.clone())
}

/// Letters to insert, remove or replace (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// A value as it stands in a TOML file.
pub(super) fn text(value: &Value) -> String {
    match value {
        // JSON's escapes are TOML's.
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(date) => date.to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let pairs: Vec<String> =
                table.iter().map(|(name, value)| format!("{name} = {}", text(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}
