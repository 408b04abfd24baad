//! RAG-Retrieval's settings under our names.

use toml::{Table, Value};

use super::choices::Task;
use super::error::ConfigError;
use super::keys::{nearest, text};

/// What becomes of one of RAG-Retrieval's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The same under another name.
    Key(&'static str),
    /// Not the same everywhere, or more than one setting.
    Special,
    /// Has no effect; why.
    Ignored(&'static str),
}
use Meaning::{Ignored, Key, Special};

/// All keys of its settings files and command lines. The table of `docs/training.md`.
const KEYS: &[(&str, Meaning)] = &[
    ("model_name_or_path", Key("model.base")),
    ("model_type", Special),
    ("train_type", Special),
    ("train_dataset", Special),
    ("train_dataset_type", Ignored("the format is told from the file")),
    ("train_dataset_vec", Special),
    ("teacher_embedding_dim", Special),
    ("teatch_emebedding_dim", Special),
    ("train_label_key", Special),
    ("val_dataset", Special),
    ("val_dataset_type", Ignored("the format is told from the file")),
    ("val_label_key", Special),
    ("min_label", Special),
    ("max_label", Special),
    ("train_group_size", Key("data.group_size")),
    ("neg_nums", Key("data.negatives")),
    ("shuffle", Key("data.shuffle")),
    ("shuffle_rate", Key("data.shuffle_rate")),
    ("query_max_len", Key("model.query_max_tokens")),
    ("passage_max_len", Key("model.document_max_tokens")),
    ("max_len", Key("model.max_tokens")),
    ("query_format", Key("model.query_format")),
    ("document_format", Key("model.document_format")),
    ("seq", Key("model.separator")),
    ("special_token", Key("model.end")),
    ("num_labels", Special),
    ("colbert_dim", Key("model.dim")),
    ("use_mrl", Special),
    ("mrl_dims", Special),
    ("loss_type", Special),
    ("temperature", Key("loss.temperature")),
    ("all_gather", Key("loss.gather")),
    ("lr", Key("optimizer.learning_rate")),
    ("weight_decay", Key("optimizer.weight_decay")),
    ("warmup_proportion", Key("optimizer.warmup")),
    ("stable_proportion", Special),
    ("epochs", Key("training.epochs")),
    ("batch_size", Key("training.batch_size")),
    ("gradient_accumulation_steps", Key("training.accumulate")),
    ("gradient_checkpointing", Key("training.gradient_checkpointing")),
    ("mixed_precision", Special),
    ("seed", Key("seed")),
    ("output_dir", Key("output")),
    ("save_on_epoch_end", Special),
    ("save_steps", Key("checkpoint.every_steps")),
    ("num_max_checkpoints", Key("checkpoint.keep")),
    ("eval_steps", Key("evaluation.every_steps")),
    ("safe_serialization", Ignored("weights are always written as safetensors")),
    ("log_interval", Key("log.every_steps")),
    ("log_with", Special),
];

/// Translates settings; gives notes on what has no effect.
///
/// # Errors
/// [`ConfigError::Unknown`] with the nearest of RAG-Retrieval's keys, [`ConfigError::Choice`], [`ConfigError::WrongType`].
pub(super) fn translate(
    entries: Vec<(String, Value)>,
    task: Task,
) -> Result<(Table, Vec<String>), ConfigError> {
    let mut to = Translation { task, ..Translation::default() };
    for (key, value) in entries {
        let meaning = KEYS.iter().find(|(name, _)| *name == key).map(|(_, meaning)| *meaning);
        match meaning {
            Some(Key(ours)) => to.put(ours, value),
            Some(Ignored(why)) => to.notes.push(format!("{key} has no effect: {why}")),
            Some(Special) => to.special(&key, value)?,
            None => {
                let known: Vec<String> = KEYS.iter().map(|(name, _)| (*name).to_owned()).collect();
                return Err(ConfigError::Unknown { nearest: nearest(&key, &known), key });
            }
        }
    }
    to.finish()
}

struct Translation {
    task: Task,
    table: Table,
    notes: Vec<String>,
    train: Table,
    validation: Table,
    labels: (Option<f64>, Option<f64>),
    mrl: (bool, Vec<Value>),
}

impl Default for Translation {
    fn default() -> Self {
        Self {
            task: Task::Embedding,
            table: Table::new(),
            notes: Vec::new(),
            train: Table::new(),
            validation: Table::new(),
            labels: (None, None),
            mrl: (false, Vec::new()),
        }
    }
}

impl Translation {
    fn put(&mut self, dotted: &str, value: Value) {
        super::put(&mut self.table, dotted, value);
    }

    fn special(&mut self, key: &str, value: Value) -> Result<(), ConfigError> {
        match key {
            "train_dataset" => drop(self.train.insert("path".into(), value)),
            "val_dataset" => drop(self.validation.insert("path".into(), value)),
            "train_dataset_vec" => drop(self.train.insert("vectors".into(), Value::Array(vec![value]))),
            "teacher_embedding_dim" | "teatch_emebedding_dim" => {
                self.train.insert("vector_dims".into(), Value::Array(vec![value]));
            }
            "train_label_key" => super::put(&mut self.train, "fields.label", value),
            "val_label_key" => super::put(&mut self.validation, "fields.label", value),
            "min_label" => self.labels.0 = Some(number(key, &value)?),
            "max_label" => self.labels.1 = Some(number(key, &value)?),
            "use_mrl" => self.mrl.0 = truth(key, &value)?,
            "mrl_dims" => self.mrl.1 = dims(key, value)?,
            "num_labels" if value.as_integer() == Some(1) => {}
            "save_on_epoch_end" => {
                let yes = truth(key, &value)?;
                self.put("checkpoint.every_epoch", Value::Boolean(yes));
            }
            "stable_proportion" => {
                if number(key, &value)? > 0.0 {
                    self.put("optimizer.schedule", "wsd".into());
                }
                self.put("optimizer.stable", value);
            }
            _ => self.word(key, &value)?,
        }
        Ok(())
    }

    /// Keys whose values are words.
    fn word(&mut self, key: &str, value: &Value) -> Result<(), ConfigError> {
        let word = value.as_str().unwrap_or_default();
        let ours = match (key, word) {
            ("model_type", "bert_encoder") => ("model.kind", "encoder"),
            ("model_type", "llm_decoder") => ("model.kind", "decoder"),
            ("train_type", "train") | ("log_with", "wandb") => {
                if key == "log_with" {
                    self.notes.push("log_with: wandb has no effect: logs are files".to_owned());
                }
                return Ok(());
            }
            ("train_type", "distill") => ("loss.name", "stella"),
            ("log_with", "tensorboard") => {
                self.put("log.tensorboard", Value::Boolean(true));
                return Ok(());
            }
            ("mixed_precision", "bf16") => ("training.precision", "bf16"),
            ("mixed_precision", "fp16") => {
                self.notes.push("mixed_precision: fp16 becomes bf16, which cannot overflow".to_owned());
                ("training.precision", "bf16")
            }
            ("mixed_precision", "no") => ("training.precision", "f32"),
            ("loss_type", "pointwise_bce" | "point_ce") => ("loss.name", "bce"),
            ("loss_type", "pointwise_mse" | "point_mse") => ("loss.name", "mse"),
            ("loss_type", "pairwise_ranknet") => ("loss.name", "rank_net"),
            ("loss_type", "listwise_ce") => ("loss.name", "listwise"),
            _ => {
                return Err(ConfigError::Choice {
                    key: key.to_owned(),
                    reason: format!("{} is not supported", text(value)),
                });
            }
        };
        self.put(ours.0, ours.1.into());
        Ok(())
    }

    fn finish(mut self) -> Result<(Table, Vec<String>), ConfigError> {
        if self.mrl.0 && self.task == Task::Embedding {
            // What its code has where the file has none.
            let usual = || [128, 256, 512, 768, 1024, 1280, 1536, 1792].map(Value::Integer).to_vec();
            let dims = if self.mrl.1.is_empty() { usual() } else { std::mem::take(&mut self.mrl.1) };
            self.put("model.mrl_dims", Value::Array(dims));
        }
        if let (low, Some(high)) = self.labels {
            let labels = Value::Array(vec![Value::Float(low.unwrap_or(0.0)), Value::Float(high)]);
            self.train.insert("labels".into(), labels.clone());
            if !self.validation.is_empty() {
                self.validation.insert("labels".into(), labels);
            }
        }
        for (key, file) in [("data.train", self.train.clone()), ("data.validation", self.validation.clone())]
        {
            if !file.is_empty() {
                self.put(key, Value::Array(vec![Value::Table(file)]));
            }
        }
        Ok((self.table, self.notes))
    }
}

fn number(key: &str, value: &Value) -> Result<f64, ConfigError> {
    let number = value.as_float().or(value.as_integer().map(|number| number as f64));
    number.ok_or_else(|| ConfigError::Choice {
        key: key.to_owned(),
        reason: format!("{} is no number", text(value)),
    })
}

fn truth(key: &str, value: &Value) -> Result<bool, ConfigError> {
    let truth = value.as_bool().or(value.as_integer().map(|number| number != 0));
    truth.ok_or_else(|| ConfigError::Choice {
        key: key.to_owned(),
        reason: format!("{} is no true or false", text(value)),
    })
}

/// A list, or numbers with commas between.
fn dims(key: &str, value: Value) -> Result<Vec<Value>, ConfigError> {
    match value {
        Value::Array(dims) => Ok(dims),
        Value::Integer(dim) => Ok(vec![Value::Integer(dim)]),
        Value::String(list) => {
            let dims = list.split(',').map(|dim| dim.trim().parse().map(Value::Integer));
            dims.collect::<Result<_, _>>().map_err(|_| ConfigError::Choice {
                key: key.to_owned(),
                reason: format!("{list:?} is no list of numbers"),
            })
        }
        other => Err(ConfigError::Choice {
            key: key.to_owned(),
            reason: format!("{} is no list of numbers", text(&other)),
        }),
    }
}

/// Its keys and what they become, as the documentation lists them.
#[cfg(test)]
pub(super) fn mapping() -> Vec<(&'static str, Option<&'static str>)> {
    let ours = |meaning| match meaning {
        Key(ours) => Some(ours),
        Special | Ignored(_) => None,
    };
    KEYS.iter().map(|&(name, meaning)| (name, ours(meaning))).collect()
}
