//! The names of metrics.

use std::fmt;
use std::str::FromStr;

/// What is measured of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Measure {
    /// Discounted cumulated gain over the best possible; the gain is the grade (`trec_eval`, BEIR).
    Ndcg,
    /// The same with the gain `2^grade - 1` (Burges et al., ICML 2005).
    NdcgExponential,
    /// The mean over the relevant documents of the precision where each stands; 0 for one not found.
    AveragePrecision,
    /// One over the rank of the first relevant document.
    ReciprocalRank,
    /// Which part of the relevant documents is found.
    Recall,
    /// Which part of the relevant documents is found, of as many as the ranks have room for: `found / min(k, relevant)` (BEIR,
    /// Thakur et al., NeurIPS 2021), so that a query with more than `k` relevant documents can reach 1.
    CappedRecall,
    /// Which part of the ranks holds relevant documents.
    Precision,
    /// 1 if a relevant document is found.
    Success,
    /// How seldom a document judged not relevant stands before a relevant one (Buckley & Voorhees, SIGIR 2004). What was
    /// not judged is passed over, which is why it suits judgements with holes.
    Bpref,
    /// Which part of the documents that are ranked has a judgement.
    Judged,
}

impl Measure {
    const ALL: [Self; 10] = [
        Self::Ndcg,
        Self::NdcgExponential,
        Self::AveragePrecision,
        Self::ReciprocalRank,
        Self::Recall,
        Self::CappedRecall,
        Self::Precision,
        Self::Success,
        Self::Bpref,
        Self::Judged,
    ];

    fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Its name, then others that are understood; `trec_eval`'s among them.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Ndcg => &["ndcg", "ndcg_cut"],
            Self::NdcgExponential => &["ndcg_exp"],
            Self::AveragePrecision => &["map", "map_cut", "ap"],
            Self::ReciprocalRank => &["mrr", "recip_rank", "rr"],
            Self::Recall => &["recall", "r", "set_recall"],
            Self::CappedRecall => &["capped_recall", "recall_cap", "r_cap"],
            Self::Precision => &["p", "precision", "set_p"],
            Self::Success => &["success", "hit"],
            Self::Bpref => &["bpref"],
            Self::Judged => &["judged"],
        }
    }
}

/// A measure, and how far down the ranking it looks.
///
/// Written `ndcg@10`, `map`, `mrr@10`, `recall@100`, `capped_recall@100`, `p@5`, `success@1`, `bpref`, `judged@10`,
/// `ndcg_exp@10`; the names of `trec_eval` (`ndcg_cut_10`, `recip_rank`, `P_5`) are understood too, in any case.
///
/// ```
/// use lateen::eval::{Measure, Metric};
/// assert_eq!("nDCG@10".parse(), Ok(Metric::at(Measure::Ndcg, 10)));
/// assert_eq!("ndcg_cut_10".parse::<Metric>()?.to_string(), "ndcg@10");
/// # Ok::<(), lateen::eval::UnknownMetric>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metric {
    /// What is measured.
    pub measure: Measure,
    /// Ranks looked at; 0: all.
    pub cutoff: u32,
}

impl Metric {
    /// The metrics that BEIR tables report, the main one first.
    pub const USUAL: [Self; 5] = [
        Self::at(Measure::Ndcg, 10),
        Self::at(Measure::AveragePrecision, 100),
        Self::at(Measure::ReciprocalRank, 10),
        Self::at(Measure::Recall, 100),
        Self::at(Measure::Precision, 10),
    ];

    /// `measure` over the first `cutoff` ranks; 0 means all.
    #[must_use]
    pub const fn at(measure: Measure, cutoff: u32) -> Self {
        Self { measure, cutoff }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.measure.name())?;
        if self.cutoff == 0 { Ok(()) } else { write!(f, "@{}", self.cutoff) }
    }
}

/// No metric has this name: choose one of those [`Metric`] lists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no metric {name:?}; there are ndcg, ndcg_exp, map, mrr, recall, capped_recall, p, success, bpref and judged, each with @K or without"
)]
pub struct UnknownMetric {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(name: &str) -> Result<Self, UnknownMetric> {
        let unknown = || UnknownMetric { name: name.to_owned() };
        let lower = name.trim().to_ascii_lowercase();
        let measure_of =
            |name: &str| Measure::ALL.into_iter().find(|measure| measure.names().contains(&name));
        let (measure, cutoff) = match lower.split_once('@').or_else(|| trec_cutoff(&lower)) {
            Some((measure, cutoff)) => {
                let cutoff = cutoff.parse().ok().filter(|&cutoff: &u32| cutoff > 0);
                (measure_of(measure), cutoff.ok_or_else(unknown)?)
            }
            None => (measure_of(&lower), 0),
        };
        measure.map(|measure| Self { measure, cutoff }).ok_or_else(unknown)
    }
}

/// Splits `recall_100`, and leaves `recip_rank` whole.
fn trec_cutoff(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('_').filter(|(_, cutoff)| cutoff.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for measure in Measure::ALL {
            for cutoff in [0, 1, 1000] {
                let metric = Metric::at(measure, cutoff);
                assert_eq!(metric.to_string().parse(), Ok(metric));
            }
        }
        for (name, metric) in [
            ("recip_rank", Metric::at(Measure::ReciprocalRank, 0)),
            ("P_5", Metric::at(Measure::Precision, 5)),
            ("map_cut_100", Metric::at(Measure::AveragePrecision, 100)),
            (" RR@10", Metric::at(Measure::ReciprocalRank, 10)),
            ("ndcg_exp_3", Metric::at(Measure::NdcgExponential, 3)),
        ] {
            assert_eq!(name.parse(), Ok(metric));
        }
        for name in
            ["", "@", "ndcg@", "ndcg@0", "ndcg@-1", "ndcg@x", "bleu@10", "ndcg@99999999999", "_5", "ndcg_"]
        {
            assert_eq!(name.parse::<Metric>(), Err(UnknownMetric { name: name.into() }));
        }
    }
}
