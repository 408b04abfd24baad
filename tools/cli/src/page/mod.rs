//! Pages for a browser: one file, no script, nothing loaded, light and dark.

mod chart;
pub mod heat_map;
mod html;
pub mod report;

pub use html::{Html, StyleRules};

/// What every page looks like.
pub const THEME: &str = include_str!("theme.css");
