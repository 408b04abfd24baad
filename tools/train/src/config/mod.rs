//! The settings of a run: defaults, a file over them, flags over that.
//!
//! A file is TOML, or RAG-Retrieval's flat YAML, whose keys are translated. An unknown key is an error that names the
//! nearest known one, a value of the wrong type or outside its range names its key.
//!
//! ```
//! use lateen_train::config::{RunConfig, Settings, Task};
//!
//! let mut settings = Settings::of(Task::Embedding);
//! settings.set("training.epochs=3")?;
//! assert_eq!(settings.finish()?.training.epochs, 3);
//! let wrong = settings.set("training.epoch=3").unwrap_err();
//! assert_eq!(wrong.to_string(), r#"there is no setting "training.epoch"; did you mean training.epochs?"#);
//! # Ok::<(), lateen_train::config::ConfigError>(())
//! ```

mod check;
mod choices;
mod error;
mod keys;
mod rag_retrieval;
mod run;
mod yaml;

#[cfg(test)]
mod tests;

use std::path::Path;

use toml::{Table, Value};
use xxhash_rust::xxh3::xxh3_128;

pub use choices::{LossName, ModelKind, Pooling, Positives, Precision, ScheduleName, Task};
pub use error::ConfigError;
pub use run::{
    CheckpointConfig, DataConfig, DataFile, EvaluationConfig, LogConfig, LossConfig, ModelConfig,
    OptimizerConfig, RunConfig, TrainingConfig,
};

/// Settings that are being put together.
#[derive(Debug, Clone)]
pub struct Settings {
    task: Task,
    table: Table,
    notes: Vec<String>,
}

impl Settings {
    /// The defaults of a task.
    #[must_use]
    pub fn of(task: Task) -> Self {
        Self { task, table: keys::table(&RunConfig::of(task)), notes: Vec::new() }
    }

    /// Puts a file over what is there: RAG-Retrieval's YAML if its name ends in `.yaml` or `.yml`, else TOML.
    ///
    /// # Errors
    /// [`ConfigError`], with file and line or key.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { file: file.clone(), source })?;
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let table = if yaml {
            let (table, notes) = rag_retrieval::translate(yaml::read(&text, &file)?, self.task)?;
            self.notes.extend(notes);
            table
        } else {
            text.parse::<Table>().map_err(|error| {
                let before = error.span().map_or(0, |span| span.start.min(text.len()));
                let line = text.as_bytes()[..before].iter().filter(|&&byte| byte == b'\n').count() + 1;
                ConfigError::Syntax { file, line, reason: error.message().to_owned() }
            })?
        };
        self.over(table)
    }

    /// Puts one `key=value` over what is there. A value that is no TOML is a text.
    ///
    /// # Errors
    /// [`ConfigError::Set`], and those of [`Settings::file`].
    pub fn set(&mut self, given: &str) -> Result<(), ConfigError> {
        let (key, value) =
            given.split_once('=').ok_or_else(|| ConfigError::Set { given: given.to_owned() })?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(ConfigError::Set { given: given.to_owned() });
        }
        let parsed = format!("v = {value}").parse::<Table>().ok().filter(|table| table.len() == 1);
        let mut value =
            parsed.and_then(|mut table| table.remove("v")).unwrap_or_else(|| Value::String(value.to_owned()));
        // A number as a text, where a text is wanted: `--set model.end=1`.
        if let (Some(Value::String(_)), false) = (find(&self.table, key), value.is_str()) {
            value = Value::String(
                given.split_once('=').map_or(String::new(), |(_, text)| text.trim().to_owned()),
            );
        }
        let mut table = Table::new();
        put(&mut table, key, value);
        self.over(table)
    }

    /// What had no effect, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The settings, checked.
    ///
    /// # Errors
    /// [`ConfigError::Choice`], [`ConfigError::Range`], [`ConfigError::Conflict`].
    pub fn finish(&self) -> Result<RunConfig, ConfigError> {
        let config = match RunConfig::deserialize_table(self.table.clone()) {
            Ok(config) => config,
            Err(reason) => return Err(self.culprit(reason)),
        };
        check::check(&config, self.task)?;
        Ok(config)
    }

    fn over(&mut self, table: Table) -> Result<(), ConfigError> {
        keys::merge(&mut self.table, table, self.task)
    }

    /// The key whose value cannot be read: the one that is wrong alone, too.
    fn culprit(&self, reason: String) -> ConfigError {
        let defaults = keys::table(&RunConfig::of(self.task));
        for (key, value) in keys::flatten(&self.table) {
            let mut alone = defaults.clone();
            put(&mut alone, &key, value);
            if let Err(reason) = RunConfig::deserialize_table(alone) {
                return ConfigError::Choice { key, reason };
            }
        }
        ConfigError::Choice { key: "settings".to_owned(), reason }
    }
}

impl RunConfig {
    fn deserialize_table(table: Table) -> Result<Self, String> {
        Value::Table(table).try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// The settings that a run of `task` has, as a TOML file that gives the same run.
    #[must_use]
    pub fn to_toml(&self, task: Task) -> String {
        let mut text = String::new();
        let mut section = "";
        let flat = keys::flatten(&keys::table(self));
        for (key, value) in flat.iter().filter(|(key, _)| !key.contains('.')) {
            text += &format!("{key} = {}\n", keys::text(value));
        }
        for (key, value) in flat.iter().filter(|(key, _)| keys::tasks_of(key).contains(&task)) {
            let Some((of, name)) = key.split_once('.') else { continue };
            if of != section {
                text += &format!("\n[{of}]\n");
                section = of;
            }
            text += &format!("{name} = {}\n", keys::text(value));
        }
        text
    }

    /// A hash of all settings that change the numbers of a run: a checkpoint is resumed under the same one only.
    ///
    /// Output, logs, checkpoints and evaluation may change.
    #[must_use]
    pub fn digest(&self) -> String {
        let free = ["output", "log.", "checkpoint.", "evaluation."];
        let flat = keys::flatten(&keys::table(self)).into_iter();
        let kept = flat.filter(|(key, _)| !free.iter().any(|free| key.starts_with(free)));
        let text: String = kept.map(|(key, value)| format!("{key}={}\n", keys::text(&value))).collect();
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }
}

fn put(table: &mut Table, dotted: &str, value: Value) {
    match dotted.split_once('.') {
        None => drop(table.insert(dotted.to_owned(), value)),
        Some((section, rest)) => {
            let inner = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn find<'a>(table: &'a Table, dotted: &str) -> Option<&'a Value> {
    match dotted.split_once('.') {
        None => table.get(dotted),
        Some((section, rest)) => find(table.get(section)?.as_table()?, rest),
    }
}
