//! Documents that wait to become a segment.

use std::collections::HashMap;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::NewDocument;
use crate::format::{IndexSettings, StoredDocument, TokenStorage};
use crate::quant::TokenRows;
use crate::types::normalize;

/// Documents in the order in which they came, replaced and deleted ones included until
/// [`Buffer::drop_dead`].
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) rows: TokenBuffer,
    /// One per row, if every document with rows had them.
    pub(super) token_ids: Vec<u32>,
    /// Where each document's rows end.
    pub(super) ends: Vec<u32>,
    /// `documents × dense_dim`.
    pub(super) dense: Vec<f32>,
    pub(super) ids: Vec<String>,
    pub(super) content_hashes: Vec<u64>,
    /// Empty if the index stores no documents.
    pub(super) stored: Vec<StoredDocument>,
    /// So many of the first documents have been pooled.
    pub(super) pooled: usize,
    dense_dim: usize,
    store_documents: bool,
    has_token_ids: bool,
    by_id: HashMap<String, u32>,
    dead: Vec<bool>,
    bytes: usize,
}

/// Unit rows, no wider than what the segment keeps of them needs.
#[derive(Debug)]
pub(super) struct TokenBuffer {
    pub(super) dim: usize,
    pub(super) values: Values,
}

/// The numbers of a [`TokenBuffer`], row-major.
#[derive(Debug)]
pub(super) enum Values {
    /// Enough for codes of 4 bits and fewer.
    F16(Vec<f16>),
    F32(Vec<f32>),
}

impl Buffer {
    pub(super) fn new(settings: &IndexSettings) -> Self {
        let values = match settings.token_storage {
            TokenStorage::F32 => Values::F32(Vec::new()),
            _ => Values::F16(Vec::new()),
        };
        Self {
            rows: TokenBuffer { dim: settings.token_dim as usize, values },
            token_ids: Vec::new(),
            ends: Vec::new(),
            dense: Vec::new(),
            ids: Vec::new(),
            content_hashes: Vec::new(),
            stored: Vec::new(),
            pooled: 0,
            dense_dim: settings.dense_dim as usize,
            store_documents: settings.store_documents,
            has_token_ids: true,
            by_id: HashMap::new(),
            dead: Vec::new(),
            bytes: 0,
        }
    }

    /// Estimated memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Documents, dead ones included.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Documents that are alive.
    pub(super) fn live(&self) -> usize {
        self.by_id.len()
    }

    /// Whether it cannot take `rows` rows more, as a segment counts by 32 bits.
    pub(super) fn overflows(&self, rows: usize) -> bool {
        self.rows.len() + rows > u32::MAX as usize || self.len() + 1 >= u32::MAX as usize
    }

    /// The content hash of a live document.
    pub(super) fn content_hash(&self, id: &str) -> Option<u64> {
        self.by_id.get(id).map(|&local| self.content_hashes[local as usize])
    }

    /// Forgets a document; returns whether it was there.
    pub(super) fn delete(&mut self, id: &str) -> bool {
        match self.by_id.remove(id) {
            Some(local) => {
                self.dead[local as usize] = true;
                true
            }
            None => false,
        }
    }

    /// Takes a checked document; returns whether it replaced one.
    pub(super) fn push(&mut self, document: NewDocument) -> bool {
        let replaced = self.delete(&document.id);
        self.bytes += footprint(&document, &self.rows);
        if let Some(tokens) = document.tokens {
            let rows = tokens.matrix.view().rows();
            self.has_token_ids &= tokens.token_ids.len() == rows;
            if self.has_token_ids {
                self.token_ids.extend(tokens.token_ids);
            } else {
                self.token_ids = Vec::new();
            }
            self.rows.extend(tokens.matrix.into_vec());
        }
        self.ends.push(self.rows.len() as u32);
        if let Some(dense) = document.dense {
            self.dense.extend(dense);
        }
        if self.store_documents {
            self.stored.extend(document.stored);
        }
        self.by_id.insert(document.id.clone(), self.ids.len() as u32);
        self.ids.push(document.id);
        self.content_hashes.push(document.content_hash);
        self.dead.push(false);
        replaced
    }

    /// Removes replaced and deleted documents for good; the others keep their order.
    pub(super) fn drop_dead(&mut self) {
        if self.live() == self.len() {
            return;
        }
        let mut kept = 0;
        let (mut rows_kept, mut start) = (0, 0);
        let pooled = (0..self.pooled).filter(|&local| !self.dead[local]).count();
        for local in 0..self.len() {
            let end = self.ends[local] as usize;
            if !self.dead[local] {
                self.rows.copy_within(start..end, rows_kept);
                if !self.token_ids.is_empty() {
                    self.token_ids.copy_within(start..end, rows_kept);
                }
                rows_kept += end - start;
                self.ends[kept] = rows_kept as u32;
                let dim = self.dense_dim;
                self.dense.copy_within(local * dim..(local + 1) * dim, kept * dim);
                self.ids.swap(kept, local);
                self.content_hashes.swap(kept, local);
                if self.store_documents {
                    self.stored.swap(kept, local);
                }
                self.by_id.insert(self.ids[kept].clone(), kept as u32);
                kept += 1;
            }
            start = end;
        }
        self.truncate(kept, rows_kept);
        self.pooled = pooled;
    }

    fn truncate(&mut self, documents: usize, rows: usize) {
        self.rows.truncate(rows);
        self.token_ids.truncate(rows);
        self.ends.truncate(documents);
        self.dense.truncate(documents * self.dense_dim);
        self.ids.truncate(documents);
        self.content_hashes.truncate(documents);
        self.stored.truncate(documents);
        self.dead = vec![false; documents];
    }
}

/// What a document adds to the buffer: the allocator's and the map's overhead is a guess.
fn footprint(document: &NewDocument, rows: &TokenBuffer) -> usize {
    let stored = document.stored.as_ref();
    let text = stored.map_or(0, |stored| stored.title.len() + stored.text.len() + stored.metadata.len());
    document.rows() * (rows.row_bytes() + size_of::<u32>())
        + document.dense.as_ref().map_or(0, |dense| dense.len() * size_of::<f32>())
        + text
        + 2 * document.id.len()
        + 200
}

impl TokenBuffer {
    fn row_bytes(&self) -> usize {
        match self.values {
            Values::F16(_) => self.dim * size_of::<f16>(),
            Values::F32(_) => self.dim * size_of::<f32>(),
        }
    }

    /// Appends rows, scaled to length 1.
    fn extend(&mut self, mut rows: Vec<f32>) {
        for row in rows.chunks_exact_mut(self.dim) {
            normalize(row);
        }
        match &mut self.values {
            Values::F32(values) => values.extend_from_slice(&rows),
            Values::F16(values) => {
                let start = values.len();
                values.resize(start + rows.len(), f16::ZERO);
                values[start..].convert_from_f32_slice(&rows);
            }
        }
    }

    fn copy_within(&mut self, rows: std::ops::Range<usize>, to: usize) {
        let (range, to) = (rows.start * self.dim..rows.end * self.dim, to * self.dim);
        match &mut self.values {
            Values::F16(values) => values.copy_within(range, to),
            Values::F32(values) => values.copy_within(range, to),
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::F16(values) => values.truncate(rows * self.dim),
            Values::F32(values) => values.truncate(rows * self.dim),
        }
    }
}

impl TokenRows for TokenBuffer {
    fn len(&self) -> usize {
        let values = match &self.values {
            Values::F16(values) => values.len(),
            Values::F32(values) => values.len(),
        };
        values.checked_div(self.dim).unwrap_or(0)
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn copy_row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.values {
            Values::F16(values) => values[range].convert_to_f32_slice(out),
            Values::F32(values) => out.copy_from_slice(&values[range]),
        }
    }
}
