//! From gradients to weights: clipping, AdamW, the learning rate's schedule, and the mean of past weights.

mod adamw;
mod clip;
mod ema;
mod schedule;

pub use adamw::{AdamW, AdamWOptions, Moments};
pub use clip::{clip, norm};
pub use ema::Ema;
pub use schedule::{Schedule, Shape};
