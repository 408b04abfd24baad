//! The token vectors of documents: residual codes, or the numbers themselves.

use std::ops::Range;

use half::f16;

use super::checked::{BlockError, HEAD_LEN, Section};
use super::{IndexError, SegmentReader};
use crate::format::{
    BLOCK_LEN, CentroidIdsView, CodecView, CodesView, FormatError, MatrixData, MatrixView, ScalesView,
    SectionKind, TokenOffsetsView, TokenStorage,
};
use crate::kernel::{CentroidIds, ResidualTokens};

/// Where the rows of each document are.
#[derive(Clone, Copy)]
struct Rows<'a> {
    section: Section<'a>,
    view: TokenOffsetsView<'a>,
}

impl<'a> Rows<'a> {
    fn new(reader: &'a SegmentReader) -> Result<Self, IndexError> {
        let section = reader.require(SectionKind::TokenOffsets)?;
        let view = TokenOffsetsView::new(section.bytes()).map_err(|source| section.error(source))?;
        reader.expect("the number of token offsets", reader.documents().into(), view.documents() as u64)?;
        // The last offset bounds all others.
        let len = section.bytes().len();
        section.touch(len - size_of::<u32>()..len)?;
        reader.expect("the last token offset", reader.tokens(), view.tokens())?;
        Ok(Self { section, view })
    }

    fn range(&self, documents: Range<u32>) -> Result<Range<usize>, IndexError> {
        if documents.start >= documents.end {
            return Ok(0..0);
        }
        let (first, last) = (documents.start as usize, documents.end as usize - 1);
        let bytes = size_of::<u32>();
        self.touch(first, (first + 2) * bytes)?;
        self.touch(last, (last + 2) * bytes)?;
        let start = self.view.range(first).map_err(|source| self.section.error(source))?.start;
        let end = self.view.range(last).map_err(|source| self.section.error(source))?.end;
        if start > end {
            let (expected, found) = (start as u64, end as u64);
            return Err(self.section.error(FormatError::Inconsistent {
                what: "a token offset",
                expected,
                found,
            }));
        }
        Ok(start..end)
    }

    /// Appends where each document ends, counted from the first row of the range that it returns.
    fn ends(&self, documents: Range<u32>, ends: &mut Vec<u32>) -> Result<Range<usize>, IndexError> {
        let rows = self.range(documents.clone())?;
        if documents.start >= documents.end {
            return Ok(rows);
        }
        self.touch(documents.start as usize, (documents.end as usize + 1) * size_of::<u32>())?;
        let stored = &self.view.ends()[documents.start as usize..documents.end as usize];
        let mut last = rows.start as u32;
        for &end in stored {
            if end < last {
                let (expected, found) = (last.into(), end.into());
                let source = FormatError::Inconsistent { what: "a token offset", expected, found };
                return Err(self.section.error(source));
            }
            ends.push(end - rows.start as u32);
            last = end;
        }
        Ok(rows)
    }

    /// Makes sure of the offsets from number `first` up to the byte `end`.
    fn touch(&self, first: usize, end: usize) -> Result<(), IndexError> {
        self.section.touch(first * size_of::<u32>()..end.min(self.section.bytes().len()))
    }
}

/// Token vectors as residual codes, ready for the kernels.
#[derive(Clone, Copy)]
pub struct ResidualReader<'a> {
    rows: Rows<'a>,
    codec: CodecView<'a>,
    codes: (Section<'a>, CodesView<'a>),
    scales: (Section<'a>, ScalesView<'a>),
    centroid_ids: (Section<'a>, CentroidIdsView<'a>),
}

/// Token vectors as numbers.
#[derive(Clone, Copy)]
pub struct RawReader<'a> {
    rows: Rows<'a>,
    section: Section<'a>,
    view: MatrixView<'a>,
}

/// Unit rows as stored: `rows × dim` numbers, row-major.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RawRows<'a> {
    /// Half precision.
    F16(&'a [f16]),
    /// Single precision.
    F32(&'a [f32]),
}

impl SegmentReader {
    /// How many token vectors a document has.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there is no such document, the index stores no tokens, or what is read is damaged.
    pub fn token_count(&self, document: u32) -> Result<usize, IndexError> {
        Ok(Rows::new(self)?.range(one(document))?.len())
    }

    /// The residual codes; `None` if the segment holds none. Checks the codec at the first call.
    ///
    /// # Errors
    /// [`IndexError::Format`] if the codec or a head is damaged.
    pub fn residual(&self) -> Result<Option<ResidualReader<'_>>, IndexError> {
        if !self.is_coded() {
            return Ok(None);
        }
        let Some(width) = self.settings.token_storage.code_width() else { return Ok(None) };
        let section = self.require(SectionKind::Codec)?;
        section.touch_all()?;
        let codec = CodecView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the width of codes", width.number().into(), codec.width.number().into())?;
        self.expect("the dimension of the codec", self.settings.token_dim.into(), codec.dim.into())?;
        let rows = Rows::new(self)?;
        let codes = self.require(SectionKind::Codes)?;
        let codes_view =
            CodesView::new(codes.bytes(), codec.dim, codec.width).map_err(|source| codes.error(source))?;
        let scales = self.require(SectionKind::Scales)?;
        let scales_view = ScalesView::new(scales.bytes()).map_err(|source| scales.error(source))?;
        let ids = self.require(SectionKind::CentroidIds)?;
        let ids_view = CentroidIdsView::new(ids.bytes()).map_err(|source| ids.error(source))?;
        for tokens in [codes_view.tokens(), scales_view.tokens(), ids_view.tokens()] {
            self.expect("the number of coded tokens", self.tokens(), tokens as u64)?;
        }
        let reader = ResidualReader {
            rows,
            codec,
            codes: (codes, codes_view),
            scales: (scales, scales_view),
            centroid_ids: (ids, ids_view),
        };
        // Not before the ids in the same block can be held against the codec.
        ids.touch_with(0..HEAD_LEN, &|block| reader.check_ids(block))?;
        Ok(Some(reader))
    }

    /// The token vectors; `None` if the segment holds none, or only codes.
    ///
    /// # Errors
    /// [`IndexError::Format`] if a head is damaged.
    pub fn raw(&self) -> Result<Option<RawReader<'_>>, IndexError> {
        if self.settings.token_storage == TokenStorage::None || self.is_coded() {
            return Ok(None);
        }
        let rows = Rows::new(self)?;
        let section = self.require(SectionKind::RawTokens)?;
        section.touch_head()?;
        let view = MatrixView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the number of token rows", self.tokens(), view.rows() as u64)?;
        self.expect("the dimension of token rows", self.settings.token_dim.into(), view.dim().into())?;
        Ok(Some(RawReader { rows, section, view }))
    }
}

impl<'a> ResidualReader<'a> {
    /// Centroids, levels and scales, all in the rotated space.
    #[must_use]
    pub fn codec(&self) -> &CodecView<'a> {
        &self.codec
    }

    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.rows.view.documents() as u32
    }

    /// The rows of contiguous documents.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there are no such documents, or what is read is damaged.
    pub fn rows(&self, documents: Range<u32>) -> Result<Range<usize>, IndexError> {
        self.rows.range(documents)
    }

    /// The rows of contiguous documents; appends to `ends` where each document ends, counted from the first
    /// of these rows, as the ragged kernels take it.
    ///
    /// # Errors
    /// As [`ResidualReader::rows`].
    pub fn ends(&self, documents: Range<u32>, ends: &mut Vec<u32>) -> Result<Range<usize>, IndexError> {
        self.rows.ends(documents, ends)
    }

    /// The codes of some rows; every centroid id is one of the codec's.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there are no such rows, or what is read is damaged.
    pub fn tokens(&self, rows: Range<usize>) -> Result<ResidualTokens<'a>, IndexError> {
        let (section, view) = &self.codes;
        let codes = view.rows(rows.clone()).map_err(|source| section.error(source))?;
        section.touch_part(codes)?;
        let (section, view) = &self.scales;
        let scales = view.rows(rows.clone()).map_err(|source| section.error(source))?;
        section.touch_part(scales)?;
        let (section, view) = &self.centroid_ids;
        let centroid_ids = view.rows(rows).map_err(|source| section.error(source))?;
        section.touch_part_with(centroid_ids, &|block| self.check_ids(block))?;
        Ok(ResidualTokens { codes, scales, centroid_ids, id_width: view.width() })
    }

    /// The codes of one document.
    ///
    /// # Errors
    /// As [`ResidualReader::tokens`].
    pub fn document(&self, document: u32) -> Result<ResidualTokens<'a>, IndexError> {
        self.tokens(self.rows(one(document))?)
    }

    /// The centroids of the tokens of one document, without their codes; every id is one of the codec's.
    ///
    /// # Errors
    /// As [`ResidualReader::tokens`].
    pub fn centroids_of(&self, document: u32) -> Result<CentroidIds<'a>, IndexError> {
        let (section, view) = &self.centroid_ids;
        let bytes = view.rows(self.rows(one(document))?).map_err(|source| section.error(source))?;
        section.touch_part_with(bytes, &|block| self.check_ids(block))?;
        Ok(CentroidIds { bytes, width: view.width() })
    }

    /// Begins to read the codes of a document that will be wanted soon, unless they were read before.
    ///
    /// # Errors
    /// As [`ResidualReader::rows`].
    pub fn will_need(&self, document: u32) -> Result<(), IndexError> {
        let (section, view) = &self.codes;
        let codes = view.rows(self.rows(one(document))?).map_err(|source| section.error(source))?;
        section.will_need(codes);
        Ok(())
    }

    /// Every id with a byte in the block must name a centroid: kernels use it as an index.
    fn check_ids(&self, block: usize) -> Result<(), BlockError> {
        let view = &self.centroid_ids.1;
        let width = usize::from(view.width());
        let start = (block * BLOCK_LEN).saturating_sub(HEAD_LEN) / width;
        let end = ((block + 1) * BLOCK_LEN - HEAD_LEN).div_ceil(width).min(view.tokens());
        let limit = self.codec.centroid_count();
        for token in start..end {
            let id = view.get(token)?;
            if id >= limit {
                return Err(BlockError::OutOfRange {
                    what: "a centroid id",
                    value: id.into(),
                    limit: limit.into(),
                });
            }
        }
        Ok(())
    }
}

impl<'a> RawReader<'a> {
    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.rows.view.documents() as u32
    }

    /// The length of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.view.dim() as usize
    }

    /// As [`ResidualReader::rows`].
    ///
    /// # Errors
    /// As there.
    pub fn rows(&self, documents: Range<u32>) -> Result<Range<usize>, IndexError> {
        self.rows.range(documents)
    }

    /// As [`ResidualReader::ends`].
    ///
    /// # Errors
    /// As there.
    pub fn ends(&self, documents: Range<u32>, ends: &mut Vec<u32>) -> Result<Range<usize>, IndexError> {
        self.rows.ends(documents, ends)
    }

    /// Some rows.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there are no such rows, or what is read is damaged.
    pub fn tokens(&self, rows: Range<usize>) -> Result<RawRows<'a>, IndexError> {
        let count = self.view.rows();
        if rows.start > rows.end || rows.end > count {
            let (index, len) = (rows.end as u64, count as u64);
            return Err(self.section.error(FormatError::OutOfRange { what: "token", index, len }));
        }
        let values = rows.start * self.dim()..rows.end * self.dim();
        match self.view.data() {
            MatrixData::F16(all) => {
                self.section.touch_part(&all[values.clone()])?;
                Ok(RawRows::F16(&all[values]))
            }
            MatrixData::F32(all) => {
                self.section.touch_part(&all[values.clone()])?;
                Ok(RawRows::F32(&all[values]))
            }
            MatrixData::I8 { .. } => Err(self.section.error(FormatError::Inconsistent {
                what: "the dtype of token rows",
                expected: crate::format::Dtype::F16.code().into(),
                found: self.view.dtype().code().into(),
            })),
        }
    }

    /// The rows of one document.
    ///
    /// # Errors
    /// As [`RawReader::tokens`].
    pub fn document(&self, document: u32) -> Result<RawRows<'a>, IndexError> {
        self.tokens(self.rows(one(document))?)
    }
}

/// The range of one document; the last possible number is none, as counts are 32 bits wide too.
fn one(document: u32) -> Range<u32> {
    document..document.saturating_add(1)
}
