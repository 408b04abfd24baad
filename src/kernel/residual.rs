//! MaxSim over tokens stored as a centroid and codes of what is left.
//!
//! `⟨q, d⟩ = ⟨q, centroid⟩ + scale(d) · scale(q) · Σₖ q8ₖ · level[code(d, k)]`. The first term comes in as a table, made once per query by
//! [`QueryI8::scores`](super::QueryI8::scores); the sum is one of `i8` products, whose levels are looked up in registers and never
//! written further than the first-level cache. `|level| ≤ 128`, so that the bounds of `query_i8` hold.

use super::isa::Isa;
use super::maxima::Maxima;
use super::packed::{Lanes, Packed, QuantisedRows, quad, wide_pair};
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::simd;
use crate::format::CodeWidth;
use crate::types::TokenMatrix;

/// Tokens of one document as an index stores them, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct ResidualTokens<'a> {
    /// `[tokens, width.row_bytes(dim)]`, packed as [`CodeWidth`] says; unused digits are ignored.
    pub codes: &'a [u8],
    /// `[tokens]`: which entry of the scale table.
    pub scales: &'a [u8],
    /// `[tokens, id_width]`: which centroid, little-endian.
    pub centroid_ids: &'a [u8],
    /// Bytes of a centroid id: 2, 3 or 4.
    pub id_width: u8,
}

impl ResidualTokens<'_> {
    /// How many tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// The centroid of a token.
    ///
    /// # Panics
    /// If there is no such token.
    #[must_use]
    #[inline]
    pub fn centroid(&self, token: usize) -> u32 {
        let width = usize::from(self.id_width);
        let id = &self.centroid_ids[token * width..];
        if let Some(dword) = id.first_chunk() {
            return u32::from_le_bytes(*dword) & (u32::MAX >> (32 - 8 * width));
        }
        id[..width].iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
    }
}

/// A query quantised to `i8`, each row with a scale of its own, packed for one codec's codes.
///
/// `score(i, j) = centroid_scores[id(j)][i] + f32(Σₖ q8ᵢₖ · levels[code(j, k)]) · scaleᵢ · scale_table[scales[j]]`: larger is better.
/// The sum is exact, the rest the same sequence of single operations, never fused: all results have the same bits on every instruction set.
///
/// * A query without rows scores 0. Otherwise a document without tokens scores −∞.
/// * A document that names a centroid outside `centroid_scores` scores NaN: its segment is damaged.
/// * Cost: `rows · tokens · dim` byte multiply-adds and a table lookup per code.
///
/// ```
/// use lateen::format::CodeWidth;
/// use lateen::kernel::{Isa, ResidualQuery, ResidualTokens};
/// use lateen::types::TokenMatrix;
/// let mut levels = [0; 16];
/// levels[..4].copy_from_slice(&[-3, -1, 1, 3]);
/// let scale_table = std::array::from_fn(|i| i as f32);
/// let query = TokenMatrix::new(&[127.0, 0.0, 0.0, 127.0], 2)?;
/// let query = ResidualQuery::pack(Isa::detect(), query, CodeWidth::Two, &levels, &scale_table);
/// // One token: codes 3 and 1, scale 2, centroid 1.
/// let tokens = ResidualTokens { codes: &[0b01_11], scales: &[2], centroid_ids: &[1, 0], id_width: 2 };
/// let mut centroid_scores = vec![0.0; 2 * query.stride()];
/// centroid_scores[query.stride()] = 10.0;
/// assert_eq!(query.maxsim(tokens, &centroid_scores), (10.0 + 127.0 * 3.0 * 2.0) + 127.0 * -1.0 * 2.0);
/// # Ok::<(), lateen::types::MatrixError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResidualQuery {
    isa: Isa,
    dim: usize,
    width: CodeWidth,
    packed: Packed,
    scales: Vec<Lanes>,
    levels: [i8; 16],
    digits: Vec<[u8; 16]>,
    scale_table: Box<[f32; 256]>,
}

impl ResidualQuery {
    /// Packs `query`, which lives in the codec's (rotated) space; of `levels` those of `width` count.
    /// Cost: one pass over the query.
    #[must_use]
    pub fn pack(
        isa: Isa,
        query: TokenMatrix<'_>,
        width: CodeWidth,
        levels: &[i8; 16],
        scale_table: &[f32; 256],
    ) -> Self {
        let rows = QuantisedRows::new(query);
        let (dim, scales, shape) = (rows.dim, rows.scale_lanes(), isa.shape());
        let order = expanded_order(isa, dim, width);
        let value = |row, position: usize| order.get(position).map_or(0, |&k| rows.value(row, k));
        let mut levels = *levels;
        let packed = if isa.has_vnni() {
            // `vpdpbusd` takes unsigned bytes of one side: the levels are stored with the bias.
            levels = levels.map(|level| level ^ i8::MIN);
            let dword = |row, g| quad(|i| value(row, 4 * g + i));
            Packed::new(rows.rows, order.len().div_ceil(4), shape, dword).starting(|row| rows.bias(row))
        } else {
            let dword = |row, g| wide_pair(|i| value(row, 2 * g + i));
            Packed::new(rows.rows, order.len().div_ceil(2), shape, dword)
        };
        let digits = if width == CodeWidth::Ternary { digit_table(&levels, isa) } else { Vec::new() };
        Self { isa, dim, width, packed, scales, levels, digits, scale_table: Box::new(*scale_table) }
    }

    /// Query rows padded to a multiple of 16: the length of a row of centroid scores and of token scores.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.packed.stride()
    }

    /// The instruction set that it was packed for and runs on.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Query rows, without padding.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.packed.rows
    }

    /// Bytes of one token's codes.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.width.row_bytes(self.dim)
    }

    /// Scores one document. `centroid_scores` = `[centroids, stride]`, row-major. NaN if a token's centroid is not among them.
    ///
    /// # Panics
    /// If the parts of `tokens` have not the same number of tokens, `id_width` is not 2, 3 or 4, or `centroid_scores` no rows of
    /// [`stride`](Self::stride).
    #[must_use]
    pub fn maxsim(&self, tokens: ResidualTokens<'_>, centroid_scores: &[f32]) -> f32 {
        self.check(tokens, centroid_scores);
        if self.packed.rows == 0 {
            return 0.0;
        }
        if tokens.is_empty() {
            return f32::NEG_INFINITY;
        }
        let Some(places) = self.places(tokens, centroid_scores) else { return f32::NAN };
        let centroids = Centroids { tokens, places: &places, scores: centroid_scores, stride: self.stride() };
        let mut maxima = Maxima::new(self.packed.vectors());
        if !self.maxima_simd(centroids, maxima.lanes()) {
            self.scalar(centroids, |vector, _, scores| scalar::raise(&mut maxima.lanes()[vector], scores));
        }
        maxima.sum(self.packed.rows, |_| 1.0)
    }

    /// The score of every token for every query row: `out` = `[tokens, stride]`, row-major; columns past the query's rows mean
    /// nothing. All NaN if a token's centroid is not among `centroid_scores`.
    ///
    /// # Panics
    /// As [`maxsim`](Self::maxsim); if `out` is not `tokens.len() · stride()` numbers.
    pub fn token_scores(&self, tokens: ResidualTokens<'_>, centroid_scores: &[f32], out: &mut [f32]) {
        self.check(tokens, centroid_scores);
        let stride = self.stride();
        assert_eq!(
            out.len(),
            tokens.len() * stride,
            "token_scores: one number per token and padded query row"
        );
        if out.is_empty() {
            return;
        }
        let Some(places) = self.places(tokens, centroid_scores) else {
            out.fill(f32::NAN);
            return;
        };
        let centroids = Centroids { tokens, places: &places, scores: centroid_scores, stride };
        if !self.scores_simd(centroids, out) {
            self.scalar(centroids, |vector, token, scores| {
                out[token * stride + vector * 16..][..16].copy_from_slice(&scores);
            });
        }
    }

    /// Does nothing and returns false if the instruction set is plain Rust.
    fn maxima_simd(&self, centroids: Centroids<'_>, maxima: &mut [Lanes]) -> bool {
        #[cfg(target_arch = "x86_64")]
        return simd::maxima_residual(self, centroids, maxima);
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    fn scores_simd(&self, centroids: Centroids<'_>, out: &mut [f32]) -> bool {
        #[cfg(target_arch = "x86_64")]
        return simd::scores_residual(self, centroids, out);
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    fn check(&self, tokens: ResidualTokens<'_>, scores: &[f32]) {
        let (width, stride) = (usize::from(tokens.id_width), self.stride());
        assert!((2..=4).contains(&width), "a centroid id has 2, 3 or 4 bytes, not {width}");
        assert_eq!(tokens.centroid_ids.len(), tokens.len() * width, "one centroid id per token");
        assert_eq!(tokens.codes.len(), tokens.len() * self.row_bytes(), "one row of codes per token");
        assert!(scores.len().is_multiple_of(stride.max(1)), "one centroid score per padded query row");
    }

    /// Where in `scores` the row of each token's centroid begins; `None` if one is not there.
    fn places(&self, tokens: ResidualTokens<'_>, scores: &[f32]) -> Option<Vec<usize>> {
        let stride = self.stride();
        let (places, largest) = match tokens.id_width {
            2 => places(tokens.centroid_ids.as_chunks::<2>().0, stride),
            3 => places(tokens.centroid_ids.as_chunks::<3>().0, stride),
            _ => places(tokens.centroid_ids.as_chunks::<4>().0, stride),
        };
        (largest < scores.len() / stride).then_some(places)
    }

    /// Hands the scores of each token for each 16 query rows to `each`.
    fn scalar(&self, centroids: Centroids<'_>, mut each: impl FnMut(usize, usize, [f32; 16])) {
        let tokens = centroids.tokens;
        let mut pairs = vec![[0i16; 2]; self.packed.groups];
        for (token, row) in tokens.codes.chunks_exact(self.row_bytes()).enumerate() {
            let centroid = centroids.row(token);
            let scale = self.scale_table[usize::from(tokens.scales[token])];
            self.expand(row, &mut pairs);
            for (vector, block) in self.packed.blocks() {
                let sums = scalar::products_i16(block, &pairs);
                let score = |lane: usize| {
                    let scaled = sums[lane] as f32 * f32::from_bits(self.scales[vector].0[lane]);
                    scaled * scale + centroid[vector * 16 + lane]
                };
                each(vector, token, std::array::from_fn(score));
            }
        }
    }

    fn expand(&self, codes: &[u8], pairs: &mut [[i16; 2]]) {
        for (k, value) in pairs.as_flattened_mut().iter_mut().enumerate().take(self.dim) {
            *value = self.levels[usize::from(self.width.unpack(codes, k))].into();
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl ResidualQuery {
    pub(super) fn width(&self) -> CodeWidth {
        self.width
    }

    pub(super) fn packed(&self) -> &Packed {
        &self.packed
    }

    pub(super) fn scales(&self) -> &[Lanes] {
        &self.scales
    }

    pub(super) fn scale_table(&self) -> &[f32; 256] {
        &self.scale_table
    }

    /// Biased by 128 if the instruction set wants that.
    pub(super) fn levels(&self) -> &[i8; 16] {
        &self.levels
    }

    /// The five levels of every byte of ternary codes, as bytes or as `i16`; empty for other widths.
    pub(super) fn digits(&self) -> &[[u8; 16]] {
        &self.digits
    }
}

/// The first number of each row of `stride` that `ids` name, and the largest id. Numbers of ids that are too large mean nothing.
fn places<const W: usize>(ids: &[[u8; W]], stride: usize) -> (Vec<usize>, usize) {
    let mut largest = 0;
    let place = |id: &[u8; W]| {
        let mut bytes = [0; 8];
        bytes[..W].copy_from_slice(id);
        let id = u64::from_le_bytes(bytes) as usize;
        largest = id.max(largest);
        id.wrapping_mul(stride)
    };
    (ids.iter().map(place).collect(), largest)
}

/// The tokens of a document, and the score of every centroid for every query row.
#[derive(Clone, Copy)]
pub(super) struct Centroids<'a> {
    pub(super) tokens: ResidualTokens<'a>,
    /// Where in `scores` the row of each token's centroid begins.
    places: &'a [usize],
    scores: &'a [f32],
    pub(super) stride: usize,
}

impl<'a> Centroids<'a> {
    /// The scores of a token's centroid.
    #[inline(always)]
    pub(super) fn row(&self, token: usize) -> &'a [f32] {
        &self.scores[self.places[token]..][..self.stride]
    }
}

/// The order in which kernels write a row's values, rounded up to whole groups of four; positions without a value have a dimension
/// past the end.
///
/// Bit fields of 2 and 4 bits without VBMI: in blocks of 64 bytes of codes, first the lowest code of each byte, then the next, each of
/// these planes rounded up for itself. All others: as they come.
fn expanded_order(isa: Isa, dim: usize, width: CodeWidth) -> Vec<usize> {
    let per_byte = width.per_byte();
    let fields = matches!(width, CodeWidth::Two | CodeWidth::Four);
    if isa == Isa::SCALAR || isa.has_vbmi() || !fields {
        return (0..dim.next_multiple_of(4)).collect();
    }
    let bytes = width.row_bytes(dim);
    let mut order = Vec::with_capacity(bytes.next_multiple_of(4) * per_byte);
    for block in (0..bytes).step_by(64) {
        let plane = (bytes - block).min(64);
        for h in 0..per_byte {
            let value = |j| if j < plane { (block + j) * per_byte + h } else { usize::MAX };
            order.extend((0..plane.next_multiple_of(4)).map(value));
        }
    }
    order
}

/// The five levels of every byte of ternary codes, in the form that `isa` multiplies: five bytes, or five `i16`.
fn digit_table(levels: &[i8; 16], isa: Isa) -> Vec<[u8; 16]> {
    let entry = |byte| {
        let mut entry = [0; 16];
        for at in 0..CodeWidth::Ternary.per_byte() {
            let level = levels[usize::from(CodeWidth::Ternary.digit(byte, at))];
            if isa.has_vnni() {
                entry[at] = level.to_le_bytes()[0];
            } else {
                entry[2 * at..2 * at + 2].copy_from_slice(&i16::from(level).to_le_bytes());
            }
        }
        entry
    };
    (0..=u8::MAX).map(entry).collect()
}
