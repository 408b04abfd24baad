//! A bar on standard error, when that is a terminal.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Duration;

const KNOWN: &str = "{msg} {wide_bar:.cyan/dim} {human_pos}/{human_len} {per_sec}, {eta} left";
const UNKNOWN: &str = "{spinner} {msg} {human_pos}, {per_sec}, {elapsed}";

/// How far a piece of work is.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts a bar for `total` things, or a counter where the total is unknown.
    pub fn start(output: &Output, what: &'static str, total: Option<u64>) -> Self {
        if output.quiet || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template(if total.is_some() { KNOWN } else { UNKNOWN });
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// `done` things are finished.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
