//! One vector per document, and the graph over them.

/// The dense vectors, row = local document number.
pub struct DenseReader<'a> {}

/// `rows × dim` numbers, row-major.
pub enum DenseRows<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    /// `value = scale of the row × code`.
    I8 { codes: &'a [i8], scales: &'a [f32] },
}

impl<'a> DenseReader<'a> {
    pub fn documents(&self) -> u32;
    pub fn dim(&self) -> usize;
    /// The vectors of contiguous documents.
    pub fn vectors(&self, documents: Range<u32>) -> Result<DenseRows<'a>, IndexError>;
    /// One vector.
    pub fn vector(&self, document: u32) -> Result<DenseRows<'a>, IndexError>;
}

/// An HNSW graph whose nodes are local document numbers; similarity is the dot product.
pub struct GraphReader<'a> {}
impl<'a> GraphReader<'a> {
    pub fn documents(&self) -> u32;
    pub fn entry(&self) -> u32;
    pub fn max_level(&self) -> u32;
    /// Neighbours, every one of them below `documents`.
    pub fn links(&self, level: u32, node: u32) -> Result<&'a [u32], IndexError>;
}
