//! What `docs/reliability.md` promises, shown on whole indexes through the public interface.

#![allow(clippy::unwrap_used)]

mod answers;
mod damage;
mod fixtures;
mod interleavings;
mod models;
mod reader;
mod sample;
mod smoke;
