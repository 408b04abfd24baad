//! Kernels read nothing after the end of their slices: the slices end where the process's memory ends.

use half::{bf16, f16};
use memmap2::{Mmap, MmapOptions};

use crate::format::CodeWidth;
use crate::kernel::{Isa, QueryBf16, QueryF32, QueryI8, ResidualQuery, ResidualTokens};
use crate::types::TokenMatrix;

/// At least the size of a page.
const PAGE: usize = 1 << 16;

/// Two bytes below 0x40 each make ids below this.
const CENTROIDS: usize = 1 << 14;

/// Memory before a page that cannot be read: it is mapped beyond the end of its file.
struct Edge(Mmap);

impl Edge {
    fn new(len: usize) -> Self {
        let len = len.next_multiple_of(PAGE);
        // As numbers of any type they are finite.
        let bytes: Vec<u8> = (0..len).map(|at| (at * 37 + at / 251) as u8 & 0x3f).collect();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        // SAFETY: the file is this test's alone and keeps its length; what lies after its end is not touched, or the test dies.
        Self(unsafe { MmapOptions::new().len(len + PAGE).map(&file) }.unwrap())
    }

    /// The last `count` numbers before the edge.
    fn last<T: bytemuck::AnyBitPattern>(&self, count: usize) -> &[T] {
        let end = self.0.len() - PAGE;
        bytemuck::cast_slice(&self.0[end - count * size_of::<T>()..end])
    }
}

#[test]
fn no_kernel_reads_past_the_end() {
    let edge = Edge::new(256 * 17 * 4);
    let table = vec![1.0; CENTROIDS * 32];
    let query: Vec<f32> = (0..40 * 256).map(|at| ((at * 31) % 97) as f32 / 48.0 - 1.0).collect();
    let dims = (1..=70).chain([95, 96, 127, 128, 129, 255, 256]);
    for dim in dims {
        for rows in [5, 16, 22, 32] {
            let query = TokenMatrix::new(&query[..rows * dim], dim).unwrap();
            let table = &table[..CENTROIDS * rows.next_multiple_of(16)];
            for tokens in [1, 3, 4, 7, 13, 17] {
                for isa in Isa::every() {
                    floats(&edge, isa, query, tokens);
                    bytes(&edge, isa, query, tokens);
                    CodeWidth::ALL
                        .into_iter()
                        .for_each(|width| codes((&edge, table), (isa, width), query, tokens));
                }
            }
        }
    }
}

fn floats(edge: &Edge, isa: Isa, query: TokenMatrix<'_>, tokens: usize) {
    let count = tokens * query.dim();
    let single = QueryF32::pack(isa, query);
    let f32s = edge.last::<f32>(count);
    assert_eq!(single.maxsim(f32s), single.maxsim(&Vec::from(f32s)));
    let f16s = edge.last::<f16>(count);
    assert_eq!(single.maxsim_f16(f16s), single.maxsim_f16(&Vec::from(f16s)));
    let bf16s = edge.last::<bf16>(count);
    let brain = QueryBf16::pack(isa, query);
    assert_eq!(brain.maxsim(bf16s), brain.maxsim(&Vec::from(bf16s)));
}

fn bytes(edge: &Edge, isa: Isa, query: TokenMatrix<'_>, tokens: usize) {
    let (rows, scales) = (edge.last::<i8>(tokens * query.dim()), edge.last::<f32>(tokens));
    let query = QueryI8::pack(isa, query);
    assert_eq!(query.maxsim(rows, scales), query.maxsim(&Vec::from(rows), &Vec::from(scales)));
    let mut out = [vec![0.0; tokens * query.stride()], vec![0.0; tokens * query.stride()]];
    query.scores(rows, scales, &mut out[0]);
    query.scores(&Vec::from(rows), scales, &mut out[1]);
    assert_eq!(out[0], out[1]);
}

fn codes(
    (edge, table): (&Edge, &[f32]),
    (isa, width): (Isa, CodeWidth),
    query: TokenMatrix<'_>,
    tokens: usize,
) {
    let levels = std::array::from_fn(|code| code as i8 * 8 - 60);
    let query = ResidualQuery::pack(isa, query, width, &levels, &[0.5; 256]);
    let tokens = ResidualTokens {
        codes: edge.last(tokens * query.row_bytes()),
        scales: edge.last(tokens),
        centroid_ids: edge.last(2 * tokens),
        id_width: 2,
    };
    let copies = [tokens.codes.to_vec(), tokens.scales.to_vec(), tokens.centroid_ids.to_vec()];
    let copy =
        ResidualTokens { codes: &copies[0], scales: &copies[1], centroid_ids: &copies[2], id_width: 2 };
    let score = query.maxsim(tokens, table);
    assert!(score.is_finite());
    assert_eq!(score, query.maxsim(copy, table));
}
