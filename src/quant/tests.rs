//! The codec as a whole, on clustered synthetic tokens.

use proptest::prelude::*;

use super::random::SplitMix64;
use super::*;
use crate::format::CodeWidth;
use crate::types::{MatrixError, TokenMatrix, TokenMatrixBuf, normalize};

/// Rows around `words` directions, with some noise along shared directions, and the word of each row.
pub(super) fn tokens(rows: usize, dim: usize, words: usize, seed: u64) -> (TokenMatrixBuf, Vec<u32>) {
    let mut random = SplitMix64::new(seed);
    let mut uniform = move || (random.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    let centres: Vec<f32> = (0..words * dim).map(|_| uniform()).collect();
    let mut data = Vec::with_capacity(rows * dim);
    let mut ids = Vec::with_capacity(rows);
    for row in 0..rows {
        // Low words are frequent, as in text.
        let word = (row * row + 3 * row) % (1 + row % words);
        ids.push(100 + word as u32);
        let start = data.len();
        data.extend(centres[word * dim..(word + 1) * dim].iter().map(|c| c + 0.8 * uniform()));
        if !normalize(&mut data[start..]) {
            data[start] = 1.0;
        }
    }
    (TokenMatrixBuf::new(data, dim).unwrap(), ids)
}

fn decoded(codec: &ResidualCodec, coded: &TokenCodes, row: usize) -> Vec<f32> {
    let mut out = vec![0.0; codec.dim];
    let bytes = codec.row_bytes();
    let codes = &coded.codes[row * bytes..(row + 1) * bytes];
    codec.decode(coded.centroids[row], coded.scales[row], codes, &mut out).unwrap();
    out
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn threads_do_not_change_a_byte() {
    let (rows, ids) = tokens(20_000, 24, 40, 1);
    for ids in [&ids[..], &[]] {
        let options = CodecOptions { tokens_per_centroid: 16, ..CodecOptions::default() };
        let build = || ResidualCodec::build(&rows.view(), ids, &options).unwrap();
        let one = in_pool(1, build);
        assert_eq!(one, in_pool(2, build));
        assert_eq!(one, in_pool(4, build));
        let other = CodecOptions { seed: 1, ..options.clone() };
        assert_ne!(one.0, ResidualCodec::build(&rows.view(), ids, &other).unwrap().0);
    }
}

#[test]
fn decoded_rows_are_near_and_of_unit_length() {
    use CodeWidth::{Four, One, Ternary, Two};
    let cases = [
        (64, Four, 0.985),
        (64, Two, 0.90),
        (48, Four, 0.985),
        (7, Four, 0.96),
        (128, Two, 0.90),
        (64, Ternary, 0.86),
        (64, One, 0.78),
    ];
    for (dim, width, cosine) in cases {
        let (rows, ids) = tokens(3000, dim, 30, 2);
        let (codec, coded) =
            ResidualCodec::build(&rows.view(), &ids, &CodecOptions::with_width(width)).unwrap();
        let rotation = codec.rotation();
        let (mut sum, mut off) = (0.0, 0);
        for (number, row) in rows.view().iter().enumerate() {
            let mut back = decoded(&codec, &coded, number);
            off += usize::from((residual::dot(&back, &back).sqrt() - 1.0).abs() > 0.01);
            rotation.apply_inverse(&mut back);
            sum += residual::dot(&back, row);
        }
        // The scale for unit length is not always near enough to the least-squares one, with one bit less often.
        let share = if width == One { 20 } else { 50 };
        assert!(off * share <= rows.view().rows(), "dim {dim}, {width:?}: {off} rows are not of unit length");
        let mean = sum / rows.view().rows() as f32;
        assert!(mean > cosine, "dim {dim}, {width:?}: mean cosine {mean}");
    }
}

#[test]
fn scoring_codes_finds_what_exact_scoring_finds() {
    let (rows, ids) = tokens(6000, 64, 60, 3);
    let (queries, _) = tokens(20, 64, 60, 3);
    for (width, least) in CodeWidth::ALL.into_iter().zip([0.4, 0.6, 0.7, 0.9]) {
        let (codec, coded) =
            ResidualCodec::build(&rows.view(), &ids, &CodecOptions::with_width(width)).unwrap();
        let back: Vec<Vec<f32>> = (0..6000).map(|row| decoded(&codec, &coded, row)).collect();
        let mut found = 0;
        for query in queries.view().iter() {
            let mut rotated = query.to_vec();
            codec.rotation().apply(&mut rotated);
            let exact = best(rows.view().iter().map(|row| residual::dot(query, row)));
            let coded = best(back.iter().map(|row| residual::dot(&rotated, row)));
            found += exact.iter().filter(|row| coded.contains(row)).count();
        }
        let recall = found as f64 / (20.0 * 10.0);
        assert!(recall >= least, "{width:?}: recall@10 {recall}");
    }
}

fn best(scores: impl Iterator<Item = f32>) -> Vec<usize> {
    let mut order: Vec<(f32, usize)> = scores.enumerate().map(|(row, score)| (-score, row)).collect();
    order.sort_by(|a, b| a.partial_cmp(b).unwrap());
    order[..10].iter().map(|&(_, row)| row).collect()
}

#[test]
fn clustering_by_token_keeps_its_budget() {
    let (rows, ids) = tokens(20_000, 16, 100, 4);
    for (ids, slack) in [(&ids[..], 2.0), (&[][..], 1.1)] {
        for per_centroid in [32, 64, 128] {
            let options = CodecOptions { tokens_per_centroid: per_centroid, ..CodecOptions::default() };
            let (codec, _) = ResidualCodec::build(&rows.view(), ids, &options).unwrap();
            let wanted = 20_000.0 / per_centroid as f64;
            let count = codec.centroid_count() as f64;
            assert!(count > 0.8 * wanted && count < slack * wanted, "{count} centroids for {wanted}");
        }
    }
}

#[test]
fn a_single_row_no_row_and_equal_rows() {
    for width in CodeWidth::ALL {
        let options = CodecOptions::with_width(width);
        let none = TokenMatrix::new(&[], 5).unwrap();
        let (codec, coded) = ResidualCodec::build(&none, &[], &options).unwrap();
        assert_eq!((codec.centroid_count(), coded), (0, TokenCodes::default()));
        assert_eq!(codec.levels[width.levels() - 1], 127);
        assert!(codec.decode(0, 0, &[0; 3], &mut [0.0; 5]).is_err());

        for (data, dim) in [(vec![0.6, 0.0, -0.8], 3), ([0.6, 0.0, -0.8].repeat(500), 3), (vec![1.0; 9], 1)] {
            let rows = TokenMatrix::new(&data, dim).unwrap();
            let ids = vec![9; rows.rows()];
            for ids in [&ids[..], &[]] {
                let (codec, coded) = ResidualCodec::build(&rows, ids, &options).unwrap();
                assert_eq!(codec.centroid_count(), 1);
                for number in 0..rows.rows() {
                    let mut back = decoded(&codec, &coded, number);
                    codec.rotation().apply_inverse(&mut back);
                    for (a, b) in back.iter().zip(rows.row(number)) {
                        assert!((a - b).abs() < 0.02, "{back:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_dimension_has_two_directions() {
    let data: Vec<f32> = (0..100).map(|at| if at % 3 == 0 { -1.0 } else { 1.0 }).collect();
    let rows = TokenMatrix::new(&data, 1).unwrap();
    for width in CodeWidth::ALL {
        for ids in [vec![], vec![1; 100]] {
            let (codec, coded) = ResidualCodec::build(&rows, &ids, &CodecOptions::with_width(width)).unwrap();
            for (number, &expected) in data.iter().enumerate() {
                let mut back = decoded(&codec, &coded, number);
                codec.rotation().apply_inverse(&mut back);
                assert!((back[0] - expected).abs() < 0.02, "{back:?} for {expected}");
            }
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    let good = [1.0, 0.0, 0.0, 1.0];
    let rows = TokenMatrix::new(&good, 2).unwrap();
    let build =
        |rows: &TokenMatrix<'_>, ids: &[u32], options| ResidualCodec::build(rows, ids, &options).err();
    let options = CodecOptions::default;
    assert_eq!(build(&rows, &[1], options()), Some(QuantError::TokenIds { rows: 2, ids: 1 }));
    let zero = CodecOptions { tokens_per_centroid: 0, ..options() };
    assert_eq!(build(&rows, &[], zero), Some(QuantError::ZeroOption { option: "tokens_per_centroid" }));
    let long = [1.0, 0.0, 0.0, 2.0, 0.0, 0.0];
    let rows = TokenMatrix::new(&long, 2).unwrap();
    assert_eq!(build(&rows, &[], options()), Some(QuantError::NotUnit { row: 1, norm: 2.0 }));
    assert!(matches!(
        spherical_kmeans(&rows, &KMeansOptions::with_clusters(2)),
        Err(QuantError::NotUnit { row: 1, .. })
    ));
    assert_eq!(
        spherical_kmeans(&rows, &KMeansOptions::with_clusters(0)).err(),
        Some(QuantError::ZeroOption { option: "clusters" })
    );
}

/// Rows that no matrix type has checked.
struct Unchecked(Vec<f32>, usize);

impl TokenRows for Unchecked {
    fn len(&self) -> usize {
        self.0.len().checked_div(self.1).unwrap_or(0)
    }
    fn dim(&self) -> usize {
        self.1
    }
    fn copy_row(&self, row: usize, out: &mut [f32]) {
        out.copy_from_slice(&self.0[row * self.1..][..self.1]);
    }
}

#[test]
fn rows_that_are_not_finite_are_refused() {
    let build = |rows: Unchecked| ResidualCodec::build(&rows, &[], &CodecOptions::default()).err();
    assert!(
        matches!(build(Unchecked(vec![1.0, f32::NAN], 1)), Some(QuantError::NotUnit { row: 1, norm }) if norm.is_nan())
    );
    assert!(matches!(build(Unchecked(vec![f32::INFINITY], 1)), Some(QuantError::NotUnit { row: 0, .. })));
    assert_eq!(build(Unchecked(vec![], 0)), Some(QuantError::Dimension { dim: 0 }));
    let dim = crate::types::MAX_DIM + 1;
    assert_eq!(build(Unchecked(vec![], dim)), Some(QuantError::Dimension { dim }));
}

#[test]
fn codes_of_another_codec_are_refused() {
    let (rows, ids) = tokens(100, 8, 4, 5);
    let (codec, coded) = ResidualCodec::build(&rows.view(), &ids, &CodecOptions::default()).unwrap();
    let (codes, mut out) = (&coded.codes[..4], [0.0; 8]);
    let centroids = codec.centroid_count();
    let error = codec.decode(centroids as u32, 0, codes, &mut out);
    assert_eq!(error, Err(QuantError::NoSuchCentroid { centroid: centroids as u32, centroids }));
    let error = codec.decode(0, 0, &codes[..3], &mut out);
    assert_eq!(error, Err(QuantError::Length { what: "code bytes", found: 3, needed: 4 }));
    assert!(matches!(codec.decode(0, 0, codes, &mut out[..7]), Err(QuantError::Length { found: 7, .. })));
}

#[test]
fn kmeans_finds_separate_directions_whatever_the_threads() {
    let (rows, words) = tokens(4000, 32, 12, 6);
    let options = KMeansOptions { iterations: 12, ..KMeansOptions::with_clusters(48) };
    let find = || spherical_kmeans(&rows.view(), &options).unwrap();
    let found = in_pool(1, find);
    assert_eq!(found, in_pool(4, find));
    for centroid in found.centroids.chunks_exact(32) {
        assert!((residual::dot(centroid, centroid) - 1.0).abs() < 1e-5);
    }
    // Hardly a cell mixes words.
    let mut counts = std::collections::HashMap::<(u32, u32), usize>::new();
    for pair in found.assignments.iter().copied().zip(words) {
        *counts.entry(pair).or_default() += 1;
    }
    let cells = found.centroids.len() / 32;
    let largest =
        |cell| counts.iter().filter(|(key, _)| key.0 == cell).map(|(_, &count)| count).max().unwrap();
    let pure: usize = (0..cells as u32).map(largest).sum();
    assert!(pure > 3600, "{pure} of 4000 rows are in a cell of their own word");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_unit_rows_are_coded(
        dim in 1usize..40,
        width in prop::sample::select(&CodeWidth::ALL[..]),
        count in 0usize..200,
        with_ids: bool,
        values in prop::collection::vec(-1.0f32..1.0, 8000),
    ) {
        let mut rows = TokenMatrixBuf::new(values[..count * dim].to_vec(), dim)
            .map_err(|error: MatrixError| TestCaseError::fail(error.to_string()))?;
        rows.normalize_rows();
        prop_assume!(rows.view().iter().all(|row| row.iter().any(|&x| x != 0.0)));
        let ids: Vec<u32> = if with_ids { (0..count).map(|row| (row % 7) as u32).collect() } else { vec![] };
        let options = CodecOptions { tokens_per_centroid: 8, ..CodecOptions::with_width(width) };
        let (codec, coded) = ResidualCodec::build(&rows.view(), &ids, &options).unwrap();
        prop_assert_eq!(coded.scales.len(), count);
        prop_assert_eq!(coded.codes.len(), count * codec.row_bytes());
        prop_assert!(coded.centroids.iter().all(|&c| (c as usize) < codec.centroid_count()));
        for row in 0..count {
            let back = decoded(&codec, &coded, row);
            let norm = residual::dot(&back, &back).sqrt();
            // Few dimensions and few levels: the scale of unit length may be out of reach.
            let off = if width <= CodeWidth::Ternary || dim < 4 { 0.6 } else { 0.3 };
            prop_assert!((norm - 1.0).abs() < off, "length {}", norm);
        }
    }
}
