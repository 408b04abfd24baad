//! The one writer.

/// How a writer works. None of it changes what the index answers, except `tokens_per_centroid` and the graph's.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// When documents waiting in memory reach half of this many bytes they become a segment; the other half
    /// is for building it. One document is always taken, however large.
    pub memory_budget_bytes: usize,
    /// Threads that build segments; 0 = one per core. The bytes written do not depend on it.
    pub threads: usize,
    /// zstd level of stored documents.
    pub stored_fields_level: i32,
    /// One centroid for about this many tokens.
    pub tokens_per_centroid: usize,
    /// Links per node of the graph over dense vectors; twice as many on level 0.
    pub graph_links: usize,
    /// Candidates kept while a node's links are chosen.
    pub graph_ef_construction: usize,
    /// Segments with fewer documents get no graph: scanning them is as fast.
    pub graph_min_documents: usize,
}

/// What a commit made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The commit's number; the one before if there was nothing to commit.
    pub generation: u64,
    /// Live documents of the index.
    pub documents: u64,
    pub segments: usize,
    pub tokens: u64,
}

pub struct Writer {}

impl Writer {
    /// Adds a document, replacing the one of the same id; returns whether there was one.
    pub fn add(&mut self, document: NewDocument) -> Result<bool, IndexError>;
    /// Deletes; returns whether there was such a document.
    pub fn delete(&mut self, id: &str) -> Result<bool, IndexError>;
    /// The content hash of the live document of this id, uncommitted changes included.
    pub fn contains(&self, id: &str) -> Result<Option<u64>, IndexError>;
    /// Live documents, uncommitted changes included.
    pub fn documents(&self) -> u64;
    pub fn settings(&self) -> &IndexSettings;
    pub fn commit(&mut self) -> Result<CommitInfo, IndexError>;
}
