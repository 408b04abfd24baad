//! How input is to be read.

use std::path::Path;

/// How documents or queries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// A table, one row per line: tabs, or commas in a `.csv`.
    Tsv,
    /// A Parquet file, one row per record; columns as the fields of JSON lines.
    Parquet,
    /// Plain text: for documents each file is one, for queries each line is one.
    Text,
    /// Markdown: each file is one document.
    Markdown,
    /// A folder in BEIR layout.
    Beir,
}

impl Format {
    /// Every format, for lists of choices.
    pub const ALL: [Self; 6] =
        [Self::Jsonl, Self::Tsv, Self::Parquet, Self::Text, Self::Markdown, Self::Beir];

    /// The name people write: `jsonl`, `tsv`, `parquet`, `text`, `markdown`, `beir`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Beir => "beir",
        }
    }

    /// The format of that name.
    ///
    /// ```
    /// use lateen::corpus::Format;
    /// assert_eq!(Format::named("markdown"), Some(Format::Markdown));
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What a file's name says, looking through `.gz` and `.zst`.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        match inner_extension(path)?.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "tsv" | "csv" => Some(Self::Tsv),
            "parquet" => Some(Self::Parquet),
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" | "mdx" => Some(Self::Markdown),
            _ => None,
        }
    }
}

/// The extension in lower case, looking through `.gz` and `.zst`.
pub(super) fn inner_extension(path: &Path) -> Option<String> {
    let lower = |path: &Path| Some(path.extension()?.to_str()?.to_ascii_lowercase());
    let outer = lower(path)?;
    if matches!(outer.as_str(), "gz" | "zst") { lower(Path::new(path.file_stem()?)) } else { Some(outer) }
}

/// The names of the fields or columns to take, where they differ from the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldNames {
    /// Instead of `_id` or `id`.
    pub id: Option<String>,
    /// Instead of `title`.
    pub title: Option<String>,
    /// Instead of `text`.
    pub text: Option<String>,
}

/// How to read documents or queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// `None`: told by the name, by the folder's content, or by the first bytes.
    pub format: Option<Format>,
    /// The largest record (line, quoted row, row of a Parquet file, or whole text file) in bytes: 16 MiB.
    pub max_line_bytes: usize,
    /// Count bad records, remember the first few, and go on.
    pub skip_bad: bool,
    /// Let later documents repeat an id (an index then keeps the last), and keep no list of the ids seen.
    pub allow_repeated_ids: bool,
    /// Accept input without one record.
    pub allow_empty: bool,
    /// Names of fields and columns.
    pub fields: FieldNames,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            max_line_bytes: 16 << 20,
            skip_bad: false,
            allow_repeated_ids: false,
            allow_empty: false,
            fields: FieldNames::default(),
        }
    }
}
