//! Floats to codes: a token vector becomes the number of a centroid, a few bits a dimension, and one byte of scale.
//!
//! ```text
//!  row ─ Rotation ─▶ x ─ nearest centroid c of its word ─▶ x − c ─ Lloyd–Max levels ─▶ l ─ s with |c + s·l| = 1 ─▶ s
//!                              2 or 3 bytes                          1 to 4 bits a dimension                      1 byte
//! ```
//!
//! [`ResidualCodec::build`] trains on the rows of one segment and codes them; [`ResidualCodec::decode`] gives a row back
//! in rotated space, where queries are scored. What it stores at 128 dimensions: 64, 32, 26 or 16 bytes of codes
//! ([`CodeWidth`](crate::format::CodeWidth)), 3 or 4 of scale and centroid, and about 2 for the token's share of the centroids.
//!
//! * Clusters by vocabulary id: TACHIOM (SIGIR 2026). Centroid and residual: PLAID (Santhanam et al., CIKM 2022).
//! * Random rotation before scalar quantisation: RaBitQ (Gao & Long, SIGMOD 2024). Levels: Lloyd 1982, Max 1960.
//! * [`Pooling`] makes fewer vectors of a document before they are coded.
//! * The same rows, ids and options give the same bytes: clustering adds integers, all else works row by row.

mod clustering;
mod codec;
mod error;
mod extend;
mod fixed;
mod groups;
mod join;
mod kmeans;
mod levels;
mod nearest;
mod pooling;
mod random;
mod residual;
mod rotation;
mod rows;
mod scales;
mod ward;

use rayon::prelude::*;

pub use codec::{CodecOptions, ResidualCodec, TokenCodes};
pub use error::QuantError;
pub use extend::Extension;
pub use kmeans::{KMeans, KMeansOptions, spherical_kmeans};
pub use pooling::{Pooling, PoolingOptions};
pub(crate) use random::SplitMix64;
pub use rotation::Rotation;
pub use rows::TokenRows;
pub use scales::scale_table;

/// How far from 1 the length of a row may be; half floats stay below a tenth of it.
const UNIT_TOLERANCE: f32 = 0.01;

/// Refuses rows of a wrong size or length.
fn check_rows(rows: &dyn TokenRows) -> Result<(), QuantError> {
    let dim = rows.dim();
    if dim == 0 || dim > crate::types::MAX_DIM {
        return Err(QuantError::Dimension { dim });
    }
    if u32::try_from(rows.len()).is_err() {
        return Err(QuantError::TooManyRows { rows: rows.len() });
    }
    const CHUNK: usize = 4096;
    let bad = (0..rows.len().div_ceil(CHUNK)).into_par_iter().find_map_first(|chunk| {
        let mut buffer = vec![0.0; dim];
        (chunk * CHUNK..rows.len().min((chunk + 1) * CHUNK)).find_map(|row| {
            rows.copy_row(row, &mut buffer);
            let norm = residual::dot(&buffer, &buffer).sqrt();
            // Written so that NaN is refused too.
            let unit = (norm - 1.0).abs() <= UNIT_TOLERANCE;
            (!unit).then_some(QuantError::NotUnit { row, norm })
        })
    });
    bad.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
