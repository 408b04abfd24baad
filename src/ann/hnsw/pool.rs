//! The nearest nodes found so far, and the marks of the visited ones.

/// A node and its distance in one integer that orders by distance, then by number; the lowest bit says whether the
/// node's links have been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found(u64);

impl Found {
    pub(super) fn new(distance: f32, node: u32) -> Self {
        let distance = if distance.is_nan() { f32::INFINITY } else { distance + 0.0 };
        let bits = distance.to_bits();
        // Order-preserving: negative numbers are complemented, the others get the highest bit.
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Self(u64::from(ordered) << 32 | u64::from(node) << 1)
    }

    pub(super) fn node(self) -> u32 {
        (self.0 as u32) >> 1
    }

    pub(super) fn distance(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
    }

    fn is_followed(self) -> bool {
        self.0 & 1 == 1
    }
}

/// At most `room` nodes, nearest first.
///
/// A sorted array: with the few hundred nodes of a search, moving the tail is cheaper than keeping two heaps.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    nodes: Vec<Found>,
    room: usize,
    /// All nodes before this one have been followed.
    next: usize,
}

impl Pool {
    pub(super) fn reset(&mut self, room: usize) {
        self.nodes.clear();
        self.nodes.reserve(room + 1);
        (self.room, self.next) = (room, 0);
    }

    /// Whether a node this far would be kept.
    #[inline]
    pub(super) fn wants(&self, found: Found) -> bool {
        self.nodes.len() < self.room || self.nodes.last().is_some_and(|last| found < *last)
    }

    /// Says whether the node is the next to be followed.
    #[inline]
    pub(super) fn insert(&mut self, found: Found) -> bool {
        if !self.wants(found) {
            return false;
        }
        if self.nodes.len() == self.room {
            self.nodes.pop();
        }
        let at = self.nodes.partition_point(|other| *other < found);
        self.nodes.insert(at, found);
        let first = at <= self.next;
        self.next = self.next.min(at);
        first
    }

    /// What [`follow_next`](Self::follow_next) would return now.
    #[inline]
    pub(super) fn peek(&self) -> Option<Found> {
        self.nodes[self.next..].iter().copied().find(|found| !found.is_followed())
    }

    /// The nearest node whose links have not been followed; they count as followed from now on.
    pub(super) fn follow_next(&mut self) -> Option<Found> {
        while let Some(found) = self.nodes.get_mut(self.next) {
            self.next += 1;
            if !found.is_followed() {
                let node = *found;
                found.0 |= 1;
                return Some(node);
            }
        }
        None
    }

    pub(super) fn nodes(&self) -> &[Found] {
        &self.nodes
    }
}

/// A set of nodes that is emptied in O(1).
#[derive(Debug, Clone, Default)]
pub(super) struct Visited {
    marks: Vec<u16>,
    mark: u16,
}

impl Visited {
    /// Empties the set and makes room for nodes `0..nodes`.
    pub(super) fn reset(&mut self, nodes: usize) {
        if self.mark == u16::MAX || self.marks.len() < nodes {
            self.marks.clear();
            self.marks.resize(nodes, 0);
            self.mark = 0;
        }
        self.mark += 1;
    }

    /// Whether `node` is new to the set; none if there is no such node.
    #[inline]
    pub(super) fn insert(&mut self, node: u32) -> Option<bool> {
        let mark = self.marks.get_mut(node as usize)?;
        let new = *mark != self.mark;
        *mark = self.mark;
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_order_as_numbers_do() {
        let distances = [f32::NEG_INFINITY, -3.0, -1e-30, 0.0, 1e-30, 2.0, f32::INFINITY];
        for pair in distances.windows(2) {
            assert!(Found::new(pair[0], 9) < Found::new(pair[1], 0));
            assert_eq!(Found::new(pair[0], 9).distance(), pair[0]);
        }
        assert!(Found::new(1.0, 1) < Found::new(1.0, 2));
        assert_eq!(Found::new(-0.0, 1), Found::new(0.0, 1));
        assert_eq!(Found::new(f32::NAN, 1), Found::new(f32::INFINITY, 1));
        assert_eq!(Found::new(1.0, (1 << 31) - 1).node(), (1 << 31) - 1);
    }

    #[test]
    fn a_pool_keeps_the_nearest_and_follows_each_once() {
        let mut pool = Pool::default();
        pool.reset(3);
        for (distance, node) in [(5.0, 0), (4.0, 1), (3.0, 2)] {
            pool.insert(Found::new(distance, node));
        }
        assert_eq!(pool.follow_next().map(Found::node), Some(2));
        pool.insert(Found::new(1.0, 3));
        pool.insert(Found::new(9.0, 4));
        let order: Vec<u32> = std::iter::from_fn(|| pool.follow_next()).map(Found::node).collect();
        assert_eq!(order, [3, 1]);
        assert_eq!(pool.nodes().iter().map(|found| found.node()).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn marks_may_run_out() {
        let mut visited = Visited::default();
        for _ in 0..70_000 {
            visited.reset(2);
            assert_eq!(visited.insert(1), Some(true));
            assert_eq!(visited.insert(1), Some(false));
            assert_eq!(visited.insert(2), None);
        }
    }
}
