//! A query as the kernels read it.

use crate::types::TokenMatrix;

/// One vector of 16 dwords, on a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [u32; 16]);

/// Query rows in vectors of 16, vectors in blocks, groups outermost within a block:
/// `[block][group][vector of the block][16 rows]`.
///
/// A block holds `width` vectors, the last one what is left, so that block `b` starts at vector `b · width · groups`.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) rows: usize,
    pub(super) groups: usize,
    pub(super) width: usize,
    lanes: Vec<Lanes>,
    start: Vec<Lanes>,
}

impl Packed {
    /// Asks `group(row, group)` for every dword of every row; padding rows are zero.
    pub(super) fn new(rows: usize, groups: usize, width: usize, group: impl Fn(usize, usize) -> u32) -> Self {
        let vectors = rows.div_ceil(16);
        let mut lanes = Vec::with_capacity(vectors * groups);
        for block in (0..vectors).step_by(width) {
            for g in 0..groups {
                for v in block..vectors.min(block + width) {
                    let dword = |lane| if v * 16 + lane < rows { group(v * 16 + lane, g) } else { 0 };
                    lanes.push(Lanes(std::array::from_fn(dword)));
                }
            }
        }
        Self { rows, groups, width, lanes, start: vec![Lanes([0; 16]); vectors] }
    }

    /// Lets the sums of each row start at `start(row)`.
    pub(super) fn starting(mut self, start: impl Fn(usize) -> i32) -> Self {
        for row in 0..self.rows {
            self.start[row / 16].0[row % 16] = start(row) as u32;
        }
        self
    }

    /// What the sums start with: an `i32` per row. Only `vpdpbusd` starts elsewhere than at 0.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    pub(super) fn start(&self) -> &[Lanes] {
        &self.start
    }

    /// Vectors of 16 rows.
    pub(super) fn vectors(&self) -> usize {
        self.rows.div_ceil(16)
    }

    /// Rows with padding.
    pub(super) fn stride(&self) -> usize {
        self.vectors() * 16
    }

    /// The first vector of each block, and the block's `[group][vector]` part.
    #[inline]
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, &[Lanes])> {
        let blocks = self.lanes.chunks((self.width * self.groups).max(1));
        blocks.enumerate().map(|(block, lanes)| (block * self.width, lanes))
    }
}

/// Query rows as `i8`, each with a scale of its own: `q[row][k] ≈ scale[row] · values[row][k]`, `|values| ≤ 127`.
#[derive(Debug, Clone)]
pub(super) struct QuantisedRows {
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) values: Vec<i8>,
    /// Not negative; zero for rows of zeros.
    pub(super) scales: Vec<f32>,
}

impl QuantisedRows {
    /// Symmetric, to nearest (half away from zero): `scale = max|q| / 127`. In f64, so that subnormal and huge rows
    /// come out as the others do.
    pub(super) fn new(matrix: TokenMatrix<'_>) -> Self {
        let mut values = Vec::with_capacity(matrix.as_slice().len());
        let mut scales = Vec::with_capacity(matrix.rows());
        for row in matrix.iter() {
            let largest = f64::from(row.iter().fold(0.0f32, |max, x| max.max(x.abs())));
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            values.extend(row.iter().map(|&x| (f64::from(x) * inverse).round() as i8));
            scales.push((largest / 127.0) as f32);
        }
        Self { rows: matrix.rows(), dim: matrix.dim(), values, scales }
    }

    /// The scales in vectors of 16 rows; padding is 0.
    pub(super) fn scale_lanes(&self) -> Vec<Lanes> {
        let lanes = |part: &[f32]| Lanes(std::array::from_fn(|i| part.get(i).map_or(0, |x| x.to_bits())));
        self.scales.chunks(16).map(lanes).collect()
    }

    /// `−128 · Σ_k values[row][k]`: takes the bias of unsigned bytes off again.
    pub(super) fn bias(&self, row: usize) -> i32 {
        -128 * self.values[row * self.dim..][..self.dim].iter().map(|&x| i32::from(x)).sum::<i32>()
    }

    /// Value `k` of `row`; 0 past the end, so that groups fill up with zeros.
    pub(super) fn value(&self, row: usize, k: usize) -> i8 {
        if k < self.dim { self.values[row * self.dim + k] } else { 0 }
    }
}

/// Four `i8` in a dword, lowest byte first.
pub(super) fn quad(value: impl Fn(usize) -> i8) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| value(i) as u8))
}

/// Two `i8` widened to `i16` in a dword, lower half first.
pub(super) fn wide_pair(value: impl Fn(usize) -> i8) -> u32 {
    let half = |i| u32::from(i16::from(value(i)) as u16);
    half(0) | half(1) << 16
}
