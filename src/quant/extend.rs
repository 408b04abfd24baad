//! New rows for a codec that exists: what was coded stays as it is.

use super::clustering::cluster;
use super::fixed::RotatedRows;
use super::levels::Levels;
use super::nearest::Nearest;
use super::{CodecOptions, QuantError, ResidualCodec, TokenCodes, TokenRows, check_rows};

/// What [`ResidualCodec::extend`] makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Extension {
    /// The old centroids under their old numbers, then new ones.
    pub codec: ResidualCodec,
    /// The new rows, coded with it.
    pub codes: TokenCodes,
    /// What became of the scale bytes of tokens coded before; nothing, unless the new rows need a larger grid.
    pub scale_map: [u8; 256],
    /// The mean of `|row − nearest old centroid|²` over the new rows: how well the codec fitted them before.
    pub residual_before: f64,
    /// The mean of `|row − centroid|²` as coded.
    pub residual_after: f64,
}

impl ResidualCodec {
    /// Codes `rows` with this codec and at most `new_centroids` more, trained on the rows that the old ones fit worst.
    ///
    /// Tokens coded before keep their centroids and codes, so that nothing is lost however often this is done.
    /// Levels stay; the grid of scales grows if it has to ([`Extension::scale_map`]). Of `options`, seed and effort of
    /// k-means are used. The nearest old centroid is looked for in the 8 nearest of `√centroids` coarse cells.
    ///
    /// Cost: about `rows · 9 · √centroids · dim` multiply-adds, and k-means over `new_centroids`.
    ///
    /// # Errors
    /// As [`ResidualCodec::build`]; [`QuantError::Length`] if rows have another dimension than the codec.
    pub fn extend(
        &self,
        rows: &dyn TokenRows,
        new_centroids: usize,
        options: &CodecOptions,
    ) -> Result<Extension, QuantError> {
        if rows.dim() != self.dim {
            return Err(QuantError::Length { what: "numbers in a row", found: rows.dim(), needed: self.dim });
        }
        check_rows(rows)?;
        let rotation = self.rotation();
        let source = RotatedRows::new(rows, &rotation);
        let mut assignments = Nearest::new(self, options.seed).assign(&source);
        let mut distances = self.distances(&source, &assignments);
        let residual_before = mean(&distances);
        let mut codec = self.clone();
        if new_centroids > 0 && !rows.is_empty() {
            codec.grow(rows, new_centroids, options, (&mut assignments, &mut distances));
        }
        let levels =
            Levels::fit(&codec.residuals(&source, &assignments), self.width).with_values(self.levels);
        let (codes, exact) = codec.code_rows(&source, &assignments, &levels);
        codec.widen_grid(&exact);
        let scale_map = self.scale_map(&codec);
        let scales = exact.iter().map(|&scale| codec.nearest_scale(scale)).collect();
        Ok(Extension {
            codec,
            codes: TokenCodes { codes, scales, centroids: assignments },
            scale_map,
            residual_before,
            residual_after: mean(&distances),
        })
    }

    /// The centroid with the largest cosine for each row, whichever it is coded with.
    ///
    /// It is looked for in the 8 nearest of `√centroids` coarse cells, which `seed` chooses; at most 1,024 centroids are all
    /// looked at.
    ///
    /// Cost: about `rows · 9 · √centroids · dim` multiply-adds.
    ///
    /// # Errors
    /// As [`ResidualCodec::extend`].
    ///
    /// ```
    /// use lateen::quant::{CodecOptions, ResidualCodec};
    /// let data = [1.0, 0.0, 0.0, 0.0, 0.0, 0.6, 0.8, 0.0];
    /// let rows = lateen::types::TokenMatrix::new(&data, 4)?;
    /// let mut options = CodecOptions::default();
    /// options.tokens_per_centroid = 1;
    /// let (codec, codes) = ResidualCodec::build(&rows, &[], &options)?;
    /// assert_eq!(codec.nearest(&rows, 1)?, codes.centroids);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nearest(&self, rows: &dyn TokenRows, seed: u64) -> Result<Vec<u32>, QuantError> {
        if rows.dim() != self.dim {
            return Err(QuantError::Length { what: "numbers in a row", found: rows.dim(), needed: self.dim });
        }
        check_rows(rows)?;
        let rotation = self.rotation();
        Ok(Nearest::new(self, seed).assign(&RotatedRows::new(rows, &rotation)))
    }

    /// The mean of `|row − centroid|²`, in rotated space, over about 65,536 evenly spaced rows.
    ///
    /// # Panics
    /// If a row has no centroid, or one that the codec has not.
    #[must_use]
    pub fn mean_residual(&self, rows: &dyn TokenRows, centroids: &[u32]) -> f64 {
        const SAMPLE: usize = 65_536;
        let step = rows.len().div_ceil(SAMPLE).max(1);
        let numbers: Vec<u32> = (0..rows.len() as u32).step_by(step).collect();
        let assignments: Vec<u32> = numbers.iter().map(|&number| centroids[number as usize]).collect();
        let (chosen, rotation) = (Chosen { rows, numbers: &numbers }, self.rotation());
        mean(&self.distances(&RotatedRows::new(&chosen, &rotation), &assignments))
    }

    /// Adds centroids where rows are farthest from theirs, and moves rows to nearer new ones.
    fn grow(
        &mut self,
        rows: &dyn TokenRows,
        new_centroids: usize,
        options: &CodecOptions,
        (assignments, distances): (&mut [u32], &mut [f32]),
    ) {
        let wanted = new_centroids.saturating_mul(options.tokens_per_centroid.max(1)).min(rows.len());
        let mut worst: Vec<u32> = (0..rows.len() as u32).collect();
        worst.sort_by(|&a, &b| distances[b as usize].total_cmp(&distances[a as usize]).then(a.cmp(&b)));
        worst.truncate(wanted);
        worst.sort_unstable();
        let chosen = Chosen { rows, numbers: &worst };
        let rotation = self.rotation();
        let source = RotatedRows::new(&chosen, &rotation);
        let each = wanted.div_ceil(new_centroids).max(1);
        let fit = cluster(&source, &[], &CodecOptions { tokens_per_centroid: each, ..options.clone() });
        let first = self.centroid_count() as u32;
        let added = Self::with_centroids(&fit.means, self.dim, options);
        self.centroids.extend_from_slice(&added.centroids);
        self.centroid_scales.extend_from_slice(&added.centroid_scales);
        let nearer = added.distances(&source, &fit.assignments);
        for ((&number, cell), distance) in worst.iter().zip(fit.assignments).zip(nearer) {
            let number = number as usize;
            if distance < distances[number] {
                (assignments[number], distances[number]) = (first + cell, distance);
            }
        }
    }

    /// `|row − centroid|²` of each row.
    fn distances(&self, source: &RotatedRows<'_>, assignments: &[u32]) -> Vec<f32> {
        use rayon::prelude::*;
        (0..source.len())
            .into_par_iter()
            .with_min_len(256)
            .map_init(
                || (vec![0.0; self.dim], vec![0.0; self.dim]),
                |(row, centroid), number| {
                    source.copy_row(number, row);
                    self.centroid(assignments[number] as usize, centroid);
                    row.iter_mut().zip(&*centroid).for_each(|(x, c)| *x -= c);
                    super::residual::dot(row, row)
                },
            )
            .collect()
    }

    /// Makes room for scales above the grid: tokens coded before keep theirs under other numbers.
    fn widen_grid(&mut self, exact: &[f32]) {
        let Some((_, high)) = self.scale_range() else {
            self.fix_grid(exact);
            return;
        };
        let most = f64::from(exact.iter().copied().fold(0.0_f32, f32::max)).log2();
        if most > high + f64::from(self.scale_log2_step) / 2.0 {
            self.lay_grid(most);
        }
    }
}

/// In the order of the rows, so that the sum does not depend on threads.
fn mean(distances: &[f32]) -> f64 {
    distances.iter().map(|&distance| f64::from(distance)).sum::<f64>() / distances.len().max(1) as f64
}

/// Some of the rows.
struct Chosen<'a> {
    rows: &'a dyn TokenRows,
    numbers: &'a [u32],
}

impl TokenRows for Chosen<'_> {
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn copy_row(&self, row: usize, out: &mut [f32]) {
        self.rows.copy_row(self.numbers[row] as usize, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::CodeWidth;
    use crate::quant::tests::tokens;

    fn cosine(codec: &ResidualCodec, codes: &TokenCodes, rows: &dyn TokenRows) -> f64 {
        let rotation = codec.rotation();
        let (mut row, mut decoded) = (vec![0.0; codec.dim], vec![0.0; codec.dim]);
        let row_bytes = codec.row_bytes();
        let each = (0..rows.len()).map(|at| {
            rows.copy_row(at, &mut row);
            let code = &codes.codes[at * row_bytes..][..row_bytes];
            codec.decode(codes.centroids[at], codes.scales[at], code, &mut decoded).unwrap();
            rotation.apply_inverse(&mut decoded);
            f64::from(row.iter().zip(&decoded).map(|(a, b)| a * b).sum::<f32>())
        });
        each.sum::<f64>() / rows.len() as f64
    }

    #[test]
    fn rows_that_come_later_are_coded_as_well_as_the_first() {
        for width in [CodeWidth::Two, CodeWidth::Four] {
            let (first, ids) = tokens(20_000, 32, 300, 1);
            let (later, _) = tokens(6_000, 32, 300, 9);
            let options = CodecOptions { tokens_per_centroid: 16, ..CodecOptions::with_width(width) };
            let (codec, codes) = ResidualCodec::build(&first.view(), &ids, &options).unwrap();
            assert!(codec.centroid_count() > 1024, "cells are used");
            let before = cosine(&codec, &codes, &first.view());
            // Rows of other directions, as after a change of subject: as good as a codec of their own.
            let (own, own_codes) = ResidualCodec::build(&later.view(), &[], &options).unwrap();
            let expected = cosine(&own, &own_codes, &later.view());
            let extension = codec.extend(&later.view(), 6_000 / 16, &options).unwrap();
            let found = cosine(&extension.codec, &extension.codes, &later.view());
            assert!(found > expected - 0.003, "{width:?}: {found} after {expected}");
            assert!(extension.residual_after < extension.residual_before);
            let old = codec.centroid_count();
            assert_eq!(extension.codec.centroids[..old * 32], codec.centroids[..]);
            assert!(extension.codec.centroid_count() <= old + 6_000 / 16 + 20);
            // What was coded before still means the same.
            let scales = codes.scales.iter().map(|&scale| extension.scale_map[usize::from(scale)]).collect();
            let moved = TokenCodes { scales, ..codes };
            let after = cosine(&extension.codec, &moved, &first.view());
            assert!((after - before).abs() < 1e-5, "{width:?}: {after} after {before}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (first, ids) = tokens(3_000, 16, 50, 1);
        let (later, _) = tokens(2_000, 16, 50, 2);
        let options = CodecOptions { tokens_per_centroid: 2, ..CodecOptions::default() };
        let (codec, _) = ResidualCodec::build(&first.view(), &ids, &options).unwrap();
        let extend = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| codec.extend(&later.view(), 100, &options).unwrap())
        };
        let expected = extend(1);
        assert_eq!(extend(3), expected);
        assert_eq!(extend(7), expected);
    }

    #[test]
    fn no_rows_and_rows_of_another_dimension() {
        let (first, ids) = tokens(100, 8, 5, 1);
        let options = CodecOptions::default();
        let (codec, _) = ResidualCodec::build(&first.view(), &ids, &options).unwrap();
        let none = crate::types::TokenMatrixBuf::new(Vec::new(), 8).unwrap();
        let extension = codec.extend(&none.view(), 4, &options).unwrap();
        assert_eq!(extension.codec, codec);
        let (other, _) = tokens(10, 4, 5, 1);
        assert!(matches!(codec.extend(&other.view(), 1, &options), Err(QuantError::Length { .. })));
    }
}
