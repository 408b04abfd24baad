//! One vector per document, and the graph over them.

use std::cell::RefCell;
use std::ops::Range;

use half::f16;

use super::checked::Section;
use super::{IndexError, SegmentReader};
use crate::ann::hnsw::Links;
use crate::format::{
    ALIGNMENT, DenseStorage, Dtype, FormatError, GraphLinksView, MatrixData, MatrixView, SectionKind,
};
use crate::kernel::prefetch;

/// Dense vectors: row `n` is document `n`'s.
#[derive(Clone, Copy)]
pub struct DenseReader<'a> {
    section: Section<'a>,
    view: MatrixView<'a>,
}

/// Vectors as stored: `rows × dim` numbers, row-major.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DenseRows<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision.
    F16(&'a [f16]),
    /// Row `r` is `scales[r] · codes[r · dim..][..dim]`.
    I8 {
        /// `[rows, dim]`
        codes: &'a [i8],
        /// `[rows]`
        scales: &'a [f32],
    },
}

/// A graph (HNSW) over the dense vectors: node `n` is document `n`; near is a large dot product.
#[derive(Clone, Copy)]
pub struct GraphReader<'a> {
    section: Section<'a>,
    view: GraphLinksView<'a>,
}

impl SegmentReader {
    /// The dense vectors; `None` if the index stores none.
    ///
    /// # Errors
    /// [`IndexError::Format`] if the head is damaged.
    pub fn dense(&self) -> Result<Option<DenseReader<'_>>, IndexError> {
        let dtype = match self.settings.dense_storage {
            DenseStorage::None => return Ok(None),
            DenseStorage::F32 => Dtype::F32,
            DenseStorage::F16 => Dtype::F16,
            DenseStorage::I8 => Dtype::I8,
        };
        let section = self.require(SectionKind::DenseVectors)?;
        section.touch_head()?;
        let view = MatrixView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the number of dense vectors", self.documents().into(), view.rows() as u64)?;
        self.expect("the dimension of dense vectors", self.settings.dense_dim.into(), view.dim().into())?;
        self.expect("the dtype of dense vectors", dtype.code().into(), view.dtype().code().into())?;
        Ok(Some(DenseReader { section, view }))
    }

    /// The graph over the dense vectors; `None` if the segment has too few documents to need one.
    ///
    /// # Errors
    /// [`IndexError::Format`] if the head is damaged.
    pub fn graph(&self) -> Result<Option<GraphReader<'_>>, IndexError> {
        let Some(section) = self.section(SectionKind::GraphLinks) else {
            return Ok(None);
        };
        section.touch_head()?;
        let view = GraphLinksView::new(section.bytes()).map_err(|source| section.error(source))?;
        self.expect("the number of nodes", self.documents().into(), view.nodes().into())?;
        Ok(Some(GraphReader { section, view }))
    }
}

impl<'a> DenseReader<'a> {
    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        // Equal to the segment's number of documents.
        self.view.rows() as u32
    }

    /// The length of a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.view.dim() as usize
    }

    /// The vectors of contiguous documents.
    ///
    /// # Errors
    /// [`IndexError::Format`] if there are no such documents, or what is read is damaged.
    pub fn vectors(&self, documents: Range<u32>) -> Result<DenseRows<'a>, IndexError> {
        let (start, end) = (documents.start as usize, documents.end as usize);
        if start > end || end > self.view.rows() {
            let (index, len) = (end as u64, self.view.rows() as u64);
            return Err(self.section.error(FormatError::OutOfRange { what: "document", index, len }));
        }
        let values = start * self.dim()..end * self.dim();
        Ok(match self.view.data() {
            MatrixData::F32(all) => DenseRows::F32(self.touched(&all[values])?),
            MatrixData::F16(all) => DenseRows::F16(self.touched(&all[values])?),
            MatrixData::I8 { scales, values: all } => DenseRows::I8 {
                codes: self.touched(&all[values])?,
                scales: self.touched(&scales[start..end])?,
            },
        })
    }

    /// The vector of one document.
    ///
    /// # Errors
    /// As [`DenseReader::vectors`].
    pub fn vector(&self, document: u32) -> Result<DenseRows<'a>, IndexError> {
        self.vectors(document..document.saturating_add(1))
    }

    /// All vectors, those of `documents` made sure of: only these are to be read.
    ///
    /// Cheaper than asking for one after the other. Once the whole section was read, no block is asked about.
    ///
    /// # Errors
    /// As [`DenseReader::vectors`].
    pub fn gather(&self, documents: &[u32]) -> Result<DenseRows<'a>, IndexError> {
        let last = documents.iter().copied().max().unwrap_or_default();
        if !self.section.is_whole() || last as usize >= self.view.rows() {
            documents.iter().try_for_each(|&document| self.vector(document).map(drop))?;
        }
        Ok(match self.view.data() {
            MatrixData::F32(all) => DenseRows::F32(all),
            MatrixData::F16(all) => DenseRows::F16(all),
            MatrixData::I8 { scales, values } => DenseRows::I8 { codes: values, scales },
        })
    }

    fn touched<T>(&self, part: &'a [T]) -> Result<&'a [T], IndexError> {
        self.section.touch_part(part)?;
        Ok(part)
    }
}

impl<'a> GraphReader<'a> {
    /// How many documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.view.nodes()
    }

    /// Where searches start: at the highest level.
    #[must_use]
    pub fn entry(&self) -> u32 {
        self.view.entry().unwrap_or_default()
    }

    /// The highest level.
    #[must_use]
    pub fn max_level(&self) -> u32 {
        self.view.max_level()
    }

    /// The neighbours of `node` on `level`; each is a document of the segment.
    ///
    /// # Errors
    /// [`IndexError::Format`] if the node does not reach the level, or what is read is damaged.
    #[inline]
    pub fn links(&self, level: u32, node: u32) -> Result<&'a [u32], IndexError> {
        self.touch_links(level, node)?;
        self.view.links(level, node).map_err(|source| self.section.error(source))
    }

    /// Makes sure of a list.
    fn touch_links(&self, level: u32, node: u32) -> Result<(), IndexError> {
        if level == 0 {
            return self.section.touch(self.level0(node));
        }
        self.section.touch(self.upper_offsets(node))?;
        let links = self.view.unchecked_links(level, node).map_err(|source| self.section.error(source))?;
        self.section.touch_part_and_count(links)
    }

    /// The graph as the search of `ann` walks it; ask [`GraphWalk::finish`] afterwards.
    #[must_use]
    pub fn walk(&self) -> GraphWalk<'a> {
        GraphWalk { graph: *self, whole: self.section.is_whole(), damage: RefCell::new(None) }
    }

    /// The bytes of a node's list on level 0: a count and `m0` places.
    fn level0(&self, node: u32) -> Range<usize> {
        let stride = (1 + self.view.shape().m0 as usize) * size_of::<u32>();
        self.clamp(ALIGNMENT + node as usize * stride, stride)
    }

    /// The bytes of the two offsets that bound a node's lists on higher levels.
    fn upper_offsets(&self, node: u32) -> Range<usize> {
        let level0_end = self.level0(self.view.nodes()).start.next_multiple_of(ALIGNMENT);
        self.clamp(level0_end + node as usize * size_of::<u32>(), 2 * size_of::<u32>())
    }

    /// Beyond the section there is nothing to make sure of; the view refuses such nodes.
    fn clamp(&self, start: usize, len: usize) -> Range<usize> {
        let all = self.section.bytes().len();
        start.min(all)..(start + len).min(all)
    }
}

/// A graph being searched: where it is damaged the links end, and [`finish`](Self::finish) says so.
pub struct GraphWalk<'a> {
    graph: GraphReader<'a>,
    /// Nothing has to be made sure of any more.
    whole: bool,
    damage: RefCell<Option<IndexError>>,
}

impl GraphWalk<'_> {
    /// Whether all links that were asked for were sound: if not, what was found is not to be used.
    ///
    /// # Errors
    /// The first error of [`GraphReader::links`].
    pub fn finish(self) -> Result<(), IndexError> {
        self.damage.into_inner().map_or(Ok(()), Err)
    }
}

impl Links for GraphWalk<'_> {
    fn len(&self) -> usize {
        self.graph.documents() as usize
    }

    fn entry(&self) -> Option<u32> {
        self.graph.view.entry()
    }

    fn max_level(&self) -> usize {
        self.graph.max_level() as usize
    }

    #[inline]
    fn links(&self, level: usize, node: u32) -> &[u32] {
        // The search refuses links to no node itself.
        let links = if self.whole {
            self.graph
                .view
                .unchecked_links(level as u32, node)
                .map_err(|source| self.graph.section.error(source))
        } else {
            self.graph.links(level as u32, node)
        };
        links.unwrap_or_else(|error| {
            self.damage.borrow_mut().get_or_insert(error);
            &[]
        })
    }

    #[inline]
    fn announce(&self, level: usize, node: u32) {
        if level == 0 {
            prefetch(self.graph.view.level0_place(node));
        }
    }
}
