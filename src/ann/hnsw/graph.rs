//! Links between nodes, and nothing else.

use crate::ann::AnnError;

/// The most nodes of one graph: a bit of the number is taken during search.
pub const MAX_NODES: usize = 1 << 31;

/// The highest level that a node is given.
pub const MAX_LEVEL: usize = 15;

/// How far nodes are from each other. Smaller is nearer; any order-preserving number will do.
///
/// Must be symmetric. Must not depend on the thread; NaN counts as infinitely far.
pub trait Metric: Sync {
    /// How many nodes.
    fn len(&self) -> usize;

    /// From node `a` to node `b`.
    fn distance(&self, a: u32, b: u32) -> f32;

    /// From node `from` to each of `to`, into `out`, which is as long: the same numbers as [`distance`](Self::distance)
    /// gives, perhaps sooner.
    fn distances(&self, from: u32, to: &[u32], out: &mut [f32]) {
        out.iter_mut().zip(to).for_each(|(out, &to)| *out = self.distance(from, to));
    }

    /// Whether there is no node.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How far nodes are from what is searched for. Smaller is nearer; NaN counts as infinitely far.
///
/// Every function from a node to its distance is one.
pub trait Distances {
    /// Writes how far each of `nodes` is to `out`, which is as long. A node's distance does not depend on the others.
    fn measure(&mut self, nodes: &[u32], out: &mut [f32]);

    /// The distance of one node.
    fn of(&mut self, node: u32) -> f32 {
        let mut out = [0.0];
        self.measure(&[node], &mut out);
        out[0]
    }
}

impl<F: FnMut(u32) -> f32> Distances for F {
    #[inline]
    fn measure(&mut self, nodes: &[u32], out: &mut [f32]) {
        out.iter_mut().zip(nodes).for_each(|(out, &node)| *out = self(node));
    }
}

/// Link lists in memory or in a mapped file.
pub trait Links {
    /// How many nodes.
    fn len(&self) -> usize;

    /// Where a search starts; none if there is no node.
    fn entry(&self) -> Option<u32>;

    /// The highest level, that of the entry.
    fn max_level(&self) -> usize;

    /// The neighbours of `node` on `level`; none if it is not on that level. Numbers that are no nodes end a search
    /// with an error.
    fn links(&self, level: usize, node: u32) -> &[u32];

    /// A hint that [`links`](Self::links) will be asked the same soon: a chance to fetch them. The node may not exist.
    fn announce(&self, _level: usize, _node: u32) {}

    /// Whether there is no node.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A graph in flat arrays.
///
/// A list is its length followed by places for the most links it may have; unused places are 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    /// The most links on levels above 0.
    pub m: usize,
    /// The most links on level 0: `2 · m`.
    pub m0: usize,
    /// Where a search starts: a node of the highest level.
    pub entry: Option<u32>,
    /// The highest level of each node.
    pub levels: Vec<u8>,
    /// Level 0, `1 + m0` numbers a node.
    pub level0: Vec<u32>,
    /// The lists of levels 1, 2, … of all nodes in order, `1 + m` numbers a list.
    pub upper: Vec<u32>,
    /// The number of upper lists of all nodes before: `nodes + 1` of them.
    pub upper_starts: Vec<u32>,
}

impl Graph {
    /// Nodes of these levels without links.
    pub(super) fn unlinked(levels: Vec<u8>, m: usize) -> Self {
        let mut upper_starts = Vec::with_capacity(levels.len() + 1);
        let mut lists = 0u32;
        for &level in &levels {
            upper_starts.push(lists);
            lists += u32::from(level);
        }
        upper_starts.push(lists);
        Self {
            m,
            m0: 2 * m,
            entry: None,
            level0: vec![0; levels.len() * (1 + 2 * m)],
            upper: vec![0; lists as usize * (1 + m)],
            upper_starts,
            levels,
        }
    }

    /// How many links a list of this level may have.
    pub(super) fn room(&self, level: usize) -> usize {
        if level == 0 { self.m0 } else { self.m }
    }

    /// The place of a list: the array's stride decides where it begins.
    pub(super) fn list_number(&self, level: usize, node: u32) -> Option<usize> {
        let node = node as usize;
        if level == 0 {
            return (node < self.levels.len()).then_some(node);
        }
        let height = usize::from(*self.levels.get(node)?);
        (level <= height).then(|| self.upper_starts[node] as usize + level - 1)
    }

    /// Where the links of a list are, in numbers without the length; for arrays beside the graph.
    pub(super) fn place(&self, level: usize, node: u32) -> Option<usize> {
        self.list_number(level, node).map(|number| number * self.room(level))
    }

    /// Replaces a list.
    pub(super) fn set_links(&mut self, level: usize, node: u32, links: impl ExactSizeIterator<Item = u32>) {
        let Some(number) = self.list_number(level, node) else { return };
        let stride = 1 + self.room(level);
        let array = if level == 0 { &mut self.level0 } else { &mut self.upper };
        let list = &mut array[number * stride..(number + 1) * stride];
        list.fill(0);
        list[0] = links.len() as u32;
        list[1..].iter_mut().zip(links).for_each(|(place, link)| *place = link);
    }

    /// Whether every list is within its bounds and leads to other nodes of its level.
    ///
    /// # Errors
    /// [`AnnError::NodeOutOfRange`] for the first link that does not.
    pub fn check(&self) -> Result<(), AnnError> {
        for (node, &height) in (0u32..).zip(&self.levels) {
            for level in 0..=usize::from(height) {
                for &link in self.links(level, node) {
                    let there = self.levels.get(link as usize).is_some_and(|&h| usize::from(h) >= level);
                    if !there || link == node {
                        return Err(AnnError::NodeOutOfRange { node: link, nodes: self.levels.len() });
                    }
                }
            }
        }
        Ok(())
    }
}

impl Links for Graph {
    fn len(&self) -> usize {
        self.levels.len()
    }

    fn entry(&self) -> Option<u32> {
        self.entry
    }

    fn max_level(&self) -> usize {
        self.entry.map_or(0, |entry| usize::from(self.levels[entry as usize]))
    }

    #[inline]
    fn links(&self, level: usize, node: u32) -> &[u32] {
        let Some(number) = self.list_number(level, node) else { return &[] };
        let stride = 1 + self.room(level);
        let array = if level == 0 { &self.level0 } else { &self.upper };
        let Some(list) = array.get(number * stride..(number + 1) * stride) else { return &[] };
        list.get(1..=list[0] as usize).unwrap_or(&[])
    }
}
