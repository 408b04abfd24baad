//! The footer: which columns there are, and where their values stand.

use std::io::{Read, Seek, SeekFrom};

use super::error::ParquetProblem;
use super::schema::{self, Element, Field};
use super::thrift::{Kind, Thrift};
use super::{Fault, MAGIC};

/// Larger footers are refused; one of a thousand row groups of ten columns takes about 2 MB.
const LARGEST: u64 = 64 << 20;
/// The length of the footer, and the magic bytes.
const TAIL: u64 = 8;

/// What a file says of itself.
#[derive(Debug, Clone)]
pub(super) struct Footer {
    pub(super) fields: Vec<Field>,
    pub(super) groups: Vec<RowGroup>,
}

/// Rows whose columns stand together.
#[derive(Debug, Clone, Default)]
pub(super) struct RowGroup {
    pub(super) rows: u64,
    pub(super) chunks: Vec<Chunk>,
}

/// The values of one column in one row group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) codec: i64,
    /// Bytes of the file, all of them inside it.
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Footer {
    pub(super) fn read(file: &mut (impl Read + Seek)) -> Result<Self, Fault> {
        let length = file.seek(SeekFrom::End(0))?;
        let magic = MAGIC.len() as u64;
        if length < magic + TAIL {
            return Err(ParquetProblem::NotParquet.into());
        }
        let mut head = [0; 4];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut head)?;
        let mut tail = [0; TAIL as usize];
        file.seek(SeekFrom::Start(length - TAIL))?;
        file.read_exact(&mut tail)?;
        let [a, b, c, d, end @ ..] = tail;
        if head == *b"PARE" && end == *b"PARE" {
            return Err(ParquetProblem::Encrypted.into());
        }
        if head != MAGIC || end != MAGIC {
            return Err(ParquetProblem::NotParquet.into());
        }
        let bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
        if bytes > LARGEST {
            return Err(ParquetProblem::TooLarge { part: "footer", bytes, limit: LARGEST }.into());
        }
        let begin = (length - TAIL)
            .checked_sub(bytes)
            .filter(|&begin| begin >= magic)
            .ok_or(ParquetProblem::damaged("the footer is longer than the file"))?;
        let mut footer = vec![0; bytes as usize];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut footer)?;
        Ok(Self::of(&footer, begin)?)
    }

    /// `end`: where the footer begins, and so every value must end.
    fn of(bytes: &[u8], end: u64) -> Result<Self, ParquetProblem> {
        let (mut elements, mut groups) = (Vec::new(), Vec::new());
        Thrift::new(bytes).structure(|thrift, id, kind| match id {
            2 => thrift.list(kind, |thrift, _| {
                elements.push(Element::read(thrift)?);
                Ok(())
            }),
            4 => thrift.list(kind, |thrift, _| {
                groups.push(row_group(thrift, end)?);
                Ok(())
            }),
            8 => Err(ParquetProblem::Encrypted),
            _ => thrift.skip(kind),
        })?;
        Ok(Self { fields: schema::fields(&elements)?, groups })
    }
}

fn row_group(thrift: &mut Thrift<'_>, end: u64) -> Result<RowGroup, ParquetProblem> {
    let mut group = RowGroup::default();
    thrift.structure(|thrift, id, kind| match id {
        1 => thrift.list(kind, |thrift, _| {
            group.chunks.push(chunk(thrift, end)?);
            Ok(())
        }),
        3 => {
            group.rows = thrift.count(kind)?;
            Ok(())
        }
        _ => thrift.skip(kind),
    })?;
    Ok(group)
}

fn chunk(thrift: &mut Thrift<'_>, end: u64) -> Result<Chunk, ParquetProblem> {
    let (mut codec, mut packed, mut data, mut dictionary) = (0, 0, None, None);
    thrift.structure(|thrift, id, kind| match id {
        1 => Err(ParquetProblem::damaged("a column stands in another file")),
        3 if kind == Kind::Struct => thrift.structure(|thrift, id, kind| {
            match id {
                4 => codec = thrift.integer(kind)?,
                7 => packed = thrift.count(kind)?,
                9 => data = Some(thrift.count(kind)?),
                11 => dictionary = Some(thrift.count(kind)?),
                _ => thrift.skip(kind)?,
            }
            Ok(())
        }),
        8 | 9 => Err(ParquetProblem::Encrypted),
        _ => thrift.skip(kind),
    })?;
    let data = data.ok_or(ParquetProblem::damaged("a column stands nowhere"))?;
    // Some writers give 0 for a dictionary that is not there.
    let begin = dictionary.filter(|&at| at > 0).map_or(data, |at| at.min(data));
    let inside = |chunk: &Chunk| begin >= MAGIC.len() as u64 && chunk.end <= end;
    begin
        .checked_add(packed)
        .map(|end| Chunk { codec, begin, end })
        .filter(inside)
        .ok_or(ParquetProblem::damaged("a column stands outside the file"))
}
