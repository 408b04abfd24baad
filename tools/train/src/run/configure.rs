//! From the settings that people write to those of model, loss and loop.

use super::codes::{Coding, width};
use super::error::RunError;
use super::objective::{Objective, PairLoss, TextLoss};
use super::settings::Settings;
use crate::config::{self, LossName, ModelKind, Precision, RunConfig, ScheduleName};
use crate::loss::{InfoNce, MaxSim, Stella};
use crate::model::{PairTexts, Pooling, Task, TextSettings};
use crate::optim::{AdamWOptions, Shape};

/// ASCII punctuation, which documents of ColBERT models may leave out.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// What the model shall answer. `teacher`: columns of a teacher's vectors, where it is trained on some; `words`: token ids
/// of the words that a decoder answers with.
#[must_use]
pub fn task(
    config: &RunConfig,
    task: config::Task,
    teacher: Option<usize>,
    words: Option<(u32, u32)>,
) -> Task {
    let model = &config.model;
    match task {
        config::Task::Embedding => Task::Embedding {
            pooling: match model.pooling {
                config::Pooling::Auto => None,
                config::Pooling::Cls => Some(Pooling::Cls),
                config::Pooling::Mean => Some(Pooling::Mean),
                config::Pooling::Last => Some(Pooling::Last),
            },
            dense: teacher.or_else(|| model.mrl_dims.last().copied()),
            normalize: model.normalize,
        },
        config::Task::Colbert => Task::ColBert { dim: model.dim, bias: model.bias, drop_first: false },
        config::Task::Reranker => Task::Reranker { words },
    }
}

/// What is minimised: `loss` is the one the data were opened for.
///
/// # Errors
/// [`RunError::Mismatch`] if the loss does not train such models.
pub fn objective(config: &RunConfig, task: config::Task, loss: LossName) -> Result<Objective, RunError> {
    let given = &config.loss;
    let guide = (given.guide == "self").then_some(given.guide_margin as f32);
    match task {
        config::Task::Embedding if loss == LossName::Stella => {
            Ok(Objective::Stella(Stella { dims: config.model.mrl_dims.clone(), ..Stella::default() }))
        }
        config::Task::Embedding => Ok(Objective::Embedding {
            loss: text_loss(config, loss)?,
            matryoshka: config.model.mrl_dims.clone(),
            guide,
        }),
        config::Task::Colbert if loss == LossName::TokenCosine => Ok(Objective::TokenCosine),
        config::Task::Colbert => Ok(Objective::ColBert {
            loss: text_loss(config, loss)?,
            max_sim: MaxSim { mean: true, zero_masked: given.zero_mask },
            guide,
            codec: None,
        }),
        config::Task::Reranker => Ok(Objective::Reranker(pair_loss(config, loss)?)),
    }
}

fn text_loss(config: &RunConfig, loss: LossName) -> Result<TextLoss, RunError> {
    let given = &config.loss;
    let temperature = given.temperature;
    Ok(match loss {
        LossName::InfoNce if given.in_batch_negatives => TextLoss::InfoNce(InfoNce {
            temperature,
            both_directions: given.symmetric,
            others_negatives: given.other_negatives,
        }),
        LossName::InfoNce | LossName::Triplet => TextLoss::Triplet { temperature },
        LossName::Kl if given.batch_kl => TextLoss::BatchKl { temperature },
        LossName::Kl => TextLoss::GroupedKl { temperature, teacher_temperature: given.teacher_temperature },
        LossName::Cosent => TextLoss::CoSent { temperature },
        LossName::MarginMse => TextLoss::MarginMse { scale: 1.0 / temperature },
        LossName::Mse => TextLoss::Mse,
        _ => return Err(RunError::Mismatch),
    })
}

fn pair_loss(config: &RunConfig, loss: LossName) -> Result<PairLoss, RunError> {
    Ok(match loss {
        LossName::Bce => PairLoss::Bce,
        LossName::Mse => PairLoss::Mse,
        LossName::RankNet => PairLoss::RankNet,
        LossName::Listwise => PairLoss::Listwise { temperature: 1.0 },
        LossName::Lambda => PairLoss::Lambda { mu: 10.0 },
        LossName::Kl => {
            PairLoss::GroupedKl { temperature: 1.0, teacher_temperature: config.loss.teacher_temperature }
        }
        LossName::MarginMse => PairLoss::MarginMse { scale: 1.0 },
        _ => return Err(RunError::Mismatch),
    })
}

/// How the run goes. `data`: a fingerprint of what it is trained on.
///
/// # Errors
/// [`RunError::Unsupported`] for settings that are not built yet.
pub fn settings(config: &RunConfig, task: config::Task, data: &str) -> Result<Settings, RunError> {
    let (training, optimizer) = (&config.training, &config.optimizer);
    if training.precision != Precision::F32 {
        return Err(RunError::Unsupported { setting: "training.precision", value: "bf16" });
    }
    let evaluates = !config.evaluation.folder.as_os_str().is_empty();
    Ok(Settings {
        output: config.output.clone(),
        seed: config.seed,
        epochs: training.epochs,
        max_steps: (training.max_steps > 0).then_some(training.max_steps),
        accumulate: training.accumulate as u64,
        chunk: if task == config::Task::Reranker { 0 } else { config.loss.cache_chunk },
        coding: width(config.loss.code_bits)
            .map(|width| Coding { width, every: config.loss.code_steps.max(1) }),
        recompute: training.gradient_checkpointing,
        dropout: true,
        optimiser: AdamWOptions {
            beta1: optimizer.beta1,
            beta2: optimizer.beta2,
            eps: optimizer.epsilon,
            weight_decay: optimizer.weight_decay,
        },
        rate: optimizer.learning_rate,
        shape: match optimizer.schedule {
            ScheduleName::Linear => Shape::Linear,
            ScheduleName::Cosine => Shape::Cosine,
            ScheduleName::Wsd => Shape::Wsd,
            ScheduleName::Constant => Shape::Constant,
        },
        warmup: optimizer.warmup,
        stable: optimizer.stable,
        clip: optimizer.max_grad_norm,
        ema: (training.ema > 0.0).then_some(training.ema),
        save_every: config.checkpoint.every_steps,
        save_epochs: config.checkpoint.every_epoch,
        keep: config.checkpoint.keep,
        judge_every: config.evaluation.every_steps,
        judge_epochs: evaluates && config.evaluation.every_steps == 0,
        patience: (config.evaluation.patience > 0).then_some(config.evaluation.patience as u64),
        digest: format!("{}-{data}", config.digest()),
        texts: texts(config, task),
    })
}

/// What a saved model says of its texts.
fn texts(config: &RunConfig, task: config::Task) -> TextSettings {
    let model = &config.model;
    let colbert = task == config::Task::Colbert;
    let (query, document) = match task {
        // A marking token stands first, as PyLate's prefixes do.
        config::Task::Colbert => (&model.query_prefix, &model.document_prefix),
        _ => (&model.query_prompt, &model.document_prompt),
    };
    let pair = task == config::Task::Reranker;
    TextSettings {
        query_prompt: query.clone(),
        document_prompt: document.clone(),
        query_tokens: if pair { model.max_tokens } else { model.query_max_tokens },
        document_tokens: if pair { model.max_tokens } else { model.document_max_tokens },
        skip_words: match colbert && model.skip_punctuation {
            true => PUNCTUATION.chars().map(String::from).collect(),
            false => Vec::new(),
        },
        expand_queries: colbert && model.query_expansion,
        attend_to_expansion: colbert && model.attend_to_expansion,
        pair: (pair && model.kind == ModelKind::Decoder).then(|| PairTexts {
            query: model.query_format.clone(),
            separator: model.separator.clone(),
            document: model.document_format.clone(),
            end: model.end.clone(),
            words: match &model.words[..] {
                [yes, no] => Some((yes.clone(), no.clone())),
                _ => None,
            },
        }),
    }
}
