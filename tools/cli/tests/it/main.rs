//! The `lateen` binary as people and scripts meet it.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod browser;
mod encoding;
mod evaluation;
mod explanation;
mod guide;
mod interruption;
mod lifecycle;
mod models;
mod onnx;
mod recall;
mod schema;
mod secrets;
#[cfg(any(feature = "hub", feature = "remote"))]
mod services;
mod session;
mod study;
mod workspace;
