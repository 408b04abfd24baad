//! Tests of the format through its public face.
#![allow(clippy::unwrap_used)]

mod damage;
#[path = "../../../fuzz/src/format.rs"]
mod entry;
mod files;
mod golden;
mod hostile;
mod round_trip;
mod sample;
mod seeds;
mod smoke;
mod specification;
mod writer;
