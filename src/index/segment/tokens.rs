//! The token vectors of documents: residual codes or the numbers themselves.

/// Where the token rows of each document are.
struct Rows<'a> {}

/// Token vectors as residual codes.
pub struct ResidualReader<'a> {}

impl<'a> ResidualReader<'a> {
    /// Centroids and tables, in rotated space.
    pub fn codec(&self) -> CodecView<'a>;
    /// How many documents.
    pub fn documents(&self) -> u32;
    /// The rows of the documents `documents`, which are contiguous.
    pub fn rows(&self, documents: Range<u32>) -> Result<Range<usize>, IndexError>;
    /// Appends the row behind the last of each document, counted from the first row of `documents`:
    /// the `ends` that the ragged kernels take.
    pub fn ends(&self, documents: Range<u32>, ends: &mut Vec<u32>) -> Result<Range<usize>, IndexError>;
    /// The codes of `rows`, every centroid id of which is below the codec's number of centroids.
    pub fn tokens(&self, rows: Range<usize>) -> Result<ResidualTokens<'a>, IndexError>;
    /// The codes of one document.
    pub fn document(&self, document: u32) -> Result<ResidualTokens<'a>, IndexError>;
}

/// Token vectors as they were given, scaled to length 1.
pub struct RawReader<'a> {}

/// `rows × dim` numbers, row-major.
pub enum RawRows<'a> { F16(&'a [f16]), F32(&'a [f32]) }

impl<'a> RawReader<'a> {
    pub fn documents(&self) -> u32;
    pub fn dim(&self) -> usize;
    pub fn rows(&self, documents: Range<u32>) -> Result<Range<usize>, IndexError>;
    pub fn ends(&self, documents: Range<u32>, ends: &mut Vec<u32>) -> Result<Range<usize>, IndexError>;
    pub fn tokens(&self, rows: Range<usize>) -> Result<RawRows<'a>, IndexError>;
    pub fn document(&self, document: u32) -> Result<RawRows<'a>, IndexError>;
}
