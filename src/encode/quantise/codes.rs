use std::borrow::Cow;

use super::{QuantiseError, Ranges};
use crate::types::{TokenMatrix, TokenMatrixBuf};

/// How a component is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As it is.
    #[default]
    Float32,
    /// A signed byte within its range.
    Int8,
    /// A byte within its range.
    Uint8,
    /// A bit; bytes are signed.
    Binary,
    /// A bit; bytes are not signed.
    Ubinary,
}

impl Precision {
    /// Bytes of a vector of `dim` components.
    #[must_use]
    pub fn bytes(self, dim: usize) -> usize {
        match self {
            Self::Float32 => dim * size_of::<f32>(),
            Self::Int8 | Self::Uint8 => dim,
            Self::Binary | Self::Ubinary => dim.div_ceil(8),
        }
    }
}

/// The first `dim` components of each vector, scaled to length 1 again.
///
/// Models trained for it keep most of what they know in the first components (Matryoshka representations); of other
/// models this throws away what happens to come last.
///
/// # Errors
/// [`QuantiseError::Truncate`] if `dim` is 0 or more than the vectors have.
///
/// ```
/// use lateen::encode::quantise::truncate;
/// use lateen::types::TokenMatrix;
/// let short = truncate(TokenMatrix::new(&[3.0, 4.0, 12.0], 3)?, 2)?;
/// assert_eq!(short.view().row(0), [0.6, 0.8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn truncate(rows: TokenMatrix<'_>, dim: usize) -> Result<TokenMatrixBuf, QuantiseError> {
    if dim == 0 || dim > rows.dim() {
        return Err(QuantiseError::Truncate { dim: rows.dim(), wanted: dim });
    }
    let kept: Vec<f32> = rows.iter().flat_map(|row| row[..dim].iter().copied()).collect();
    let mut kept = TokenMatrixBuf::new(kept, dim)?;
    kept.normalize_rows();
    Ok(kept)
}

/// Vectors as codes: `[rows, bytes]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    pub(super) precision: Precision,
    pub(super) dim: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) ranges: Option<Ranges>,
}

impl Quantised {
    /// Codes of `rows`. Bytes need ranges: without `ranges` those of the rows themselves are taken, which is sound only
    /// if all vectors that are ever compared are among them.
    ///
    /// # Errors
    /// [`QuantiseError::Dimension`] if the ranges are for other vectors, [`QuantiseError::NoRows`] if there is neither a
    /// row nor a range.
    pub fn new(
        rows: TokenMatrix<'_>,
        precision: Precision,
        ranges: Option<&Ranges>,
    ) -> Result<Self, QuantiseError> {
        let dim = rows.dim();
        let mut this = Self { precision, dim, bytes: Vec::new(), ranges: None };
        this.bytes.reserve_exact(rows.rows() * precision.bytes(dim));
        match precision {
            Precision::Float32 => this.bytes.extend(rows.as_slice().iter().flat_map(|x| x.to_le_bytes())),
            Precision::Binary | Precision::Ubinary => {
                let offset = if precision == Precision::Binary { 0x80 } else { 0 };
                rows.iter().for_each(|row| this.bytes.extend(bits(row).map(|byte| byte ^ offset)));
            }
            Precision::Int8 | Precision::Uint8 => {
                let ranges = match ranges {
                    Some(ranges) => Cow::Borrowed(ranges),
                    None => Cow::Owned(Ranges::of(rows)?),
                };
                if ranges.low().len() != dim {
                    let found = ranges.low().len();
                    return Err(QuantiseError::Dimension { what: "the ranges", found, expected: dim });
                }
                let offset = if precision == Precision::Int8 { 0x80 } else { 0 };
                for row in rows.iter() {
                    this.bytes.extend(levels(row, &ranges).map(|level| level ^ offset));
                }
                this.ranges = Some(ranges.into_owned());
            }
        }
        Ok(this)
    }

    /// How components are kept.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Components of a vector before they became codes.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many vectors.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.bytes.len() / self.precision.bytes(self.dim)
    }

    /// All codes; floats are little-endian, signed bytes are in two's complement.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The ranges that bytes were made with.
    #[must_use]
    pub fn ranges(&self) -> Option<&Ranges> {
        self.ranges.as_ref()
    }

    /// One vector as numbers again: floats as they were, bytes as the middle of their step, bits as 0 and 1.
    ///
    /// # Errors
    /// [`QuantiseError::Row`] if there is no such row.
    pub fn decode(&self, row: usize) -> Result<Vec<f32>, QuantiseError> {
        let code = self.code(row)?;
        Ok(match (self.precision, &self.ranges) {
            (Precision::Float32, _) => code.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            (Precision::Binary | Precision::Ubinary, _) | (_, None) => {
                let bit = |at: usize| (self.unsigned(code[at / 8]) >> (7 - at % 8)) & 1;
                (0..self.dim).map(|at| f32::from(bit(at))).collect()
            }
            (Precision::Int8 | Precision::Uint8, Some(ranges)) => {
                let value = |(at, &byte): (usize, &u8)| {
                    ranges.low()[at] + (f32::from(self.unsigned(byte)) + 0.5) * ranges.step(at)
                };
                code.iter().enumerate().map(value).collect()
            }
        })
    }

    pub(super) fn code(&self, row: usize) -> Result<&[u8], QuantiseError> {
        let length = self.precision.bytes(self.dim);
        let start = row.checked_mul(length);
        let found = start.and_then(|start| self.bytes.get(start..start + length));
        found.ok_or(QuantiseError::Row { row, rows: self.rows() })
    }

    /// A byte of a code without the offset of signed ones.
    pub(super) fn unsigned(&self, byte: u8) -> u8 {
        match self.precision {
            Precision::Int8 | Precision::Binary => byte ^ 0x80,
            _ => byte,
        }
    }
}

/// The signs of a row, eight to a byte, the first highest.
fn bits(row: &[f32]) -> impl Iterator<Item = u8> {
    row.chunks(8)
        .map(|part| part.iter().enumerate().fold(0, |byte, (at, &x)| byte | u8::from(x > 0.0) << (7 - at)))
}

fn levels(row: &[f32], ranges: &Ranges) -> impl Iterator<Item = u8> {
    row.iter().enumerate().map(|(at, &x)| {
        let level = ((x - ranges.low()[at]) / ranges.step(at)).floor();
        level.clamp(0.0, 255.0) as u8
    })
}
