//! For each centroid the documents that have a token near it.

/// Inverted lists.
pub struct ListsReader<'a> {}
impl<'a> ListsReader<'a> {
    pub fn centroids(&self) -> usize;
    /// Calls `each` with ascending local document numbers, all below the number of documents (deleted ones
    /// included).
    pub fn for_each(&self, centroid: u32, each: impl FnMut(u32)) -> Result<(), IndexError>;
    /// How many bytes the list takes: a bound and estimate of its length.
    pub fn byte_len(&self, centroid: u32) -> Result<usize, IndexError>;
}
