//! A document as it can be added again.

use super::merge::SegmentRows;
use super::{DenseRows, IndexError, NewDocument, Snapshot};
use crate::quant::TokenRows;
use crate::types::{DocId, EncodedTokens, TokenMatrixBuf};

impl Snapshot {
    /// Everything that the index holds of a document, deleted or not, as it can be added to another index.
    ///
    /// Vectors are those stored: codes are decoded, so they are near those that came in, not equal to them; token
    /// vectors have length 1. Vocabulary ids and spans are not stored, and come back empty.
    ///
    /// Cost: what it reads, and a block of some 64 KiB to decompress if documents are stored.
    ///
    /// # Errors
    /// [`IndexError::NoSuchDocument`], or [`IndexError::Format`] if what is read is damaged.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use lateen::index::{Index, WriterOptions};
    /// let (from, to) = (Index::open("old.lateen".as_ref())?, Index::open("new.lateen".as_ref())?);
    /// let (snapshot, mut writer) = (from.snapshot(), to.writer(WriterOptions::default())?);
    /// for doc in snapshot.live() {
    ///     writer.add(snapshot.document(doc)?)?;
    /// }
    /// writer.commit()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn document(&self, doc: DocId) -> Result<NewDocument, IndexError> {
        let (at, local) = self.segment_of(doc)?;
        let reader = self.segments()[at].reader();
        let dim = self.settings().token_dim as usize;
        let tokens = if dim == 0 {
            None
        } else {
            let mut rows = SegmentRows::new(dim);
            rows.push(reader, local..local + 1)?;
            let mut data = vec![0.0; rows.len() * dim];
            data.chunks_exact_mut(dim).enumerate().for_each(|(row, out)| rows.copy_row(row, out));
            let matrix = TokenMatrixBuf::new(data, dim).map_err(|_| IndexError::OutOfRange {
                file: reader.path().to_owned(),
                what: "a component of a token vector",
                value: u64::MAX,
                limit: u64::MAX,
            })?;
            Some(EncodedTokens { matrix, token_ids: Vec::new(), spans: Vec::new() })
        };
        let dense = match reader.dense()? {
            Some(dense) => Some(floats(dense.vector(local)?)),
            None => None,
        };
        Ok(NewDocument {
            id: reader.external_id(local)?.to_owned(),
            tokens,
            dense,
            stored: reader.stored(local)?,
            content_hash: reader.content_hash(local)?,
        })
    }

    /// The documents that are not deleted, by ascending number.
    pub fn live(&self) -> impl Iterator<Item = DocId> + '_ {
        self.segments().iter().flat_map(|segment| {
            (0..segment.documents())
                .filter(|&local| segment.is_live(local))
                .map(|local| segment.doc_id(local))
        })
    }
}

fn floats(row: DenseRows<'_>) -> Vec<f32> {
    match row {
        DenseRows::F32(row) => row.to_vec(),
        DenseRows::F16(row) => row.iter().map(|x| x.to_f32()).collect(),
        DenseRows::I8 { codes, scales } => codes.iter().map(|&x| scales[0] * f32::from(x)).collect(),
    }
}
