//! What a score means: probabilities fitted to judgements, and thresholds with their precision and recall.

use crate::encode::Calibration;
use crate::eval::{Qrels, Run};

/// Steps of Newton's method; it needs about ten.
const MOST_STEPS: usize = 100;

/// How a calibration is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fit {
    /// Slope and intercept (Platt 1999, by the Newton method of Lin, Lin & Weng, "A note on Platt's probabilistic outputs
    /// for support vector machines", 2007).
    #[default]
    Platt,
    /// A slope only, one over the temperature (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
    /// arXiv:1706.04599): a score of 0 stays a probability of one half.
    Temperature,
}

/// A raw score and whether its document was judged relevant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// The judge's raw score.
    pub score: f32,
    /// What people said.
    pub relevant: bool,
}

/// Why nothing was fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// Judgements of both kinds are needed.
    #[error("{relevant} relevant and {other} other documents have a score; at least one of each is needed")]
    OneSided {
        /// Scored documents that were judged relevant.
        relevant: usize,
        /// Scored documents that were judged and are not.
        other: usize,
    },
    /// A score that is no finite number.
    #[error("score {score} is not a finite number")]
    NotFinite {
        /// The score.
        score: f32,
    },
    /// Larger scores go with less relevance, or with none: the judge does not know these documents.
    #[error(
        "larger scores do not go with relevance (the slope would be {slope:.4}); no probability is of use"
    )]
    NotRising {
        /// What was fitted.
        slope: f64,
    },
}

/// The scores of a run (raw ones) that have a judgement, relevant from `min_grade` on. Documents without a judgement are
/// left out: nobody said that they are not relevant.
#[must_use]
pub fn labelled(run: &Run, qrels: &Qrels, min_grade: i32) -> Vec<Labelled> {
    let of_query = |query| {
        run.ranking(query).iter().filter_map(move |ranked| {
            let grade = qrels.grade(query, &ranked.document)?;
            Some(Labelled { score: ranked.score, relevant: grade >= min_grade })
        })
    };
    run.queries().flat_map(of_query).collect()
}

fn check(examples: &[Labelled]) -> Result<(f64, f64), CalibrationError> {
    if let Some(broken) = examples.iter().find(|example| !example.score.is_finite()) {
        return Err(CalibrationError::NotFinite { score: broken.score });
    }
    let relevant = examples.iter().filter(|example| example.relevant).count();
    match (relevant, examples.len() - relevant) {
        (relevant, other) if relevant > 0 && other > 0 => Ok((relevant as f64, other as f64)),
        (relevant, other) => Err(CalibrationError::OneSided { relevant, other }),
    }
}

/// Fits probabilities to judgements.
///
/// Minimises the log loss against smoothed targets, `(n₊ + 1) / (n₊ + 2)` and `1 / (n₋ + 2)`, so that a judge without a
/// mistake gets no infinite slope.
///
/// # Errors
/// [`CalibrationError`] if one kind of judgement is missing, or scores do not rise with relevance.
///
/// ```
/// use lateen::rerank::{Fit, Labelled, fit};
/// let of = |score, relevant| Labelled { score, relevant };
/// let judged = [of(-3.0, false), of(-1.0, false), of(0.5, true), of(0.0, false), of(2.0, true)];
/// let calibration = fit(&judged, Fit::Platt)?;
/// assert!(calibration.probability(2.0) > 0.5 && calibration.probability(-3.0) < 0.2);
/// # Ok::<(), lateen::rerank::CalibrationError>(())
/// ```
pub fn fit(examples: &[Labelled], how: Fit) -> Result<Calibration, CalibrationError> {
    let (relevant, other) = check(examples)?;
    let (high, low) = ((relevant + 1.0) / (relevant + 2.0), 1.0 / (other + 2.0));
    let data: Vec<(f64, f64)> = examples
        .iter()
        .map(|example| (f64::from(example.score), if example.relevant { high } else { low }))
        .collect();
    let prior = ((relevant + 1.0) / (other + 1.0)).ln();
    let mut at = match how {
        Fit::Platt => (0.0, prior),
        Fit::Temperature => (0.0, 0.0),
    };
    let mut loss = log_loss(&data, at);
    for _ in 0..MOST_STEPS {
        let Some(step) = newton_step(&data, at, how) else { break };
        let taken = (0..60).map(|halving| 0.5_f64.powi(halving)).find_map(|size| {
            let next = (at.0 + size * step.0, at.1 + size * step.1);
            let found = log_loss(&data, next);
            (found < loss).then_some((next, found))
        });
        let Some((next, found)) = taken else { break };
        let gained = loss - found;
        (at, loss) = (next, found);
        if gained < 1e-12 * (1.0 + loss) {
            break;
        }
    }
    let calibration = Calibration { slope: at.0, intercept: at.1 };
    if calibration.is_sound() { Ok(calibration) } else { Err(CalibrationError::NotRising { slope: at.0 }) }
}

/// The sum over examples of the cross entropy of target and prediction.
fn log_loss(data: &[(f64, f64)], (slope, intercept): (f64, f64)) -> f64 {
    let one = |&(score, target): &(f64, f64)| {
        let odds = slope * score + intercept;
        // ln(1 + e^odds) without overflow.
        odds.max(0.0) + (-odds.abs()).exp().ln_1p() - target * odds
    };
    data.iter().map(one).sum()
}

fn newton_step(data: &[(f64, f64)], (slope, intercept): (f64, f64), how: Fit) -> Option<(f64, f64)> {
    // A ridge that keeps the Hessian invertible where all scores are one.
    let (mut g1, mut g2, mut h11, mut h12, mut h22) = (0.0, 0.0, 1e-12, 0.0, 1e-12);
    for &(score, target) in data {
        let p = 1.0 / (1.0 + (-(slope * score + intercept)).exp());
        let (error, weight) = (p - target, p * (1.0 - p));
        g1 += score * error;
        g2 += error;
        h11 += score * score * weight;
        h12 += score * weight;
        h22 += weight;
    }
    let step = match how {
        Fit::Temperature => (-g1 / h11, 0.0),
        Fit::Platt => {
            let determinant = h11 * h22 - h12 * h12;
            ((h12 * g2 - h22 * g1) / determinant, (h12 * g1 - h11 * g2) / determinant)
        }
    };
    (step.0.is_finite() && step.1.is_finite()).then_some(step)
}

/// How far probabilities are from what was seen: the mean over ten bins of equal width of `|mean probability - share
/// relevant|`, weighted by examples. 0 is perfect.
#[must_use]
pub fn expected_calibration_error(examples: &[Labelled], calibration: Calibration) -> f64 {
    let mut bins = [(0.0, 0.0); 10];
    for example in examples {
        let probability = f64::from(calibration.probability(example.score));
        let bin = &mut bins[((probability * 10.0) as usize).min(9)];
        bin.0 += probability;
        bin.1 += f64::from(u8::from(example.relevant));
    }
    bins.iter().map(|(said, seen)| (said - seen).abs()).sum::<f64>() / examples.len().max(1) as f64
}

/// What keeping all documents with at least this score gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The least raw score that is kept.
    pub score: f32,
    /// How many judged documents are kept.
    pub kept: usize,
    /// The share of relevant ones among the kept.
    pub precision: f64,
    /// The share of kept ones among the relevant.
    pub recall: f64,
}

impl Threshold {
    /// The harmonic mean of precision and recall.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let sum = self.precision + self.recall;
        if sum > 0.0 { 2.0 * self.precision * self.recall / sum } else { 0.0 }
    }
}

/// Precision and recall at each score there is, the largest first. Both count over all queries together, and recall over
/// the judged documents that have a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    rows: Vec<Threshold>,
}

impl Thresholds {
    /// The table of these judgements.
    ///
    /// # Errors
    /// [`CalibrationError`] if one kind of judgement is missing or a score is not finite.
    pub fn new(examples: &[Labelled]) -> Result<Self, CalibrationError> {
        let (relevant, _) = check(examples)?;
        let mut sorted = examples.to_vec();
        sorted.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        let (mut rows, mut kept, mut hits) = (Vec::new(), 0, 0);
        for group in sorted.chunk_by(|a, b| a.score == b.score) {
            kept += group.len();
            hits += group.iter().filter(|example| example.relevant).count();
            let (precision, recall) = (hits as f64 / kept as f64, hits as f64 / relevant);
            rows.push(Threshold { score: group[0].score, kept, precision, recall });
        }
        Ok(Self { rows })
    }

    /// Every row.
    #[must_use]
    pub fn rows(&self) -> &[Threshold] {
        &self.rows
    }

    /// The threshold that keeps most relevant documents at no less than this precision, if there is one.
    #[must_use]
    pub fn at_precision(&self, precision: f64) -> Option<Threshold> {
        self.rows.iter().rev().find(|row| row.precision >= precision).copied()
    }

    /// The largest threshold that keeps this share of the relevant documents.
    #[must_use]
    pub fn at_recall(&self, recall: f64) -> Option<Threshold> {
        self.rows.iter().find(|row| row.recall >= recall).copied()
    }

    /// The threshold with the largest F1; of several the largest score.
    #[must_use]
    pub fn best_f1(&self) -> Option<Threshold> {
        self.rows.iter().copied().reduce(|best, row| if row.f1() > best.f1() { row } else { best })
    }

    /// At most ten rows that show the whole: the largest threshold for each tenth of recall.
    #[must_use]
    pub fn summary(&self) -> Vec<Threshold> {
        let mut rows: Vec<Threshold> =
            (1..=10).filter_map(|tenth| self.at_recall(f64::from(tenth) / 10.0 - 1e-9)).collect();
        rows.dedup();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(f32, bool)]) -> Vec<Labelled> {
        all.iter().map(|&(score, relevant)| Labelled { score, relevant }).collect()
    }

    /// Scores from -4 to 4 whose relevance has the odds `e^(slope · score + intercept)`, exactly, in many examples.
    fn drawn(slope: f64, intercept: f64) -> Vec<Labelled> {
        let truth = Calibration { slope, intercept };
        let mut all = Vec::new();
        for step in -16_i16..=16 {
            let score = f32::from(step) / 4.0;
            let relevant = (f64::from(truth.probability(score)) * 10_000.0).round() as usize;
            all.extend((0..10_000).map(|at| Labelled { score, relevant: at < relevant }));
        }
        all
    }

    #[test]
    fn what_made_the_judgements_is_found_again() {
        let found = fit(&drawn(0.7, -1.3), Fit::Platt).unwrap();
        assert!((found.slope - 0.7).abs() < 0.005 && (found.intercept + 1.3).abs() < 0.005, "{found:?}");
        let found = fit(&drawn(0.4, 0.0), Fit::Temperature).unwrap();
        assert!((found.slope - 0.4).abs() < 0.005 && found.intercept == 0.0, "{found:?}");
        let examples = drawn(0.7, -1.3);
        let fitted = fit(&examples, Fit::Platt).unwrap();
        let naive = Calibration { slope: 1.0, intercept: 0.0 };
        assert!(expected_calibration_error(&examples, fitted) < 0.005);
        assert!(expected_calibration_error(&examples, naive) > 0.05);
    }

    #[test]
    fn judges_without_a_mistake_or_without_sense_are_met() {
        let sure = fit(&of(&[(-1000.0, false), (-900.0, false), (1000.0, true)]), Fit::Platt).unwrap();
        assert!(sure.is_sound() && sure.probability(1000.0) > 0.6, "{sure:?}");
        let refused = fit(&of(&[(1.0, false), (2.0, false), (-1.0, true), (-2.0, true)]), Fit::Platt);
        assert!(matches!(refused, Err(CalibrationError::NotRising { slope }) if slope < 0.0), "{refused:?}");
        let refused = fit(&of(&[(1.0, true)]), Fit::Platt);
        assert_eq!(refused, Err(CalibrationError::OneSided { relevant: 1, other: 0 }));
        let refused = fit(&of(&[(f32::INFINITY, true), (0.0, false)]), Fit::Temperature);
        assert!(matches!(refused, Err(CalibrationError::NotFinite { .. })));
        assert!(fit(&of(&[(1.0, true), (1.0, false)]), Fit::Platt).is_err(), "all scores are one");
    }

    #[test]
    fn thresholds_count_what_is_kept() {
        let all = of(&[(5.0, true), (4.0, false), (3.0, true), (3.0, true), (1.0, false), (0.0, true)]);
        let table = Thresholds::new(&all).unwrap();
        let row = |score, kept, hits: f64| Threshold {
            score,
            kept,
            precision: hits / kept as f64,
            recall: hits / 4.0,
        };
        assert_eq!(
            table.rows(),
            [row(5.0, 1, 1.0), row(4.0, 2, 1.0), row(3.0, 4, 3.0), row(1.0, 5, 3.0), row(0.0, 6, 4.0)]
        );
        assert_eq!(table.at_precision(0.7).map(|row| row.score), Some(3.0));
        assert_eq!(table.at_precision(1.0).map(|row| row.score), Some(5.0));
        assert_eq!(table.at_recall(0.6).map(|row| row.score), Some(3.0));
        assert_eq!(table.best_f1().map(|row| row.score), Some(0.0));
        assert_eq!(table.summary().iter().map(|row| row.score).collect::<Vec<_>>(), [5.0, 3.0, 0.0]);
    }

    #[test]
    fn only_judged_documents_are_examples() {
        let mut run = Run::new();
        let hits = [("a", 2.0), ("b", 1.0), ("c", 0.5)].map(|(id, score)| (id.to_owned(), score));
        run.insert("q", hits).unwrap();
        let mut qrels = Qrels::new();
        qrels.insert("q", "a", 2);
        qrels.insert("q", "c", 1);
        qrels.insert("q", "z", 2);
        assert_eq!(labelled(&run, &qrels, 2), of(&[(2.0, true), (0.5, false)]));
    }
}
