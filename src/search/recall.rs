//! What a search must find, and which effort that takes.

use std::fmt;
use std::str::FromStr;

use super::{Effort, PlanChoice, SearchError, SearchOptions};
use crate::format::{Knob, QuerySource, TunedTarget, Tuning, WHOLE};
use crate::index::Snapshot;

/// The share of the true best `k` documents that a search is to find, averaged over queries.
///
/// True are those that a scan of all documents finds on the same stored vectors: what codes lose of the model's
/// vectors is another matter.
///
/// ```
/// use lateen::search::Recall;
/// assert_eq!("0.95".parse::<Recall>()?, Recall::at_least(0.95)?);
/// assert_eq!("exact".parse::<Recall>()?, Recall::EXACT);
/// assert!(Recall::at_least(1.5).is_err());
/// # Ok::<(), lateen::search::SearchError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recall(u32);

impl Recall {
    /// All of them: every document is scored.
    pub const EXACT: Self = Self(WHOLE);
    /// Ninety-nine of a hundred: what a search is to find unless told otherwise.
    pub const DEFAULT: Self = Self(990_000);
    /// What an index measures unless told otherwise.
    pub const USUAL: [Self; 3] = [Self(900_000), Self(950_000), Self(990_000)];

    /// This share, up to a millionth; 1 is [`Recall::EXACT`].
    ///
    /// # Errors
    /// [`SearchError::Recall`] unless `0 < share ≤ 1`.
    pub fn at_least(share: f64) -> Result<Self, SearchError> {
        let millionths = (share * f64::from(WHOLE)).round();
        if share > 0.0 && (1.0..=f64::from(WHOLE)).contains(&millionths) {
            return Ok(Self(millionths as u32));
        }
        Err(SearchError::Recall { found: share.to_string() })
    }

    /// The share, in `(0, 1]`.
    #[must_use]
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Half of what it lets be missed.
    pub(super) fn with_half_the_misses(self) -> Self {
        Self(WHOLE - (WHOLE - self.0) / 2)
    }

    pub(super) fn millionths(self) -> u32 {
        self.0
    }
}

impl Default for Recall {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::EXACT { f.write_str("exact") } else { self.share().fmt(f) }
    }
}

impl FromStr for Recall {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        if text == "exact" {
            return Ok(Self::EXACT);
        }
        match text.parse() {
            Ok(share) => Self::at_least(share),
            Err(_) => Err(SearchError::Recall { found: text.to_owned() }),
        }
    }
}

/// Where the effort of a search came from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum EffortSource {
    /// Every document was to be scored.
    Exact,
    /// The caller gave the effort.
    Given,
    /// The index measured that this effort is enough.
    Measured(Evidence),
    /// The same, when the index had less than half of today's documents: measure again (`lateen tune`).
    Outdated(Evidence),
    /// The index has measured nothing: the default effort was used, and nothing is promised. `lateen tune` measures.
    NotTuned,
    /// The default beam of a graph over dense vectors: only what token vectors take is measured.
    NotMeasured,
    /// The index has measured, but found no effort short of a scan that reaches this recall for so many hits.
    NotReached,
}

/// What the index measured about an effort.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Hits asked for in the measurement; the effort serves for fewer as well.
    pub k: usize,
    /// The recall that was aimed at.
    pub target: Recall,
    /// The recall that was measured, in `[0, 1]`.
    pub measured: f64,
    /// A bound that the recall over all such queries is above, in 95 of 100 cases.
    pub lower: f64,
    /// On how many queries.
    pub queries: u32,
    /// Where these came from.
    pub source: QuerySource,
}

impl fmt::Display for EffortSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("every document is scored"),
            Self::Given => f.write_str("effort as given; its recall was not measured"),
            Self::Measured(evidence) => evidence.fmt(f),
            Self::Outdated(evidence) => {
                write!(
                    f,
                    "{evidence}, when the index was less than half as large; `lateen tune` measures again"
                )
            }
            Self::NotTuned => {
                f.write_str("default effort: this index is not tuned; `lateen tune` measures it")
            }
            Self::NotMeasured => f.write_str("default beam: recall over dense vectors is not measured"),
            Self::NotReached => f.write_str("no effort short of a scan was measured to reach this recall"),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            QuerySource::Sampled => "sampled",
            QuerySource::Given => "given",
        };
        write!(
            f,
            "recall@{} measured as {:.4} (at least {:.4}) on {} {source} queries",
            self.k, self.measured, self.lower, self.queries
        )
    }
}

/// The options with what [`SearchOptions::recall`] asks for made explicit.
///
/// `allowed` documents pass the filter. The best `k` of them are some of the best `k · documents / allowed` of all, if
/// the filter has nothing to do with the query: so many must be found.
pub(super) fn resolve(
    snapshot: &Snapshot,
    options: &SearchOptions,
    allowed: u64,
) -> (SearchOptions, EffortSource) {
    let scan = |source| (SearchOptions { plan: PlanChoice::Exact, ..options.clone() }, source);
    if options.plan == PlanChoice::Exact {
        return scan(EffortSource::Exact);
    }
    if options.effort.is_some() {
        return (options.clone(), EffortSource::Given);
    }
    if options.recall == Recall::EXACT {
        return scan(EffortSource::Exact);
    }
    let Some(tuning) = snapshot.tuning() else {
        return (options.clone(), EffortSource::NotTuned);
    };
    let share = snapshot.documents() as f64 / allowed.max(1) as f64;
    let k = (options.k as f64 * share.max(1.0)).ceil() as usize;
    let Some((effort, evidence)) = measured(tuning, k, options.recall) else {
        return scan(EffortSource::NotReached);
    };
    let options = SearchOptions { effort: Some(effort), ..options.clone() };
    let outdated = outdated(tuning, snapshot);
    (options, if outdated { EffortSource::Outdated(evidence) } else { EffortSource::Measured(evidence) })
}

/// Whether the index holds more than twice as many documents as when it was measured.
pub(super) fn outdated(tuning: &Tuning, snapshot: &Snapshot) -> bool {
    snapshot.documents() > tuning.documents.saturating_mul(2)
}

/// The effort for the fewest hits, and then the least recall, that are enough.
fn measured(tuning: &Tuning, k: usize, recall: Recall) -> Option<(Effort, Evidence)> {
    let enough = |target: &&TunedTarget| target.k as usize >= k && target.recall >= recall.millionths();
    // The list is by ascending `k`, then recall.
    let (target, effort) =
        tuning.targets.iter().filter(enough).find_map(|target| Some((target, effort_of(&target.knobs)?)))?;
    let share = |millionths: u32| f64::from(millionths) / f64::from(WHOLE);
    let evidence = Evidence {
        k: target.k as usize,
        target: Recall(target.recall),
        measured: share(target.measured),
        lower: share(target.lower),
        queries: tuning.queries,
        source: tuning.source,
    };
    Some((effort, evidence))
}

const CANDIDATES: &str = "candidates";
/// In thousandths; left out if all candidates are scored.
const MARGIN: &str = "margin_thousandths";
const NPROBE: &str = "nprobe";
const REFINE: &str = "refine";

/// The settings as an index keeps them.
pub(super) fn knobs_of(effort: &Effort) -> Vec<Knob> {
    let knob = |name: &str, value: u64| Knob { name: name.to_owned(), value };
    let mut knobs = vec![knob(CANDIDATES, effort.candidates as u64)];
    if effort.margin.is_finite() {
        knobs.push(knob(MARGIN, (effort.margin.max(0.0) * 1000.0).round() as u64));
    }
    knobs.push(knob(NPROBE, effort.nprobe as u64));
    knobs.push(knob(REFINE, effort.refine as u64));
    knobs
}

/// The settings that an index kept; `None` if it names one that is unknown here, or lacks one.
pub(super) fn effort_of(knobs: &[Knob]) -> Option<Effort> {
    let (mut nprobe, mut candidates, mut refine, mut margin) = (None, None, None, f32::INFINITY);
    for Knob { name, value } in knobs {
        match name.as_str() {
            NPROBE => nprobe = Some(usize::try_from(*value).ok()?),
            CANDIDATES => candidates = Some(usize::try_from(*value).ok()?),
            REFINE => refine = Some(usize::try_from(*value).ok()?),
            MARGIN => margin = (*value as f64 / 1000.0) as f32,
            _ => return None,
        }
    }
    Some(Effort { nprobe: nprobe?, refine: refine?, candidates: candidates?, margin })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning() -> Tuning {
        let target = |k, recall, nprobe| TunedTarget {
            k,
            recall,
            measured: recall,
            lower: recall,
            knobs: knobs_of(&Effort { margin: 1.5, ..Effort::with(nprobe, 100) }),
        };
        let targets = vec![target(16, 900_000, 4), target(16, 990_000, 16), target(128, 950_000, 8)];
        Tuning { documents: 10, queries: 64, targets, ..Tuning::default() }
    }

    #[test]
    fn the_cheapest_effort_that_is_enough_is_taken() {
        let tuning = tuning();
        let nprobe = |k, share| {
            measured(&tuning, k, Recall::at_least(share).unwrap()).map(|(effort, _)| effort.nprobe)
        };
        assert_eq!(nprobe(10, 0.9), Some(4));
        assert_eq!(nprobe(16, 0.93), Some(16));
        assert_eq!(nprobe(17, 0.9), Some(8));
        assert_eq!(nprobe(17, 0.99), None);
        assert_eq!(nprobe(200, 0.5), None);
    }

    #[test]
    fn efforts_are_kept_by_name() {
        for margin in [0.0, 1.25, f32::INFINITY] {
            let effort = Effort { margin, ..Effort::with(24, 300) };
            let knobs = knobs_of(&effort);
            assert!(knobs.windows(2).all(|pair| pair[0].name < pair[1].name));
            assert_eq!(effort_of(&knobs), Some(effort));
        }
        let foreign = Knob { name: "warp".to_owned(), value: 9 };
        let mut knobs = knobs_of(&Effort::default());
        assert_eq!(effort_of(&knobs[1..]), None);
        knobs.push(foreign);
        assert_eq!(effort_of(&knobs), None);
    }

    #[test]
    fn shares_are_read_and_written() {
        for text in ["0.9", "0.99", "0.5", "exact"] {
            assert_eq!(text.parse::<Recall>().unwrap().to_string(), text);
        }
        assert_eq!("1".parse::<Recall>().unwrap(), Recall::EXACT);
        for text in ["0", "-1", "1.01", "NaN", "inf", "", "all"] {
            assert!(matches!(text.parse::<Recall>(), Err(SearchError::Recall { .. })), "{text}");
        }
    }
}
