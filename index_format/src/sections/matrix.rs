//! Sections `RawTokens` and `DenseVectors`: vectors, one after the other.

use std::io::Write;

use half::f16;

use super::parts::{Parts, PartsWriter, check_dim, expect};
use crate::error::FormatError;
use crate::layout::matrix as fields;
use crate::record::RecordBuf;

/// How numbers of a matrix are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// Signed bytes, with an `f32` factor per row.
    I8,
}

impl Dtype {
    /// The number in the matrix head.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::F32 => 1,
            Self::F16 => 2,
            Self::I8 => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::F32, Self::F16, Self::I8].into_iter().find(|dtype| dtype.code() == code)
    }
}

/// The numbers of a matrix `[rows, dim]`, row-major, in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MatrixData<'a> {
    /// The values.
    F32(&'a [f32]),
    /// The values.
    F16(&'a [f16]),
    /// Row `r` is `scales[r] · values[r · dim..][..dim]`.
    I8 {
        /// `[rows]`
        scales: &'a [f32],
        /// `[rows, dim]`
        values: &'a [i8],
    },
}

impl MatrixData<'_> {
    /// How the numbers are stored.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F16(_) => Dtype::F16,
            Self::I8 { .. } => Dtype::I8,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::I8 { values, .. } => values.len(),
        }
    }
}

/// The view of section `RawTokens`.
pub type RawTokensView<'a> = MatrixView<'a>;

/// The view of section `DenseVectors`.
pub type DenseVectorsView<'a> = MatrixView<'a>;

/// A matrix in a section. Its numbers may be anything, NaN too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixView<'a> {
    data: MatrixData<'a>,
    dim: u32,
    rows: u64,
}

impl<'a> MatrixView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if a field of the head is out of its range or the numbers take another length,
    /// [`FormatError::Misaligned`] if `bytes` does not lie at an address for numbers.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let (rows, dim, code) = (head.u64(fields::ROWS), head.u32(fields::DIM), head.u8(fields::DTYPE));
        check_dim(dim)?;
        let dtype = Dtype::from_code(code).ok_or(FormatError::Inconsistent {
            what: "the dtype of a matrix",
            expected: Dtype::I8.code().into(),
            found: code.into(),
        })?;
        let count = rows.saturating_mul(dim.into());
        let data = match dtype {
            Dtype::F32 => MatrixData::F32(parts.array("f32 rows", count)?),
            Dtype::F16 => MatrixData::F16(parts.array("f16 rows", count)?),
            Dtype::I8 => {
                let scales = parts.array("row scales", rows)?;
                parts.padding()?;
                MatrixData::I8 { scales, values: parts.array("i8 rows", count)? }
            }
        };
        parts.finish()?;
        Ok(Self { data, dim, rows })
    }

    /// How many vectors.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// The length of each.
    #[must_use]
    pub fn dim(&self) -> u32 {
        self.dim
    }

    /// How the numbers are stored.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.data.dtype()
    }

    /// The numbers.
    #[must_use]
    pub fn data(&self) -> MatrixData<'a> {
        self.data
    }

    /// All rows of an [`Dtype::F32`] matrix.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if it is of another dtype.
    pub fn rows_f32(&self) -> Result<&'a [f32], FormatError> {
        match self.data {
            MatrixData::F32(values) => Ok(values),
            _ => Err(self.other_dtype(Dtype::F32)),
        }
    }

    /// All rows of an [`Dtype::F16`] matrix.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if it is of another dtype.
    pub fn rows_f16(&self) -> Result<&'a [f16], FormatError> {
        match self.data {
            MatrixData::F16(values) => Ok(values),
            _ => Err(self.other_dtype(Dtype::F16)),
        }
    }

    /// The row scales and all rows of an [`Dtype::I8`] matrix.
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if it is of another dtype.
    pub fn rows_i8(&self) -> Result<(&'a [f32], &'a [i8]), FormatError> {
        match self.data {
            MatrixData::I8 { scales, values } => Ok((scales, values)),
            _ => Err(self.other_dtype(Dtype::I8)),
        }
    }

    fn other_dtype(&self, asked: Dtype) -> FormatError {
        FormatError::Inconsistent {
            what: "the dtype of a matrix",
            expected: asked.code().into(),
            found: self.dtype().code().into(),
        }
    }
}

/// Writes the section from numbers in memory.
///
/// # Errors
/// [`FormatError::Inconsistent`] if they are no rows of `dim`, [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_matrix(out: &mut impl Write, dim: u32, data: MatrixData<'_>) -> Result<(), FormatError> {
    check_dim(dim)?;
    expect("the odd numbers of a matrix", 0, data.len() as u64 % u64::from(dim))?;
    let rows = data.len() as u64 / u64::from(dim);
    let mut out = PartsWriter::new(out);
    out.put(&matrix_head(data.dtype(), dim, rows))?;
    match data {
        MatrixData::F32(values) => out.put(bytemuck::cast_slice(values)),
        MatrixData::F16(values) => out.put(bytemuck::cast_slice(values)),
        MatrixData::I8 { scales, values } => {
            expect("the number of row scales", rows, scales.len() as u64)?;
            out.put(bytemuck::cast_slice(scales))?;
            out.padding()?;
            out.put(bytemuck::cast_slice(values))
        }
    }
}

/// Starts the section where the rows do not fit into memory: the caller writes them next, exactly `rows` of
/// them, little-endian.
///
/// # Errors
/// [`FormatError::Inconsistent`] for [`Dtype::I8`], whose row scales come first: use [`write_matrix`].
/// [`FormatError::Io`] if `out` refuses the bytes.
pub fn begin_matrix(out: &mut impl Write, dtype: Dtype, dim: u32, rows: u64) -> Result<(), FormatError> {
    check_dim(dim)?;
    if dtype == Dtype::I8 {
        let (expected, found) = (Dtype::F32.code().into(), dtype.code().into());
        return Err(FormatError::Inconsistent { what: "the dtype of streamed rows", expected, found });
    }
    Ok(out.write_all(&matrix_head(dtype, dim, rows))?)
}

fn matrix_head(dtype: Dtype, dim: u32, rows: u64) -> [u8; 64] {
    RecordBuf::<64>::new(&fields::LAYOUT)
        .set(fields::ROWS, rows.to_le_bytes())
        .set(fields::DIM, dim.to_le_bytes())
        .set(fields::DTYPE, [dtype.code()])
        .into_bytes()
}
