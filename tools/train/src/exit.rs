//! What the command's number says, as for `lateen`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Error;
use lateen::corpus::CorpusError;
use lateen_train::config::ConfigError;
use lateen_train::data::DataError;
use lateen_train::merge::MergeError;
use lateen_train::score::ScoreError;

/// All went well.
pub const OK: u8 = 0;
/// A check failed.
pub const NOTHING: u8 = 1;
/// An argument or a setting is wrong, or names something that is not there.
pub const USAGE: u8 = 2;
/// Input is malformed, or a file cannot be read or written.
pub const BAD_DATA: u8 = 3;

/// The table that `--help` ends with.
pub const HELP: &str = "\
Exit codes:
    0  done
    1  a check failed
    2  wrong usage: an argument or a setting is wrong, or names something that is not there
    3  bad data: malformed input, a damaged model, an unreadable file
  130  interrupted";

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// See [`OK`].
    Done,
    /// See [`NOTHING`].
    Nothing,
}

/// A mistake in what was asked for. The message says what to do instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Ends a command with [`USAGE`].
pub fn usage<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(Usage(message.into()).into())
}

/// Reports how the command ended and gives the process its exit code.
pub fn finish(result: anyhow::Result<Outcome>, out: &mut impl Write) -> ExitCode {
    let result = result.and_then(|outcome| out.flush().map(|()| outcome).map_err(Error::from));
    let code = match result {
        Ok(Outcome::Done) => OK,
        Ok(Outcome::Nothing) => NOTHING,
        // The reader has what it wanted (`lateen-train data stats … | head`).
        Err(error) if is_broken_pipe(&error) => OK,
        Err(error) => {
            eprintln!("error: {}", message(&error));
            code_of(&error)
        }
    };
    code.into()
}

/// The messages of an error and its causes, each said once.
fn message(error: &Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !said.last().is_some_and(|before| before.ends_with(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
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

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<Usage>() || cause.is::<ConfigError>() {
        return Some(USAGE);
    }
    if let Some(error) = cause.downcast_ref::<ScoreError>() {
        return match error {
            ScoreError::Data(error) => Some(of_data(error)),
            ScoreError::Io { source, .. } => Some(of_io(source)),
            ScoreError::OtherTeacher { .. } | ScoreError::NoCache { .. } => Some(USAGE),
            _ => Some(BAD_DATA),
        };
    }
    if let Some(error) = cause.downcast_ref::<DataError>() {
        return Some(of_data(error));
    }
    if let Some(error) = cause.downcast_ref::<MergeError>() {
        return Some(match error {
            MergeError::Io { source, .. } => of_io(source),
            MergeError::NoWeights { .. } | MergeError::Weights { .. } => USAGE,
            _ => BAD_DATA,
        });
    }
    if let Some(error) = cause.downcast_ref::<CorpusError>() {
        return Some(of_corpus(error));
    }
    cause.downcast_ref::<io::Error>().map(of_io)
}

fn of_data(error: &DataError) -> u8 {
    match error {
        DataError::File(error) => of_corpus(error),
        DataError::NoToken { .. }
        | DataError::NoRoom { .. }
        | DataError::WrongFormat { .. }
        | DataError::NoBatch { .. } => USAGE,
        _ => BAD_DATA,
    }
}

fn of_corpus(error: &CorpusError) -> u8 {
    match error {
        CorpusError::Open { source, .. } => of_io(source),
        _ => BAD_DATA,
    }
}

fn of_io(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { USAGE } else { BAD_DATA }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_trouble_has_its_code() {
        let code = |error: Error| code_of(&error.context("doing something"));
        assert_eq!(code(Usage("x".into()).into()), USAGE);
        assert_eq!(code(ConfigError::Set { given: "x".into() }.into()), USAGE);
        assert_eq!(code(DataError::Empty { file: "x".into(), skipped: 0 }.into()), BAD_DATA);
        let missing = CorpusError::Open { file: "x".into(), source: io::ErrorKind::NotFound.into() };
        assert_eq!(code(DataError::File(missing).into()), USAGE);
        assert_eq!(code(io::Error::from(io::ErrorKind::StorageFull).into()), BAD_DATA);
    }
}
