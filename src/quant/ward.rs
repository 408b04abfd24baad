//! Agglomerative clustering of few rows.

use crate::kernel::{Isa, QueryI8};
use crate::types::TokenMatrix;

/// The most rows that are clustered at once: their distances take 256 KiB, which stay in the second-level cache.
pub(super) const BLOCK: usize = 256;

/// Two clusters that become one, each named by the number of one of its rows, and what that adds to the sum of squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Merge {
    pub(super) height: f32,
    pub(super) a: u32,
    pub(super) b: u32,
}

/// All merges of the rows `part` (numbers of rows; merges count positions in `part`), those that add least first.
///
/// Nearest-neighbour chains over Ward distances (Murtagh, "A survey of recent advances in hierarchical clustering algorithms",
/// Comput. J. 1983), which are updated by the formula of Lance & Williams: about `3 · n²` steps for `n ≤ 256` rows.
/// Products are of bytes, whose sums are exact, so that every processor finds the same tree.
pub(super) fn tree(rows: TokenMatrix<'_>, part: &[u32]) -> Vec<Merge> {
    let n = part.len();
    debug_assert!(n <= BLOCK);
    let mut clusters = Clusters { distances: distances(rows, part), sizes: vec![1.0; n], n };
    let mut merges = Vec::with_capacity(n.saturating_sub(1));
    let mut chain: Vec<usize> = Vec::with_capacity(n);
    let mut alive: Vec<usize> = (0..n).collect();
    while alive.len() > 1 {
        let top = *chain.last().unwrap_or(&alive[0]);
        if chain.is_empty() {
            chain.push(top);
        }
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        let nearest = clusters.nearest(top, before, &alive);
        if Some(nearest) != before {
            chain.push(nearest);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let (a, b) = (top.min(nearest), top.max(nearest));
        merges.push(Merge { height: clusters.at(a, b), a: a as u32, b: b as u32 });
        alive.retain(|&cluster| cluster != b);
        clusters.merge(a, b, &alive);
    }
    // Stable: equal heights stay in the order in which they were found.
    merges.sort_by(|a, b| a.height.total_cmp(&b.height));
    merges
}

struct Clusters {
    /// `[n, n]`, symmetric.
    distances: Vec<f32>,
    sizes: Vec<f32>,
    n: usize,
}

impl Clusters {
    fn at(&self, a: usize, b: usize) -> f32 {
        self.distances[a * self.n + b]
    }

    /// The nearest cluster to `of`; of equally near ones `preferred`, or else the first.
    fn nearest(&self, of: usize, preferred: Option<usize>, alive: &[usize]) -> usize {
        let row = &self.distances[of * self.n..][..self.n];
        let mut best = preferred.map_or((f32::INFINITY, of), |cluster| (row[cluster], cluster));
        for &cluster in alive {
            if cluster != of && (row[cluster] < best.0 || best.1 == of) {
                best = (row[cluster], cluster);
            }
        }
        best.1
    }

    /// `a` becomes the union of both.
    fn merge(&mut self, a: usize, b: usize, alive: &[usize]) {
        let (joined, size_a, size_b) = (self.at(a, b), self.sizes[a], self.sizes[b]);
        for &other in alive.iter().filter(|&&other| other != a) {
            let size = self.sizes[other];
            let sum =
                (size_a + size) * self.at(a, other) + (size_b + size) * self.at(b, other) - size * joined;
            let distance = sum / (size_a + size_b + size);
            self.distances[a * self.n + other] = distance;
            self.distances[other * self.n + a] = distance;
        }
        self.sizes[a] += size_b;
    }
}

/// `|a − b|² = 2 − 2⟨a, b⟩` of unit rows.
fn distances(rows: TokenMatrix<'_>, part: &[u32]) -> Vec<f32> {
    let (n, dim) = (part.len(), rows.dim());
    let mut data = Vec::with_capacity(n * dim);
    part.iter().for_each(|&row| data.extend_from_slice(rows.row(row as usize)));
    let mut bytes = Vec::with_capacity(data.len());
    let mut scales = Vec::with_capacity(n);
    for row in data.chunks_exact(dim) {
        let scale = (row.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0).max(f32::MIN_POSITIVE);
        bytes.extend(row.iter().map(|x| (x / scale).round() as i8));
        scales.push(scale);
    }
    let mut distances = vec![0.0; n * n];
    // Finite rows of a matrix are a matrix.
    let Ok(matrix) = TokenMatrix::new(&data, dim) else { return distances };
    let query = QueryI8::pack(Isa::detect(), matrix);
    let mut products = vec![0.0; n * query.stride()];
    query.scores(&bytes, &scales, &mut products);
    for a in 0..n {
        for b in a + 1..n {
            let distance = (2.0 - 2.0 * products[a * query.stride() + b]).max(0.0);
            distances[a * n + b] = distance;
            distances[b * n + a] = distance;
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_pairs_are_merged_first() {
        let angles = [0.0f32, 0.1, 1.0, 1.15, 3.0];
        let data: Vec<f32> = angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        let rows = TokenMatrix::new(&data, 2).unwrap();
        let merges = tree(rows, &[0, 1, 2, 3, 4]);
        let pairs: Vec<(u32, u32)> = merges.iter().map(|merge| (merge.a, merge.b)).collect();
        assert_eq!(pairs[..2], [(0, 1), (2, 3)]);
        assert_eq!(merges.len(), 4);
        assert!(merges.windows(2).all(|pair| pair[0].height <= pair[1].height));
        // Ward: twice what the union adds to the sum of squared distances to the means.
        let (left, right) = ([0.05f32.cos(), 0.05f32.sin()], [1.075f32.cos(), 1.075f32.sin()]);
        let between = 2.0 - 2.0 * (left[0] * right[0] + left[1] * right[1]);
        assert!((merges[2].height - 2.0 * between).abs() < 0.05, "{merges:?}");
        assert!(tree(rows, &[3]).is_empty() && tree(rows, &[]).is_empty());
    }
}
