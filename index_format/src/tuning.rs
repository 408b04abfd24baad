//! What was measured about searching an index: which settings reach which recall.

use crate::error::FormatError;

/// Shares in a [`Tuning`] are counted in millionths: this many are all.
pub const WHOLE: u32 = 1_000_000;
/// No record holds more targets.
pub const MAX_TARGETS: usize = 256;
/// No target holds more settings.
pub const MAX_KNOBS: usize = 32;

/// The settings with which searches of an index reached a recall, measured on the index itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuning {
    /// Live documents when it was measured.
    pub documents: u64,
    /// Tokens in the segments when it was measured, those of deleted documents too.
    pub tokens: u64,
    /// How many queries were asked.
    pub queries: u32,
    /// Where they came from.
    pub source: QuerySource,
    /// What sampled queries follow from.
    pub seed: u64,
    /// By ascending `k`, then by ascending `recall`; no two agree in both.
    pub targets: Vec<TunedTarget>,
}

/// Where the queries of a [`Tuning`] came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QuerySource {
    /// Made of the index's own documents.
    #[default]
    Sampled,
    /// Given by the user.
    Given,
}

/// The cheapest settings found that reach a recall for up to `k` hits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TunedTarget {
    /// Hits asked for.
    pub k: u32,
    /// The share of the true `k` best that is to be found, in millionths.
    pub recall: u32,
    /// The share that was found, in millionths.
    pub measured: u32,
    /// The lower end of its confidence interval, in millionths; at most `measured`.
    pub lower: u32,
    /// The settings by name, ascending. Readers that do not know all of them leave the target alone.
    pub knobs: Vec<Knob>,
}

/// One setting of a search.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Knob {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: u64,
}

impl QuerySource {
    /// The number in metadata records.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Sampled => 0,
            Self::Given => 1,
        }
    }

    pub(crate) fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            0 => Ok(Self::Sampled),
            1 => Ok(Self::Given),
            _ => Err(FormatError::Inconsistent {
                what: "the source of queries",
                expected: 0,
                found: code.into(),
            }),
        }
    }
}

impl Tuning {
    /// Whether the record agrees with itself.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] if a share is more than [`WHOLE`] or a list too long,
    /// [`FormatError::Inconsistent`] if `k` is 0, a bound is above what was measured, or a list is out of order.
    pub fn check(&self) -> Result<(), FormatError> {
        at_most("the number of recall targets", MAX_TARGETS as u64, self.targets.len() as u64)?;
        for target in &self.targets {
            target.check()?;
        }
        let order = self.targets.windows(2).find(|pair| pair[0].place() >= pair[1].place());
        order.map_or(Ok(()), |pair| {
            let (expected, found) = (pair[0].k.into(), pair[1].k.into());
            Err(FormatError::Inconsistent { what: "the hits of the next recall target", expected, found })
        })
    }
}

impl TunedTarget {
    fn place(&self) -> (u32, u32) {
        (self.k, self.recall)
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.k == 0 {
            let what = "the number of hits of a recall target";
            return Err(FormatError::Inconsistent { what, expected: 1, found: 0 });
        }
        at_most("a recall target", WHOLE.into(), self.recall.into())?;
        at_most("a measured recall", WHOLE.into(), self.measured.into())?;
        at_most("the lower bound of a measured recall", self.measured.into(), self.lower.into())?;
        at_most("the number of settings", MAX_KNOBS as u64, self.knobs.len() as u64)?;
        match self.knobs.windows(2).position(|pair| pair[0].name >= pair[1].name) {
            None => Ok(()),
            Some(at) => {
                let (expected, found) = (at as u64, at as u64 + 1);
                Err(FormatError::Inconsistent { what: "the place of a setting's name", expected, found })
            }
        }
    }
}

fn at_most(what: &'static str, limit: u64, found: u64) -> Result<(), FormatError> {
    if found <= limit { Ok(()) } else { Err(FormatError::TooLarge { what, limit, found }) }
}
