//! Token vectors of a document, as far as the index remembers them.

use crate::index::{RawRows, Segment};
use crate::quant::{Rotation, scale_table};
use crate::search::SearchError;
use crate::types::TokenMatrixBuf;

/// Reads documents of one segment as floats.
pub struct StoredTokens<'a> {
    segment: &'a Segment,
    dim: usize,
    /// Undoes the rotation of codes; `None` where vectors are stored in full.
    rotation: Option<Rotation>,
    scales: [f32; 256],
}

impl<'a> StoredTokens<'a> {
    /// Prepares to read `segment`, whose vectors have `dim` dimensions.
    ///
    /// # Errors
    /// [`SearchError::NotStored`] if the index has no token vectors, or what reading the segment runs into.
    pub fn of(segment: &'a Segment, dim: usize) -> Result<Self, SearchError> {
        if dim == 0 {
            return Err(SearchError::NotStored { what: "token vectors" });
        }
        let Some(residual) = segment.reader().residual()? else {
            return Ok(Self { segment, dim, rotation: None, scales: [0.0; 256] });
        };
        let codec = residual.codec();
        let rotation = Some(Rotation::new(dim, codec.rotation_seed));
        let scales = scale_table(codec.scale_log2_min, codec.scale_log2_step);
        Ok(Self { segment, dim, rotation, scales })
    }

    /// How many rows the document has.
    ///
    /// # Errors
    /// What reading the segment runs into.
    pub fn rows(&self, doc: u32) -> Result<usize, SearchError> {
        Ok(self.segment.reader().token_count(doc)?)
    }

    /// All rows of the document: exactly, or what codes say of them.
    ///
    /// Cost: `rows · dim` for codes, and a rotation of each row.
    ///
    /// # Errors
    /// What reading the segment runs into.
    pub fn document(&self, doc: u32) -> Result<TokenMatrixBuf, SearchError> {
        let data = match &self.rotation {
            Some(rotation) => self.decoded(doc, rotation)?,
            None => {
                let raw = self.segment.reader().raw()?;
                match raw.ok_or(SearchError::NotStored { what: "token vectors" })?.document(doc)? {
                    RawRows::F32(rows) => rows.to_vec(),
                    RawRows::F16(rows) => rows.iter().map(|x| x.to_f32()).collect(),
                }
            }
        };
        let mut matrix = TokenMatrixBuf::new(data, self.dim).map_err(SearchError::Query)?;
        matrix.normalize_rows();
        Ok(matrix)
    }

    fn decoded(&self, doc: u32, rotation: &Rotation) -> Result<Vec<f32>, SearchError> {
        let residual =
            self.segment.reader().residual()?.ok_or(SearchError::NotStored { what: "token codes" })?;
        let codec = residual.codec();
        let tokens = residual.document(doc)?;
        let row_bytes = codec.width.row_bytes(self.dim);
        let mut data = Vec::with_capacity(tokens.len() * self.dim);
        for at in 0..tokens.len() {
            let centroid = tokens.centroid(at) as usize;
            let scale = self.scales[usize::from(tokens.scales[at])];
            let codes = &tokens.codes[at * row_bytes..(at + 1) * row_bytes];
            let mean = &codec.centroids[centroid * self.dim..(centroid + 1) * self.dim];
            let start = data.len();
            data.extend(mean.iter().enumerate().map(|(component, &mean)| {
                let level = codec.levels[usize::from(codec.width.unpack(codes, component))];
                codec.centroid_scales[centroid] * f32::from(mean) + scale * f32::from(level)
            }));
            rotation.apply_inverse(&mut data[start..]);
        }
        Ok(data)
    }
}
