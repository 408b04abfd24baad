//! Product quantisation: some dimensions share a byte that names one of 256 learnt vectors.

use super::Codec;
use super::collection::Collection;
use super::shipped::Cells;

/// Codes residuals in `parts` bytes (Jégou, Douze & Schmid, "Product quantization for nearest neighbor search", TPAMI 2011).
/// Rows are scaled to length 1 after decoding, which costs no byte.
pub struct Product<'a> {
    cells: &'a Cells,
    parts: usize,
    dim: usize,
    /// `[parts][dim / parts][256]`.
    books: Vec<Vec<[f32; WORDS]>>,
}

const WORDS: usize = 256;
/// Rows that are trained on.
const SAMPLE: usize = 30_000;
const ROUNDS: usize = 12;

impl<'a> Product<'a> {
    pub fn train(collection: &Collection, cells: &'a Cells, parts: usize) -> Self {
        let dim = collection.dim();
        let step = (collection.rows() / SAMPLE).max(1);
        let (mut row, mut centroid) = (vec![0.0; dim], vec![0.0; dim]);
        let sample: Vec<Vec<f32>> = (0..collection.rows())
            .step_by(step)
            .map(|token| {
                cells.rotated(collection, token, &mut row, &mut centroid);
                row.iter().zip(&centroid).map(|(x, c)| x - c).collect()
            })
            .collect();
        let width = dim / parts;
        let books = (0..parts).map(|part| book(&sample, part * width, width)).collect();
        Self { cells, parts, dim, books }
    }
}

/// 256 vectors for `width` dimensions from `first`, by k-means.
fn book(sample: &[Vec<f32>], first: usize, width: usize) -> Vec<[f32; WORDS]> {
    let step = (sample.len() / WORDS).max(1);
    let word = |at: usize, k: usize| sample[(at * step) % sample.len()][first + k];
    let mut book: Vec<[f32; WORDS]> = (0..width).map(|k| std::array::from_fn(|at| word(at, k))).collect();
    for _ in 0..ROUNDS {
        let mut sums = vec![[0.0f32; WORDS]; width];
        let mut counts = [0.0f32; WORDS];
        for row in sample {
            let values = &row[first..first + width];
            let nearest = nearest(&book, values);
            counts[nearest] += 1.0;
            values.iter().zip(&mut sums).for_each(|(x, sum)| sum[nearest] += x);
        }
        for (column, sum) in book.iter_mut().zip(&sums) {
            for ((word, sum), &count) in column.iter_mut().zip(sum).zip(&counts) {
                if count > 0.0 {
                    *word = sum / count;
                }
            }
        }
    }
    book
}

fn nearest(book: &[[f32; WORDS]], values: &[f32]) -> usize {
    let mut distances = [0.0f32; WORDS];
    for (column, &x) in book.iter().zip(values) {
        for (distance, word) in distances.iter_mut().zip(column) {
            *distance += (x - word) * (x - word);
        }
    }
    let least = distances.iter().copied().fold(f32::INFINITY, f32::min);
    distances.iter().position(|&distance| distance == least).unwrap_or(0)
}

impl Codec for Product<'_> {
    fn bytes_per_token(&self) -> f64 {
        self.parts as f64 + self.cells.bytes_per_token()
    }

    fn restore(&self, token: usize, row: &mut [f32]) {
        let mut centroid = vec![0.0; self.dim];
        self.cells.rotation.apply(row);
        self.cells.centroid(token, &mut centroid);
        let width = self.dim / self.parts;
        row.iter_mut().zip(&centroid).for_each(|(x, c)| *x -= c);
        for (values, book) in row.chunks_exact_mut(width).zip(&self.books) {
            let nearest = nearest(book, values);
            values.iter_mut().zip(book).for_each(|(x, column)| *x = column[nearest]);
        }
        row.iter_mut().zip(&centroid).for_each(|(x, c)| *x += c);
        lateen::types::normalize(row);
        self.cells.rotation.apply_inverse(row);
    }
}
