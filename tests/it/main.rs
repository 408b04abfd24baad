//! Tests of the repository as a whole.

#![allow(clippy::unwrap_used)]

mod floors;
mod lifecycle;
mod recall;
mod retriever;
mod words;
