//! Inserting one batch of nodes.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::graph::{Distances, Graph, Links, Metric};
use super::search::{SearchScratch, descend, walk};
use super::select::{Near, Selection, nearest_first};
use crate::ann::AnnError;

/// The nodes searched for by one task.
const TASK: usize = 4;

/// The lists joined by one task.
const LISTS: usize = 32;

/// A graph that grows, with the length of every link.
pub(super) struct Builder<'a, M: Metric + ?Sized> {
    pub(super) metric: &'a M,
    pub(super) graph: Graph,
    pub(super) ef: usize,
    level0: Beside,
    upper: Beside,
    scratch: Mutex<Vec<Scratch>>,
}

/// What is known of the links beyond where they lead; in the order of the graph's lists, without places for lengths.
struct Beside {
    /// Of each link.
    lengths: Vec<f32>,
    /// How many links at the front of each list were chosen together and so do not exclude each other.
    settled: Vec<u16>,
}

/// What one task needs.
#[derive(Default)]
struct Scratch {
    search: SearchScratch,
    selection: Selection,
    candidates: Vec<Near>,
    lengths: Vec<f32>,
    list: Vec<(Near, bool)>,
}

/// A list to be put into the graph.
struct NewList {
    links: Vec<Near>,
    settled: usize,
}

/// A link to be added to the list of `target`.
#[derive(Debug, Clone, Copy)]
struct BackLink {
    level: u8,
    target: u32,
    source: u32,
    distance: f32,
}

/// The distances of one node.
struct From<'a, M: ?Sized>(&'a M, u32);

impl<M: Metric + ?Sized> Distances for From<'_, M> {
    #[inline]
    fn measure(&mut self, nodes: &[u32], out: &mut [f32]) {
        self.0.distances(self.1, nodes, out);
    }
}

impl Beside {
    fn new(lists: usize, room: usize) -> Self {
        Self { lengths: vec![0.0; lists * room], settled: vec![0; lists] }
    }
}

impl<'a, M: Metric + ?Sized> Builder<'a, M> {
    pub(super) fn new(metric: &'a M, graph: Graph, ef: usize) -> Self {
        let level0 = Beside::new(graph.levels.len(), graph.m0);
        let upper = Beside::new(graph.upper.len() / (1 + graph.m), graph.m);
        let ef = ef.max(graph.m);
        Self { metric, graph, ef, level0, upper, scratch: Mutex::new(Vec::new()) }
    }

    pub(super) fn into_graph(self) -> Graph {
        self.graph
    }

    /// Links the nodes of `batch`, which follow the ones inserted before.
    pub(super) fn insert(&mut self, batch: Range<u32>) -> Result<(), AnnError> {
        let nodes: Vec<u32> = batch.clone().collect();
        let parts: Vec<Vec<Vec<NewList>>> = nodes
            .par_chunks(TASK)
            .map(|task| {
                let of = |scratch: &mut Scratch| {
                    task.iter().map(|&node| self.neighbours(node, &nodes, scratch)).collect()
                };
                self.with_scratch(of)
            })
            .collect::<Result<_, AnnError>>()?;
        let mut back = Vec::new();
        for (&node, levels) in nodes.iter().zip(parts.iter().flatten()) {
            for (level, list) in (0u8..).zip(levels) {
                self.set(level.into(), node, list);
                let link = |&(distance, target)| BackLink { level, target, source: node, distance };
                back.extend(list.links.iter().map(link));
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

    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let pool = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = pool().pop().unwrap_or_default();
        let result = work(&mut scratch);
        pool().push(scratch);
        result
    }

    /// The links of a new node on each of its levels, chosen from the graph and the batch.
    fn neighbours(&self, node: u32, batch: &[u32], scratch: &mut Scratch) -> Result<Vec<NewList>, AnnError> {
        let height = usize::from(self.graph.levels[node as usize]);
        let Scratch { search, selection, candidates, lengths, .. } = scratch;
        let mut query = From(self.metric, node);
        lengths.resize(batch.len(), 0.0);
        query.measure(batch, lengths);
        let top = self.graph.max_level();
        let mut starts = Vec::new();
        if let Some(entry) = self.graph.entry {
            let start = (entry, query.of(entry));
            starts.push(descend(&self.graph, height.min(top)..top, start, &mut query, search)?);
        }
        let mut levels: Vec<NewList> = (0..=height).map(|_| NewList::empty()).collect();
        for level in (0..=height).rev() {
            candidates.clear();
            if level <= top && !starts.is_empty() {
                walk(&self.graph, level, &starts, self.ef, &mut query, search)?;
                starts.clear();
                starts.extend(search.pool.nodes().iter().map(|found| (found.node(), found.distance())));
                candidates.extend(starts.iter().map(|&(node, distance)| (distance, node)));
            }
            let enough = candidates.len() == self.ef;
            let worst = candidates.last().filter(|_| enough).map_or(f32::INFINITY, |last| last.0);
            let reaches = |other: u32| usize::from(self.graph.levels[other as usize]) >= level;
            let near = lengths.iter().copied().zip(batch.iter().copied());
            candidates
                .extend(near.filter(|&(length, other)| length <= worst && other != node && reaches(other)));
            candidates.sort_by(nearest_first);
            candidates.truncate(self.ef);
            selection.choose(self.metric, candidates.iter().map(|&near| (near, false)), self.graph.m);
            levels[level] = NewList { links: selection.kept.clone(), settled: selection.kept.len() };
        }
        Ok(levels)
    }

    /// Lets the chosen neighbours link back. Each list depends only on its links before and the new ones.
    fn link_back(&mut self, mut back: Vec<BackLink>) {
        back.sort_unstable_by_key(|link| (link.level, link.target, link.source));
        let groups: Vec<&[BackLink]> =
            back.chunk_by(|a, b| (a.level, a.target) == (b.level, b.target)).collect();
        let join = |groups: &[&[BackLink]]| -> Vec<NewList> {
            self.with_scratch(|scratch| groups.iter().map(|group| self.joined(group, scratch)).collect())
        };
        let lists: Vec<Vec<NewList>> = groups.par_chunks(LISTS).map(join).collect();
        for (group, list) in groups.iter().zip(lists.iter().flatten()) {
            self.set(usize::from(group[0].level), group[0].target, list);
        }
    }

    fn joined(&self, group: &[BackLink], scratch: &mut Scratch) -> NewList {
        let (level, target) = (usize::from(group[0].level), group[0].target);
        let mut links = self.list(level, target);
        let (before, settled) = (links.len(), self.settled(level, target));
        for link in group {
            if links[..before].iter().all(|&(_, node)| node != link.source) {
                links.push((link.distance, link.source));
            }
        }
        let room = self.graph.room(level);
        if links.len() <= room {
            return NewList { links, settled };
        }
        let Scratch { selection, list, .. } = scratch;
        list.clear();
        list.extend(links.iter().enumerate().map(|(at, &near)| (near, at < settled)));
        list.sort_unstable_by(|a, b| nearest_first(&a.0, &b.0));
        selection.choose(self.metric, list.iter().copied(), room);
        links.clear();
        links.extend(&selection.kept);
        NewList { settled: links.len(), links }
    }

    /// The links of a node with their lengths.
    pub(super) fn list(&self, level: usize, node: u32) -> Vec<Near> {
        let place = self.graph.place(level, node).unwrap_or(0);
        let lengths = &self.beside(level).lengths;
        lengths[place..].iter().copied().zip(self.graph.links(level, node).iter().copied()).collect()
    }

    fn settled(&self, level: usize, node: u32) -> usize {
        let list = self.graph.list_number(level, node);
        list.map_or(0, |list| self.beside(level).settled[list].into())
    }

    fn beside(&self, level: usize) -> &Beside {
        if level == 0 { &self.level0 } else { &self.upper }
    }

    /// Replaces a list by links that were not chosen together.
    pub(super) fn set_unsettled(&mut self, level: usize, node: u32, links: Vec<Near>) {
        self.set(level, node, &NewList { links, settled: 0 });
    }

    fn set(&mut self, level: usize, node: u32, list: &NewList) {
        let (Some(place), Some(number)) =
            (self.graph.place(level, node), self.graph.list_number(level, node))
        else {
            return;
        };
        let beside = if level == 0 { &mut self.level0 } else { &mut self.upper };
        beside.lengths[place..].iter_mut().zip(&list.links).for_each(|(length, near)| *length = near.0);
        beside.settled[number] = list.settled as u16;
        self.graph.set_links(level, node, list.links.iter().map(|near| near.1));
    }
}

impl NewList {
    fn empty() -> Self {
        Self { links: Vec::new(), settled: 0 }
    }
}
