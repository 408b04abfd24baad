//! Section `GraphLinks`: the links of an HNSW graph (Malkov & Yashunin, arXiv:1603.09320), without its vectors.

use std::io::Write;

use super::parts::{Parts, PartsWriter, at_most, expect, rows};
use crate::error::FormatError;
use crate::layout::graph as fields;
use crate::record::RecordBuf;

/// The most links of a node on one level.
pub const MAX_LINKS: u32 = 4096;

/// The highest level a node reaches.
pub const MAX_LEVEL: u32 = 63;

/// `entry` of a graph without nodes.
const NO_ENTRY: u32 = u32::MAX;

/// The numbers that bound a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphShape {
    /// How many nodes.
    pub nodes: u32,
    /// The most links of a node on levels above 0.
    pub m: u32,
    /// The most links of a node on level 0.
    pub m0: u32,
    /// Where searches start: a node that reaches `max_level`; `None` if there are no nodes.
    pub entry: Option<u32>,
    /// The highest level.
    pub max_level: u32,
}

impl GraphShape {
    fn check(&self) -> Result<(), FormatError> {
        at_most("the links of a node on level 0", MAX_LINKS.into(), self.m0.into())?;
        at_most("the links of a node above level 0", MAX_LINKS.into(), self.m.into())?;
        at_most("the highest level", MAX_LEVEL.into(), self.max_level.into())?;
        match self.entry {
            Some(entry) => check_node(entry, self.nodes),
            None => expect("the number of nodes without an entry", 0, self.nodes.into()),
        }
    }
}

/// A graph as its builder holds it.
pub trait GraphSource {
    /// The highest level `node` reaches.
    fn level(&self, node: u32) -> u32;

    /// The neighbours of `node` on `level`, which it reaches.
    fn links(&self, level: u32, node: u32) -> &[u32];
}

/// Writes the section.
///
/// # Errors
/// [`FormatError::TooLarge`] if a list is longer or a node higher than `shape` allows,
/// [`FormatError::OutOfRange`] if a link leads to no node, [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_graph_links(
    out: &mut impl Write,
    shape: &GraphShape,
    graph: &impl GraphSource,
) -> Result<(), FormatError> {
    shape.check()?;
    let mut upper_lists = 0_u64;
    for node in 0..shape.nodes {
        at_most("the level of a node", shape.max_level.into(), graph.level(node).into())?;
        upper_lists += u64::from(graph.level(node));
    }
    at_most("the number of lists above level 0", u32::MAX.into(), upper_lists)?;
    if let Some(entry) = shape.entry {
        expect("the level of the entry", shape.max_level.into(), graph.level(entry).into())?;
    }
    let head = RecordBuf::<64>::new(&fields::LAYOUT)
        .set(fields::NODES, shape.nodes.to_le_bytes())
        .set(fields::M, shape.m.to_le_bytes())
        .set(fields::M0, shape.m0.to_le_bytes())
        .set(fields::ENTRY, shape.entry.unwrap_or(NO_ENTRY).to_le_bytes())
        .set(fields::MAX_LEVEL, shape.max_level.to_le_bytes())
        .set(fields::UPPER_LISTS, (upper_lists as u32).to_le_bytes());
    let mut out = PartsWriter::new(out);
    out.put(&head.into_bytes())?;
    for node in 0..shape.nodes {
        put_list(&mut out, graph.links(0, node), shape.m0, shape.nodes)?;
    }
    out.padding()?;
    let mut end = 0_u32;
    out.put(&end.to_le_bytes())?;
    for node in 0..shape.nodes {
        end += graph.level(node);
        out.put(&end.to_le_bytes())?;
    }
    out.padding()?;
    for node in 0..shape.nodes {
        for level in 1..=graph.level(node) {
            put_list(&mut out, graph.links(level, node), shape.m, shape.nodes)?;
        }
    }
    Ok(())
}

fn put_list<W: Write>(
    out: &mut PartsWriter<'_, W>,
    links: &[u32],
    most: u32,
    nodes: u32,
) -> Result<(), FormatError> {
    at_most("the links of a node", most.into(), links.len() as u64)?;
    links.iter().try_for_each(|&link| check_node(link, nodes))?;
    out.put(&(links.len() as u32).to_le_bytes())?;
    out.put(bytemuck::cast_slice(links))?;
    let unused = most as usize - links.len();
    out.put(&[0; 4 * MAX_LINKS as usize][..4 * unused])
}

/// A graph in a section.
#[derive(Debug, Clone, Copy)]
pub struct GraphLinksView<'a> {
    shape: GraphShape,
    /// `[nodes, 1 + m0]`: a count, links, zeros.
    level0: &'a [u32],
    /// The lists of node `n` above level 0 are `upper_offsets[n]..upper_offsets[n + 1]`, by level.
    upper_offsets: &'a [u32],
    /// `[lists, 1 + m]`: a count, links, zeros.
    upper: &'a [u32],
}

impl<'a> GraphLinksView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if a field of the head is out of its range or the arrays have another length.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let entry = head.u32(fields::ENTRY);
        let shape = GraphShape {
            nodes: head.u32(fields::NODES),
            m: head.u32(fields::M),
            m0: head.u32(fields::M0),
            entry: (entry != NO_ENTRY).then_some(entry),
            max_level: head.u32(fields::MAX_LEVEL),
        };
        shape.check()?;
        let (nodes, lists) = (u64::from(shape.nodes), u64::from(head.u32(fields::UPPER_LISTS)));
        // No overflow: both factors are below 2^33.
        let level0 = parts.array("links of level 0", nodes * (1 + u64::from(shape.m0)))?;
        parts.padding()?;
        let upper_offsets: &[u32] = parts.array("offsets of upper links", nodes + 1)?;
        parts.padding()?;
        let upper = parts.array("upper links", lists * (1 + u64::from(shape.m)))?;
        parts.finish()?;
        expect("the first offset of upper links", 0, upper_offsets[0].into())?;
        expect("the last offset of upper links", lists, upper_offsets[nodes as usize].into())?;
        Ok(Self { shape, level0, upper_offsets, upper })
    }

    /// The numbers that bound the graph.
    #[must_use]
    pub fn shape(&self) -> GraphShape {
        self.shape
    }

    /// How many nodes.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.shape.nodes
    }

    /// Where searches start; `None` if there are no nodes.
    #[must_use]
    pub fn entry(&self) -> Option<u32> {
        self.shape.entry
    }

    /// The highest level.
    #[must_use]
    pub fn max_level(&self) -> u32 {
        self.shape.max_level
    }

    /// The highest level `node` reaches.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such node, [`FormatError::Inconsistent`] if its offsets
    /// decrease.
    pub fn level(&self, node: u32) -> Result<u32, FormatError> {
        check_node(node, self.shape.nodes)?;
        let (start, end) = (self.upper_offsets[node as usize], self.upper_offsets[node as usize + 1]);
        let level = end.checked_sub(start).ok_or(FormatError::Inconsistent {
            what: "an offset of upper links",
            expected: start.into(),
            found: end.into(),
        })?;
        at_most("the level of a node", self.shape.max_level.into(), level.into())?;
        Ok(level)
    }

    /// The neighbours of `node` on `level`: every one is a node of the graph. Cost: `O(links)`.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] if there is no such node, it does not reach `level`, or a link leads nowhere;
    /// [`FormatError::TooLarge`] if it claims more links than there is room for.
    pub fn links(&self, level: u32, node: u32) -> Result<&'a [u32], FormatError> {
        let list = self.unchecked_links(level, node)?;
        // The largest first: one pass without branches, and the common case is done.
        match list.iter().copied().max() {
            Some(largest) => check_node(largest, self.shape.nodes).map(|()| list),
            None => Ok(list),
        }
    }

    /// As [`links`](Self::links), but the neighbours are any numbers: the caller checks them. Cost: `O(1)`.
    ///
    /// # Errors
    /// As [`links`](Self::links), but for where they lead.
    #[inline]
    pub fn unchecked_links(&self, level: u32, node: u32) -> Result<&'a [u32], FormatError> {
        match level {
            0 => self.list(self.level0, self.shape.m0, node),
            _ => {
                let reached = self.level(node)?;
                if level > reached {
                    let (index, len) = (level.into(), u64::from(reached) + 1);
                    return Err(FormatError::OutOfRange { what: "level of the node", index, len });
                }
                let list = self.upper_offsets[node as usize].saturating_add(level - 1);
                self.list(self.upper, self.shape.m, list)
            }
        }
    }

    /// The place of a node's list on level 0: to be fetched, not read. Empty if there is no such node.
    #[must_use]
    #[inline]
    pub fn level0_place(&self, node: u32) -> &'a [u32] {
        let stride = 1 + self.shape.m0 as usize;
        let start = node as usize * stride;
        self.level0.get(start..start + stride).unwrap_or_default()
    }

    /// Walks every list. Cost: reads the whole section.
    ///
    /// # Errors
    /// [`FormatError`] of the first that is not sound, or an entry that does not reach the highest level.
    pub fn check(&self) -> Result<(), FormatError> {
        for node in 0..self.shape.nodes {
            for level in 0..=self.level(node)? {
                for &link in self.links(level, node)? {
                    let reached = self.level(link)?;
                    if reached < level {
                        let (index, len) = (level.into(), u64::from(reached) + 1);
                        return Err(FormatError::OutOfRange { what: "level of a neighbour", index, len });
                    }
                }
            }
        }
        self.check_unused(self.level0, self.shape.m0)?;
        self.check_unused(self.upper, self.shape.m)?;
        match self.shape.entry {
            Some(entry) => {
                expect("the level of the entry", self.shape.max_level.into(), self.level(entry)?.into())
            }
            None => Ok(()),
        }
    }

    /// After the links of a list only zeros follow.
    fn check_unused(&self, lists: &[u32], most: u32) -> Result<(), FormatError> {
        for list in lists.chunks_exact(1 + most as usize) {
            at_most("the links of a node", most.into(), list[0].into())?;
            if let Some(&found) = list[1 + list[0] as usize..].iter().find(|&&link| link != 0) {
                expect("an unused link", 0, found.into())?;
            }
        }
        Ok(())
    }

    fn list(&self, lists: &'a [u32], most: u32, index: u32) -> Result<&'a [u32], FormatError> {
        let index = index as usize;
        let list = rows("list of links", lists, 1 + most as usize, index..index.saturating_add(1))?;
        let count = list.first().copied().unwrap_or_default();
        at_most("the links of a node", most.into(), count.into())?;
        Ok(list[1..].split_at(count as usize).0)
    }
}

fn check_node(node: u32, nodes: u32) -> Result<(), FormatError> {
    if node < nodes {
        return Ok(());
    }
    Err(FormatError::OutOfRange { what: "node", index: node.into(), len: nodes.into() })
}
