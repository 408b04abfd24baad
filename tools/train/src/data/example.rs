//! What a step learns from: a part of a record, chosen anew each epoch.

use std::collections::HashSet;

use super::dice::{Dice, Purpose};
use super::format::Format;
use super::record::{Record, Role};
use super::set::{DataSet, Entry};

/// How the records of a set become examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Examples {
    /// One example for each positive, with `negatives` of the record's negatives drawn each epoch.
    EachPositive {
        /// Negatives an example.
        negatives: usize,
    },
    /// One example a record, with one positive and `negatives` negatives drawn each epoch.
    OnePositive {
        /// Negatives an example.
        negatives: usize,
    },
    /// One example a record, with all its documents, or `limit` of them drawn each epoch.
    Record {
        /// The most documents an example.
        limit: usize,
    },
    /// One example for each document: pointwise.
    EachDocument,
    /// A record's documents dealt into groups of `size` each epoch; every document is in one.
    Groups {
        /// Documents a group. A record with fewer makes one smaller group.
        size: usize,
    },
    /// The query alone, with a teacher's vector beside.
    Text,
}

impl Examples {
    /// What fits a format: one example a positive, or whole groups where there are labels to rank by.
    #[must_use]
    pub fn of(format: Format, negatives: usize, group: usize) -> Self {
        match format {
            Format::Pair | Format::Triplet => Self::EachPositive { negatives },
            Format::PairScore => Self::Record { limit: group },
            Format::Grouped => Self::Groups { size: group },
            Format::Pointwise | Format::Scored => Self::EachDocument,
            Format::Texts => Self::Text,
        }
    }

    pub(super) fn count(self, entry: &Entry) -> u32 {
        match self {
            Self::EachPositive { .. } => entry.positives,
            Self::OnePositive { .. } | Self::Record { .. } | Self::Text => 1,
            Self::EachDocument => entry.documents,
            Self::Groups { size } => entry.documents.div_ceil(size.max(1) as u32),
        }
    }
}

/// Documents of a record that make an example, its positive first, and their labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chosen {
    /// Positions in [`Record::documents`].
    pub documents: Vec<usize>,
    /// One a document.
    pub labels: Vec<f32>,
}

/// Chooses the documents of example `part` of a record: the same for the same seed, epoch and record.
///
/// `place`: set and record, the key of the dice.
#[must_use]
pub fn choose(
    record: &Record,
    examples: Examples,
    part: usize,
    seed: u64,
    epoch: u64,
    place: (u64, u64),
) -> Chosen {
    let dice = |purpose, part: usize| Dice::new(seed, purpose, &[epoch, place.0, place.1, part as u64]);
    let positives: Vec<usize> =
        record.of(Role::Positive).chain(record.of(Role::Judged)).map(|(at, _)| at).collect();
    let documents = match examples {
        Examples::EachPositive { negatives } => {
            let mut chosen: Vec<usize> = positives.get(part).copied().into_iter().collect();
            chosen.extend(draw_negatives(record, negatives, &mut dice(Purpose::Negatives, part)));
            chosen
        }
        Examples::OnePositive { negatives } => {
            let at = dice(Purpose::Positive, 0).below(positives.len());
            let mut chosen: Vec<usize> = positives.get(at).copied().into_iter().collect();
            chosen.extend(draw_negatives(record, negatives, &mut dice(Purpose::Negatives, 0)));
            chosen
        }
        Examples::Record { limit } if record.documents.len() > limit => {
            let mut chosen = dice(Purpose::Groups, 0).choose(record.documents.len(), limit);
            chosen.sort_unstable();
            chosen
        }
        Examples::Record { .. } => (0..record.documents.len()).collect(),
        Examples::EachDocument => vec![part],
        // All groups of a record come from one shuffle.
        Examples::Groups { size } => deal(record, size, part, &mut dice(Purpose::Groups, 0)),
        Examples::Text => Vec::new(),
    };
    let labels = labels(record, &documents);
    Chosen { documents, labels }
}

/// `count` negatives in random order: all different if there are enough, else all of them and some again.
fn draw_negatives(record: &Record, count: usize, dice: &mut Dice) -> Vec<usize> {
    let negatives: Vec<usize> = record.of(Role::Negative).map(|(at, _)| at).collect();
    if negatives.is_empty() {
        return Vec::new();
    }
    let mut drawn = dice.choose(negatives.len(), count);
    while drawn.len() < count {
        drawn.push(dice.below(negatives.len()));
    }
    drawn.into_iter().map(|at| negatives[at]).collect()
}

/// Group `part` of a shuffled record. The last group is completed with documents of earlier ones. A group whose labels
/// are all alike teaches nothing, so its last document gives way to one with another label.
fn deal(record: &Record, size: usize, part: usize, dice: &mut Dice) -> Vec<usize> {
    let count = record.documents.len();
    let size = size.clamp(1, count.max(1));
    let mut order: Vec<usize> = (0..count).collect();
    dice.shuffle(&mut order);
    let start = part * size;
    let end = (start + size).min(count);
    let mut group: Vec<usize> = order.get(start..end).unwrap_or_default().to_vec();
    if group.len() < size {
        let earlier = dice.choose(start.min(count), size - group.len());
        group.extend(earlier.into_iter().map(|at| order[at]));
    }
    let label = |at: usize| record.documents[at].label;
    if size > 1 && group.iter().all(|&at| label(at) == label(group[0])) {
        let other: Vec<usize> = (0..count).filter(|&at| label(at) != label(group[0])).collect();
        if let (Some(last), false) = (group.last_mut(), other.is_empty()) {
            *last = other[dice.below(other.len())];
        }
    }
    // The best first, as losses that know a positive expect.
    group.sort_by(|&a, &b| label(b).unwrap_or(0.0).total_cmp(&label(a).unwrap_or(0.0)));
    group
}

/// The file's labels if all documents have one, else 1 for positives and 0 for negatives.
fn labels(record: &Record, documents: &[usize]) -> Vec<f32> {
    let of_file: Option<Vec<f32>> = documents.iter().map(|&at| record.documents[at].label).collect();
    of_file.unwrap_or_else(|| {
        documents
            .iter()
            .map(|&at| if record.documents[at].role == Role::Negative { 0.0 } else { 1.0 })
            .collect()
    })
}

/// The examples of a set: numbered, and found again by number.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The first example of each record, and the number of all.
    starts: Vec<u32>,
}

impl Numbering {
    /// `None` if there are more than a number holds.
    pub(super) fn of(set: &DataSet, examples: Examples) -> Option<Self> {
        let mut starts = Vec::with_capacity(set.len() + 1);
        let mut total = 0u32;
        starts.push(0);
        for record in 0..set.len() {
            total = total.checked_add(examples.count(set.entry(record)))?;
            starts.push(total);
        }
        Some(Self { starts })
    }

    /// The same without the examples of some records.
    pub(super) fn without(&self, records: &HashSet<usize>) -> Self {
        let (mut starts, mut total) = (vec![0], 0);
        for (record, bounds) in self.starts.windows(2).enumerate() {
            total += if records.contains(&record) { 0 } else { bounds[1] - bounds[0] };
            starts.push(total);
        }
        Self { starts }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.last().map_or(0, |&total| total as usize)
    }

    /// The record, and the example's number within it.
    pub(super) fn find(&self, example: u32) -> (usize, usize) {
        let record = self.starts.partition_point(|&start| start <= example) - 1;
        (record, (example - self.starts[record]) as usize)
    }
}

/// Cuts a text of more than 100 characters into three near-equal pieces and puts them into another order, with spaces
/// between, with probability `rate`; so a model learns not to look at the beginning alone.
#[must_use]
pub fn shuffle_text(text: String, rate: f32, dice: &mut Dice) -> String {
    if dice.unit() >= f64::from(rate) {
        return text;
    }
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if bounds.len() <= 100 {
        return text;
    }
    let third = bounds.len().div_ceil(3);
    let (first, second) = (bounds[third], bounds[2 * third]);
    let mut pieces = [&text[..first], &text[first..second], &text[second..]];
    dice.shuffle(&mut pieces);
    pieces.join(" ")
}
