//! How documents are judged, and how scores are shown.

use std::time::Duration;

use crate::encode::{Activation, Calibration, DocumentScores, WindowScore, Windows};

/// What is done with a document that is longer than a judge can read beside the query.
///
/// With room for `m` tokens, windows hold `m` and neighbours share `min(80, m / 4)`; a document's first 128,000
/// characters are sliced. The window that scored best is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LongDocuments {
    /// Its end is cut off; of a query and a document that are both long, the longer loses tokens first.
    Truncate,
    /// Windows over all of it; the best one's score counts.
    #[default]
    SliceMax,
    /// Windows over all of it; the mean of the best two scores counts.
    SliceMeanOfTop2,
    /// Its first window counts.
    FirstPassage,
}

impl LongDocuments {
    pub(super) fn plan(self) -> Windows {
        match self {
            Self::Truncate => Windows::Cut,
            Self::SliceMax | Self::SliceMeanOfTop2 => Windows::All,
            Self::FirstPassage => Windows::First,
        }
    }

    /// A document's score, and the window that scored best.
    pub(super) fn score(self, scores: &DocumentScores) -> Option<(f32, &WindowScore)> {
        let windows = &scores.windows;
        // Of equal windows the first.
        let best = windows.iter().reduce(|best, next| if next.score > best.score { next } else { best })?;
        let score = match self {
            Self::SliceMeanOfTop2 if windows.len() > 1 => {
                let mut all: Vec<f32> = windows.iter().map(|window| window.score).collect();
                all.sort_unstable_by(|a, b| b.total_cmp(a));
                all[0].midpoint(all[1])
            }
            _ => best.score,
        };
        Some((score, best))
    }
}

/// The scale in which scores are shown. No scale changes an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scale {
    /// As the judge gives them: logits, or mean cosines of a late-interaction model.
    #[default]
    Raw,
    /// As the judge's authors show them: its own activation, often the logistic function.
    Native,
    /// Between 0 and 1: by the calibration if there is one; else `(1 + x) / 2` of cosines and the logistic function of
    /// all others, which orders well but is no probability.
    Unit,
}

impl Scale {
    pub(super) fn show(self, score: f32, activation: Activation, calibration: Option<Calibration>) -> f32 {
        match (self, calibration, activation) {
            (Self::Raw, ..) => score,
            (Self::Native, ..) => activation.apply(score),
            (Self::Unit, Some(calibration), _) => calibration.probability(score),
            (Self::Unit, None, Activation::Identity) => Activation::Sigmoid.apply(score),
            (Self::Unit, None, activation) => activation.apply(score),
        }
    }
}

/// Bounds of one reranking, and what comes back.
#[derive(Debug, Clone)]
pub struct RerankOptions {
    /// How many documents come back. Default: all.
    pub top_k: Option<usize>,
    /// How many of the first documents are judged; the others follow in their order. Default 100.
    pub judged: usize,
    /// Judging stops after the batch that exceeds this. Default: no limit.
    pub time_budget: Option<Duration>,
    /// Documents between two looks at the clock, where there is a time budget. Default 16.
    pub batch: usize,
    /// What is done with long documents.
    pub long_documents: LongDocuments,
    /// The scale of the scores.
    pub scale: Scale,
    /// Documents with a smaller score, in that scale, and those that were not judged are left out.
    pub min_score: Option<f32>,
}

impl Default for RerankOptions {
    fn default() -> Self {
        Self {
            top_k: None,
            judged: 100,
            time_budget: None,
            batch: 16,
            long_documents: LongDocuments::default(),
            scale: Scale::default(),
            min_score: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(all: &[f32]) -> DocumentScores {
        let window = |(at, &score): (usize, &f32)| WindowScore { bytes: at..at + 1, score };
        DocumentScores { windows: all.iter().enumerate().map(window).collect(), cut: false }
    }

    #[test]
    fn windows_become_one_score() {
        let found = |how: LongDocuments, all: &[f32]| {
            how.score(&scores(all)).map(|(score, best)| (score, best.bytes.start))
        };
        assert_eq!(found(LongDocuments::SliceMax, &[1.0, 3.0, 3.0, 2.0]), Some((3.0, 1)));
        assert_eq!(found(LongDocuments::SliceMeanOfTop2, &[1.0, 3.0, -9.0, 2.0]), Some((2.5, 1)));
        assert_eq!(found(LongDocuments::SliceMeanOfTop2, &[1.0]), Some((1.0, 0)));
        assert_eq!(found(LongDocuments::SliceMax, &[]), None);
    }

    #[test]
    fn scales_keep_the_order_and_unit_is_between_0_and_1() {
        let sure = Calibration { slope: 2.0, intercept: -1.0 };
        for activation in [Activation::Identity, Activation::Sigmoid, Activation::Cosine] {
            for calibration in [None, Some(sure)] {
                let shown = |score| Scale::Unit.show(score, activation, calibration);
                assert!(shown(-0.9) < shown(0.5), "{activation:?}");
                assert!((0.0..=1.0).contains(&shown(-30.0)) && (0.0..=1.0).contains(&shown(30.0)));
            }
        }
        assert_eq!(Scale::Raw.show(7.0, Activation::Sigmoid, Some(sure)), 7.0);
        assert_eq!(Scale::Native.show(0.0, Activation::Sigmoid, Some(sure)), 0.5);
        assert_eq!(Scale::Unit.show(0.5, Activation::Identity, Some(sure)), 0.5);
    }
}
