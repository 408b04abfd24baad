//! Spherical k-means: centroids of directions.

use rayon::prelude::*;

use super::fixed::{FixedRows, ONE, RotatedRows, dot};
use super::random::SplitMix64;
use super::{QuantError, Rotation, TokenRows, check_rows};

/// How [`spherical_kmeans`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KMeansOptions {
    /// How many centroids to look for; fewer come out if there are fewer distinct rows.
    pub clusters: usize,
    /// Rounds of assignment and update; few suffice.
    pub iterations: usize,
    /// Train on this many rows a cluster at most; all rows are assigned in the end.
    pub sample_per_cluster: usize,
    /// Choices follow from it alone.
    pub seed: u64,
}

impl Default for KMeansOptions {
    fn default() -> Self {
        Self { clusters: 1, iterations: 8, sample_per_cluster: 64, seed: 0 }
    }
}

impl KMeansOptions {
    /// The defaults with this many clusters.
    #[must_use]
    pub fn with_clusters(clusters: usize) -> Self {
        Self { clusters, ..Self::default() }
    }
}

/// Centroids and the nearest one of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// `[centroids, dim]`, row-major, unit rows; every one is the nearest of at least one row.
    pub centroids: Vec<f32>,
    /// The centroid of each row.
    pub assignments: Vec<u32>,
}

/// Clusters unit rows by direction: each belongs to the centroid with the largest inner product, and a centroid is
/// the normalised mean of its rows (Dhillon & Modha, "Concept decompositions for large sparse text data using
/// clustering", Machine Learning 2001), trained on a sample.
///
/// Cells that become empty restart at the row that fits its centroid worst. Results depend on rows and options only,
/// not on threads. Cost: `rows · clusters · dim` multiply-adds to assign, at most `iterations` times that to train;
/// memory: the sample in 16 bits a number, and 4 bytes a row.
///
/// # Errors
/// [`QuantError::NotUnit`], [`QuantError::Dimension`], [`QuantError::TooManyRows`] for rows that cannot be clustered;
/// [`QuantError::ZeroOption`] for zero clusters.
///
/// ```
/// use lateen::quant::{KMeansOptions, spherical_kmeans};
/// let data = [1.0, 0.0, 0.8, 0.6, -1.0, 0.0];
/// let rows = lateen::types::TokenMatrix::new(&data, 2)?;
/// let found = spherical_kmeans(&rows, &KMeansOptions::with_clusters(2))?;
/// assert_eq!(found.assignments[0], found.assignments[1]);
/// assert_ne!(found.assignments[0], found.assignments[2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn spherical_kmeans(rows: &dyn TokenRows, options: &KMeansOptions) -> Result<KMeans, QuantError> {
    if options.clusters == 0 {
        return Err(QuantError::ZeroOption { option: "clusters" });
    }
    check_rows(rows)?;
    let rotation = Rotation::identity(rows.dim());
    let source = RotatedRows::new(rows, &rotation);
    let numbers: Vec<u32> = (0..rows.len() as u32).collect();
    let mut random = SplitMix64::new(options.seed);
    let sample = sample(&source, &numbers, options.clusters * options.sample_per_cluster.max(1), &mut random);
    let cells = Cells::train(&sample, options.clusters, options.iterations, &mut random);
    let fit = cells.assign(&source, &numbers);
    let mut centroids = fit.means;
    centroids.chunks_exact_mut(rows.dim()).for_each(|row| {
        crate::types::normalize(row);
    });
    Ok(KMeans { centroids, assignments: fit.assignments })
}

/// At most `count` of the rows, in fixed point.
pub(super) fn sample(
    source: &RotatedRows<'_>,
    numbers: &[u32],
    count: usize,
    random: &mut SplitMix64,
) -> FixedRows {
    let chosen: Vec<u32> = random.distinct(count, numbers.len()).into_iter().map(|at| numbers[at]).collect();
    source.fixed(&chosen)
}

/// Trained centroids.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    centroids: FixedRows,
}

/// The final assignment of rows to [`Cells`], without the cells that got none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    /// `[cells, dim]`: the means of the rows, at most of length 1.
    pub(super) means: Vec<f32>,
    pub(super) assignments: Vec<u32>,
}

/// Rows handled by one task.
const CHUNK: usize = 1024;

impl Cells {
    /// Finds centroids of `sample` by Lloyd's algorithm, started from random rows.
    pub(super) fn train(
        sample: &FixedRows,
        clusters: usize,
        iterations: usize,
        random: &mut SplitMix64,
    ) -> Self {
        let first = random.distinct(clusters, sample.len());
        let mut centroids = FixedRows::zeros(first.len(), sample.stride());
        for (at, &row) in first.iter().enumerate() {
            centroids.copy(at, sample.row(row));
        }
        let mut cells = Self { centroids };
        if cells.centroids.len() < 2 && iterations > 0 {
            cells.update(sample, &vec![(0, 0); sample.len()]);
            return cells;
        }
        for _ in 0..iterations {
            let rows: Vec<u32> = (0..sample.len() as u32).collect();
            let nearest: Vec<(u32, i32)> = rows
                .par_iter()
                .with_min_len(CHUNK)
                .map(|&row| nearest_cell(&cells.centroids, sample.row(row as usize)))
                .collect();
            cells.update(sample, &nearest);
        }
        cells
    }

    /// The centroids, in fixed point.
    pub(super) fn centroids(&self) -> &FixedRows {
        &self.centroids
    }

    /// Moves each centroid to the direction of the sum of its rows; empty cells go to the rows that fit worst.
    fn update(&mut self, sample: &FixedRows, nearest: &[(u32, i32)]) {
        let stride = sample.stride();
        let cells = self.centroids.len();
        let mut sums = vec![0i64; cells * stride];
        let mut counts = vec![0u32; cells];
        for (row, &(cell, _)) in nearest.iter().enumerate() {
            counts[cell as usize] += 1;
            let sum = &mut sums[cell as usize * stride..][..stride];
            sum.iter_mut().zip(sample.row(row)).for_each(|(sum, &x)| *sum += i64::from(x));
        }
        let empty = counts.iter().filter(|&&count| count == 0).count();
        let mut worst: Vec<(i32, u32)> = Vec::new();
        if empty > 0 {
            worst = nearest.iter().enumerate().map(|(row, &(_, score))| (score, row as u32)).collect();
            worst.sort_unstable();
        }
        let mut worst = worst.into_iter();
        let mut direction = vec![0.0; stride];
        for cell in 0..cells {
            if counts[cell] == 0 {
                if let Some((_, row)) = worst.next() {
                    self.centroids.copy(cell, sample.row(row as usize));
                }
            } else if unit_direction(&sums[cell * stride..][..stride], &mut direction) {
                self.centroids.set(cell, &direction);
            }
        }
    }

    /// The nearest cell of each row, and the means of the cells that are anyone's nearest.
    pub(super) fn assign(&self, source: &RotatedRows<'_>, numbers: &[u32]) -> Fit {
        let stride = self.centroids.stride();
        let mut assignments = vec![0; numbers.len()];
        let nothing = || vec![0i64; self.centroids.len() * stride];
        // Sums of integers: however the work is divided, they come out the same.
        let sums = numbers
            .par_chunks(CHUNK)
            .zip(assignments.par_chunks_mut(CHUNK))
            .fold(nothing, |mut sums, (numbers, assignments)| {
                self.assign_chunk(source, numbers, assignments, &mut sums);
                sums
            })
            .reduce(nothing, |mut sums, part| {
                sums.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
                sums
            });
        Fit::compact(assignments, &sums, self.centroids.len(), source.dim())
    }

    fn assign_chunk(
        &self,
        source: &RotatedRows<'_>,
        numbers: &[u32],
        assignments: &mut [u32],
        sums: &mut [i64],
    ) {
        let stride = self.centroids.stride();
        for (numbers, assignments) in numbers.chunks(64).zip(assignments.chunks_mut(64)) {
            let rows = source.fixed(numbers);
            for (at, cell) in assignments.iter_mut().enumerate() {
                *cell = nearest_cell(&self.centroids, rows.row(at)).0;
                let sum = &mut sums[*cell as usize * stride..][..stride];
                sum.iter_mut().zip(rows.row(at)).for_each(|(sum, &x)| *sum += i64::from(x));
            }
        }
    }
}

impl Fit {
    /// Numbers the cells anew without the empty ones.
    fn compact(mut assignments: Vec<u32>, sums: &[i64], cells: usize, dim: usize) -> Self {
        let mut counts = vec![0u32; cells];
        assignments.iter().for_each(|&cell| counts[cell as usize] += 1);
        let mut new_number = vec![0u32; cells];
        let mut means = Vec::new();
        let mut used = 0;
        for cell in 0..cells {
            new_number[cell] = used;
            if counts[cell] > 0 {
                used += 1;
                let divisor = f64::from(counts[cell]) * f64::from(ONE);
                let sum = &sums[cell * (sums.len() / cells)..][..dim];
                means.extend(sum.iter().map(|&sum| (sum as f64 / divisor) as f32));
            }
        }
        assignments.iter_mut().for_each(|cell| *cell = new_number[*cell as usize]);
        Self { means, assignments }
    }
}

/// The centroid with the largest product, the first of equals, and that product.
pub(super) fn nearest_cell(centroids: &FixedRows, row: &[i16]) -> (u32, i32) {
    let mut best = (0, i32::MIN);
    for cell in 0..centroids.len() {
        let score = dot(centroids.row(cell), row);
        if score > best.1 {
            best = (cell as u32, score);
        }
    }
    best
}

/// `sum / |sum|`; false if the sum is zero.
fn unit_direction(sum: &[i64], out: &mut [f32]) -> bool {
    let norm = sum.iter().map(|&x| (x as f64) * (x as f64)).sum::<f64>().sqrt();
    if norm == 0.0 {
        return false;
    }
    out.iter_mut().zip(sum).for_each(|(out, &x)| *out = (x as f64 / norm) as f32);
    true
}
