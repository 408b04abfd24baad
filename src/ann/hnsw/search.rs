//! Best-first search over any links.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::Links;
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
/// * `distance`: from the query to a node; smaller is nearer.
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
    mut distance: impl FnMut(u32) -> f32,
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
    let first = (entry, distance(entry));
    let start = descend(graph, graph.max_level(), 0, first, &mut distance)?;
    // Every node can be reached from the entry, not from every node: the walk starts from both.
    let starts = [start, first];
    match filter {
        None => walk(graph, 0, &starts, ef, &mut distance, scratch)?,
        Some(filter) => walk_filtered(graph, &starts, ef, &mut distance, filter, scratch)?,
    }
    Ok(scratch.pool.nodes().iter().map(|found| (found.node(), found.distance())).collect())
}

/// Goes to nearer neighbours while there are any, on levels `from` down to `above + 1`.
pub(super) fn descend<L: Links + ?Sized>(
    graph: &L,
    from: usize,
    above: usize,
    start: (u32, f32),
    distance: &mut impl FnMut(u32) -> f32,
) -> Result<(u32, f32), AnnError> {
    let mut nearest = start;
    for level in (above + 1..=from).rev() {
        loop {
            let here = nearest.0;
            for &node in graph.links(level, here) {
                if node as usize >= graph.len() {
                    return Err(AnnError::NodeOutOfRange { node, nodes: graph.len() });
                }
                let there = distance(node);
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
    distance: &mut impl FnMut(u32) -> f32,
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
        unvisited(graph, level, found.node(), visited, fresh)?;
        *distances += fresh.len() as u64;
        measure(fresh, distance, lengths);
        for (&node, &length) in fresh.iter().zip(lengths.iter()) {
            pool.insert(Found::new(length, node));
        }
    }
    Ok(())
}

/// As [`walk`] on level 0, but only nodes that pass `filter` enter the pool.
fn walk_filtered<L: Links + ?Sized>(
    graph: &L,
    starts: &[(u32, f32)],
    ef: usize,
    distance: &mut impl FnMut(u32) -> f32,
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
        unvisited(graph, 0, found.node(), visited, fresh)?;
        *distances += fresh.len() as u64;
        measure(fresh, distance, lengths);
        for (&node, &length) in fresh.iter().zip(lengths.iter()) {
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
fn measure(nodes: &[u32], distance: &mut impl FnMut(u32) -> f32, lengths: &mut Vec<f32>) {
    lengths.clear();
    lengths.extend(nodes.iter().map(|&node| distance(node)));
}

/// Marks the neighbours of `node` and lists those that were not marked.
#[inline]
fn unvisited<L: Links + ?Sized>(
    graph: &L,
    level: usize,
    node: u32,
    visited: &mut Visited,
    fresh: &mut Vec<u32>,
) -> Result<(), AnnError> {
    fresh.clear();
    for &link in graph.links(level, node) {
        match visited.insert(link) {
            Some(true) => fresh.push(link),
            Some(false) => {}
            None => return Err(AnnError::NodeOutOfRange { node: link, nodes: graph.len() }),
        }
    }
    Ok(())
}
