//! What the command's number says, in one place.

use crate::output::Output;
use anyhow::Error;
use lateen::retriever::ErrorKind;
use std::io;
use std::process::ExitCode;

/// All went well, and something was found.
pub const OK: u8 = 0;
/// Nothing was found, or a check failed.
pub const NOTHING: u8 = 1;
/// An argument is wrong, or names something that is not there.
pub const USAGE: u8 = 2;
/// Input is malformed, an index or model is damaged, or a file cannot be read or written.
pub const BAD_DATA: u8 = 3;
/// Another process is writing to the index.
pub const LOCKED: u8 = 4;
/// Stopped by Ctrl-C or a termination signal.
pub const INTERRUPTED: u8 = 130;

/// The table that `--help` ends with.
pub const HELP: &str = "\
Exit codes:
    0  done; for a search: something was found
    1  nothing was found, or a check failed
    2  wrong usage: an argument is wrong, or names something that is not there
    3  bad data: malformed input, a damaged index or model, an unreadable file
    4  the index is locked by another writer
  130  interrupted; what was committed stays, the same command goes on from there";

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// See [`OK`].
    Done,
    /// See [`NOTHING`].
    Nothing,
    /// See [`INTERRUPTED`].
    Interrupted,
}

/// A mistake in what was asked for. The message says what to do instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Data that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadData(pub String);

/// Ends a command with [`USAGE`].
pub fn usage<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(Usage(message.into()).into())
}

/// Ends a command with [`BAD_DATA`].
pub fn bad_data<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(BadData(message.into()).into())
}

/// Reports how the command ended and gives the process its exit code.
pub fn finish(result: anyhow::Result<Outcome>, output: &mut Output) -> ExitCode {
    let result = result.and_then(|outcome| output.flush().map(|()| outcome).map_err(Error::from));
    let code = match result {
        Ok(Outcome::Done) => OK,
        Ok(Outcome::Nothing) => NOTHING,
        Ok(Outcome::Interrupted) => INTERRUPTED,
        // The reader has what it wanted (`lateen search … | head`).
        Err(error) if is_broken_pipe(&error) => OK,
        Err(error) => {
            let code = code_of(&error);
            output.error(&error, code);
            code
        }
    };
    code.into()
}

fn is_broken_pipe(error: &Error) -> bool {
    let is = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is)
}

/// The code of the first cause that knows what it is.
pub fn code_of(error: &Error) -> u8 {
    error.chain().find_map(code_of_cause).unwrap_or(BAD_DATA)
}
