//! Text to matrices.

pub mod distil;
pub mod export;
