//! What can be wrong with a Parquet file.

/// Why a Parquet file, or one column of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParquetProblem {
    /// Another kind of file, or one that broke off: check the name, or copy it again.
    #[error("does not begin and end as a Parquet file; check that it is one, or copy it again")]
    NotParquet,
    /// Write the file again without encryption.
    #[error("is encrypted; write it without encryption")]
    Encrypted,
    /// The bytes contradict themselves: copy or download the file again.
    #[error("is damaged: {what}; copy or download it again")]
    Damaged {
        /// Which rule is broken.
        what: &'static str,
    },
    /// The bytes changed after they were written: copy or download the file again.
    #[error("a page has checksum {found:08x}, expected {expected:08x}; copy or download the file again")]
    Checksum {
        /// CRC-32 of the page as it is.
        found: u32,
        /// CRC-32 in the page's header.
        expected: u32,
    },
    /// Write the file again with smaller pages.
    #[error("a {part} says that it has {bytes} bytes, and {limit} are possible; write smaller ones")]
    TooLarge {
        /// `footer`, `page header` or `page`.
        part: &'static str,
        /// What it says.
        bytes: u64,
        /// The largest accepted number.
        limit: u64,
    },
    /// Write the file again with another compression.
    #[error("is compressed by {codec}; write it with snappy, gzip, zstd or none")]
    Codec {
        /// The name, or the number in the file.
        codec: String,
    },
    /// Write the file again with a common encoding.
    #[error("is encoded by {encoding}; write it plain or with a dictionary")]
    Encoding {
        /// The name, or the number in the file.
        encoding: String,
    },
    /// Fewer values are there than the footer says: copy or download the file again.
    #[error(
        "ends after {rows} of the {claimed} rows that the row group should have; copy or download it again"
    )]
    EndsEarly {
        /// Rows found.
        rows: u64,
        /// Rows promised.
        claimed: u64,
    },
    /// The file is another kind of set, or the column has another name.
    #[error("no such column; the file has {present}")]
    NoColumn {
        /// The names that are there (some of them, if there are many).
        present: String,
    },
    /// Write the column as the type that is needed, or leave it out if it is not.
    #[error("holds {found}, not {needed}")]
    Type {
        /// What it holds.
        found: String,
        /// What it must hold.
        needed: &'static str,
    },
}

impl ParquetProblem {
    pub(super) const fn damaged(what: &'static str) -> Self {
        Self::Damaged { what }
    }
}
