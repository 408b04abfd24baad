//! What can be wrong with a run's settings.

use std::io;

/// Why settings cannot be used. Every variant names the key or the line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Check the path.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The path as it was given.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// Mend the line.
    #[error("{file}:{line}: {reason}")]
    Syntax {
        /// The path as it was given.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// No such setting: perhaps `nearest` was meant.
    #[error("there is no setting {key:?}{}", meant(.nearest))]
    Unknown {
        /// The key, with its section.
        key: String,
        /// The most similar known one.
        nearest: Option<String>,
    },
    /// The setting belongs to other models: leave it out.
    #[error("{key} is a setting of {} runs, not of {task} runs", .tasks.join(" and "))]
    OtherTask {
        /// The key.
        key: String,
        /// Runs that have it.
        tasks: Vec<&'static str>,
        /// The run at hand.
        task: &'static str,
    },
    /// Write the value as the type that is needed.
    #[error("{key} is {found}, not {needed}")]
    WrongType {
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it must be.
        needed: &'static str,
    },
    /// The value is none of the known words.
    #[error("{key}: {reason}")]
    Choice {
        /// The key.
        key: String,
        /// The value and the words that are known.
        reason: String,
    },
    /// The value is outside its range.
    #[error("{key} = {value} is outside {range}")]
    Range {
        /// The key.
        key: String,
        /// What it is.
        value: String,
        /// What is allowed.
        range: String,
    },
    /// Two settings do not go together, or one is missing.
    #[error("{key}: {reason}")]
    Conflict {
        /// The key to change.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// `--set` takes `key=value`.
    #[error("--set {given:?}: write key=value, as in --set training.epochs=3")]
    Set {
        /// What was given.
        given: String,
    },
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |nearest| format!("; did you mean {nearest}?"))
}
