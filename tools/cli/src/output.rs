//! Where words go: results to standard output, everything else to standard error.

use crate::args::Global;
use crate::text::plain;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};

/// The version of every JSON document, raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// The two streams and what the user wants to see on them.
pub struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Machines read: one JSON document per line.
    pub json: bool,
    /// No progress, no notes; errors stay.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Results may carry colours.
    pub colored: bool,
    /// Notes on standard error may carry colours.
    err_colored: bool,
}

/// Titles and headings.
pub const BOLD: Style = Style::new().bold();
/// What is less important.
pub const DIM: Style = Style::new().dimmed();
/// A matching word.
pub const MATCH: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const ERROR: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const WARNING: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: u32,
    kind: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct ErrorBody {
    code: u8,
    message: String,
    causes: Vec<String>,
}

impl Output {
    /// Standard output and standard error as `global` wants them.
    pub fn new(global: &Global) -> Self {
        global.color.write_global();
        let colored = |choice| choice != anstream::ColorChoice::Never;
        let out_choice = anstream::AutoStream::choice(&io::stdout());
        let err_choice = anstream::AutoStream::choice(&io::stderr());
        Self {
            out: Box::new(BufWriter::new(anstream::AutoStream::new(io::stdout(), out_choice))),
            err: Box::new(anstream::AutoStream::new(io::stderr(), err_choice)),
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            colored: colored(out_choice) && !global.json,
            err_colored: colored(err_choice),
        }
    }

    /// Writes one line of a result.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Writes bytes of a result.
    pub fn raw(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Writes one JSON document on a line of its own.
    pub fn document<T: Serialize>(&mut self, kind: &str, body: &T) -> io::Result<()> {
        let envelope = Envelope { v: SCHEMA_VERSION, kind, body };
        serde_json::to_writer(&mut self.out, &envelope).map_err(io::Error::from)?;
        self.out.write_all(b"\n")
    }

    /// Tells the user something that is no result.
    pub fn note(&mut self, text: impl Display) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Tells a user who asked for details (`-v`).
    pub fn detail(&mut self, text: impl Display) {
        if self.verbose > 0 {
            self.say(text);
        }
    }

    /// Tells the user something that needs attention, `--quiet` or not.
    pub fn warn(&mut self, text: impl Display) {
        let word = paint(WARNING, "warning", self.err_colored);
        self.say(format_args!("{word}: {text}"));
    }

    /// Tells what went wrong; with `--json` also as a document.
    pub fn error(&mut self, error: &anyhow::Error, code: u8) {
        let _ = self.out.flush();
        let causes = causes(error);
        let word = paint(ERROR, "error", self.err_colored);
        self.say(format_args!("{word}: {}", plain(&causes.join(": "))));
        if self.json {
            let (message, causes) = (causes[0].clone(), causes[1..].to_vec());
            let _ = self.document("error", &ErrorBody { code, message, causes });
            let _ = self.out.flush();
        }
    }

    /// `text` in `style`, if results may carry colours.
    pub fn paint(&self, style: Style, text: impl Display) -> String {
        paint(style, text, self.colored)
    }

    /// Hands everything written so far to the reader.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A terminal that went away is no reason to fail.
    fn say(&mut self, text: impl Display) {
        // What was said before comes before.
        let _ = self.out.flush();
        let _ = writeln!(self.err, "{text}");
    }
}

/// The messages of an error and its causes, each said once.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // Some errors already tell their cause in their own message.
        if !causes.last().is_some_and(|before| before.ends_with(&text)) {
            causes.push(text);
        }
    }
    causes
}

fn paint(style: Style, text: impl Display, colored: bool) -> String {
    if colored { format!("{style}{text}{style:#}") } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn causes_are_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] io::Error);
        let error = Err::<(), _>(Outer(io::Error::other("inner"))).context("doing").unwrap_err();
        assert_eq!(causes(&error), ["doing", "outer: inner"]);
    }
}
