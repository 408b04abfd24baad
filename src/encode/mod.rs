//! Text to matrices.
