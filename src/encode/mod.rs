//! Text to matrices.

pub mod export;
