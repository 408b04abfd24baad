//! What can go wrong with an index, as facts.

use std::io;
use std::path::PathBuf;

use crate::ann::AnnError;
use crate::format::FormatError;
use crate::lexical::LexicalError;
use crate::quant::QuantError;
use crate::types::DocId;

/// Why an index could not be made, read or changed.
///
/// Nothing that was committed is lost by any of these: every error leaves the last commit as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The operating system refused. Free space, fix permissions or the path, then try again.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The directory holds no manifest: it is no index, or its creation never finished. Create one.
    #[error("{} holds no index", dir.display())]
    NoIndex {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory already holds an index: open it, or choose another directory.
    #[error("{} already holds an index", dir.display())]
    AlreadyExists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another writer holds the index. Wait until it is done; the kernel frees the lock when its process ends.
    #[error("another writer holds {}", file.display())]
    Locked {
        /// The lock file.
        file: PathBuf,
    },
    /// A sync failed, so it is unknown whether what was written last is on stable storage. The last commit
    /// is whole. Drop the writer, find out what ails the disk, and open another writer.
    #[error("cannot sync {}", path.display())]
    SyncFailed {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The record of what was measured about searching contradicts itself: leave it out, or measure again.
    #[error("the tuning record: {0}")]
    Tuning(#[source] FormatError),
    /// The index keeps words in a way that this build of Lateen cannot: use one that can.
    #[error(transparent)]
    Words(#[from] LexicalError),
    /// The words of the documents do not fit into one segment: commit more often, or merge less.
    #[error("the words of the documents: {0}")]
    Terms(#[source] FormatError),
    /// An earlier sync failed, so it is unknown what reached the disk. Drop this writer and open another.
    #[error("the writer is unusable: an earlier sync of {} failed", path.display())]
    Poisoned {
        /// What could not be synced.
        path: PathBuf,
    },
    /// The work was stopped by its [`CancelToken`](super::CancelToken). Nothing is lost: do it again when there is time.
    #[error("stopped")]
    Cancelled,
    /// A file is damaged, foreign, or of another version. Its error says which; restore it from a copy,
    /// or build the index again.
    #[error("{}: {source}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// A whole file is not the one its manifest names: files of two indexes or two times were mixed.
    #[error("{}: {what} is {found}, the manifest says {expected}", file.display())]
    WrongFile {
        /// The file.
        file: PathBuf,
        /// Which fact differs.
        what: &'static str,
        /// By the manifest.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// A segment holds a number that points outside of it, under a correct checksum: whoever wrote the file
    /// wrote it wrongly.
    #[error("{}: {what} is {value}, must be below {limit}", file.display())]
    OutOfRange {
        /// The file.
        file: PathBuf,
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What it must be below.
        limit: u64,
    },
    /// The settings fit no index: change the named one.
    #[error("the setting {setting} cannot be {value}: {rule}")]
    InvalidSettings {
        /// Which setting.
        setting: &'static str,
        /// As given.
        value: String,
        /// What it has to obey.
        rule: &'static str,
    },
    /// An external id has 1 to 512 bytes.
    #[error("the document id {shown:?} has {bytes} bytes; 1 to {max} are possible")]
    InvalidId {
        /// The beginning of the id.
        shown: String,
        /// Its length.
        bytes: usize,
        /// The largest length.
        max: usize,
    },
    /// The document's vectors have another dimension than the index.
    #[error("document {id:?}: its {part} has {found} dimensions, the index has {expected}")]
    DimensionMismatch {
        /// Which document.
        id: String,
        /// `token matrix` or `dense vector`.
        part: &'static str,
        /// The index's dimension.
        expected: usize,
        /// The document's.
        found: usize,
    },
    /// A vector is zero and has no direction: its model or file is damaged.
    #[error("document {id:?}: row {row} of its {part} is zero")]
    ZeroRow {
        /// Which document.
        id: String,
        /// `token matrix` or `dense vector`.
        part: &'static str,
        /// Which row, from 0.
        row: usize,
    },
    /// A vector holds a NaN, an infinity, or a number too large for the index's storage.
    #[error("document {id:?}: component {column} of its {part} is {value}, which cannot be stored")]
    NotStorable {
        /// Which document.
        id: String,
        /// `dense vector`.
        part: &'static str,
        /// Which component, from 0.
        column: usize,
        /// Its value.
        value: f32,
    },
    /// Give a vocabulary id for each row, or none at all.
    #[error("document {id:?}: {ids} token ids for {rows} rows")]
    TokenIdCount {
        /// Which document.
        id: String,
        /// How many ids.
        ids: usize,
        /// How many rows.
        rows: usize,
    },
    /// The index stores this part of every document, and the document has none.
    #[error("document {id:?} has no {part}, and the index stores one for every document")]
    MissingPart {
        /// Which document.
        id: String,
        /// `token matrix`, `dense vector` or `stored document`.
        part: &'static str,
    },
    /// The document has a part that this index was not made for.
    #[error("document {id:?} has a {part}, and the index was created without")]
    UnexpectedPart {
        /// Which document.
        id: String,
        /// `token matrix` or `dense vector`.
        part: &'static str,
    },
    /// A segment numbers documents and tokens by 32 bits. Split the collection over several indexes, or the
    /// document into several.
    #[error("{count} {what} are too many: at most {max}")]
    TooMany {
        /// `documents` or `tokens`.
        what: &'static str,
        /// How many there would be.
        count: u64,
        /// How many are possible.
        max: u64,
    },
    /// A document number of another snapshot was used.
    #[error("there is no document {doc:?} among {documents}")]
    NoSuchDocument {
        /// The number.
        doc: DocId,
        /// How many numbers the snapshot has.
        documents: u32,
    },
    /// The codec could not be built from the tokens of a segment.
    #[error("cannot build the codec of a segment")]
    Codec(#[from] QuantError),
    /// The lists or the graph of a segment could not be built.
    #[error("cannot build the lists or the graph of a segment")]
    Ann(#[from] AnnError),
    /// The worker threads could not be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why.
        #[source]
        source: rayon::ThreadPoolBuildError,
    },
    /// Commits replaced the files faster than they could be opened. Try again.
    #[error("{} changed {attempts} times while it was opened", dir.display())]
    ChangedWhileOpening {
        /// The index.
        dir: PathBuf,
        /// How often it was tried.
        attempts: u32,
    },
}

impl IndexError {
    /// Whether a file that the manifest names was not there, as happens when a commit superseded the
    /// manifest between reading it and opening its files.
    pub(super) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
