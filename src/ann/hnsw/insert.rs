//! Inserting one batch of nodes.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::graph::{Graph, Links, Metric};
use super::search::{SearchScratch, descend, walk};
use super::select::{Near, nearest_first, select};
use crate::ann::AnnError;

/// The nodes searched for by one task.
const TASK: usize = 4;

/// A graph that grows, with the length of every link.
pub(super) struct Builder<'a, M: Metric + ?Sized> {
    pub(super) metric: &'a M,
    pub(super) graph: Graph,
    pub(super) ef: usize,
    /// Distances beside `graph.level0` and `graph.upper`, without places for lengths.
    level0: Vec<f32>,
    upper: Vec<f32>,
    scratch: Mutex<Vec<SearchScratch>>,
}

/// A link to be added to the list of `target`.
#[derive(Debug, Clone, Copy)]
struct BackLink {
    level: u8,
    target: u32,
    source: u32,
    distance: f32,
}

impl<'a, M: Metric + ?Sized> Builder<'a, M> {
    pub(super) fn new(metric: &'a M, graph: Graph, ef: usize) -> Self {
        let level0 = vec![0.0; graph.levels.len() * graph.m0];
        let upper = vec![0.0; graph.upper.len() / (1 + graph.m) * graph.m];
        let ef = ef.max(graph.m);
        Self { metric, graph, ef, level0, upper, scratch: Mutex::new(Vec::new()) }
    }

    pub(super) fn into_graph(self) -> Graph {
        self.graph
    }

    /// Links the nodes of `batch`, which follow the ones inserted before.
    pub(super) fn insert(&mut self, batch: Range<u32>) -> Result<(), AnnError> {
        let nodes: Vec<u32> = batch.clone().collect();
        let parts: Vec<Vec<Vec<Vec<Near>>>> = nodes
            .par_chunks(TASK)
            .map(|nodes| {
                let mut scratch = self.take_scratch();
                let found = nodes.iter().map(|&node| self.neighbours(node, &batch, &mut scratch)).collect();
                self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
                found
            })
            .collect::<Result<_, AnnError>>()?;
        let mut back = Vec::new();
        for (&node, levels) in nodes.iter().zip(parts.iter().flatten()) {
            for (level, links) in levels.iter().enumerate() {
                self.set(level, node, links);
                back.extend(links.iter().map(|&(distance, target)| BackLink {
                    level: level as u8,
                    target,
                    source: node,
                    distance,
                }));
            }
        }
        self.link_back(back);
        for node in batch {
            let above = |entry: u32| self.graph.levels[node as usize] > self.graph.levels[entry as usize];
            if self.graph.entry.is_none_or(above) {
                self.graph.entry = Some(node);
            }
        }
        Ok(())
    }

    pub(super) fn take_scratch(&self) -> SearchScratch {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// The links of a new node on each of its levels, chosen from the graph and the batch.
    fn neighbours(
        &self,
        node: u32,
        batch: &Range<u32>,
        scratch: &mut SearchScratch,
    ) -> Result<Vec<Vec<Near>>, AnnError> {
        let height = usize::from(self.graph.levels[node as usize]);
        let mut candidates: Vec<Vec<Near>> = vec![Vec::new(); height + 1];
        let mut distance = |other| self.metric.distance(node, other);
        if let Some(entry) = self.graph.entry {
            let top = self.graph.max_level();
            let start = (entry, distance(entry));
            let mut starts = vec![descend(&self.graph, top, height, start, &mut distance)?];
            for level in (0..=height.min(top)).rev() {
                walk(&self.graph, level, &starts, self.ef, &mut distance, scratch)?;
                starts.clear();
                starts.extend(scratch.pool.nodes().iter().map(|found| (found.node(), found.distance())));
                candidates[level].extend(starts.iter().map(|&(node, distance)| (distance, node)));
            }
        }
        for other in batch.clone().filter(|&other| other != node) {
            let near = (distance(other), other);
            let shared = height.min(usize::from(self.graph.levels[other as usize]));
            candidates[..=shared].iter_mut().for_each(|candidates| candidates.push(near));
        }
        let choose = |mut near: Vec<Near>| {
            near.sort_unstable_by(nearest_first);
            near.truncate(self.ef);
            select(self.metric, &near, self.graph.m)
        };
        Ok(candidates.into_iter().map(choose).collect())
    }

    /// Lets the chosen neighbours link back. Each list depends only on its links before and the new ones.
    fn link_back(&mut self, mut back: Vec<BackLink>) {
        back.sort_unstable_by_key(|link| (link.level, link.target, link.source));
        let groups: Vec<&[BackLink]> =
            back.chunk_by(|a, b| (a.level, a.target) == (b.level, b.target)).collect();
        let lists: Vec<Vec<Near>> = groups.par_iter().map(|group| self.joined(group)).collect();
        for (group, list) in groups.iter().zip(&lists) {
            self.set(usize::from(group[0].level), group[0].target, list);
        }
    }

    fn joined(&self, group: &[BackLink]) -> Vec<Near> {
        let (level, target) = (usize::from(group[0].level), group[0].target);
        let mut list = self.list(level, target);
        let before = list.len();
        for link in group {
            if list[..before].iter().all(|&(_, node)| node != link.source) {
                list.push((link.distance, link.source));
            }
        }
        if list.len() > self.graph.room(level) {
            list.sort_unstable_by(nearest_first);
            list = select(self.metric, &list, self.graph.room(level));
        }
        list
    }

    /// The links of a node with their lengths.
    pub(super) fn list(&self, level: usize, node: u32) -> Vec<Near> {
        let place = self.graph.place(level, node).unwrap_or(0);
        let lengths = if level == 0 { &self.level0 } else { &self.upper };
        lengths[place..].iter().copied().zip(self.graph.links(level, node).iter().copied()).collect()
    }

    pub(super) fn set(&mut self, level: usize, node: u32, list: &[Near]) {
        let Some(place) = self.graph.place(level, node) else { return };
        let lengths = if level == 0 { &mut self.level0 } else { &mut self.upper };
        lengths[place..].iter_mut().zip(list).for_each(|(length, near)| *length = near.0);
        self.graph.set_links(level, node, list.iter().map(|near| near.1));
    }
}
