//! Thrift's compact protocol, as far as Parquet's footer and page headers need it.
//!
//! Nothing is allocated by a count that the bytes claim: a list is handed out element by element, and every element takes at least one byte.

use super::error::ParquetProblem;

/// Structures inside structures; Parquet's own have six.
const DEEPEST: u32 = 32;

const BROKEN: ParquetProblem = ParquetProblem::damaged("a header is not whole");

/// Kinds of values, as compact field headers number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    True,
    False,
    Byte,
    Integer,
    Double,
    Bytes,
    List,
    Map,
    Struct,
    Uuid,
}

impl Kind {
    fn of(number: u8) -> Result<Self, ParquetProblem> {
        Ok(match number {
            1 => Self::True,
            2 => Self::False,
            3 => Self::Byte,
            4..=6 => Self::Integer,
            7 => Self::Double,
            8 => Self::Bytes,
            9 | 10 => Self::List,
            11 => Self::Map,
            12 => Self::Struct,
            13 => Self::Uuid,
            _ => return Err(BROKEN),
        })
    }
}

/// Reads values one after another from `bytes`.
#[derive(Debug, Clone)]
pub(super) struct Thrift<'b> {
    bytes: &'b [u8],
    at: usize,
    depth: u32,
}

impl<'b> Thrift<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Hands every field of a structure to `field`, which reads its value or skips it.
    pub(super) fn structure(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Kind) -> Result<(), ParquetProblem>,
    ) -> Result<(), ParquetProblem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ParquetProblem::damaged("a header has structures too deep in each other"));
        }
        let mut id = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                break;
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| BROKEN)?,
                more => id.checked_add(i16::from(more)).ok_or(BROKEN)?,
            };
            field(self, id, Kind::of(head & 15)?)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Hands every element of a list to `element`.
    pub(super) fn list(
        &mut self,
        kind: Kind,
        mut element: impl FnMut(&mut Self, Kind) -> Result<(), ParquetProblem>,
    ) -> Result<(), ParquetProblem> {
        if kind != Kind::List {
            return Err(BROKEN);
        }
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        let of = Kind::of(head & 15)?;
        for _ in 0..count {
            element(self, of)?;
        }
        Ok(())
    }

    /// A whole number of any width.
    pub(super) fn integer(&mut self, kind: Kind) -> Result<i64, ParquetProblem> {
        match kind {
            Kind::Integer => self.zigzag(),
            Kind::Byte => self.byte().map(|byte| i64::from(byte as i8)),
            _ => Err(BROKEN),
        }
    }

    /// A number that cannot be negative.
    pub(super) fn count(&mut self, kind: Kind) -> Result<u64, ParquetProblem> {
        u64::try_from(self.integer(kind)?)
            .map_err(|_| ParquetProblem::damaged("a header has a negative number"))
    }

    pub(super) fn string(&mut self, kind: Kind) -> Result<String, ParquetProblem> {
        if kind != Kind::Bytes {
            return Err(BROKEN);
        }
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| ParquetProblem::damaged("a name is not UTF-8"))
    }

    /// The value of a truth; in a field its kind says it.
    pub(super) fn truth(kind: Kind) -> Result<bool, ParquetProblem> {
        match kind {
            Kind::True => Ok(true),
            Kind::False => Ok(false),
            _ => Err(BROKEN),
        }
    }

    /// Passes over the value of a field.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), ParquetProblem> {
        match kind {
            Kind::True | Kind::False => Ok(()),
            _ => self.skip_element(kind),
        }
    }

    /// In lists and maps, unlike in fields, a truth takes a byte.
    fn skip_element(&mut self, kind: Kind) -> Result<(), ParquetProblem> {
        match kind {
            Kind::True | Kind::False | Kind::Byte => self.byte().map(drop),
            Kind::Integer => self.varint().map(drop),
            Kind::Double => self.take(8).map(drop),
            Kind::Uuid => self.take(16).map(drop),
            Kind::Bytes => self.bytes().map(drop),
            Kind::List => self.nested(|this| this.list(Kind::List, Self::skip_element)),
            Kind::Struct => self.structure(|this, _, kind| this.skip(kind)),
            Kind::Map => self.nested(Self::skip_map),
        }
    }

    fn skip_map(&mut self) -> Result<(), ParquetProblem> {
        let count = self.varint()?;
        if count == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 15)?);
        for _ in 0..count {
            self.skip_element(key)?;
            self.skip_element(value)?;
        }
        Ok(())
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), ParquetProblem>,
    ) -> Result<(), ParquetProblem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ParquetProblem::damaged("a header has lists too deep in each other"));
        }
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, ParquetProblem> {
        let byte = *self.bytes.get(self.at).ok_or(BROKEN)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], ParquetProblem> {
        let end = self.at.checked_add(count).ok_or(BROKEN)?;
        let taken = self.bytes.get(self.at..end).ok_or(BROKEN)?;
        self.at = end;
        Ok(taken)
    }

    fn bytes(&mut self) -> Result<&'b [u8], ParquetProblem> {
        let count = usize::try_from(self.varint()?).map_err(|_| BROKEN)?;
        self.take(count)
    }

    fn zigzag(&mut self) -> Result<i64, ParquetProblem> {
        self.varint().map(unzigzag)
    }

    fn varint(&mut self) -> Result<u64, ParquetProblem> {
        varint(self.bytes, &mut self.at).ok_or(BROKEN)
    }
}

/// An unsigned number of seven bits a byte, low ones first; at most ten bytes.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// A signed number whose sign is its lowest bit.
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
