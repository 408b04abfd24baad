//! What a run minimises: a loss with its settings, and what it is fed.

use burn_tensor::{Tensor, TensorData};
use lateen::quant::ResidualCodec;

use super::error::RunError;
use crate::data::{Groups, TextBatch};
use crate::loss::{self, Grouped, InfoNce, MaxSim, Stella};
use crate::model::{TokenVectors, floats};

/// Losses of embedding and ColBERT models.
#[derive(Debug, Clone, PartialEq)]
pub enum TextLoss {
    /// [`loss::info_nce`].
    InfoNce(InfoNce),
    /// [`loss::triplet_softmax`].
    Triplet {
        /// Divides scores.
        temperature: f64,
    },
    /// [`loss::grouped_kl`].
    GroupedKl {
        /// Divides the student's scores.
        temperature: f64,
        /// Divides the labels.
        teacher_temperature: f64,
    },
    /// [`loss::batch_kl`].
    BatchKl {
        /// Divides scores and labels.
        temperature: f64,
    },
    /// [`loss::cosent`].
    CoSent {
        /// Divides cosines.
        temperature: f64,
    },
    /// [`loss::margin_mse`].
    MarginMse {
        /// Multiplies scores.
        scale: f64,
    },
    /// [`loss::mse`] of scores and labels.
    Mse,
}

/// Losses of rerankers.
#[derive(Debug, Clone, PartialEq)]
pub enum PairLoss {
    /// [`loss::bce`].
    Bce,
    /// [`loss::mse`] behind a sigmoid.
    Mse,
    /// [`loss::rank_net`].
    RankNet,
    /// [`loss::listwise_ce`].
    Listwise {
        /// Divides logits.
        temperature: f64,
    },
    /// [`loss::lambda_loss`].
    Lambda {
        /// 0: LambdaRank; 10: NDCG-Loss2++.
        mu: f64,
    },
    /// [`loss::grouped_kl`].
    GroupedKl {
        /// Divides logits.
        temperature: f64,
        /// Divides labels.
        teacher_temperature: f64,
    },
    /// [`loss::margin_mse`].
    MarginMse {
        /// Multiplies logits.
        scale: f64,
    },
}

/// A loss, and how scores are made for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// Of an embedding model.
    Embedding {
        /// On cosines.
        loss: TextLoss,
        /// Prefixes to train as well; none: the whole vector.
        matryoshka: Vec<usize>,
        /// Leave out candidates that the model itself finds nearer than the positive, less this margin.
        guide: Option<f32>,
    },
    /// Of a ColBERT model.
    ColBert {
        /// On [`loss::max_sim`].
        loss: TextLoss,
        /// How tokens are compared.
        max_sim: MaxSim,
        /// As above.
        guide: Option<f32>,
        /// What documents' vectors go through; the loop keeps it up to date where [`Settings::coding`](super::Settings)
        /// asks for one.
        codec: Option<ResidualCodec>,
    },
    /// Of a reranker.
    Reranker(PairLoss),
    /// Of an embedding model that takes over a teacher's vectors.
    Stella(Stella),
    /// Of a ColBERT model that takes over a teacher's vectors of tokens.
    TokenCosine,
}

/// A loss and what can be told beside it.
#[derive(Debug)]
pub struct Judged {
    /// The loss, one number.
    pub loss: Tensor<1>,
    /// The share of queries whose best candidate is the right one.
    pub accuracy: Option<f32>,
}

/// The loss of a table of scores.
pub(super) fn judge_table(
    loss: &TextLoss,
    guide: Option<f32>,
    scores: Tensor<2>,
    batch: &TextBatch,
) -> Judged {
    let groups = &batch.groups;
    let table = floats(scores.clone().detach());
    let mut masked = batch.masked.clone();
    if let Some(margin) = guide {
        masked.extend(loss::false_negatives(&table, groups, margin));
    }
    let accuracy = Some(right_choices(&table, groups, &masked));
    let loss = match loss {
        TextLoss::InfoNce(options) => loss::info_nce(scores, groups, &masked, options),
        TextLoss::Triplet { temperature } => loss::triplet_softmax(scores, groups, &masked, *temperature),
        TextLoss::GroupedKl { temperature, teacher_temperature } => {
            loss::grouped_kl(&Grouped::from_table(scores, groups), *temperature, *teacher_temperature)
        }
        TextLoss::BatchKl { temperature } => {
            loss::batch_kl(own(scores, groups), &groups.labels, *temperature)
        }
        TextLoss::CoSent { temperature } => loss::cosent(own(scores, groups), &groups.labels, *temperature),
        TextLoss::MarginMse { scale } => loss::margin_mse(&Grouped::from_table(scores, groups), *scale),
        TextLoss::Mse => loss::mse(own(scores, groups), &groups.labels, false),
    };
    Judged { loss, accuracy }
}

/// The loss of an embedding model's vectors.
pub(super) fn judge_vectors(
    loss: &TextLoss,
    matryoshka: &[usize],
    guide: Option<f32>,
    (queries, documents): (&Tensor<2>, &Tensor<2>),
    batch: &TextBatch,
) -> Judged {
    let mut accuracy = None;
    let loss = loss::matryoshka(queries, documents, matryoshka, |queries, documents| {
        let judged = judge_table(loss, guide, loss::cosines(queries, documents), batch);
        // The last prefix is the longest in any sensible list.
        accuracy = judged.accuracy;
        judged.loss
    });
    Judged { loss, accuracy }
}

/// The loss of token vectors.
pub(super) fn judge_tokens(
    loss: &TextLoss,
    max_sim: MaxSim,
    guide: Option<f32>,
    (queries, documents): (&TokenVectors, &TokenVectors),
    batch: &TextBatch,
) -> Judged {
    judge_table(loss, guide, loss::max_sim(queries, documents, max_sim), batch)
}

/// The loss of a reranker's logits.
pub(super) fn judge_pairs(loss: &PairLoss, logits: Tensor<1>, groups: &Groups) -> Judged {
    let values = floats(logits.clone().detach());
    let accuracy = best_choices(&values, groups);
    let grouped = |logits| Grouped::from_pairs(logits, groups);
    let loss = match loss {
        PairLoss::Bce => loss::bce(logits, &groups.labels),
        PairLoss::Mse => loss::mse(logits, &groups.labels, true),
        PairLoss::RankNet => loss::rank_net(&grouped(logits)),
        PairLoss::Listwise { temperature } => loss::listwise_ce(&grouped(logits), *temperature),
        PairLoss::Lambda { mu } => loss::lambda_loss(&grouped(logits), *mu),
        PairLoss::GroupedKl { temperature, teacher_temperature } => {
            loss::grouped_kl(&grouped(logits), *temperature, *teacher_temperature)
        }
        PairLoss::MarginMse { scale } => loss::margin_mse(&grouped(logits), *scale),
    };
    Judged { loss, accuracy }
}

/// The loss of a student's vectors.
pub(super) fn judge_student(
    options: &Stella,
    student: &Tensor<2>,
    teacher: &[f32],
) -> Result<Judged, RunError> {
    let (loss, _) = loss::stella(student, teacher, options)?;
    Ok(Judged { loss, accuracy: None })
}

/// The loss of a student's vectors of tokens.
pub(super) fn judge_student_tokens(student: &TokenVectors, teacher: &[f32]) -> Result<Judged, RunError> {
    Ok(Judged { loss: loss::token_cosine(student, teacher)?, accuracy: None })
}

/// The score of each document with its own query, in the order of documents.
fn own(scores: Tensor<2>, groups: &Groups) -> Tensor<1> {
    let [queries, documents] = scores.dims();
    let places: Vec<i64> = (groups.ranges.iter().enumerate())
        .flat_map(|(query, range)| range.clone().map(move |document| (query * documents + document) as i64))
        .collect();
    let places = Tensor::from_data(TensorData::new(places, [documents]), &scores.device());
    scores.reshape([queries * documents]).select(0, places)
}

/// How many queries have their positive before all other candidates, as a share.
fn right_choices(table: &[f32], groups: &Groups, masked: &[(usize, usize)]) -> f32 {
    let queries = groups.ranges.len().max(1);
    let documents = table.len() / queries;
    let mut counts = vec![true; table.len()];
    for (query, document) in masked {
        counts[query * documents + document] = false;
    }
    let right = groups.ranges.iter().enumerate().filter(|(query, own)| {
        let row = query * documents..(query + 1) * documents;
        let positive = table[row.start + own.start];
        let others = table[row.clone()].iter().zip(&counts[row]).enumerate();
        others.into_iter().all(|(at, (score, counts))| at == own.start || !counts || *score < positive)
    });
    right.count() as f32 / queries as f32
}

/// How many groups of more than one have the highest logit where the highest label is, as a share of those.
fn best_choices(logits: &[f32], groups: &Groups) -> Option<f32> {
    let lists: Vec<_> = groups.ranges.iter().filter(|range| range.len() > 1).collect();
    let top = |values: &[f32]| values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, _)| at);
    let right = lists.iter().filter(|range| {
        let labels = &groups.labels[(**range).clone()];
        let best = labels.iter().copied().fold(f32::MIN, f32::max);
        top(&logits[(**range).clone()]).is_some_and(|at| labels[at] == best)
    });
    (!lists.is_empty()).then(|| right.count() as f32 / lists.len() as f32)
}
