//! What the command's number says, in one place.

use crate::output::Output;
use anyhow::Error;
use lateen::corpus::CorpusError;
use lateen::encode::EncodeError;
use lateen::encode::cache::CacheError;
use lateen::encode::distil::DistilError;
use lateen::encode::export::ExportError;
#[cfg(feature = "hub")]
use lateen::encode::hub::PullError;
use lateen::encode::quantise::QuantiseError;
#[cfg(feature = "remote")]
use lateen::encode::remote::RemoteError;
use lateen::eval::EvalError;
use lateen::index::IndexError;
use lateen::rerank::RerankError;
use lateen::search::SearchError;
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

/// What one error of a chain says about the exit code; wrappers say nothing.
fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<Usage>() {
        return Some(USAGE);
    }
    if cause.is::<BadData>() {
        return Some(BAD_DATA);
    }
    if let Some(error) = cause.downcast_ref::<lateen::retriever::Error>() {
        return of_retriever(error);
    }
    if let Some(error) = cause.downcast_ref::<CorpusError>() {
        return of_corpus(error);
    }
    if let Some(error) = cause.downcast_ref::<IndexError>() {
        return of_index(error);
    }
    if let Some(error) = cause.downcast_ref::<CacheError>() {
        return of_cache(error);
    }
    if let Some(error) = cause.downcast_ref::<EncodeError>() {
        return of_encode(error);
    }
    if let Some(error) = cause.downcast_ref::<RerankError>() {
        return of_rerank(error);
    }
    if let Some(error) = cause.downcast_ref::<SearchError>() {
        return of_search(error);
    }
    if let Some(error) = cause.downcast_ref::<EvalError>() {
        return of_eval(error);
    }
    if let Some(error) = cause.downcast_ref::<ExportError>() {
        return of_export(error);
    }
    #[cfg(feature = "remote")]
    if let Some(error) = cause.downcast_ref::<RemoteError>() {
        return Some(of_remote(error));
    }
    #[cfg(feature = "hub")]
    if let Some(error) = cause.downcast_ref::<PullError>() {
        return of_pull(error);
    }
    if cause.is::<QuantiseError>() {
        return Some(USAGE);
    }
    if let Some(error) = cause.downcast_ref::<DistilError>() {
        return of_distil(error);
    }
    cause.downcast_ref::<io::Error>().map(of_io)
}

/// Errors of the rooms below are passed through, so the chain does not show them.
fn of_retriever(error: &lateen::retriever::Error) -> Option<u8> {
    use lateen::retriever::Error;
    match error {
        Error::Document { source, .. } => of_retriever(source),
        Error::Corpus(error) => of_corpus(error),
        Error::Model(error) => of_encode(error),
        Error::Cache(error) => of_cache(error),
        Error::Index(error) => of_index(error),
        Error::Search(error) => of_search(error),
        Error::Rerank(error) => of_rerank(error),
        _ => Some(USAGE),
    }
}

fn of_cache(error: &CacheError) -> Option<u8> {
    match error {
        CacheError::Locked { .. } => Some(LOCKED),
        CacheError::Io { source, .. } => Some(of_io(source)),
        _ => Some(BAD_DATA),
    }
}

fn of_search(error: &SearchError) -> Option<u8> {
    match error {
        SearchError::Index(error) => of_index(error),
        _ => Some(USAGE),
    }
}

fn of_rerank(error: &RerankError) -> Option<u8> {
    match error {
        RerankError::Model(error) => of_encode(error),
        RerankError::EmptyQuery | RerankError::Weights { .. } => Some(USAGE),
        _ => Some(BAD_DATA),
    }
}

fn of_eval(error: &EvalError) -> Option<u8> {
    match error {
        EvalError::Open { source, .. } => Some(of_io(source)),
        EvalError::NotBeir { .. } | EvalError::UnknownSplit { .. } => Some(USAGE),
        _ => Some(BAD_DATA),
    }
}

fn of_export(error: &ExportError) -> Option<u8> {
    match error {
        ExportError::Io { source, .. } => Some(of_io(source)),
        ExportError::MissingFile { .. } | ExportError::SameDirectory { .. } | ExportError::Option { .. } => {
            Some(USAGE)
        }
        _ => Some(BAD_DATA),
    }
}

fn of_corpus(error: &CorpusError) -> Option<u8> {
    match error {
        CorpusError::Open { source, .. } => Some(of_io(source)),
        CorpusError::UnknownFormat { .. }
        | CorpusError::WrongKind { .. }
        | CorpusError::NoFiles { .. }
        | CorpusError::NoSplit { .. } => Some(USAGE),
        _ => Some(BAD_DATA),
    }
}

fn of_index(error: &IndexError) -> Option<u8> {
    match error {
        IndexError::NoIndex { .. }
        | IndexError::AlreadyExists { .. }
        | IndexError::InvalidSettings { .. } => Some(USAGE),
        IndexError::Locked { .. } => Some(LOCKED),
        _ => Some(BAD_DATA),
    }
}

fn of_encode(error: &EncodeError) -> Option<u8> {
    match error {
        EncodeError::MissingFile { .. }
        | EncodeError::NoGraph { .. }
        | EncodeError::NoVariant { .. }
        | EncodeError::NotInHubCache { .. }
        | EncodeError::UnknownLayout { .. }
        | EncodeError::RuntimeNotFound { .. }
        | EncodeError::RuntimeNotCompiled { .. }
        | EncodeError::NoRoom { .. }
        | EncodeError::NoTemplate { .. }
        | EncodeError::NoLayer { .. }
        | EncodeError::Unsupported { .. } => Some(USAGE),
        #[cfg(feature = "remote")]
        EncodeError::Remote(error) => Some(of_remote(error)),
        EncodeError::Unreadable { source, .. } | EncodeError::Unwritable { source, .. } => {
            Some(of_io(source))
        }
        _ => Some(BAD_DATA),
    }
}

#[cfg(feature = "remote")]
fn of_remote(error: &RemoteError) -> u8 {
    match error {
        RemoteError::NoKey { .. } | RemoteError::Description { .. } => USAGE,
        RemoteError::Status { status: 401 | 403 | 404, .. } => USAGE,
        _ => BAD_DATA,
    }
}

#[cfg(feature = "hub")]
fn of_pull(error: &PullError) -> Option<u8> {
    match error {
        PullError::Offline { .. } | PullError::Status { .. } | PullError::TooLarge { .. } => Some(USAGE),
        _ => Some(BAD_DATA),
    }
}

fn of_distil(error: &DistilError) -> Option<u8> {
    match error {
        DistilError::Io { source, .. } => Some(of_io(source)),
        DistilError::Option { .. } => Some(USAGE),
        _ => Some(BAD_DATA),
    }
}

fn of_io(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { USAGE } else { BAD_DATA }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn code(error: impl std::error::Error + Send + Sync + 'static) -> u8 {
        code_of(&Err::<(), _>(error).context("doing something").unwrap_err())
    }

    #[test]
    fn every_kind_of_trouble_has_its_code() {
        let file = || std::path::PathBuf::from("x");
        assert_eq!(code(Usage("x".into())), USAGE);
        assert_eq!(code(BadData("x".into())), BAD_DATA);
        assert_eq!(code(io::Error::from(io::ErrorKind::NotFound)), USAGE);
        assert_eq!(code(io::Error::from(io::ErrorKind::StorageFull)), BAD_DATA);
        assert_eq!(code(IndexError::NoIndex { dir: file() }), USAGE);
        assert_eq!(code(IndexError::Locked { file: file() }), LOCKED);
        assert_eq!(code(lateen::retriever::Error::from(IndexError::Locked { file: file() })), LOCKED);
        assert_eq!(code(lateen::retriever::Error::EmptyQuery), USAGE);
        assert_eq!(code(CorpusError::UnknownFormat { file: "x".into() }), USAGE);
        assert_eq!(code(CorpusError::Empty { file: "x".into(), what: "document", skipped: 0 }), BAD_DATA);
        assert_eq!(code(EncodeError::UnknownLayout { directory: file() }), USAGE);
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").unwrap_err();
        assert!(is_broken_pipe(&error));
    }
}
