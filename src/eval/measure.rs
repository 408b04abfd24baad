//! The measures of one ranking.

use std::collections::HashMap;

use super::metric::{Measure, Metric};
use super::run::Ranked;

/// One query's ranking as grades, beside what could have been found.
pub(super) struct Judged {
    /// The grade at each rank; `None` if the document was not judged.
    grades: Vec<Option<i32>>,
    /// All positive grades of the query, best first.
    ideal: Vec<i32>,
    relevant: usize,
    /// Judged, and not relevant. A negative grade is no judgement here, as for `trec_eval`.
    not_relevant: usize,
    level: i32,
}

impl Judged {
    pub(super) fn new(ranking: &[Ranked], judgements: &HashMap<String, i32>, level: i32) -> Self {
        let mut ideal: Vec<i32> = judgements.values().copied().filter(|&grade| grade > 0).collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            grades: ranking.iter().map(|ranked| judgements.get(&ranked.document).copied()).collect(),
            ideal,
            relevant: judgements.values().filter(|&&grade| grade >= level).count(),
            not_relevant: judgements.values().filter(|&&grade| (0..level).contains(&grade)).count(),
            level,
        }
    }

    pub(super) fn has_relevant(&self) -> bool {
        self.relevant > 0
    }

    pub(super) fn value(&self, metric: Metric) -> f64 {
        let ranks = if metric.cutoff == 0 { usize::MAX } else { metric.cutoff as usize };
        let top = &self.grades[..self.grades.len().min(ranks)];
        let found = || top.iter().filter(|grade| self.is_relevant(**grade)).count();
        match metric.measure {
            Measure::Ndcg => self.ndcg(top, ranks, f64::from),
            Measure::NdcgExponential => self.ndcg(top, ranks, |grade| f64::from(grade).exp2() - 1.0),
            Measure::AveragePrecision => self.average_precision(top),
            Measure::ReciprocalRank => top
                .iter()
                .position(|grade| self.is_relevant(*grade))
                .map_or(0.0, |before| ratio(1, before + 1)),
            Measure::Recall => ratio(found(), self.relevant),
            Measure::CappedRecall => ratio(found(), self.relevant.min(ranks)),
            Measure::Bpref => self.bpref(top),
            // trec_eval divides by the cut-off even if the ranking is shorter.
            Measure::Precision => ratio(found(), if metric.cutoff == 0 { top.len() } else { ranks }),
            Measure::Success => f64::from(u8::from(found() > 0)),
            Measure::Judged => ratio(top.iter().flatten().count(), top.len()),
        }
    }

    fn is_relevant(&self, grade: Option<i32>) -> bool {
        grade.is_some_and(|grade| grade >= self.level)
    }

    fn ndcg(&self, top: &[Option<i32>], ranks: usize, gain: impl Fn(i32) -> f64) -> f64 {
        let discounted = |grades: &mut dyn Iterator<Item = i32>| -> f64 {
            grades
                .enumerate()
                .filter(|(_, grade)| *grade > 0)
                .map(|(before, grade)| gain(grade) / (before as f64 + 2.0).log2())
                .sum()
        };
        let ideal = discounted(&mut self.ideal.iter().copied().take(ranks));
        if ideal == 0.0 { 0.0 } else { discounted(&mut top.iter().map(|grade| grade.unwrap_or(0))) / ideal }
    }

    fn average_precision(&self, top: &[Option<i32>]) -> f64 {
        let (mut found, mut sum) = (0, 0.0);
        for (before, grade) in top.iter().enumerate() {
            if self.is_relevant(*grade) {
                found += 1;
                sum += ratio(found, before + 1);
            }
        }
        if self.relevant == 0 { 0.0 } else { sum / self.relevant as f64 }
    }

    /// `1/R · Σ 1 − min(before, R) / min(N, R)` over the relevant documents found: `before` of the `N` documents judged not
    /// relevant stand higher, `R` are relevant.
    fn bpref(&self, top: &[Option<i32>]) -> f64 {
        let (mut before, mut sum) = (0, 0.0);
        for grade in top.iter().flatten().copied().filter(|grade| *grade >= 0) {
            if grade < self.level {
                before += 1;
            } else if before == 0 {
                sum += 1.0;
            } else {
                let bound = self.not_relevant.min(self.relevant);
                sum += 1.0 - ratio(before.min(self.relevant), bound);
            }
        }
        if self.relevant == 0 { 0.0 } else { sum / self.relevant as f64 }
    }
}

/// 0 of nothing.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
