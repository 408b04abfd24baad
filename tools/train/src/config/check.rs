//! Values that no run can have, told before anything is loaded.

use super::choices::{LossName, ModelKind, ScheduleName, Task};
use super::error::ConfigError;
use super::run::{DataFile, RunConfig};

/// A number's range: key, smallest, largest, and whether the bounds themselves are allowed.
type Range = (&'static str, f64, f64, bool, bool);

const RANGES: &[Range] = &[
    ("model.query_max_tokens", 3.0, 32_768.0, true, true),
    ("model.document_max_tokens", 3.0, 32_768.0, true, true),
    ("model.max_tokens", 8.0, 32_768.0, true, true),
    ("model.dim", 1.0, 4096.0, true, true),
    ("data.negatives", 0.0, 1000.0, true, true),
    ("data.group_size", 2.0, 1000.0, true, true),
    ("data.shuffle_rate", 0.0, 1.0, true, true),
    ("data.length_buckets", 0.0, 100_000.0, true, true),
    ("data.max_line_bytes", 1024.0, 1e9, true, true),
    ("loss.temperature", 0.0, 100.0, false, true),
    ("loss.teacher_temperature", 0.0, 1000.0, false, true),
    ("loss.guide_margin", -2.0, 2.0, true, true),
    ("loss.code_steps", 1.0, 1e9, true, true),
    ("evaluation.depth", 1.0, 10_000.0, true, true),
    ("optimizer.learning_rate", 0.0, 1.0, false, true),
    ("optimizer.weight_decay", 0.0, 10.0, true, true),
    ("optimizer.beta1", 0.0, 1.0, true, false),
    ("optimizer.beta2", 0.0, 1.0, true, false),
    ("optimizer.epsilon", 0.0, 1.0, false, true),
    ("optimizer.warmup", 0.0, 1.0, true, false),
    ("optimizer.stable", 0.0, 1.0, true, true),
    ("optimizer.max_grad_norm", 0.0, 1e9, true, true),
    ("training.epochs", 1.0, 100_000.0, true, true),
    ("training.batch_size", 1.0, 1_000_000.0, true, true),
    ("training.accumulate", 1.0, 1_000_000.0, true, true),
    ("training.lora_rank", 0.0, 1024.0, true, true),
    ("training.lora_alpha", 0.0, 10_000.0, false, true),
    ("training.ema", 0.0, 1.0, true, false),
    ("checkpoint.keep", 1.0, 10_000.0, true, true),
    ("log.every_steps", 1.0, 1e9, true, true),
];

/// Metrics by which a best checkpoint may be chosen.
const METRICS: [&str; 4] = ["ndcg@10", "recall@100", "mrr@10", "map@100"];

/// Checks every value, then values that belong together.
pub(super) fn check(config: &RunConfig, task: Task) -> Result<(), ConfigError> {
    for (key, value) in super::keys::flatten(&super::keys::table(config)) {
        let number = value.as_float().or(value.as_integer().map(|number| number as f64));
        let range = RANGES.iter().find(|range| range.0 == key);
        if let (Some(number), Some(range)) = (number, range) {
            within(range, number)?;
        }
    }
    model(config, task)?;
    data(config, task)?;
    if !config.loss.name.tasks().contains(&task) {
        let reason = format!("this loss does not train {} models", task.name());
        return conflict("loss.name", reason);
    }
    if !matches!(config.loss.code_bits, 0 | 1 | 2 | 4) {
        return conflict("loss.code_bits", format!("{} is none of 0, 1, 2, 4", config.loss.code_bits));
    }
    if config.optimizer.warmup + config.optimizer.stable > 1.0 {
        return conflict("optimizer.stable", "optimizer.warmup and it add up to more than 1".to_owned());
    }
    if config.optimizer.stable > 0.0 && config.optimizer.schedule != ScheduleName::Wsd {
        return conflict("optimizer.stable", "needs optimizer.schedule = \"wsd\"".to_owned());
    }
    if !METRICS.contains(&config.evaluation.metric.as_str()) {
        let reason = format!("{:?} is none of {}", config.evaluation.metric, METRICS.join(", "));
        return conflict("evaluation.metric", reason);
    }
    Ok(())
}

fn model(config: &RunConfig, task: Task) -> Result<(), ConfigError> {
    let model = &config.model;
    if model.mrl_dims.contains(&0) || !model.mrl_dims.is_sorted_by(|a, b| a < b) {
        return conflict("model.mrl_dims", "must be positive numbers that rise".to_owned());
    }
    if task != Task::Reranker {
        return Ok(());
    }
    for (key, format) in
        [("model.query_format", &model.query_format), ("model.document_format", &model.document_format)]
    {
        if format.matches("{}").count() != 1 {
            return conflict(key, format!("{format:?} must hold {{}} once, where the text stands"));
        }
    }
    if model.kind == ModelKind::Decoder && model.end.is_empty() {
        return conflict("model.end", "a decoder's score is read there, so it may not be empty".to_owned());
    }
    if !matches!(model.words.len(), 0 | 2) || model.words.iter().any(String::is_empty) {
        let reason = format!("{:?} must be two words, for a match and for none", model.words);
        return conflict("model.words", reason);
    }
    if model.kind == ModelKind::Encoder && !model.words.is_empty() {
        return conflict("model.words", "needs model.kind = \"decoder\"".to_owned());
    }
    Ok(())
}

fn data(config: &RunConfig, task: Task) -> Result<(), ConfigError> {
    for (key, files) in [("data.train", &config.data.train), ("data.validation", &config.data.validation)] {
        for file in files {
            check_file(key, file)?;
        }
    }
    let vectors = config.data.train.iter().any(|file| !file.vectors.is_empty());
    if vectors && task != Task::Embedding {
        return conflict("data.train", "a teacher's vectors train embedding models only".to_owned());
    }
    if config.loss.name == LossName::Stella && !vectors && !config.data.train.is_empty() {
        return conflict("loss.name", "stella needs a teacher's vectors (data.train.vectors)".to_owned());
    }
    let tokens = config.data.train.iter().filter(|file| !file.token_vectors.as_os_str().is_empty()).count();
    if tokens > 0 && !matches!(config.loss.name, LossName::Auto | LossName::TokenCosine) {
        let reason = "only token_cosine learns a teacher's vectors of tokens (data.train.token_vectors)";
        return conflict("loss.name", reason.to_owned());
    }
    if let Some(file) = config.data.train.iter().find(|file| tokens > 0 && file.token_dim != config.model.dim)
    {
        let reason = format!("{} must be the teacher's {}", config.model.dim, file.token_dim);
        return conflict("model.dim", reason);
    }
    Ok(())
}

fn check_file(key: &'static str, file: &DataFile) -> Result<(), ConfigError> {
    if !(file.weight.is_finite() && file.weight > 0.0 && file.weight <= 1000.0) {
        return Err(ConfigError::Range {
            key: format!("{key}.weight"),
            value: file.weight.to_string(),
            range: "above 0 to 1000".to_owned(),
        });
    }
    match file.labels[..] {
        [] => {}
        [low, high] if low < high => {}
        _ => {
            return conflict(
                key,
                format!("labels = {:?} must be a smaller and a larger number", file.labels),
            );
        }
    }
    if file.token_vectors.as_os_str().is_empty() != (file.token_dim == 0) {
        return conflict(key, "token_vectors and token_dim belong together".to_owned());
    }
    if file.vectors.len() != file.vector_dims.len() {
        let reason = format!("{} vectors, but {} vector_dims", file.vectors.len(), file.vector_dims.len());
        return conflict(key, reason);
    }
    Ok(())
}

fn within(&(key, low, high, with_low, with_high): &Range, value: f64) -> Result<(), ConfigError> {
    let above = if with_low { value >= low } else { value > low };
    let below = if with_high { value <= high } else { value < high };
    if above && below {
        return Ok(());
    }
    let range = format!(
        "{}{low} {} {high}",
        if with_low { "" } else { "above " },
        if with_high { "to" } else { "to below" }
    );
    Err(ConfigError::Range { key: key.to_owned(), value: value.to_string(), range })
}

fn conflict<T>(key: &'static str, reason: String) -> Result<T, ConfigError> {
    Err(ConfigError::Conflict { key, reason })
}
