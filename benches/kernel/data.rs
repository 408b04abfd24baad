//! What the kernels score, and the work of each.

use std::hint::black_box;

use half::{bf16, f16};
use lateen::format::CodeWidth;
use lateen::kernel::{Isa, QueryBf16, QueryF32, QueryI8, ResidualQuery, ResidualTokens};
use lateen::kernel::{dot, dot_f16, dot_i8, squared_distance};
use lateen::types::TokenMatrix;
use simsimd::SpatialSimilarity;

use super::{Against, CENTROIDS, CODE_TOKENS, Case, DIM, DOCUMENTS, QUERY_ROWS, Run, SHAPES, SLICE, TOKENS};

/// A collection in every form, and the query.
pub struct Data {
    query: Vec<f32>,
    f32: Vec<f32>,
    f16: Vec<f16>,
    bf16: Vec<bf16>,
    i8: Vec<i8>,
    row_scales: Vec<f32>,
    codes: Vec<u8>,
    code_scales: Vec<u8>,
    centroid_ids: Vec<u8>,
    centroid_scores: Vec<f32>,
}

impl Data {
    pub fn new() -> Self {
        let mut random = Random(1);
        let rows = DOCUMENTS * TOKENS;
        let f32: Vec<f32> = (0..rows * DIM).map(|_| random.unit() * 0.17).collect();
        // The narrowest shape has the most tokens.
        let code_rows = DOCUMENTS * CODE_TOKENS * DIM / 48;
        let mut ids = Vec::with_capacity(code_rows * 3);
        for _ in 0..code_rows {
            ids.extend_from_slice(&(random.next() as u32 % CENTROIDS as u32).to_le_bytes()[..3]);
        }
        Self {
            query: (0..64 * 256).map(|_| random.unit()).collect(),
            f16: f32.iter().map(|&x| f16::from_f32(x)).collect(),
            bf16: f32.iter().map(|&x| bf16::from_f32(x)).collect(),
            i8: (0..rows * DIM).map(|_| random.next() as i8).collect(),
            row_scales: (0..rows * DIM / 48).map(|_| random.unit().abs() + 0.1).collect(),
            codes: (0..DOCUMENTS * CODE_TOKENS * DIM / 2).map(|_| random.next() as u8).collect(),
            code_scales: (0..code_rows).map(|_| random.next() as u8).collect(),
            centroid_ids: ids,
            centroid_scores: (0..CENTROIDS * 64).map(|_| random.unit()).collect(),
            f32,
        }
    }

    pub fn cases(&self, isa: Isa) -> Vec<Case<'_>> {
        let query = TokenMatrix::new(&self.query[..QUERY_ROWS * DIM], DIM).expect("the query is a matrix");
        let mut cases = self.float_cases(isa, query);
        cases.extend(self.integer_cases(isa, query));
        cases.extend(CodeWidth::ALL.map(|width| self.code_case(isa, query, width)));
        cases.extend(self.pair_cases(isa));
        if isa == Isa::detect() {
            cases.push(self.loop_of_dots());
            cases.extend(SHAPES.iter().flat_map(|&shape| self.shape_cases(isa, shape)));
        }
        cases
    }

    /// What a library of vector products alone gives: a call for every query row and token.
    pub fn loop_of_dots(&self) -> Case<'_> {
        let largest = self.query.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let query: Vec<i8> =
            self.query[..QUERY_ROWS * DIM].iter().map(|x| (x / largest * 127.0) as i8).collect();
        let run = self.scoring(move |first, ends, out| {
            let (rows, scales) = (self.slice(&self.i8, first), &self.row_scales[first * TOKENS..]);
            let mut start = 0;
            for (&end, out) in ends.iter().zip(out) {
                let tokens = start..end as usize;
                let score = |query: &[i8]| {
                    let products = tokens.clone().map(|token| {
                        let product = i8::dot(query, &rows[token * DIM..(token + 1) * DIM]);
                        product.unwrap_or(f64::NAN) as f32 * scales[token]
                    });
                    products.fold(f32::NEG_INFINITY, f32::max)
                };
                *out = query.chunks_exact(DIM).map(score).sum();
                start = end as usize;
            }
        });
        let operations = 2 * QUERY_ROWS * DIM * TOKENS * DOCUMENTS;
        Case::new("int8, a loop of simsimd dots", Isa::detect(), Against::Int8, operations, run)
    }

    /// The same tokens' bytes as `int8` rows and as 4-bit codes, for a query of another shape.
    fn shape_cases(&self, isa: Isa, (rows, dim): (usize, usize)) -> [Case<'_>; 2] {
        let matrix = TokenMatrix::new(&self.query[..rows * dim], dim).expect("the query is a matrix");
        let query = QueryI8::pack(isa, matrix);
        let tokens = TOKENS * DIM / dim;
        let bytes = self.scoring(move |first, _, out| {
            let (rows, scales) = (self.slice(&self.i8, first), &self.row_scales[first * TOKENS..]);
            for (d, out) in out.iter_mut().enumerate() {
                let from = d * tokens;
                *out = query.maxsim(&rows[from * dim..(from + tokens) * dim], &scales[d..d + tokens]);
            }
        });
        let operations = 2 * rows * dim * tokens * DOCUMENTS;
        let name = format!("int8, {rows} × {dim}");
        let bytes = Case::new(&name, isa, Against::Int8, operations, bytes);
        let tokens = CODE_TOKENS * DIM / dim;
        let (codes, operations) = self.codes_of(isa, matrix, CodeWidth::Four, tokens);
        let name = format!("4-bit codes, {rows} × {dim}");
        let codes = Case::new(&name, isa, Against::Int8, operations, codes);
        [bytes, codes].map(|case| Case { shaped: true, ..case })
    }

    fn float_cases(&self, isa: Isa, query: TokenMatrix<'_>) -> Vec<Case<'_>> {
        let operations = 2 * QUERY_ROWS * DIM * TOKENS * DOCUMENTS;
        let case = |name, against, run| Case::new(name, isa, against, operations, run);
        let (f32, f16, bf16) =
            (QueryF32::pack(isa, query), QueryF32::pack(isa, query), QueryBf16::pack(isa, query));
        vec![
            case(
                "f32",
                Against::F32,
                self.scoring(move |d, ends, out| f32.maxsim_ragged(self.slice(&self.f32, d), ends, out)),
            ),
            case(
                "f16",
                Against::F32,
                self.scoring(move |d, ends, out| f16.maxsim_ragged_f16(self.slice(&self.f16, d), ends, out)),
            ),
            case(
                "bf16",
                Against::Bf16,
                self.scoring(move |d, ends, out| bf16.maxsim_ragged(self.slice(&self.bf16, d), ends, out)),
            ),
        ]
    }

    fn integer_cases(&self, isa: Isa, query: TokenMatrix<'_>) -> Vec<Case<'_>> {
        let query = QueryI8::pack(isa, query);
        let again = query.clone();
        let products = CENTROIDS * query.stride();
        let maxsim = self.scoring(move |first, ends, out| {
            let scales = &self.row_scales[first * TOKENS..][..SLICE * TOKENS];
            query.maxsim_ragged(self.slice(&self.i8, first), scales, ends, out);
        });
        let mut out = vec![0.0; products];
        let scores = Box::new(move |_| {
            again.scores(&self.i8[..CENTROIDS * DIM], &self.row_scales[..CENTROIDS], &mut out);
            black_box(&out);
        });
        let operations = 2 * QUERY_ROWS * DIM * TOKENS * DOCUMENTS;
        vec![
            Case::new("int8", isa, Against::Int8, operations, maxsim),
            Case::new("int8 × centroids", isa, Against::Int8, 2 * QUERY_ROWS * DIM * CENTROIDS, scores),
        ]
    }

    fn code_case(&self, isa: Isa, query: TokenMatrix<'_>, width: CodeWidth) -> Case<'_> {
        let name = match width {
            CodeWidth::One => "1-bit codes",
            CodeWidth::Ternary => "ternary codes",
            CodeWidth::Two => "2-bit codes",
            CodeWidth::Four => "4-bit codes",
        };
        let (run, operations) = self.codes_of(isa, query, width, CODE_TOKENS);
        Case::new(name, isa, Against::Int8, operations, run)
    }

    /// Scores documents of `count` tokens, and how many operations all of them take.
    fn codes_of(&self, isa: Isa, query: TokenMatrix<'_>, width: CodeWidth, count: usize) -> (Run<'_>, usize) {
        let levels = std::array::from_fn(|i| (i as i8 - 8) * 15);
        let scale_table = std::array::from_fn(|i| 0.001 * (1.0 + i as f32));
        let operations = 2 * query.rows() * query.dim() * count * DOCUMENTS;
        let query = ResidualQuery::pack(isa, query, width, &levels, &scale_table);
        let (row, table) = (query.row_bytes(), CENTROIDS * query.stride());
        let run = self.scoring(move |first, _, out| {
            for (d, out) in out.iter_mut().enumerate() {
                let (first, end) = ((first + d) * count, (first + d + 1) * count);
                let tokens = ResidualTokens {
                    codes: &self.codes[first * row..end * row],
                    scales: &self.code_scales[first..end],
                    centroid_ids: &self.centroid_ids[3 * first..3 * end],
                    id_width: 3,
                };
                *out = query.maxsim(tokens, &self.centroid_scores[..table]);
            }
        });
        (run, operations)
    }

    /// The tokens of the slice from document `first`.
    fn slice<'a, T>(&self, rows: &'a [T], first: usize) -> &'a [T] {
        &rows[first * TOKENS * DIM..][..SLICE * TOKENS * DIM]
    }

    /// `score` gets the first document of a slice, the ends of its documents from there, and room for their scores.
    fn scoring<'a>(&'a self, score: impl Fn(usize, &[u32], &mut [f32]) + 'a) -> Run<'a> {
        let mut out = vec![0.0; SLICE];
        let ends: Vec<u32> = (1..=SLICE).map(|d| (d * TOKENS) as u32).collect();
        Box::new(move |slice| {
            score(slice * SLICE, &ends, &mut out);
            black_box(&out);
        })
    }

    /// Single pairs, from the first-level cache.
    fn pair_cases(&self, isa: Isa) -> Vec<Case<'_>> {
        let (a, b) = (&self.query[..DIM], &self.f32[..64 * DIM]);
        let (half, halves) = (&self.f16[..DIM], &self.f16[DIM..65 * DIM]);
        let (byte, bytes) = (&self.i8[..DIM], &self.i8[DIM..65 * DIM]);
        vec![
            pairs("pair dot f32", isa, a, b, dot),
            pairs("pair distance f32", isa, a, b, squared_distance),
            pairs("pair dot f16", isa, half, halves, dot_f16),
            pairs("pair dot i8", isa, byte, bytes, dot_i8),
        ]
    }
}

fn pairs<'a, T, R: 'a>(
    name: &str,
    isa: Isa,
    a: &'a [T],
    b: &'a [T],
    f: fn(Isa, &[T], &[T]) -> R,
) -> Case<'a> {
    let run = Box::new(move |_| {
        for _ in 0..20 {
            for b in b.chunks_exact(DIM) {
                black_box(f(isa, black_box(a), b));
            }
        }
    });
    Case::new(name, isa, Against::Nothing, 2 * 20 * b.len(), run)
}

/// SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in −1..1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}
