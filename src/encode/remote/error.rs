use std::path::PathBuf;

/// Why a service did not answer, or not as it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Set the variable, or make the file readable.
    #[error("there is no key in {place}")]
    NoKey {
        /// The variable or the file.
        place: String,
    },
    /// The description is not the JSON expected: correct it.
    #[error("{}: {message}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// The service cannot be reached, or was silent for too long: try again, or raise the time limit.
    #[error("{url} cannot be reached after {attempts} attempts: {message}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// How often.
        attempts: u32,
        /// What the connection says.
        message: String,
    },
    /// 401 and 403: check the key. 429: the rate limit of the service is lower than the one stated. Others: the service
    /// says why.
    #[error("{url} answers with status {status} after {attempts} attempts: {message}")]
    Status {
        /// What was asked for.
        url: String,
        /// How often.
        attempts: u32,
        /// The status.
        status: u16,
        /// The beginning of the answer.
        message: String,
    },
    /// The service speaks another dialect, or is broken.
    #[error("{url} gives an answer that is not understood: {problem}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
}
