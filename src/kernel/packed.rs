//! A query as the kernels read it.

use crate::types::TokenMatrix;

/// One vector of 16 dwords, on a cache line of its own.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub [u32; 16]);

/// Query rows in vectors of 16, vectors in blocks, groups outermost within a block:
/// `[block][group][vector of the block][16 rows]`.
///
/// A block holds `width` vectors, the last one what is left. If the last vector has at most 8 rows and the kernels take
/// pairs, it is a block by itself, in which a row has two lanes, one for the even and one for the odd groups:
/// `[pair of groups][8 rows][2 groups]`. It takes half the multiplications of 16 rows.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) rows: usize,
    pub(super) groups: usize,
    shape: Shape,
    /// Vectors before the one of pairs.
    whole: usize,
    lanes: Vec<Lanes>,
    start: Vec<Lanes>,
}

/// What kernels take at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Vectors of a block.
    pub(super) width: usize,
    /// Whether a vector of at most 8 rows is packed in pairs of groups.
    pub(super) pairs: bool,
}

impl Packed {
    /// Asks `group(row, group)` for every dword of every row; padding rows are zero.
    pub(super) fn new(rows: usize, groups: usize, shape: Shape, group: impl Fn(usize, usize) -> u32) -> Self {
        let vectors = rows.div_ceil(16);
        let whole = vectors - usize::from(shape.pairs && (1..=8).contains(&(rows % 16)));
        let dword = |row, g| if row < rows && g < groups { group(row, g) } else { 0 };
        let mut lanes = Vec::with_capacity(vectors * groups);
        for block in (0..whole).step_by(shape.width) {
            for g in 0..groups {
                for v in block..whole.min(block + shape.width) {
                    lanes.push(Lanes(std::array::from_fn(|lane| dword(v * 16 + lane, g))));
                }
            }
        }
        if whole < vectors {
            for g in (0..groups).step_by(2) {
                lanes.push(Lanes(std::array::from_fn(|lane| dword(whole * 16 + lane / 2, g + lane % 2))));
            }
        }
        Self { rows, groups, shape, whole, lanes, start: vec![Lanes([0; 16]); vectors] }
    }

    /// Lets the sums of each row start at `start(row)`.
    pub(super) fn starting(mut self, start: impl Fn(usize) -> i32) -> Self {
        for row in 0..self.rows {
            let (vector, lane) = (row / 16, row % 16);
            let lane = if vector < self.whole { lane } else { 2 * lane };
            self.start[vector].0[lane] = start(row) as u32;
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

    /// The first vector of each block but the one of pairs, and the block's `[group][vector]` part.
    #[inline]
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, &[Lanes])> {
        let blocks = self.lanes[..self.whole * self.groups].chunks(self.full_block().max(1));
        blocks.enumerate().map(|(block, lanes)| (block * self.shape.width, lanes))
    }

    /// Vectors of a block with all its rows, in all groups.
    #[inline]
    pub(super) fn full_block(&self) -> usize {
        self.shape.width * self.groups
    }

    /// The last vector, if it is packed in pairs, and its `[pair of groups]` part.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    #[inline]
    pub(super) fn pairs(&self) -> Option<(usize, &[Lanes])> {
        let pairs = &self.lanes[self.whole * self.groups..];
        (!pairs.is_empty()).then_some((self.whole, pairs))
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
