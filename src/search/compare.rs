//! A dense query against stored vectors.

use super::SearchError;
use crate::index::{DenseReader, DenseRows, IndexError};
use crate::kernel::{self, Isa, QueryI16};

/// A query in the form that the storage is compared with.
pub(super) struct Comparison<'a> {
    vectors: DenseReader<'a>,
    query: Query<'a>,
    isa: Isa,
    products: Vec<i32>,
}

enum Query<'a> {
    Floats(&'a [f32]),
    Integers(QueryI16),
}

impl<'a> Comparison<'a> {
    pub fn new(vectors: DenseReader<'a>, query: &'a [f32], isa: Isa) -> Result<Self, SearchError> {
        let query = match vectors.gather(&[])? {
            DenseRows::I8 { .. } => Query::Integers(QueryI16::new(query)),
            _ => Query::Floats(query),
        };
        Ok(Self { vectors, query, isa, products: Vec::new() })
    }

    /// Which numbers are multiplied.
    pub fn precision(&self) -> &'static str {
        match self.query {
            Query::Floats(_) => "f32 query, vectors as stored",
            Query::Integers(_) => "int16 query, vectors as stored",
        }
    }

    /// Writes `⟨query, vector⟩` of each of `documents` to `out`, which is as long.
    pub fn similarities(&mut self, documents: &[u32], out: &mut [f32]) -> Result<(), IndexError> {
        match (self.vectors.gather(documents)?, &self.query) {
            (DenseRows::F32(rows), Query::Floats(query)) => {
                kernel::dots(self.isa, query, rows, documents, out);
            }
            (DenseRows::F16(rows), Query::Floats(query)) => {
                kernel::dots_f16(self.isa, query, rows, documents, out);
            }
            (DenseRows::I8 { codes, scales }, Query::Integers(query)) => {
                self.products.resize(documents.len(), 0);
                query.dots(self.isa, codes, documents, &mut self.products);
                for ((out, &product), &document) in out.iter_mut().zip(&self.products).zip(documents) {
                    *out = product as f32 * query.scale() * scales[document as usize];
                }
            }
            // The storage is that of `new`.
            (_, _) => out.fill(f32::NEG_INFINITY),
        }
        Ok(())
    }
}
