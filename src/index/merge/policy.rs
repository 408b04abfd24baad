//! Which segments to merge next: a function of their sizes alone.
//!
//! Rules, the first that applies wins. Sizes are live tokens (documents where the index stores no tokens).
//!
//! 1. **Recent rows become codes** once they are many: all raw segments together, and every coded segment up to
//!    [`ABSORB`] times their size. What is larger is left alone, so that a token is rewritten a bounded number of
//!    times, about `log(size) / log(ABSORB)`.
//! 2. **Recent segments that are too many** become one, still raw.
//! 3. **Segments of a size** become one when there are [`MergePolicy::segments_per_tier`] of them. Tiers are powers
//!    of 8.
//! 4. **Deleted documents** are dropped from a segment when they are more than
//!    [`MergePolicy::max_deleted_share`] of it.
//!
//! Nothing is planned that would read more than the budget, and nothing that would join documents whose tokens were
//! pooled differently: a segment records one way.

/// Who merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeMode {
    /// Nobody, unless asked: [`Writer::merge_once`](super::super::Writer::merge_once),
    /// [`Writer::compact`](super::super::Writer::compact).
    Manual,
    /// The commit, after it is durable and before it returns. The same calls give the same bytes.
    #[default]
    OnCommit,
    /// A thread beside the writer. A later commit takes over what it made; which one depends on time.
    Background,
}

/// When segments are merged, and how much at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MergePolicy {
    /// Who merges.
    pub mode: MergeMode,
    /// So many segments of about the same size are merged into one. 8.
    pub segments_per_tier: usize,
    /// A segment of which more is deleted is written again without it. 0.1.
    pub max_deleted_share: f64,
    /// No merge reads segments of more bytes than this in all. 256 MiB.
    pub budget_bytes: u64,
}

impl Default for MergePolicy {
    fn default() -> Self {
        Self {
            mode: MergeMode::OnCommit,
            segments_per_tier: 8,
            max_deleted_share: 0.1,
            budget_bytes: 256 << 20,
        }
    }
}

impl MergePolicy {
    /// Merges nothing by itself.
    #[must_use]
    pub fn manual() -> Self {
        Self { mode: MergeMode::Manual, ..Self::default() }
    }
}

/// What the policy knows of a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SegmentFacts {
    pub(crate) documents: u64,
    pub(crate) deleted: u64,
    pub(crate) tokens: u64,
    pub(crate) bytes: u64,
    /// Rows that wait to be coded.
    pub(crate) raw: bool,
    /// The factor by which tokens were pooled, and how many of each document were not.
    pub(crate) pooling: (usize, usize),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MergePlan {
    /// Which segments, ascending.
    pub(crate) sources: Vec<usize>,
    /// Whether rows stay rows.
    pub(crate) keep_raw: bool,
}

/// Coded segments up to this many times the size of new rows are merged with them.
const ABSORB: u64 = 64;
/// Smaller segments are not worth a rewrite for their deleted documents, unless none is to be left; merging by number
/// reaches them.
const WORTH_REWRITING: u64 = 4096;

impl SegmentFacts {
    fn live_tokens(&self) -> u64 {
        if self.tokens == 0 {
            return self.documents - self.deleted;
        }
        // Documents are taken to be of equal length.
        (u128::from(self.tokens) * u128::from(self.documents - self.deleted)
            / u128::from(self.documents.max(1))) as u64
    }

    fn deleted_share(&self) -> f64 {
        self.deleted as f64 / self.documents.max(1) as f64
    }

    fn tier(&self) -> u32 {
        self.live_tokens().max(256).ilog2() / 3
    }
}

/// The next merge, if one is due. `code_from`: so many raw tokens are enough for a codec.
pub(crate) fn next_merge(
    segments: &[SegmentFacts],
    code_from: u64,
    policy: &MergePolicy,
) -> Option<MergePlan> {
    let mut kinds: Vec<_> = segments.iter().map(|facts| facts.pooling).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.into_iter().find_map(|kind| {
        let own: Vec<usize> = (0..segments.len()).filter(|&at| segments[at].pooling == kind).collect();
        let facts: Vec<SegmentFacts> = own.iter().map(|&at| segments[at]).collect();
        let mut plan = next_among(&facts, code_from, policy)?;
        plan.sources.iter_mut().for_each(|at| *at = own[*at]);
        Some(plan)
    })
}

fn next_among(segments: &[SegmentFacts], code_from: u64, policy: &MergePolicy) -> Option<MergePlan> {
    let affordable = |plan: &MergePlan| {
        plan.sources.iter().map(|&at| segments[at].bytes).sum::<u64>() <= policy.budget_bytes
    };
    let plans = [
        code_recent(segments, code_from, policy),
        join_recent(segments, code_from, policy),
        join_tier(segments, policy),
        drop_deleted(segments, policy),
    ];
    plans.into_iter().flatten().find(affordable)
}

fn recent(segments: &[SegmentFacts]) -> Vec<usize> {
    (0..segments.len()).filter(|&at| segments[at].raw).collect()
}

fn total(segments: &[SegmentFacts], of: &[usize]) -> u64 {
    of.iter().map(|&at| segments[at].live_tokens()).sum()
}

fn code_recent(segments: &[SegmentFacts], code_from: u64, policy: &MergePolicy) -> Option<MergePlan> {
    let mut sources = recent(segments);
    let rows = total(segments, &sources);
    if rows == 0 || rows < code_from {
        return None;
    }
    let mut bytes: u64 = sources.iter().map(|&at| segments[at].bytes).sum();
    let mut coded: Vec<usize> = (0..segments.len()).filter(|&at| !segments[at].raw).collect();
    coded.sort_by_key(|&at| (segments[at].live_tokens(), at));
    for at in coded {
        bytes += segments[at].bytes;
        if segments[at].live_tokens() > rows.saturating_mul(ABSORB) || bytes > policy.budget_bytes {
            break;
        }
        sources.push(at);
    }
    sources.sort_unstable();
    Some(MergePlan { sources, keep_raw: false })
}

fn join_recent(segments: &[SegmentFacts], code_from: u64, policy: &MergePolicy) -> Option<MergePlan> {
    let sources = recent(segments);
    (total(segments, &sources) < code_from)
        .then(|| same_tier(segments, &sources, policy))
        .flatten()
        .map(|sources| MergePlan { sources, keep_raw: true })
}

fn join_tier(segments: &[SegmentFacts], policy: &MergePolicy) -> Option<MergePlan> {
    let coded: Vec<usize> = (0..segments.len()).filter(|&at| !segments[at].raw).collect();
    same_tier(segments, &coded, policy).map(|sources| MergePlan { sources, keep_raw: false })
}

/// All segments of the smallest tier that is full, and those of smaller tiers.
fn same_tier(segments: &[SegmentFacts], among: &[usize], policy: &MergePolicy) -> Option<Vec<usize>> {
    let mut tiers: Vec<u32> = among.iter().map(|&at| segments[at].tier()).collect();
    tiers.sort_unstable();
    let full = tiers.chunk_by(|a, b| a == b).find(|tier| tier.len() >= policy.segments_per_tier.max(2))?[0];
    Some(among.iter().copied().filter(|&at| segments[at].tier() <= full).collect())
}

fn drop_deleted(segments: &[SegmentFacts], policy: &MergePolicy) -> Option<MergePlan> {
    let least = if policy.max_deleted_share > 0.0 { WORTH_REWRITING } else { 0 };
    let worst = (0..segments.len())
        .filter(|&at| segments[at].tokens.max(segments[at].documents) >= least)
        .filter(|&at| segments[at].deleted_share() > policy.max_deleted_share)
        .max_by(|&a, &b| segments[a].deleted_share().total_cmp(&segments[b].deleted_share()))?;
    Some(MergePlan { sources: vec![worst], keep_raw: segments[worst].raw })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coded(tokens: u64) -> SegmentFacts {
        SegmentFacts {
            documents: tokens.div_ceil(100).max(1),
            deleted: 0,
            tokens,
            bytes: tokens * 70,
            raw: false,
            pooling: (1, 1),
        }
    }

    fn raw(tokens: u64) -> SegmentFacts {
        SegmentFacts { bytes: tokens * 260, raw: true, ..coded(tokens) }
    }

    fn plan(segments: &[SegmentFacts]) -> Option<(Vec<usize>, bool)> {
        next_merge(segments, 32_768, &MergePolicy::default()).map(|plan| (plan.sources, plan.keep_raw))
    }

    #[test]
    fn each_rule_where_it_applies() {
        assert_eq!(plan(&[]), None);
        assert_eq!(plan(&[coded(1_000_000), raw(100), raw(100)]), None);
        // Recent segments that are too many; those of higher tiers stay.
        let mut many = vec![coded(1_000_000), raw(20_000)];
        many.extend([raw(100); 8]);
        assert_eq!(plan(&many), Some(((2..10).collect(), true)));
        // Recent rows that are enough, with the coded segment that is not too large for them.
        assert_eq!(plan(&[coded(1_000_000), raw(20_000), raw(20_000)]), Some((vec![0, 1, 2], false)));
        // Beyond the budget they become a segment of their own.
        assert_eq!(plan(&[coded(9_000_000), raw(20_000), raw(20_000)]), Some((vec![1, 2], false)));
        // A tier that is full takes the smaller ones along.
        let mut full = vec![coded(3_000_000), coded(600)];
        full.extend([coded(40_000); 8]);
        assert_eq!(plan(&full), Some(((1..10).collect(), false)));
        // Deleted documents.
        let half = SegmentFacts { deleted: 5_000, ..coded(1_000_000) };
        assert_eq!(plan(&[coded(1_000_000), half]), Some((vec![1], false)));
        assert_eq!(plan(&[coded(1_000_000), SegmentFacts { deleted: 900, ..half }]), None);
        let few = [SegmentFacts { deleted: 1, ..coded(1_000) }];
        assert_eq!(plan(&few), None);
        let none_left = MergePolicy { max_deleted_share: 0.0, ..MergePolicy::default() };
        assert_eq!(next_merge(&few, 1, &none_left).map(|plan| plan.sources), Some(vec![0]));
        // What was pooled differently stays apart.
        let pooled = |tokens| SegmentFacts { pooling: (2, 1), ..raw(tokens) };
        let mut apart = vec![raw(100); 7];
        apart.push(pooled(100));
        assert_eq!(plan(&apart), None);
        apart.extend([pooled(100); 7]);
        assert_eq!(plan(&apart), Some(((7..15).collect(), true)));
    }

    /// A writer that adds segments and does what is planned.
    fn grow(flushes: &[u64]) -> (Vec<SegmentFacts>, u64) {
        let (mut segments, mut written) = (Vec::new(), 0);
        for &tokens in flushes {
            segments.push(if tokens < 32_768 { raw(tokens) } else { coded(tokens) });
            let mut steps = 0;
            while let Some(plan) = next_merge(&segments, 32_768, &MergePolicy::default()) {
                let live = total(&segments, &plan.sources);
                written += live;
                for &at in plan.sources.iter().rev() {
                    segments.remove(at);
                }
                segments.push(if plan.keep_raw { raw(live) } else { coded(live) });
                steps += 1;
                assert!(steps < 100, "{segments:?}");
            }
        }
        (segments, written)
    }

    proptest! {
        #[test]
        fn segments_stay_few_and_work_ends(flushes in prop::collection::vec(0_u64..60_000, 0..300)) {
            let (segments, written) = grow(&flushes);
            let tokens: u64 = flushes.iter().sum();
            prop_assert!(segments.len() <= 7 * 8, "{} segments", segments.len());
            let waiting: u64 = segments.iter().filter(|facts| facts.raw).map(|facts| facts.tokens).sum();
            prop_assert!(waiting < 32_768);
            prop_assert!(written <= 80 * tokens.max(1), "{written} for {tokens}");
        }

        #[test]
        fn no_plan_goes_over_its_budget(
            sizes in prop::collection::vec((1_u64..1_000_000, 0_u64..100, prop::bool::ANY), 0..40),
            budget_bytes in 0_u64..100_000_000,
        ) {
            let facts: Vec<SegmentFacts> = sizes
                .iter()
                .map(|&(tokens, share, is_raw)| {
                    let facts = if is_raw { raw(tokens) } else { coded(tokens) };
                    SegmentFacts { deleted: facts.documents * share / 100, ..facts }
                })
                .collect();
            let policy = MergePolicy { budget_bytes, ..MergePolicy::default() };
            if let Some(plan) = next_merge(&facts, 32_768, &policy) {
                prop_assert!(!plan.sources.is_empty());
                prop_assert!(plan.sources.windows(2).all(|pair| pair[0] < pair[1]));
                let bytes: u64 = plan.sources.iter().map(|&at| facts[at].bytes).sum();
                prop_assert!(bytes <= budget_bytes);
                prop_assert!(!plan.keep_raw || plan.sources.iter().all(|&at| facts[at].raw));
            }
        }
    }
}
