//! Which of the near nodes become neighbours.

use super::graph::Metric;

/// A node and its distance from the one that looks for neighbours.
pub(super) type Near = (f32, u32);

/// Nearest first, ties by number.
pub(super) fn nearest_first(a: &Near, b: &Near) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// Keeps at most `room` of the candidates, which are given nearest first: those that are nearer to the node than to
/// any candidate kept before (Malkov & Yashunin 2020, algorithm 4), so that links lead in different directions.
///
/// A candidate as near to a kept one as to the node is left out, so copies of one point do not fill each other's lists.
pub(super) fn select(metric: &(impl Metric + ?Sized), candidates: &[Near], room: usize) -> Vec<Near> {
    let mut kept: Vec<Near> = Vec::with_capacity(room);
    for &(distance, node) in candidates {
        if kept.len() == room {
            break;
        }
        if kept.iter().all(|&(_, other)| metric.distance(node, other) > distance) {
            kept.push((distance, node));
        }
    }
    kept
}
