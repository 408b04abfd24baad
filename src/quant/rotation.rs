//! A random rotation that needs no stored matrix.

use super::random::SplitMix64;

/// Sign flips and Hadamard blocks: an orthogonal map, cheap to apply, given by `(dim, seed)` alone.
///
/// After it the energy of a vector is spread over all dimensions and each component is close to normally
/// distributed, so that one set of quantisation levels serves every dimension (Ailon & Chazelle, "The fast
/// Johnson–Lindenstrauss transform", SIAM J. Comput. 2009; Gao & Long, "RaBitQ", SIGMOD 2024).
///
/// Let `p` be the largest power of two that is at most `dim`. The map is two equal rounds. A round flips the
/// sign of component `i` where bit `i` of the round's sign bits is set, then multiplies components
/// `[0, p)` by the `p × p` Hadamard matrix over `√p`. If `p < dim`, it then multiplies components
/// `[dim − p, dim)` likewise, and shifts the vector cyclically by `p / 2` to the left.
/// The sign bits are the output of SplitMix64 started with `seed`, 64 per number, lowest bit first, each round
/// starting a new number.
///
/// Cost: `4 · dim · log₂ dim` additions at most. The result depends on the order of additions, which is fixed:
/// every machine gives the same bits.
///
/// ```
/// let rotation = lateen::quant::Rotation::new(3, 7);
/// let (mut a, mut b) = ([0.6, 0.8, 0.0], [0.0, 0.0, 1.0]);
/// rotation.apply(&mut a);
/// rotation.apply(&mut b);
/// let dot: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
/// assert!(dot.abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    dim: usize,
    block: usize,
    /// `[ROUNDS, dim]`: +1 or −1.
    signs: Vec<f32>,
    norm: f32,
}

const ROUNDS: usize = 2;

impl Rotation {
    /// The rotation of `dim` dimensions that belongs to `seed`. With `dim` 0 it maps nothing to nothing.
    #[must_use]
    pub fn new(dim: usize, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let mut signs = Vec::with_capacity(ROUNDS * dim);
        for _ in 0..ROUNDS {
            let mut bits = 0;
            for at in 0..dim {
                if at % 64 == 0 {
                    bits = random.next();
                }
                signs.push(if bits >> (at % 64) & 1 == 0 { 1.0 } else { -1.0 });
            }
        }
        let block = if dim == 0 { 0 } else { 1 << dim.ilog2() };
        Self { dim, block, signs, norm: (1.0 / (block.max(1) as f64).sqrt()) as f32 }
    }

    /// The map that changes nothing.
    pub(super) fn identity(dim: usize) -> Self {
        Self { dim, block: 0, signs: Vec::new(), norm: 1.0 }
    }

    /// The number of dimensions.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rotates `row` in place.
    ///
    /// # Panics
    /// If `row` has not `dim` components.
    pub fn apply(&self, row: &mut [f32]) {
        assert_eq!(row.len(), self.dim, "rotation: length differs");
        for round in 0..self.rounds() {
            let signs = &self.signs[round * self.dim..(round + 1) * self.dim];
            row.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
            self.hadamard(&mut row[..self.block]);
            if self.block < self.dim {
                self.hadamard(&mut row[self.dim - self.block..]);
                row.rotate_left(self.block / 2);
            }
        }
    }

    /// Undoes [`apply`](Self::apply), up to rounding.
    ///
    /// # Panics
    /// If `row` has not `dim` components.
    pub fn apply_inverse(&self, row: &mut [f32]) {
        assert_eq!(row.len(), self.dim, "rotation: length differs");
        for round in (0..self.rounds()).rev() {
            if self.block < self.dim {
                row.rotate_right(self.block / 2);
                self.hadamard(&mut row[self.dim - self.block..]);
            }
            self.hadamard(&mut row[..self.block]);
            let signs = &self.signs[round * self.dim..(round + 1) * self.dim];
            row.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
        }
    }

    fn rounds(&self) -> usize {
        if self.block == 0 { 0 } else { ROUNDS }
    }

    /// The normalised Walsh–Hadamard transform, its own inverse.
    fn hadamard(&self, block: &mut [f32]) {
        let mut half = block.len() / 2;
        while half >= 1 {
            for pair in block.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half /= 2;
        }
        block.iter_mut().for_each(|x| *x *= self.norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
    }

    fn rotated(rotation: &Rotation, row: &[f32]) -> Vec<f32> {
        let mut row = row.to_vec();
        rotation.apply(&mut row);
        row
    }

    #[test]
    fn rows_of_the_matrix_are_orthonormal_for_every_dimension() {
        for dim in (1..=40).chain([47, 48, 63, 64, 65, 96, 127, 128, 129, 255, 384, 1023]) {
            let rotation = Rotation::new(dim, dim as u64);
            let images: Vec<Vec<f32>> = (0..dim)
                .map(|at| {
                    let mut unit = vec![0.0; dim];
                    unit[at] = 1.0;
                    rotated(&rotation, &unit)
                })
                .collect();
            for a in (0..dim).step_by(1 + dim / 64) {
                for b in 0..dim {
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!((dot(&images[a], &images[b]) - expected).abs() < 1e-5, "dim {dim}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn energy_is_spread_over_all_dimensions() {
        for dim in [48, 96, 128, 255, 384, 768] {
            let rotation = Rotation::new(dim, 5);
            let mut mean = vec![0.0f64; dim];
            for seed in 0..64 {
                let mut random = SplitMix64::new(seed);
                // All the energy in eight neighbouring components.
                let mut row = vec![0.0f32; dim];
                let start = random.below(dim - 8);
                row[start..start + 8].iter_mut().for_each(|x| *x = random.below(1000) as f32 - 500.0);
                crate::types::normalize(&mut row);
                rotation.apply(&mut row);
                mean.iter_mut().zip(&row).for_each(|(m, &x)| *m += f64::from(x * x) * dim as f64 / 64.0);
            }
            assert!(mean.iter().all(|&energy| (0.2..4.0).contains(&energy)), "dim {dim}: {mean:?}");
        }
    }

    #[test]
    fn the_bits_are_fixed() {
        let rotation = Rotation::new(3, 7);
        let image = rotated(&rotation, &[0.6, 0.8, 0.0]);
        assert_eq!(image, rotated(&Rotation::new(3, 7), &[0.6, 0.8, 0.0]));
        assert_ne!(image, rotated(&Rotation::new(3, 9), &[0.6, 0.8, 0.0]));
        let row: Vec<f32> = (0..128).map(|at| at as f32 / 64.0).collect();
        let sum = rotated(&Rotation::new(128, 42), &row)
            .iter()
            .fold(0u64, |hash, x| (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(sum, GOLDEN, "{sum:#x}");
    }

    /// Indexes store only the seed: if this changes, old indexes become unreadable.
    const GOLDEN: u64 = 12_637_991_091_054_962_297;

    proptest! {
        #[test]
        fn lengths_stay_and_the_inverse_undoes(dim in 1usize..300, seed: u64, values in prop::collection::vec(-1.0f32..1.0, 300)) {
            let rotation = Rotation::new(dim, seed);
            let row = &values[..dim];
            let mut image = rotated(&rotation, row);
            prop_assert!((dot(&image, &image) - dot(row, row)).abs() < 1e-4 * (1.0 + dot(row, row)));
            rotation.apply_inverse(&mut image);
            for (a, b) in image.iter().zip(row) {
                prop_assert!((a - b).abs() < 1e-5);
            }
        }
    }
}
