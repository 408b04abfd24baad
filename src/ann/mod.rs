//! Candidates near a query: inverted lists and graphs.
//!
//! Nothing here knows what a vector is. Distances and scores are handed in, numbers of documents or nodes come out.
//!
//! * [`invert`] turns "the centroid of each token" into "the documents of each centroid".
//! * [`Accumulator`] adds up, for the documents on the lists that a query visits, an estimate of their MaxSim: the best
//!   visited centroid per query token, and an imputed score where none was visited (the idea of WARP, SIGIR 2025).
//! * [`hnsw`] builds and searches a graph over documents or centroids (Malkov & Yashunin, TPAMI 2020).
//!
//! ```text
//!              centroid   documents            query token 0: centroids 2, 0 │ imputed 0.3
//! tokens  ──▶     0       1 4 7        ──▶     query token 1: centroid 1     │ imputed 0.5  ──▶ best n documents
//!                 1       0 4
//!                 2       2 4 9
//! ```

mod accumulator;
mod error;
pub mod hnsw;
mod inverted;

pub use accumulator::Accumulator;
pub use error::AnnError;
pub use inverted::{InvertedLists, invert};
