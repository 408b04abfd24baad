//! Numbers: MaxSim, dot products and quantised scoring. Slices in, numbers out.
//!
//! `MaxSim(Q, D) = Σᵢ maxⱼ ⟨qᵢ, dⱼ⟩` (Khattab & Zaharia, "ColBERT", SIGIR 2020, arXiv:2004.12832) is a matrix
//! product whose result is not kept: only a running maximum per query row. So a query is packed once, turned
//! on its side, and documents stream past it:
//!
//! ```text
//!                        query, packed                        document tokens (as they lie in memory)
//!            ┌──────────── 16 rows ───────────┐
//!   group 0  │ q0[0..g] q1[0..g] … q15[0..g]  │   ×   dword 0 of token t, in every lane
//!   group 1  │ q0[g..]  q1[g..]  …            │   ×   dword 1 of token t, in every lane
//!     ⋮      └────────────────────────────────┘                  ⋮
//!                 accumulators: 16 rows of one token; tiles of tokens × rows stay in registers,
//!                 then  maxima[row] = max(maxima[row], accumulator[row])
//! ```
//!
//! A *group* is four bytes of a token: one `f32`, two `bf16`, two `i16` or four `i8`. Rows are padded to 16 with
//! zeros; the padding never reaches a sum. With AVX-512 a rest of at most 8 rows is packed in pairs of groups, eight bytes of a
//! token against two lanes of a row, so that it costs half of 16 rows.
//!
//! | type | documents | products | results on different instruction sets |
//! |---|---|---|---|
//! | [`QueryF32`] | `f32`, `f16` | f32 | within the rounding bound its page gives |
//! | [`QueryBf16`] | `bf16` | f32 (AVX-512 BF16: flushes subnormals) | within the rounding bound |
//! | [`QueryI8`] | `i8` + a scale per row | i32, exact | the same bits |
//! | [`CoarseScores`] | centroids of tokens | bytes, exact | the same bits |
//! | [`ResidualQuery`] | codes of 1 to 4 bits | i32, exact | the same bits |
//!
//! One vector against rows chosen by number, which is what following a graph asks for, is [`dots`], [`dots_f16`], [`dots_i8`] and
//! [`QueryI16::dots`].
//!
//! Every kernel exists as plain Rust ([`Isa::SCALAR`], written so that the compiler vectorises it), and on x86-64 for AVX2,
//! AVX-512 and AVX-512 with VNNI and BF16. The caller chooses once, normally by [`Isa::detect`]. Only `simd/` has `unsafe`.

mod coarse;
mod gather;
mod isa;
mod maxima;
mod packed;
mod pair;
mod query_bf16;
mod query_f32;
mod query_i8;
mod residual;
mod scalar;
mod scan;
#[cfg(target_arch = "x86_64")]
mod simd;

pub use coarse::{CentroidIds, CoarseScores};
pub use gather::{QueryI16, dots, dots_f16, dots_i8, prefetch};
pub use isa::{Isa, UnsupportedIsa};
pub use maxima::sum_of_maxima;
pub use pair::{dot, dot_f16, dot_i8, squared_distance};
pub use query_bf16::QueryBf16;
pub use query_f32::QueryF32;
pub use query_i8::QueryI8;
pub use residual::{ResidualQuery, ResidualTokens};
pub use scan::next_above;

/// The core's own peaks, for the benchmark.
#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub use simd::peak;

#[cfg(test)]
mod gather_tests;
#[cfg(test)]
mod tests;
