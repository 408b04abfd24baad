//! Fewer vectors for a document: tokens that say nearly the same become one.

use super::residual::dot;
use super::ward::{BLOCK, tree};
use crate::types::{MatrixError, TokenMatrix, TokenMatrixBuf, normalize};

/// How [`Pooling::of`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolingOptions {
    /// How many tokens share a vector, on average. 1 changes nothing.
    pub factor: usize,
    /// So many of the first tokens keep a vector of their own. 1: models put what they know of the whole text there.
    pub protect: usize,
}

impl Default for PoolingOptions {
    fn default() -> Self {
        Self { factor: 1, protect: 1 }
    }
}

impl PoolingOptions {
    /// The defaults with this factor.
    #[must_use]
    pub fn with_factor(factor: usize) -> Self {
        Self { factor, ..Self::default() }
    }
}

/// Which tokens of a document share a vector.
///
/// Tokens are joined by Ward's criterion, the pair that adds least to the sum of squared distances first, until `⌈rows / factor⌉`
/// clusters are left (Clavié, Chaffin & Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via
/// Token Pooling", 2024, arXiv:2409.14683). Documents of more than 256 tokens are first divided by bisection into parts
/// of similar tokens, so that the cost grows linearly with the document. Queries are not pooled.
///
/// Depends on rows and options only, not on threads or the processor. Cost: about `256 · rows · dim` byte multiply-adds,
/// and memory for a matrix of 256 × 256.
///
/// ```
/// use lateen::quant::{Pooling, PoolingOptions};
/// let rows = lateen::types::TokenMatrix::new(&[0.6, 0.8, 1.0, 0.0, 0.0, 1.0, 0.96, 0.28], 2)?;
/// let mut options = PoolingOptions::with_factor(2);
/// options.protect = 0;
/// let pooling = Pooling::of(rows, &options);
/// assert_eq!(pooling.clusters(), [0, 1, 0, 1]);
/// let pooled = pooling.means(rows)?;
/// assert_eq!(pooled.view().rows(), 2);
/// assert!(pooled.view().row(0)[1] > 0.9);
/// # Ok::<(), lateen::types::MatrixError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooling {
    clusters: Vec<u32>,
    count: usize,
}

impl Pooling {
    /// Clusters the rows of one document, unit vectors.
    #[must_use]
    pub fn of(rows: TokenMatrix<'_>, options: &PoolingOptions) -> Self {
        let count = rows.rows();
        if options.factor <= 1 {
            return Self { clusters: (0..count as u32).collect(), count };
        }
        let protected = options.protect.min(count);
        // The first row of each cluster, for every row.
        let mut first: Vec<u32> = (0..count as u32).collect();
        for part in parts(rows, (protected as u32..count as u32).collect()) {
            join(rows, &part, part.len().div_ceil(options.factor), &mut first);
        }
        Self::numbered(&first)
    }

    /// Numbers clusters in the order of their first rows.
    fn numbered(first: &[u32]) -> Self {
        let mut clusters = vec![0; first.len()];
        let mut count = 0;
        for (row, &first) in first.iter().enumerate() {
            clusters[row] = if first as usize == row { count } else { clusters[first as usize] };
            count += u32::from(first as usize == row);
        }
        Self { clusters, count: count as usize }
    }

    /// The cluster of each row. Clusters are numbered by their first rows.
    #[must_use]
    pub fn clusters(&self) -> &[u32] {
        &self.clusters
    }

    /// How many clusters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The direction of each cluster's mean, `[len, dim]`, of length 1; of rows that cancel each other the first one.
    ///
    /// # Errors
    /// [`MatrixError`] if sums of `rows` are not finite.
    ///
    /// # Panics
    /// If `rows` has another number of rows than those that were clustered.
    pub fn means(&self, rows: TokenMatrix<'_>) -> Result<TokenMatrixBuf, MatrixError> {
        assert_eq!(rows.rows(), self.clusters.len(), "pooling: other rows");
        let dim = rows.dim();
        let mut sums = vec![0.0f32; self.count * dim];
        for (row, &cluster) in rows.iter().zip(&self.clusters) {
            let sum = &mut sums[cluster as usize * dim..][..dim];
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        for (cluster, sum) in sums.chunks_exact_mut(dim).enumerate() {
            if !normalize(sum) {
                let first = self.clusters.iter().position(|&other| other as usize == cluster);
                sum.copy_from_slice(rows.row(first.unwrap_or(0)));
            }
        }
        TokenMatrixBuf::new(sums, dim)
    }

    /// For each cluster the row that is closest to its mean, the first of equals.
    ///
    /// # Panics
    /// If `means` are not those of these `rows`.
    #[must_use]
    pub fn representatives(&self, rows: TokenMatrix<'_>, means: TokenMatrix<'_>) -> Vec<u32> {
        let mut best = vec![(f32::NEG_INFINITY, 0); self.count];
        for (row, &cluster) in self.clusters.iter().enumerate() {
            let score = dot(rows.row(row), means.row(cluster as usize));
            if score > best[cluster as usize].0 {
                best[cluster as usize] = (score, row as u32);
            }
        }
        best.into_iter().map(|(_, row)| row).collect()
    }
}

/// Joins the rows of `part` to `count` clusters: `first[row]` becomes the first row of its cluster.
fn join(rows: TokenMatrix<'_>, part: &[u32], count: usize, first: &mut [u32]) {
    let root = |first: &[u32], mut row: u32| {
        while first[row as usize] != row {
            row = first[row as usize];
        }
        row
    };
    for merge in &tree(rows, part)[..part.len() - count] {
        let [a, b] = [merge.a, merge.b].map(|at| root(first, part[at as usize]));
        first[a.max(b) as usize] = a.min(b);
    }
    for &row in part {
        first[row as usize] = root(first, row);
    }
}

/// Rounds of assignment of a bisection.
const ROUNDS: usize = 4;

/// Divides rows into parts of at most [`BLOCK`], similar ones together; rows ascend within a part.
fn parts(rows: TokenMatrix<'_>, all: Vec<u32>) -> Vec<Vec<u32>> {
    let mut done = Vec::new();
    let mut waiting = vec![all];
    while let Some(part) = waiting.pop() {
        if part.len() <= BLOCK {
            done.extend((!part.is_empty()).then_some(part));
            continue;
        }
        let (near, far) = bisect(rows, &part);
        // Lopsided divisions would make the cost of a bad document quadratic.
        if near.len().min(far.len()) < part.len() / 8 {
            let (near, far) = part.split_at(part.len() / 2);
            waiting.extend([far.to_vec(), near.to_vec()]);
        } else {
            waiting.extend([far, near]);
        }
    }
    done
}

/// Two-means: started from the first row and the one that is farthest from it.
fn bisect(rows: TokenMatrix<'_>, part: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let start = rows.row(part[0] as usize);
    let products = part.iter().map(|&row| dot(start, rows.row(row as usize)));
    let farthest =
        products.enumerate().fold(
            (0, f32::INFINITY),
            |least, (at, product)| {
                if product < least.1 { (at, product) } else { least }
            },
        );
    let mut centres = [start.to_vec(), rows.row(part[farthest.0] as usize).to_vec()];
    let mut sides = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let closer = |&&row: &&u32| {
            let row = rows.row(row as usize);
            dot(&centres[0], row) >= dot(&centres[1], row)
        };
        sides = part.iter().partition(closer);
        for (centre, side) in centres.iter_mut().zip([&sides.0, &sides.1]) {
            centre.fill(0.0);
            for &row in side {
                centre.iter_mut().zip(rows.row(row as usize)).for_each(|(sum, x)| *sum += x);
            }
            normalize(centre);
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::super::random::SplitMix64;
    use super::*;
    use proptest::prelude::*;

    /// `count` unit rows around `words` directions, and the word of each.
    fn rows(count: usize, dim: usize, words: usize, noise: f32, seed: u64) -> (TokenMatrixBuf, Vec<usize>) {
        let mut random = SplitMix64::new(seed);
        let mut uniform = move || (random.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let centres: Vec<f32> = (0..words * dim).map(|_| uniform()).collect();
        let of: Vec<usize> = (0..count).map(|row| row * 7 % words).collect();
        let mut data = Vec::new();
        for &word in &of {
            let start = data.len();
            data.extend(centres[word * dim..][..dim].iter().map(|c| c + noise * uniform()));
            if !normalize(&mut data[start..]) {
                data[start] = 1.0;
            }
        }
        (TokenMatrixBuf::new(data, dim).unwrap(), of)
    }

    #[test]
    fn tokens_of_a_word_meet() {
        for count in [100, 256, 2000] {
            let (rows, words) = rows(count, 32, 50, 0.05, 1);
            let options = PoolingOptions { protect: 0, ..PoolingOptions::with_factor(count / 50) };
            let pooling = Pooling::of(rows.view(), &options);
            let mixed = (0..count).filter(|&row| {
                let cluster = pooling.clusters()[row];
                (0..row).any(|other| pooling.clusters()[other] == cluster && words[other] != words[row])
            });
            assert_eq!(mixed.count(), 0, "{count} rows");
        }
    }

    #[test]
    fn protected_tokens_stay_alone() {
        let (rows, _) = rows(40, 8, 2, 0.1, 2);
        let pooling = Pooling::of(rows.view(), &PoolingOptions { factor: 8, protect: 3 });
        assert_eq!(pooling.len(), 3 + 5);
        assert_eq!(pooling.clusters()[..3], [0, 1, 2]);
        assert!(pooling.clusters()[3..].iter().all(|&cluster| cluster >= 3));
        let means = pooling.means(rows.view()).unwrap();
        for row in 0..3 {
            assert!(dot(means.view().row(row), rows.view().row(row)) > 0.999_99);
        }
        assert_eq!(pooling.representatives(rows.view(), means.view())[..3], [0, 1, 2]);
    }

    #[test]
    fn rows_that_cancel_have_a_vector_all_the_same() {
        let rows = TokenMatrix::new(&[1.0, 0.0, -1.0, 0.0], 2).unwrap();
        let pooling = Pooling::of(rows, &PoolingOptions { factor: 2, protect: 0 });
        assert_eq!(pooling.means(rows).unwrap().view().as_slice(), [1.0, 0.0]);
    }

    #[test]
    fn equal_rows_are_divided_too() {
        let data = [0.6, 0.8].repeat(3000);
        let rows = TokenMatrix::new(&data, 2).unwrap();
        let pooling = Pooling::of(rows, &PoolingOptions::with_factor(4));
        assert!((750..770).contains(&pooling.len()), "{}", pooling.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_row_has_a_cluster(count in 0usize..700, factor in 1usize..12, protect in 0usize..4, seed: u64) {
            let (rows, _) = rows(count, 12, 30, 0.6, seed);
            let options = PoolingOptions { factor, protect };
            let pooling = Pooling::of(rows.view(), &options);
            prop_assert_eq!(pooling.clusters().len(), count);
            let mut next = 0;
            for &cluster in pooling.clusters() {
                prop_assert!(cluster <= next, "clusters are numbered by their first rows");
                next = next.max(cluster + 1);
            }
            prop_assert_eq!(next as usize, pooling.len());
            let least = protect.min(count) + (count - protect.min(count)).div_ceil(factor);
            let parts = 8 * count / BLOCK + 1;
            prop_assert!((least..least + parts).contains(&pooling.len()), "{} of {}", pooling.len(), least);
            let means = pooling.means(rows.view()).unwrap();
            prop_assert!(means.view().iter().all(|row| (dot(row, row) - 1.0).abs() < 1e-4));
            for (cluster, row) in pooling.representatives(rows.view(), means.view()).into_iter().enumerate() {
                prop_assert_eq!(pooling.clusters()[row as usize] as usize, cluster);
            }
        }
    }
}
