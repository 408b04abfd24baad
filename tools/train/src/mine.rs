//! Hard negatives: documents that a search finds, and that do not answer.
//!
//! What a search ranks just below the answers is what a model must learn to tell apart, but some of it answers too. A
//! margin to the positive's score leaves such documents out (Moreira et al., "NV-Retriever", arXiv:2407.15831: at most
//! 95 % of the positive's score).

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::data::Dice;

/// A document that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its text.
    pub text: String,
    /// The search's score, or a teacher's. Larger is better.
    pub score: f32,
}

/// Which candidates become negatives.
#[derive(Debug, Clone, PartialEq)]
pub struct MineOptions {
    /// Negatives a record.
    pub negatives: usize,
    /// The best ranks are left out: they answer too often. Positives and the query do not count.
    pub skip: usize,
    /// Smallest score.
    pub min_score: Option<f32>,
    /// Largest score.
    pub max_score: Option<f32>,
    /// A negative's score is at least so far below the positive's.
    pub absolute_margin: Option<f32>,
    /// A negative's score is below the positive's by at least this share of it.
    pub relative_margin: Option<f32>,
    /// Draw among what is left, instead of the best.
    pub random: bool,
}

impl Default for MineOptions {
    /// 7 negatives of rank 1 and below, with NV-Retriever's margin.
    fn default() -> Self {
        Self {
            negatives: 7,
            skip: 0,
            min_score: None,
            max_score: None,
            absolute_margin: None,
            relative_margin: Some(0.05),
            random: false,
        }
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is a negative.
    Kept,
    /// It answers the query, by the file.
    Positive,
    /// It is the query.
    Query,
    /// Its text was there before.
    Repeated,
    /// Among the ranks left out.
    Rank,
    /// Its score is out of bounds.
    Score,
    /// It scores too near to the positive, and so may answer.
    Suspect,
    /// It could be one, but there are enough.
    Spare,
}

/// Negatives of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mined {
    /// Best first, or as drawn.
    pub negatives: Vec<Candidate>,
    /// Candidates left out for the margin.
    pub suspects: Vec<Candidate>,
    /// How many candidates met which fate.
    pub fates: BTreeMap<Fate, u64>,
}

/// Chooses negatives among `candidates`, best first.
///
/// * `answers`: whether a text answers the query.
/// * `positive`: the smallest score of a positive, in the candidates' scale; without it no margin is kept.
#[must_use]
pub fn select(
    query: &str,
    candidates: Vec<Candidate>,
    answers: impl Fn(&str) -> bool,
    positive: Option<f32>,
    options: &MineOptions,
    dice: &mut Dice,
) -> Mined {
    let mut mined = Mined::default();
    let mut seen: HashSet<String> = HashSet::new();
    let (mut rank, mut left) = (0, Vec::new());
    for candidate in candidates {
        let text = candidate.text.trim();
        let fate = if answers(text) {
            Fate::Positive
        } else if text == query.trim() {
            Fate::Query
        } else if text.is_empty() || !seen.insert(text.to_owned()) {
            Fate::Repeated
        } else {
            rank += 1;
            judge(candidate.score, rank, positive, options)
        };
        match fate {
            Fate::Spare => left.push(candidate),
            Fate::Suspect => {
                mined.suspects.push(candidate);
                *mined.fates.entry(fate).or_default() += 1;
            }
            fate => *mined.fates.entry(fate).or_default() += 1,
        }
    }
    if options.random {
        dice.shuffle(&mut left);
    }
    let kept = left.len().min(options.negatives);
    let spare = left.len() - kept;
    left.truncate(kept);
    for (fate, count) in [(Fate::Kept, kept), (Fate::Spare, spare)] {
        if count > 0 {
            mined.fates.insert(fate, count as u64);
        }
    }
    mined.negatives = left;
    mined
}

/// [`Fate::Spare`] for a candidate that may become a negative.
fn judge(score: f32, rank: usize, positive: Option<f32>, options: &MineOptions) -> Fate {
    if rank <= options.skip {
        return Fate::Rank;
    }
    let low = options.min_score.is_some_and(|min| score < min);
    if low || options.max_score.is_some_and(|max| score > max) || !score.is_finite() {
        return Fate::Score;
    }
    let Some(positive) = positive else { return Fate::Spare };
    let absolute = options.absolute_margin.is_some_and(|margin| score + margin > positive);
    // Below the positive even where scores are negative.
    let relative = options.relative_margin.is_some_and(|share| score > positive - positive.abs() * share);
    if absolute || relative { Fate::Suspect } else { Fate::Spare }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Purpose;

    fn candidates() -> Vec<Candidate> {
        let all = [
            ("pos", 0.9),
            ("near", 0.88),
            ("q", 0.8),
            ("a", 0.7),
            ("b", 0.6),
            ("a", 0.6),
            ("c", 0.2),
            ("d", 0.1),
        ];
        all.into_iter().map(|(text, score)| Candidate { text: text.to_owned(), score }).collect()
    }

    fn mined(positive: Option<f32>, options: &MineOptions) -> (String, Mined) {
        let mut dice = Dice::new(1, Purpose::Negatives, &[]);
        let mined = select("q", candidates(), |text| text == "pos", positive, options, &mut dice);
        let texts: Vec<&str> = mined.negatives.iter().map(|candidate| candidate.text.as_str()).collect();
        (texts.join(" "), mined)
    }

    #[test]
    fn answers_copies_and_suspects_are_left_out() {
        let options = MineOptions { negatives: 2, ..MineOptions::default() };
        let (texts, mined) = mined(Some(0.9), &options);
        assert_eq!(texts, "a b");
        assert_eq!(mined.suspects[0].text, "near");
        let fates = [Fate::Kept, Fate::Positive, Fate::Query, Fate::Repeated, Fate::Suspect, Fate::Spare];
        let counts: Vec<u64> = fates.iter().map(|fate| mined.fates.get(fate).copied().unwrap_or(0)).collect();
        assert_eq!(counts, [2, 1, 1, 1, 1, 2]);
    }

    #[test]
    fn ranks_scores_and_margins_bound_the_choice() {
        let none = MineOptions { relative_margin: None, ..MineOptions::default() };
        assert_eq!(mined(Some(0.9), &none).0, "near a b c d");
        assert_eq!(mined(None, &MineOptions::default()).0, "near a b c d");
        assert_eq!(mined(None, &MineOptions { skip: 2, ..none.clone() }).0, "b c d");
        let bounds = MineOptions { min_score: Some(0.2), max_score: Some(0.65), ..none.clone() };
        assert_eq!(mined(None, &bounds).0, "b c");
        assert_eq!(mined(Some(0.9), &MineOptions { absolute_margin: Some(0.25), ..none.clone() }).0, "b c d");
        let random = MineOptions { random: true, negatives: 3, ..none };
        assert_eq!(mined(None, &random), mined(None, &random));
    }

    #[test]
    fn negative_scores_have_margins_too() {
        assert_eq!(judge(-1.0, 1, Some(-1.0), &MineOptions::default()), Fate::Suspect);
        assert_eq!(judge(-1.2, 1, Some(-1.0), &MineOptions::default()), Fate::Spare);
        assert_eq!(judge(f32::NAN, 1, None, &MineOptions::default()), Fate::Score);
    }
}
