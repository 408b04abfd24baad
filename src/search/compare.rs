//! A dense query against stored vectors.

use super::SearchError;
use crate::index::{DenseReader, DenseRows, IndexError};
use crate::kernel::{self, Isa, QueryI16};

/// A query in the form that the storage is compared with.
pub(super) struct Comparison<'a> {
    vectors: DenseReader<'a>,
    query: &'a [f32],
    /// For vectors stored in bytes.
    rounded: Option<QueryI16>,
    isa: Isa,
    products: Vec<i32>,
}

impl<'a> Comparison<'a> {
    pub fn new(vectors: DenseReader<'a>, query: &'a [f32], isa: Isa) -> Result<Self, SearchError> {
        let in_bytes = matches!(vectors.gather(&[])?, DenseRows::I8 { .. });
        let rounded = in_bytes.then(|| QueryI16::new(query));
        Ok(Self { vectors, query, rounded, isa, products: Vec::new() })
    }

    /// Which numbers are multiplied.
    pub fn precision(&self) -> &'static str {
        match self.rounded {
            None => "f32 query, vectors as stored",
            Some(_) => "int16 query, vectors as stored",
        }
    }

    /// Writes `⟨query, vector⟩` of each of `documents` to `out`, which is as long.
    pub fn similarities(&mut self, documents: &[u32], out: &mut [f32]) -> Result<(), IndexError> {
        match self.vectors.gather(documents)? {
            DenseRows::F32(rows) => kernel::dots(self.isa, self.query, rows, documents, out),
            DenseRows::F16(rows) => kernel::dots_f16(self.isa, self.query, rows, documents, out),
            DenseRows::I8 { codes, scales } => {
                let query = self.rounded.get_or_insert_with(|| QueryI16::new(self.query));
                self.products.resize(documents.len(), 0);
                query.dots(self.isa, codes, documents, &mut self.products);
                for ((out, &product), &document) in out.iter_mut().zip(&self.products).zip(documents) {
                    *out = product as f32 * query.scale() * scales[document as usize];
                }
            }
        }
        Ok(())
    }
}
