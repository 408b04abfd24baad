//! Every kernel on every instruction set of this processor, against plain Rust and against `f64`.
//!
//! Inputs are vectors of exactly their length, so that a read past the end is a read past an allocation; slices also start at odd places.

use half::{bf16, f16};
use proptest::prelude::*;

use super::packed::QuantisedRows;
use super::{
    Isa, QueryBf16, QueryF32, QueryI8, ResidualQuery, ResidualTokens, dot, dot_f16, dot_i8, squared_distance,
};
use crate::format::CodeWidth;
use crate::types::TokenMatrix;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// `dim`, query rows, tokens: all dimensions to 70 and some more, all row counts and all token counts at least once.
fn shapes() -> Vec<(usize, usize, usize)> {
    let dims: Vec<usize> = (1..=70).chain([96, 127, 128, 129, 256, 1024]).collect();
    let mut shapes = Vec::new();
    for (i, &dim) in dims.iter().enumerate() {
        shapes.push((dim, i % 71, i * 7 % 41));
        shapes.push((dim, (i * 5 + 32) % 71, (i * 11 + 13) % 41));
    }
    shapes.extend((0..=70).map(|rows| (24 + rows % 5, rows, 25)));
    shapes.extend((0..=40).map(|tokens| (31, 33, tokens)));
    shapes
}

fn matrix(data: &[f32], dim: usize) -> TokenMatrix<'_> {
    TokenMatrix::new(data, dim).unwrap()
}

/// MaxSim in `f64`, and how much rounding a sum of products in `f32` may add: `Σᵢ maxⱼ Σₖ |qᵢₖ dⱼₖ|`.
fn reference(query: &[f64], rows: &[f64], dim: usize) -> (f64, f64) {
    let sum = |q: &[f64], d: &[f64], f: fn(f64) -> f64| q.iter().zip(d).map(|(a, b)| f(a * b)).sum::<f64>();
    let over = |f: fn(f64) -> f64| {
        let best = |q: &[f64]| rows.chunks(dim).map(|d| sum(q, d, f)).fold(f64::NEG_INFINITY, f64::max);
        query.chunks(dim).map(best).sum::<f64>()
    };
    (over(|x| x), over(f64::abs))
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// `score` is within `dim · 2^-exponent` of the reference, relative to the sum of magnitudes.
fn assert_close(score: f32, (expected, magnitude): (f64, f64), dim: usize, what: &str) {
    if !expected.is_finite() {
        assert_eq!(f64::from(score), expected, "{what}");
        return;
    }
    let bound = (dim as f64 + 80.0) * magnitude * 2f64.powi(-22) + 1e-30;
    assert!((f64::from(score) - expected).abs() <= bound, "{what}: {score} is not {expected} ± {bound}");
}

#[test]
fn the_best_instruction_set_is_found_by_name() {
    for isa in Isa::available() {
        assert_eq!(Isa::named(isa.name()), Ok(isa));
    }
    assert_eq!(Isa::named("scalar"), Ok(Isa::SCALAR));
    assert_eq!(Isa::available().last(), Some(&Isa::detect()));
    let error = Isa::named("altivec").unwrap_err();
    assert!(error.to_string().contains("\"altivec\"") && error.to_string().contains("scalar"), "{error}");
}

#[test]
fn float_maxsim_agrees_with_f64_on_every_isa() {
    let mut random = Random(1);
    for (dim, rows, tokens) in shapes() {
        let query = random.floats(rows * dim);
        let odd = random.floats(tokens * dim + 1);
        let document = &odd[1..];
        let (f16s, bf16s): (Vec<f16>, Vec<bf16>) =
            document.iter().map(|&x| (f16::from_f32(x), bf16::from_f32(x))).unzip();
        let rounded: Vec<f64> = query.iter().map(|&x| bf16::from_f32(x).to_f64()).collect();
        let exact = reference(&wide(&query), &wide(document), dim);
        let exact_f16 = reference(&wide(&query), &f16s.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), dim);
        let exact_bf16 = reference(&rounded, &bf16s.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), dim);
        for isa in Isa::every() {
            let what = format!("{isa} dim {dim} rows {rows} tokens {tokens}");
            let packed = QueryF32::pack(isa, matrix(&query, dim));
            assert_close(packed.maxsim(document), exact, dim, &format!("f32 {what}"));
            assert_close(packed.maxsim_f16(&f16s), exact_f16, dim, &format!("f16 {what}"));
            let packed = QueryBf16::pack(isa, matrix(&query, dim));
            assert_close(packed.maxsim(&bf16s), exact_bf16, dim, &format!("bf16 {what}"));
        }
    }
}

#[test]
fn integer_maxsim_is_the_same_on_every_isa() {
    let mut random = Random(2);
    for (dim, rows, tokens) in shapes() {
        let query = random.floats(rows * dim);
        let odd: Vec<i8> = random.bytes(tokens * dim + 1).into_iter().map(|x| x as i8).collect();
        let (document, scales) = (&odd[1..], random.floats(tokens));
        let quantised = QuantisedRows::new(matrix(&query, dim));
        let expected = i8_products(&quantised, document, &scales);
        for isa in Isa::every() {
            let what = format!("{isa} dim {dim} rows {rows} tokens {tokens}");
            let packed = QueryI8::pack(isa, matrix(&query, dim));
            let mut out = vec![f32::NAN; tokens * packed.stride()];
            packed.scores(document, &scales, &mut out);
            assert_eq!(out, expected, "{what}");
            let score = packed.maxsim(document, &scales);
            assert_eq!(
                score,
                QueryI8::pack(Isa::SCALAR, matrix(&query, dim)).maxsim(document, &scales),
                "{what}"
            );
            let maxima = maxima_of(&expected, rows, packed.stride());
            assert!(
                (f64::from(score) - maxima).abs() <= 1e-4 * maxima.abs().max(1.0) || score as f64 == maxima,
                "{what}"
            );
        }
    }
}

/// `[tokens, stride]`, in the order of operations that the kernels promise.
fn i8_products(query: &QuantisedRows, rows: &[i8], scales: &[f32]) -> Vec<f32> {
    let stride = query.rows.next_multiple_of(16);
    let mut out = vec![0.0; scales.len() * stride];
    for (t, row) in rows.chunks(query.dim).enumerate() {
        for q in 0..query.rows {
            let values = &query.values[q * query.dim..][..query.dim];
            let sum: i64 = values.iter().zip(row).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
            out[t * stride + q] = sum as i32 as f32 * scales[t] * query.scales[q];
        }
    }
    out
}

/// The sum of the column maxima.
fn maxima_of(scores: &[f32], rows: usize, stride: usize) -> f64 {
    let column =
        |q| scores.chunks(stride.max(1)).map(|row| f64::from(row[q])).fold(f64::NEG_INFINITY, f64::max);
    (0..rows).map(column).sum()
}

/// A document in residual codes, with what it needs to be scored.
struct Coded {
    width: CodeWidth,
    levels: [i8; 16],
    scale_table: [f32; 256],
    codes: Vec<u8>,
    scales: Vec<u8>,
    ids: Vec<u8>,
    id_width: u8,
    centroids: usize,
}

impl Coded {
    fn new(random: &mut Random, (dim, tokens): (usize, usize), width: CodeWidth) -> Self {
        let id_width = 2 + (random.next() % 3) as u8;
        let centroids = 1 + (random.next() % 300) as usize;
        let mut levels: [i8; 16] = std::array::from_fn(|_| random.next() as i8);
        levels[random.next() as usize % width.levels()] = i8::MIN;
        let ids = (0..tokens).flat_map(|_| {
            let id = (random.next() as usize % centroids) as u32;
            id.to_le_bytes()[..usize::from(id_width)].to_vec()
        });
        let ids = ids.collect();
        Self {
            width,
            levels,
            scale_table: std::array::from_fn(|_| random.float()),
            // Unused digits of a row's last byte are set too: they must not count.
            codes: random.bytes(tokens * width.row_bytes(dim)),
            scales: random.bytes(tokens),
            ids,
            id_width,
            centroids,
        }
    }

    fn tokens(&self) -> ResidualTokens<'_> {
        let (codes, scales) = (&self.codes[..], &self.scales[..]);
        ResidualTokens { codes, scales, centroid_ids: &self.ids, id_width: self.id_width }
    }

    fn pack(&self, isa: Isa, query: TokenMatrix<'_>) -> ResidualQuery {
        ResidualQuery::pack(isa, query, self.width, &self.levels, &self.scale_table)
    }

    /// `[tokens, stride]`, in the order of operations that the kernels promise.
    fn expected(&self, query: &QuantisedRows, centroid_scores: &[f32]) -> Vec<f32> {
        let (dim, stride) = (query.dim, query.rows.next_multiple_of(16));
        let row_bytes = self.width.row_bytes(dim);
        let mut out = vec![0.0; self.scales.len() * stride];
        for t in 0..self.scales.len() {
            let centroid = self.tokens().centroid(t) as usize;
            let row = &self.codes[t * row_bytes..][..row_bytes];
            let code = |k: usize| usize::from(self.width.unpack(row, k));
            for q in 0..stride {
                let value = |k| i64::from(query.values[q * dim + k]) * i64::from(self.levels[code(k)]);
                let sum: i64 = if q < query.rows { (0..dim).map(value).sum() } else { 0 };
                let scaled = sum as i32 as f32 * query.scales.get(q).copied().unwrap_or(0.0);
                let scale = self.scale_table[usize::from(self.scales[t])];
                out[t * stride + q] = scaled * scale + centroid_scores[centroid * stride + q];
            }
        }
        out
    }
}

#[test]
fn residual_maxsim_is_the_same_on_every_isa() {
    let mut random = Random(3);
    for (at, (dim, rows, tokens)) in shapes().into_iter().enumerate() {
        let width = CodeWidth::ALL[at % 4];
        let query = random.floats(rows * dim);
        let coded = Coded::new(&mut random, (dim, tokens), width);
        let centroid_scores = random.floats(coded.centroids * rows.next_multiple_of(16));
        let quantised = QuantisedRows::new(matrix(&query, dim));
        let expected = coded.expected(&quantised, &centroid_scores);
        let scalar = coded.pack(Isa::SCALAR, matrix(&query, dim)).maxsim(coded.tokens(), &centroid_scores);
        for isa in Isa::every() {
            let what = format!("{isa} {width:?} dim {dim} rows {rows} tokens {tokens}");
            let packed = coded.pack(isa, matrix(&query, dim));
            let mut out = vec![f32::NAN; tokens * packed.stride()];
            packed.token_scores(coded.tokens(), &centroid_scores, &mut out);
            for (out, expected) in
                out.chunks(packed.stride().max(1)).zip(expected.chunks(packed.stride().max(1)))
            {
                assert_eq!(out[..rows], expected[..rows], "{what}");
            }
            let score = packed.maxsim(coded.tokens(), &centroid_scores);
            assert_eq!(score, scalar, "{what}");
            let maxima = maxima_of(&expected, rows, packed.stride());
            assert!(
                (f64::from(score) - maxima).abs() <= 1e-4 * maxima.abs().max(1.0)
                    || f64::from(score) == maxima,
                "{what}"
            );
        }
    }
}

#[test]
fn a_missing_centroid_is_no_score() {
    let mut random = Random(4);
    let query = random.floats(20 * 64);
    for isa in Isa::every() {
        let mut coded = Coded::new(&mut random, (64, 30), CodeWidth::Four);
        let packed = coded.pack(isa, matrix(&query, 64));
        let centroid_scores = random.floats(coded.centroids * packed.stride());
        assert!(packed.maxsim(coded.tokens(), &[]).is_nan(), "{isa}");
        let (width, first_bad) = (usize::from(coded.id_width), coded.centroids as u32);
        for bad in [first_bad, u32::MAX] {
            coded.ids[17 * width..18 * width].copy_from_slice(&bad.to_le_bytes()[..width]);
            assert!(packed.maxsim(coded.tokens(), &centroid_scores).is_nan(), "{isa}");
            let mut out = vec![0.0; 30 * packed.stride()];
            packed.token_scores(coded.tokens(), &centroid_scores, &mut out);
            assert!(out.iter().all(|x| x.is_nan()), "{isa}");
        }
    }
}

#[test]
fn integers_at_their_limits_do_not_overflow() {
    let dim = crate::types::MAX_DIM;
    let query = vec![1.0; dim];
    for isa in Isa::every() {
        for value in [i8::MIN, i8::MAX] {
            let packed = QueryI8::pack(isa, matrix(&query, dim));
            let expected = (127 * i32::from(value) * dim as i32) as f32 * (1.0f64 / 127.0) as f32;
            assert_eq!(packed.maxsim(&vec![value; dim], &[1.0]), expected, "{isa}");
            for width in CodeWidth::ALL {
                let packed = ResidualQuery::pack(isa, matrix(&query, dim), width, &[value; 16], &[1.0; 256]);
                let codes = vec![0xE4; packed.row_bytes()];
                let tokens =
                    ResidualTokens { codes: &codes, scales: &[7], centroid_ids: &[0; 2], id_width: 2 };
                assert_eq!(packed.maxsim(tokens, &[0.0; 16]), expected, "{isa}");
            }
        }
    }
}

#[test]
fn extreme_magnitudes_stay_numbers() {
    let dim = 40;
    for isa in Isa::every() {
        let huge = vec![f32::MAX / 4.0; dim];
        let tiny = vec![f32::from_bits(1); dim];
        let score = QueryF32::pack(isa, matrix(&huge, dim)).maxsim(&tiny);
        assert!(score > 0.0 && score.is_finite(), "{isa}: {score}");
        assert_eq!(QueryF32::pack(isa, matrix(&huge, dim)).maxsim(&huge), f32::INFINITY, "{isa}");
        let largest = QueryBf16::pack(isa, matrix(&[f32::MAX], 1)).maxsim(&[bf16::ONE]);
        assert_eq!(largest, bf16::MAX.to_f32(), "{isa}");
        for size in [f32::MAX, 1e-20, 1e-37] {
            let row = vec![size; dim];
            let score = QueryI8::pack(isa, matrix(&row, dim)).maxsim(&vec![1; dim], &[1e-3]);
            let expected = f64::from(size) * dim as f64 * 1e-3;
            assert!((f64::from(score) / expected - 1.0).abs() < 1e-3, "{isa}: {score} is not {expected}");
        }
        assert_eq!(QueryI8::pack(isa, matrix(&tiny, dim)).maxsim(&vec![1; dim], &[1.0]), 0.0, "{isa}");
    }
}

#[test]
fn ragged_documents_score_as_they_do_alone() {
    let (dim, rows) = (36, 32);
    let mut random = Random(5);
    let query = random.floats(rows * dim);
    let ends = [0u32, 3, 3, 40, 41, 70];
    let document = random.floats(70 * dim);
    let halves: Vec<f16> = document.iter().map(|&x| f16::from_f32(x)).collect();
    let brains: Vec<bf16> = document.iter().map(|&x| bf16::from_f32(x)).collect();
    let bytes: Vec<i8> = document.iter().map(|x| (x * 127.0) as i8).collect();
    let scales = random.floats(70);
    for isa in Isa::every() {
        let f32s = QueryF32::pack(isa, matrix(&query, dim));
        let bf16s = QueryBf16::pack(isa, matrix(&query, dim));
        let i8s = QueryI8::pack(isa, matrix(&query, dim));
        let mut out = [[0.0; 6]; 4];
        f32s.maxsim_ragged(&document, &ends, &mut out[0]);
        f32s.maxsim_ragged_f16(&halves, &ends, &mut out[1]);
        bf16s.maxsim_ragged(&brains, &ends, &mut out[2]);
        i8s.maxsim_ragged(&bytes, &scales, &ends, &mut out[3]);
        let mut first = 0;
        for (d, &end) in ends.iter().enumerate() {
            let (tokens, range) = (first..end as usize, first * dim..end as usize * dim);
            assert_eq!(out[0][d], f32s.maxsim(&document[range.clone()]), "{isa}");
            assert_eq!(out[1][d], f32s.maxsim_f16(&halves[range.clone()]), "{isa}");
            assert_eq!(out[2][d], bf16s.maxsim(&brains[range.clone()]), "{isa}");
            assert_eq!(out[3][d], i8s.maxsim(&bytes[range], &scales[tokens]), "{isa}");
            first = end as usize;
        }
        assert_eq!(out[0][0], f32::NEG_INFINITY);
    }
}

#[test]
fn an_empty_query_scores_nothing() {
    for isa in Isa::every() {
        assert_eq!(QueryF32::pack(isa, matrix(&[], 3)).maxsim(&[1.0; 6]), 0.0);
        assert_eq!(QueryF32::pack(isa, matrix(&[], 3)).maxsim(&[]), 0.0);
        assert_eq!(QueryBf16::pack(isa, matrix(&[], 3)).maxsim(&[]), 0.0);
        assert_eq!(QueryI8::pack(isa, matrix(&[], 3)).maxsim(&[], &[]), 0.0);
    }
}

#[test]
#[should_panic(expected = "do not fill rows")]
fn a_broken_row_is_refused() {
    let _ = QueryF32::pack(Isa::detect(), matrix(&[1.0; 3], 3)).maxsim(&[1.0; 4]);
}

#[test]
#[should_panic(expected = "one row of codes per token")]
fn missing_codes_are_refused() {
    let query =
        ResidualQuery::pack(Isa::detect(), matrix(&[1.0; 8], 8), CodeWidth::Four, &[1; 16], &[1.0; 256]);
    let tokens = ResidualTokens { codes: &[0; 3], scales: &[0], centroid_ids: &[0; 2], id_width: 2 };
    let _ = query.maxsim(tokens, &[0.0; 16]);
}

#[test]
fn pairs_agree_with_f64_on_every_isa() {
    let mut random = Random(6);
    for dim in (0..=70).chain([96, 127, 128, 129, 1024, 8192]) {
        let (a, b) = (random.floats(dim + 1), random.floats(dim + 1));
        let (a, b) = (&a[1..], &b[1..]);
        let halves = |x: &[f32]| x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>();
        let (ha, hb) = (halves(a), halves(b));
        let bytes = |x: &[f32]| x.iter().map(|&x| (x * 128.0) as i8).collect::<Vec<_>>();
        let (ia, ib) = (bytes(a), bytes(b));
        let sum = |f: &dyn Fn(usize) -> f64| (0..dim).map(f).sum::<f64>();
        let magnitude = sum(&|k| f64::from(a[k] * b[k]).abs());
        for isa in Isa::every() {
            let what = format!("{isa} dim {dim}");
            let exact = sum(&|k| f64::from(a[k]) * f64::from(b[k]));
            assert_close(dot(isa, a, b), (exact, magnitude), dim, &what);
            let exact = sum(&|k| (f64::from(a[k]) - f64::from(b[k])).powi(2));
            assert_close(squared_distance(isa, a, b), (exact, exact), dim, &what);
            let exact = sum(&|k| ha[k].to_f64() * hb[k].to_f64());
            assert_close(dot_f16(isa, &ha, &hb), (exact, magnitude), dim, &what);
            let exact: i32 = ia.iter().zip(&ib).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            assert_eq!(dot_i8(isa, &ia, &ib), exact, "{what}");
        }
        let lowest = vec![i8::MIN; dim];
        for isa in Isa::every() {
            assert_eq!(dot_i8(isa, &lowest, &lowest), 16_384 * dim as i32, "{isa} dim {dim}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_shape_any_seed(dim in 1usize..200, rows in 0usize..70, tokens in 0usize..60, seed: u64, width in prop::sample::select(&CodeWidth::ALL[..])) {
        let mut random = Random(seed);
        let query = random.floats(rows * dim);
        let document: Vec<i8> = random.bytes(tokens * dim).into_iter().map(|x| x as i8).collect();
        let scales = random.floats(tokens);
        let coded = Coded::new(&mut random, (dim, tokens), width);
        let centroid_scores = random.floats(coded.centroids * rows.next_multiple_of(16));
        let of = |isa| {
            let query = matrix(&query, dim);
            let bytes = QueryI8::pack(isa, query).maxsim(&document, &scales);
            (bytes, coded.pack(isa, query).maxsim(coded.tokens(), &centroid_scores))
        };
        for isa in Isa::every() {
            prop_assert_eq!(of(isa), of(Isa::SCALAR), "{}", isa);
        }
    }
}
