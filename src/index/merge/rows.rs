//! Token vectors of segments as rows, whatever they are stored as.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;

use crate::format::CodecView;
use crate::index::{IndexError, RawRows, SegmentReader};
use crate::kernel::ResidualTokens;
use crate::quant::{Rotation, TokenRows, scale_table};
use crate::types::normalize;

/// Rows of several segments, one stretch after the other. All bytes behind them were checked when it was made.
pub(in crate::index) struct SegmentRows<'a> {
    dim: usize,
    stretches: Vec<Stretch<'a>>,
    /// Where each stretch begins, and the end.
    starts: Vec<usize>,
}

enum Stretch<'a> {
    Raw(RawRows<'a>),
    Coded { codes: ResidualTokens<'a>, codec: Box<Decoder<'a>> },
}

/// What decodes the tokens of a segment.
struct Decoder<'a> {
    view: CodecView<'a>,
    rotation: Rotation,
    scales: [f32; 256],
}

impl<'a> SegmentRows<'a> {
    pub(in crate::index) fn new(dim: usize) -> Self {
        Self { dim, stretches: Vec::new(), starts: vec![0] }
    }

    /// Appends the rows of contiguous documents; returns how many.
    pub(in crate::index) fn push(
        &mut self,
        reader: &'a SegmentReader,
        documents: Range<u32>,
    ) -> Result<usize, IndexError> {
        let stretch = if let Some(residual) = reader.residual()? {
            let view = *residual.codec();
            let codes = residual.tokens(residual.rows(documents)?)?;
            let rotation = Rotation::new(self.dim, view.rotation_seed);
            let scales = scale_table(view.scale_log2_min, view.scale_log2_step);
            Stretch::Coded { codes, codec: Box::new(Decoder { view, rotation, scales }) }
        } else if let Some(raw) = reader.raw()? {
            Stretch::Raw(raw.tokens(raw.rows(documents)?)?)
        } else {
            return Ok(0);
        };
        let rows = match &stretch {
            Stretch::Raw(RawRows::F16(values)) => values.len() / self.dim,
            Stretch::Raw(RawRows::F32(values)) => values.len() / self.dim,
            Stretch::Coded { codes, .. } => codes.len(),
        };
        self.starts.push(self.len() + rows);
        self.stretches.push(stretch);
        Ok(rows)
    }
}

impl TokenRows for SegmentRows<'_> {
    fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn copy_row(&self, row: usize, out: &mut [f32]) {
        let at = self.starts.partition_point(|&start| start <= row) - 1;
        let row = row - self.starts[at];
        let values = row * self.dim..(row + 1) * self.dim;
        match &self.stretches[at] {
            Stretch::Raw(RawRows::F16(rows)) => rows[values].convert_to_f32_slice(out),
            Stretch::Raw(RawRows::F32(rows)) => out.copy_from_slice(&rows[values]),
            Stretch::Coded { codes, codec } => {
                codec.decode(codes, row, out);
            }
        }
    }
}

impl Decoder<'_> {
    /// The token's vector, turned back and of length 1.
    fn decode(&self, codes: &ResidualTokens<'_>, token: usize, out: &mut [f32]) {
        let (dim, code) = (out.len(), self.view.width);
        let centroid = codes.centroid(token) as usize;
        let direction = &self.view.centroids[centroid * dim..(centroid + 1) * dim];
        let length = self.view.centroid_scales[centroid];
        let scale = self.scales[usize::from(codes.scales[token])];
        let width = code.row_bytes(dim);
        let packed = &codes.codes[token * width..(token + 1) * width];
        for (at, (out, &x)) in out.iter_mut().zip(direction).enumerate() {
            let level = self.view.levels[usize::from(code.unpack(packed, at))];
            *out = length * f32::from(x) + scale * f32::from(level);
        }
        self.rotation.apply_inverse(out);
        if !normalize(out) {
            // No codec of ours makes such a token; a row without a direction cannot be coded.
            out[0] = 1.0;
        }
    }
}
