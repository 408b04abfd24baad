//! A bar on standard error, when that is a terminal.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

const KNOWN: &str = "{wide_bar:.cyan/dim} {percent:>3} %  {msg}  {eta} left";
const UNKNOWN: &str = "{spinner} {msg}  {elapsed}";

/// How far a piece of work is.
pub struct Progress {
    bar: ProgressBar,
    start: Instant,
}

impl Progress {
    /// Starts a bar that is full at `total`, or a counter where the total is unknown.
    pub fn start(output: &Output, total: Option<u64>) -> Self {
        let start = Instant::now();
        if output.quiet || !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), start };
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template(if total.is_some() { KNOWN } else { UNKNOWN });
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, start }
    }

    /// `place` of the total is reached; `count` things are finished.
    pub fn set(&self, place: u64, count: u64, noun: &str) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(place);
        let rate = count as f64 / self.start.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!("{}, {rate:.0}/s", crate::size::count(count, noun)));
    }
}

impl Drop for Progress {
    /// Results follow where the bar was.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
