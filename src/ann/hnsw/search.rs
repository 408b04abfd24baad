//! Best-first search over any links.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::graph::{Distances, Links};
use super::pool::{Found, Pool, Visited};
use crate::ann::AnnError;

/// What a search needs besides the graph; reuse it from one search to the next.
#[derive(Debug, Clone, Default)]
pub struct SearchScratch {
    pub(super) pool: Pool,
    visited: Visited,
    fresh: Vec<u32>,
    /// The distances of `fresh`.
    lengths: Vec<f32>,
    /// Filtered search only: nodes to follow, allowed or not.
    ahead: BinaryHeap<Reverse<Found>>,
    distances: u64,
}

impl SearchScratch {
    /// Empty scratch; it grows to 2 bytes a node with the first search.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many distances the last search has computed.
    #[must_use]
    pub fn distances(&self) -> u64 {
        self.distances
    }
}

/// Finds up to `ef` nodes near a query, nearest first, ties by number.
///
/// * `query`: how far nodes are from what is searched for; a function from a node to its distance, smaller being nearer,
///   or [`Distances`] that compute many at a time.
/// * `filter`: only nodes that pass are returned. The search still walks through the others, and goes on until `ef`
///   allowed nodes are found or no node is left: at a selectivity of 1/s it looks at about s times as many nodes.
/// * `ef` is at least the number of results wanted; larger finds more of the true nearest ones.
///
/// Cost: about `ef · m` distances without a filter.
///
/// # Errors
/// [`AnnError::NodeOutOfRange`] if the links lead out of the graph, [`AnnError::TooManyNodes`] above [`MAX_NODES`].
///
/// [`MAX_NODES`]: super::MAX_NODES
///
/// ```
/// use lateen::ann::hnsw::{HnswOptions, Metric, SearchScratch, beam_search, build};
/// struct Numbers(Vec<f32>);
/// impl Metric for Numbers {
///     fn len(&self) -> usize { self.0.len() }
///     fn distance(&self, a: u32, b: u32) -> f32 { (self.0[a as usize] - self.0[b as usize]).abs() }
/// }
/// let numbers = Numbers((0..100).map(|x| x as f32).collect());
/// let graph = build(&numbers, &HnswOptions::default())?;
/// let to_query = |node: u32| (numbers.0[node as usize] - 41.8).abs();
/// let odd = |node: u32| node % 2 == 1;
/// let found = beam_search(&graph, 3, to_query, Some(&odd), &mut SearchScratch::new())?;
/// assert_eq!(found.iter().map(|(node, _)| *node).collect::<Vec<_>>(), [41, 43, 39]);
/// # Ok::<(), lateen::ann::AnnError>(())
/// ```
pub fn beam_search<L: Links + ?Sized>(
    graph: &L,
    ef: usize,
    mut query: impl Distances,
    filter: Option<&dyn Fn(u32) -> bool>,
    scratch: &mut SearchScratch,
) -> Result<Vec<(u32, f32)>, AnnError> {
    scratch.distances = 0;
    if graph.len() > super::MAX_NODES {
        return Err(AnnError::TooManyNodes { nodes: graph.len() });
    }
    let (Some(entry), true) = (graph.entry(), ef > 0) else { return Ok(Vec::new()) };
    let nodes = graph.len();
    if entry as usize >= nodes {
        return Err(AnnError::NodeOutOfRange { node: entry, nodes });
    }
    let first = (entry, query.of(entry));
    let start = descend(graph, 0..graph.max_level(), first, &mut query, scratch)?;
    // Every node can be reached from the entry, not from every node: the walk starts from both.
    let starts = [start, first];
    match filter {
        None => walk(graph, 0, &starts, ef, &mut query, scratch)?,
        Some(filter) => walk_filtered(graph, &starts, ef, &mut query, filter, scratch)?,
    }
    Ok(scratch.pool.nodes().iter().map(|found| (found.node(), found.distance())).collect())
}

/// Goes to nearer neighbours while there are any, on the levels from `end` down to the one above `start`.
pub(super) fn descend<L: Links + ?Sized>(
    graph: &L,
    levels: Range<usize>,
    start: (u32, f32),
    query: &mut impl Distances,
    scratch: &mut SearchScratch,
) -> Result<(u32, f32), AnnError> {
    let nodes = graph.len();
    let mut nearest = start;
    for level in (levels.start + 1..=levels.end).rev() {
        loop {
            let here = nearest.0;
            let links = graph.links(level, here);
            if let Some(&node) = links.iter().find(|&&node| node as usize >= nodes) {
                return Err(AnnError::NodeOutOfRange { node, nodes });
            }
            let lengths = measure(links, query, &mut scratch.lengths, &mut scratch.distances);
            for (&node, &there) in links.iter().zip(lengths) {
                if there < nearest.1 || (there == nearest.1 && node < nearest.0) {
                    nearest = (node, there);
                }
            }
            if nearest.0 == here {
                break;
            }
        }
    }
    Ok(nearest)
}

/// Fills the pool with the `ef` nearest nodes that can be found on `level`.
pub(super) fn walk<L: Links + ?Sized>(
    graph: &L,
    level: usize,
    starts: &[(u32, f32)],
    ef: usize,
    query: &mut impl Distances,
    scratch: &mut SearchScratch,
) -> Result<(), AnnError> {
    let SearchScratch { pool, visited, fresh, lengths, distances, .. } = scratch;
    visited.reset(graph.len());
    pool.reset(ef);
    for &(node, distance) in starts {
        if visited.insert(node) == Some(true) {
            pool.insert(Found::new(distance, node));
        }
    }
    while let Some(found) = pool.follow_next() {
        let fresh = unvisited(graph, level, found.node(), visited, fresh)?;
        // Most of the time nothing nearer turns up, and this is the next to be followed.
        if let Some(next) = pool.peek() {
            graph.announce(level, next.node());
        }
        for (&node, &length) in fresh.iter().zip(measure(fresh, query, lengths, distances)) {
            if pool.insert(Found::new(length, node)) {
                graph.announce(level, node);
            }
        }
    }
    Ok(())
}

/// As [`walk`] on level 0, but only nodes that pass `filter` enter the pool.
fn walk_filtered<L: Links + ?Sized>(
    graph: &L,
    starts: &[(u32, f32)],
    ef: usize,
    query: &mut impl Distances,
    filter: &dyn Fn(u32) -> bool,
    scratch: &mut SearchScratch,
) -> Result<(), AnnError> {
    let SearchScratch { pool, visited, fresh, lengths, ahead, distances } = scratch;
    visited.reset(graph.len());
    pool.reset(ef);
    ahead.clear();
    for &(node, distance) in starts {
        if visited.insert(node) == Some(true) {
            let found = Found::new(distance, node);
            ahead.push(Reverse(found));
            if filter(node) {
                pool.insert(found);
            }
        }
    }
    while let Some(Reverse(found)) = ahead.pop() {
        if !pool.wants(found) {
            break;
        }
        let fresh = unvisited(graph, 0, found.node(), visited, fresh)?;
        if let Some(Reverse(next)) = ahead.peek() {
            graph.announce(0, next.node());
        }
        for (&node, &length) in fresh.iter().zip(measure(fresh, query, lengths, distances)) {
            let found = Found::new(length, node);
            if pool.wants(found) {
                ahead.push(Reverse(found));
                if filter(node) {
                    pool.insert(found);
                }
            }
        }
    }
    Ok(())
}

/// Computes all distances before any is compared: without branches in between, the processor overlaps the cache
/// misses of the vectors.
#[inline]
fn measure<'a>(
    nodes: &[u32],
    query: &mut impl Distances,
    lengths: &'a mut Vec<f32>,
    distances: &mut u64,
) -> &'a [f32] {
    if lengths.len() < nodes.len() {
        lengths.resize(nodes.len(), 0.0);
    }
    let lengths = &mut lengths[..nodes.len()];
    query.measure(nodes, lengths);
    *distances += nodes.len() as u64;
    lengths
}

/// Marks the neighbours of `node` and lists those that were not marked.
#[inline]
fn unvisited<'a, L: Links + ?Sized>(
    graph: &L,
    level: usize,
    node: u32,
    visited: &mut Visited,
    fresh: &'a mut Vec<u32>,
) -> Result<&'a [u32], AnnError> {
    let links = graph.links(level, node);
    if fresh.len() < links.len() {
        fresh.resize(links.len(), 0);
    }
    let mut count = 0;
    for &link in links {
        let Some(new) = visited.insert(link) else {
            return Err(AnnError::NodeOutOfRange { node: link, nodes: graph.len() });
        };
        // Without a branch, which could not be foreseen.
        fresh[count] = link;
        count += usize::from(new);
    }
    Ok(&fresh[..count])
}
