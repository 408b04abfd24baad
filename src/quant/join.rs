//! Several codecs become one, without touching a code.

use super::{QuantError, ResidualCodec, scale_table};

impl ResidualCodec {
    /// Whether the codes of both mean the same but for centroids and scales: then they can be joined.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (self.dim, self.width, self.rotation_seed, self.levels)
            == (other.dim, other.width, other.rotation_seed, other.levels)
    }

    /// One codec with the centroids of all, in order.
    ///
    /// A token keeps its codes; its centroid's number grows by the number of centroids before its codec's, and its
    /// scale byte `s` becomes `maps[codec][s]`. Where all grids of scales are the same, the maps change nothing.
    /// Otherwise one grid is laid over all, and a scale moves by at most half a step: 0.9 % of the residual, and
    /// nothing beside the error of its codes.
    ///
    /// # Errors
    /// [`QuantError::NotAlike`] for the first codec that [is not like](Self::is_like) the first one.
    ///
    /// # Panics
    /// If there is no codec.
    ///
    /// ```
    /// use lateen::format::CodeWidth;
    /// use lateen::quant::{CodecOptions, ResidualCodec};
    /// let data = [1.0, 0.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0];
    /// let rows = lateen::types::TokenMatrix::new(&data, 4)?;
    /// let (one, _) = ResidualCodec::build(&rows, &[], &CodecOptions::with_width(CodeWidth::Four))?;
    /// let (both, maps) = ResidualCodec::join(&[&one, &one])?;
    /// assert_eq!(both.centroid_count(), 2 * one.centroid_count());
    /// assert!((0..=255).all(|scale| maps[1][usize::from(scale)] == scale));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(codecs: &[&Self]) -> Result<(Self, Vec<[u8; 256]>), QuantError> {
        let first = codecs[0];
        if let Some(codec) = codecs.iter().position(|codec| !codec.is_like(first)) {
            return Err(QuantError::NotAlike { codec });
        }
        let mut joined = first.clone();
        for codec in &codecs[1..] {
            joined.centroids.extend_from_slice(&codec.centroids);
            joined.centroid_scales.extend_from_slice(&codec.centroid_scales);
        }
        let same = codecs.iter().all(|codec| codec.grid() == first.grid());
        let highest = codecs.iter().filter_map(|codec| Some(codec.scale_range()?.1)).reduce(f64::max);
        if !same && let Some(high) = highest {
            joined.lay_grid(high);
        }
        let maps = codecs.iter().map(|codec| codec.scale_map(&joined)).collect();
        Ok((joined, maps))
    }

    fn grid(&self) -> (u32, u32) {
        (self.scale_log2_min.to_bits(), self.scale_log2_step.to_bits())
    }

    /// The logarithms of the smallest and the largest scale; `None` if no row needed one.
    pub(super) fn scale_range(&self) -> Option<(f64, f64)> {
        let low = f64::from(self.scale_log2_min);
        (self.scale_log2_step > 0.0 || low > -24.0)
            .then(|| (low, low + 255.0 * f64::from(self.scale_log2_step)))
    }

    /// The scale of `to` next to each scale of this codec.
    pub(super) fn scale_map(&self, to: &Self) -> [u8; 256] {
        if self.grid() == to.grid() {
            return std::array::from_fn(|scale| scale as u8);
        }
        let table = scale_table(self.scale_log2_min, self.scale_log2_step);
        table.map(|scale| to.nearest_scale(scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::CodeWidth;
    use crate::quant::{CodecOptions, tests::tokens};

    #[test]
    fn tokens_of_joined_codecs_decode_to_what_they_were() {
        let dim = 16;
        let (a, b) = (tokens(300, dim, 10, 1).0, tokens(200, dim, 10, 2).0);
        let options = CodecOptions { tokens_per_centroid: 16, ..CodecOptions::with_width(CodeWidth::Four) };
        let (first, codes) = ResidualCodec::build(&a.view(), &[], &options).unwrap();
        let options = CodecOptions { levels: Some(first.levels), ..options };
        let (second, more) = ResidualCodec::build(&b.view(), &[], &options).unwrap();
        let (joined, maps) = ResidualCodec::join(&[&first, &second]).unwrap();
        let row_bytes = joined.row_bytes();
        let shift = first.centroid_count() as u32;
        for (codec, codes, map, shift) in [(&first, &codes, &maps[0], 0), (&second, &more, &maps[1], shift)] {
            for (at, row) in codes.codes.chunks_exact(row_bytes).enumerate() {
                let (mut before, mut after) = (vec![0.0; dim], vec![0.0; dim]);
                codec.decode(codes.centroids[at], codes.scales[at], row, &mut before).unwrap();
                let scale = map[usize::from(codes.scales[at])];
                joined.decode(codes.centroids[at] + shift, scale, row, &mut after).unwrap();
                let error: f32 = before.iter().zip(&after).map(|(x, y)| (x - y) * (x - y)).sum();
                assert!(error < 1e-10, "{error}");
            }
        }
        let other = ResidualCodec { rotation_seed: 9, ..first.clone() };
        assert!(matches!(ResidualCodec::join(&[&first, &other]), Err(QuantError::NotAlike { codec: 1 })));
    }
}
