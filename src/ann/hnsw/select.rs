//! Which of the near nodes become neighbours.

use super::graph::Metric;

/// A node and its distance from the one that looks for neighbours.
pub(super) type Near = (f32, u32);

/// Nearest first, ties by number.
pub(super) fn nearest_first(a: &Near, b: &Near) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// Room for one choice after another.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// What was kept, nearest first.
    pub(super) kept: Vec<Near>,
    /// The nodes of `kept` that were settled, and those that were not.
    settled: Vec<u32>,
    others: Vec<u32>,
}

/// Distances computed before one is compared: a candidate that is rejected is usually rejected by one of the first.
const AT_ONCE: usize = 8;

impl Selection {
    /// Keeps at most `room` of the candidates, which are given nearest first: those that are nearer to the node than to
    /// any candidate kept before (Malkov & Yashunin 2020, algorithm 4), so that links lead in different directions.
    ///
    /// A candidate as near to a kept one as to the node is left out, so copies of one point do not fill each other's lists.
    /// No two of the *settled* candidates exclude each other, which spares comparing them again.
    pub(super) fn choose(
        &mut self,
        metric: &(impl Metric + ?Sized),
        candidates: impl Iterator<Item = (Near, bool)>,
        room: usize,
    ) {
        self.kept.clear();
        self.settled.clear();
        self.others.clear();
        for ((distance, node), settled) in candidates {
            if self.kept.len() == room {
                break;
            }
            let farther = |others: &[u32]| all_farther(metric, node, others, distance);
            if farther(&self.others) && (settled || farther(&self.settled)) {
                self.kept.push((distance, node));
                (if settled { &mut self.settled } else { &mut self.others }).push(node);
            }
        }
    }
}

/// Whether `node` is farther than `distance` from all others.
fn all_farther(metric: &(impl Metric + ?Sized), node: u32, others: &[u32], distance: f32) -> bool {
    let mut lengths = [0.0; AT_ONCE];
    others.chunks(AT_ONCE).all(|others| {
        let lengths = &mut lengths[..others.len()];
        metric.distances(node, others, lengths);
        lengths.iter().all(|&length| length > distance)
    })
}
