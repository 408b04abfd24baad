//! A line on standard error, when that is a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::run_log::StepRecord;

const TEMPLATE: &str = "{wide_bar:.cyan/dim} {pos}/{len}  {msg}";

/// How far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts a bar of `steps`; none if `quiet`, or if nobody looks.
    #[must_use]
    pub fn start(steps: u64, quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(4));
        bar.set_style(
            ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { bar }
    }

    /// Tells the numbers of a step.
    pub fn step(&self, record: &StepRecord) {
        if !self.bar.is_hidden() {
            self.bar.set_position(record.step);
            self.bar.set_message(line(record));
        }
    }

    /// Writes a line above the bar.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A step in a line.
fn line(record: &StepRecord) -> String {
    let accuracy = record.accuracy.map_or(String::new(), |accuracy| format!("  acc {accuracy:.3}"));
    format!(
        "loss {:.4}{accuracy}  lr {:.2e}  |g| {:.2}  {} tok/s  {} left",
        record.loss,
        record.learning_rate,
        record.grad_norm,
        short(record.tokens_per_second),
        time(record.seconds_left)
    )
}

fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 { format!("{hours}h{minutes:02}m") } else { format!("{minutes}m{:02}s", seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_fits_a_line() {
        let record = StepRecord {
            loss: 1.23456,
            accuracy: Some(0.5),
            learning_rate: 2e-5,
            grad_norm: 1.5,
            tokens_per_second: 12_345.0,
            seconds_left: 4_000.0,
            ..StepRecord::default()
        };
        assert_eq!(line(&record), "loss 1.2346  acc 0.500  lr 2.00e-5  |g| 1.50  12k tok/s  1h06m left");
        assert_eq!(time(61.0), "1m01s");
    }
}
