//! Graphs against brute force, and what must hold in every graph.

use proptest::prelude::*;

use super::select::{Selection, nearest_first};
use super::*;
use crate::ann::AnnError;

/// Points in a space, squared Euclidean distance.
struct Points {
    data: Vec<f32>,
    dim: usize,
}

impl Points {
    /// Points around `clusters` centres.
    fn clustered(points: usize, dim: usize, clusters: usize) -> Self {
        let mut state = 9u64;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let centres: Vec<f32> = (0..clusters * dim).map(|_| uniform()).collect();
        let data =
            (0..points * dim).map(|at| centres[at / dim % clusters * dim + at % dim] + 0.6 * uniform());
        Self { data: data.collect(), dim }
    }

    fn row(&self, point: u32) -> &[f32] {
        &self.data[point as usize * self.dim..][..self.dim]
    }

    fn to(&self, query: &[f32], point: u32) -> f32 {
        query.iter().zip(self.row(point)).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    /// The nearest allowed points, by looking at all.
    fn nearest(&self, query: &[f32], k: usize, allowed: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
        let mut all: Vec<(u32, f32)> =
            (0..self.len() as u32).filter(|&at| allowed(at)).map(|at| (at, self.to(query, at))).collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    }
}

impl Metric for Points {
    fn len(&self) -> usize {
        self.data.len() / self.dim
    }
    fn distance(&self, a: u32, b: u32) -> f32 {
        self.to(self.row(a), b)
    }
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// Everything can be reached, nothing leads astray.
fn assert_sound(graph: &Graph) {
    graph.check().unwrap();
    assert_eq!(graph.level0.len(), graph.levels.len() * (1 + graph.m0));
    assert_eq!(graph.upper_starts.len(), graph.levels.len() + 1);
    let highest = graph.levels.iter().max().copied();
    assert_eq!(graph.entry.map(|entry| graph.levels[entry as usize]), highest);
    let mut reached = vec![false; graph.levels.len()];
    let mut ahead: Vec<u32> = graph.entry.into_iter().collect();
    while let Some(node) = ahead.pop() {
        if !std::mem::replace(&mut reached[node as usize], true) {
            let links = graph.links(0, node);
            let mut sorted = links.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), links.len(), "node {node} links twice to the same");
            ahead.extend(links);
        }
    }
    assert!(reached.iter().all(|&reached| reached), "a node cannot be reached");
}

#[test]
fn threads_do_not_change_a_link() {
    let points = Points::clustered(3000, 8, 30);
    let options = HnswOptions { m: 6, ef_construction: 40, seed: 4 };
    let graph = in_pool(1, || build(&points, &options).unwrap());
    assert_eq!(graph, in_pool(2, || build(&points, &options).unwrap()));
    assert_eq!(graph, in_pool(4, || build(&points, &options).unwrap()));
    let other = HnswOptions { seed: 5, ..options };
    assert_ne!(graph.levels, build(&points, &other).unwrap().levels);
    assert_sound(&graph);
}

#[test]
fn search_finds_most_of_the_nearest() {
    let points = Points::clustered(4000, 16, 50);
    let graph = build(&points, &HnswOptions { m: 12, ef_construction: 80, seed: 0 }).unwrap();
    assert_sound(&graph);
    let queries = Points::clustered(4100, 16, 50);
    let mut scratch = SearchScratch::new();
    let mut found = 0;
    for query in 4000..4100 {
        let query = queries.row(query);
        let near = beam_search(&graph, 64, |node| points.to(query, node), None, &mut scratch).unwrap();
        assert_eq!(near.len(), 64);
        assert!(near.windows(2).all(|pair| (pair[0].1, pair[0].0) < (pair[1].1, pair[1].0)));
        assert!(near.iter().all(|&(node, distance)| distance == points.to(query, node)));
        let exact = points.nearest(query, 10, |_| true);
        found += exact.iter().filter(|hit| near.contains(hit)).count();
        assert!(scratch.distances() < 4000, "as much work as looking at all");
    }
    assert!(found >= 970, "{found} of the 1000 nearest");
}

#[test]
fn filtered_search_returns_as_many_as_exist() {
    let points = Points::clustered(3000, 8, 30);
    let graph = build(&points, &HnswOptions { m: 8, ef_construction: 60, seed: 0 }).unwrap();
    let queries = Points::clustered(3020, 8, 30);
    let mut scratch = SearchScratch::new();
    for every in [2, 10, 100, 1000, 2999] {
        let allowed = |node: u32| node.is_multiple_of(every);
        let mut missed = 0;
        for query in 3000..3020 {
            let query = queries.row(query);
            let distance = |node| points.to(query, node);
            let near = beam_search(&graph, 20, distance, Some(&allowed), &mut scratch).unwrap();
            let exact = points.nearest(query, 20, allowed);
            assert_eq!(near.len(), exact.len(), "1 in {every}");
            assert!(near.iter().all(|&(node, _)| allowed(node)));
            missed += exact.iter().filter(|hit| !near.contains(hit)).count();
        }
        assert!(missed <= 20, "1 in {every}: {missed} of 400 missed");
    }
    let none = beam_search(&graph, 5, |_| 0.0, Some(&|_| false), &mut scratch).unwrap();
    assert!(none.is_empty());
}

#[test]
fn equal_points_are_all_found() {
    for points in [1, 2, 3, 300, 2000] {
        let points = Points { data: vec![0.5; points * 3], dim: 3 };
        let graph = build(&points, &HnswOptions { m: 4, ef_construction: 16, seed: 1 }).unwrap();
        assert_sound(&graph);
        let all = points.len();
        let found = beam_search(&graph, all, |_| 0.25, None, &mut SearchScratch::new()).unwrap();
        assert!(found == (0..all as u32).map(|node| (node, 0.25)).collect::<Vec<_>>(), "{all} points");
    }
}

#[test]
fn copies_do_not_hide_what_lies_behind_them() {
    // Copies of one point, inserted between the others.
    let mut points = Points::clustered(1500, 6, 20);
    let copy = points.row(700).to_vec();
    for at in 500..530 {
        points.data[at * 6..][..6].copy_from_slice(&copy);
    }
    let graph = build(&points, &HnswOptions { m: 8, ef_construction: 50, seed: 0 }).unwrap();
    assert_sound(&graph);
    let behind = |node: u32| !(500..530).contains(&node);
    let distance = |node| points.to(&copy, node);
    let near = beam_search(&graph, 20, distance, Some(&behind), &mut SearchScratch::new()).unwrap();
    let exact = points.nearest(&copy, 10, behind);
    assert!(exact.iter().filter(|hit| near.contains(hit)).count() >= 9, "{near:?} {exact:?}");
}

#[test]
fn nothing_is_found_in_an_empty_graph() {
    let points = Points { data: vec![], dim: 3 };
    let graph = build(&points, &HnswOptions::default()).unwrap();
    assert_sound(&graph);
    assert!(beam_search(&graph, 10, |_| 0.0, None, &mut SearchScratch::new()).unwrap().is_empty());
    let one = Points { data: vec![1.0; 3], dim: 3 };
    let graph = build(&one, &HnswOptions::default()).unwrap();
    assert!(beam_search(&graph, 0, |_| 0.0, None, &mut SearchScratch::new()).unwrap().is_empty());
    assert_eq!(beam_search(&graph, 9, |_| 2.0, None, &mut SearchScratch::new()).unwrap(), [(0, 2.0)]);
}

#[test]
fn options_out_of_range_are_named() {
    let points = Points::clustered(10, 2, 1);
    let error = build(&points, &HnswOptions { m: 1, ..HnswOptions::default() }).err();
    assert_eq!(error, Some(AnnError::Option { option: "m", value: 1, least: 2, most: 256 }));
    let error = build(&points, &HnswOptions { ef_construction: 0, ..HnswOptions::default() }).err();
    assert!(matches!(error, Some(AnnError::Option { option: "ef_construction", .. })));
}

#[test]
fn damaged_links_end_the_search_with_an_error() {
    let points = Points::clustered(600, 4, 5);
    let good = build(&points, &HnswOptions { m: 4, ef_construction: 20, seed: 0 }).unwrap();
    let search = |graph: &Graph, filter: Option<&dyn Fn(u32) -> bool>| {
        let distance = |node| points.to(points.row(0), node);
        beam_search(graph, 600, distance, filter, &mut SearchScratch::new())
    };
    let mut bad = good.clone();
    bad.level0[1] = 600;
    let error = AnnError::NodeOutOfRange { node: 600, nodes: 600 };
    assert_eq!(search(&bad, None), Err(error.clone()));
    assert_eq!(search(&bad, Some(&|_| true)), Err(error.clone()));
    assert_eq!(bad.check(), Err(error));
    let mut bad = good.clone();
    bad.upper.iter_mut().for_each(|number| *number = u32::MAX);
    assert!(search(&bad, None).is_ok(), "a list longer than its room counts as empty");
    for at in 0..good.level0.len() {
        let mut bad = good.clone();
        bad.level0[at] ^= 0x8000_0100;
        let _ = search(&bad, None);
    }
    let mut bad = good;
    bad.entry = Some(0);
    bad.upper_starts.iter_mut().for_each(|start| *start = u32::MAX);
    let _ = search(&bad, None);
}

#[test]
fn distances_that_are_computed_together_build_the_same_graph() {
    /// Computes all in one go, as a kernel would.
    struct Together(Points);
    impl Metric for Together {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn distance(&self, a: u32, b: u32) -> f32 {
            self.0.distance(a, b)
        }
        fn distances(&self, from: u32, to: &[u32], out: &mut [f32]) {
            assert_eq!(to.len(), out.len());
            assert!(to.iter().all(|&to| (to as usize) < self.len()));
            out.copy_from_slice(&to.iter().map(|&to| self.distance(from, to)).collect::<Vec<_>>());
        }
    }
    let options = HnswOptions { m: 6, ef_construction: 40, seed: 4 };
    let graph = build(&Points::clustered(1500, 8, 30), &options).unwrap();
    assert_eq!(graph, build(&Together(Points::clustered(1500, 8, 30)), &options).unwrap());
}

proptest! {
    #[test]
    fn what_was_chosen_together_need_not_be_compared_again(
        seed in 0usize..2000, first in 0usize..40, more in 0usize..40, room in 1usize..20, grid in 2u32..30,
    ) {
        let data = Points::clustered(100, 3, 9).data;
        let points = Points { data: data.iter().map(|x| (x * grid as f32).round()).collect(), dim: 3 };
        let near = |from: usize, count: usize| {
            let nodes = (from..from + count).map(|node| (node + seed) as u32 % 99 + 1);
            nodes.map(|node| (points.distance(0, node), node)).collect::<Vec<_>>()
        };
        let mut candidates = near(0, first);
        candidates.sort_by(nearest_first);
        let mut selection = Selection::default();
        selection.choose(&points, candidates.iter().map(|&near| (near, false)), room);
        let mut candidates: Vec<_> = selection.kept.iter().map(|&near| (near, true)).collect();
        candidates.extend(near(first, more).into_iter().map(|near| (near, false)));
        candidates.sort_by(|a, b| nearest_first(&a.0, &b.0));
        selection.choose(&points, candidates.iter().copied(), room);
        let sparing = selection.kept.clone();
        selection.choose(&points, candidates.iter().map(|&(near, _)| (near, false)), room);
        prop_assert_eq!(sparing, selection.kept);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_graph_is_sound(points in 0usize..700, grid in 1u32..40, m in 2usize..9, ef in 1usize..30, seed: u64) {
        // Points on a coarse grid: many ties and copies.
        let data = (0..points as u64 * 2)
            .map(|at| (at.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u32 % grid)
            .map(|x| x as f32)
            .collect();
        let points = Points { data, dim: 2 };
        let graph = build(&points, &HnswOptions { m, ef_construction: ef, seed }).unwrap();
        assert_sound(&graph);
        let all = points.len();
        let found = beam_search(&graph, all, |node| points.to(&[3.0, 3.0], node), None, &mut SearchScratch::new());
        prop_assert_eq!(found.unwrap(), points.nearest(&[3.0, 3.0], all, |_| true));
    }
}
