//! Tests of the repository as a whole.

#![allow(clippy::unwrap_used)]

mod floors;
mod recall;
mod retriever;
