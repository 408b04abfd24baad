//! Constants of a graph: small ones in memory, weights on their way from the checkpoint.

use std::io::{self, Write};
use std::sync::Arc;

use super::ExportError;
use super::messages::{DataType, TensorHead};

/// Where a weight's numbers come from when the file is written.
pub(super) trait WeightSource {
    /// Hands over the tensor called `name` in order, a whole number of rows of `row` numbers at a time.
    fn stream(
        &self,
        name: &str,
        row: usize,
        take: &mut dyn FnMut(&[f32]) -> Result<(), ExportError>,
    ) -> Result<(), ExportError>;

    /// The tensor called `name`, row-major.
    fn read(&self, name: &str) -> Result<Vec<f32>, ExportError> {
        let mut values = Vec::new();
        self.stream(name, 1, &mut |part| {
            values.extend_from_slice(part);
            Ok(())
        })?;
        Ok(values)
    }
}

/// What is written of a tensor of the checkpoint, a matrix `[rows, columns]`.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// The numbers as they are.
    Plain,
    /// The numbers, `[columns, rows]`.
    Transposed,
    /// `round(w / step)` of each row, in int8, turned to `[columns, rows]` if `transposed`; 0 in the columns `without`.
    Codes { transposed: bool, without: Columns },
    /// The rows' steps: `max |w| / 127`, the columns `without` left out.
    Steps { without: Columns },
    /// These columns: `[columns, rows]`.
    Columns(Columns),
}

/// Columns of a weight, ascending.
pub(super) type Columns = Arc<[usize]>;

pub(super) enum Content {
    Bytes(Vec<u8>),
    Stored { tensor: String, columns: usize, form: Form },
}

/// A constant and how long its bytes are.
pub(super) struct Initializer {
    pub(super) head: TensorHead,
    pub(super) content: Content,
    pub(super) len: u64,
}

impl Initializer {
    pub(super) fn new(name: String, dims: &[usize], elem: DataType, content: Content) -> Self {
        let count: u64 = dims.iter().map(|&dim| dim as u64).product();
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        let head = TensorHead { dims, data_type: elem as i32, name, ..TensorHead::default() };
        Self { head, content, len: count * elem.bytes() }
    }

    /// Writes [`Self::len`] bytes.
    pub(super) fn write(
        &self,
        weights: &dyn WeightSource,
        out: &mut dyn Write,
        fail: &dyn Fn(io::Error) -> ExportError,
    ) -> Result<(), ExportError> {
        match &self.content {
            Content::Bytes(bytes) => out.write_all(bytes).map_err(fail),
            Content::Stored { tensor, columns, form } => {
                let mut counted = Counted { out, len: 0 };
                write_form(weights, (tensor, *columns), form, &mut counted, fail)?;
                debug_assert_eq!(counted.len, self.len, "{tensor} {form:?}");
                Ok(())
            }
        }
    }
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    len: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn write_form(
    weights: &dyn WeightSource,
    (tensor, columns): (&str, usize),
    form: &Form,
    out: &mut dyn Write,
    fail: &dyn Fn(io::Error) -> ExportError,
) -> Result<(), ExportError> {
    let mut bytes = Vec::new();
    match form {
        Form::Plain => weights.stream(tensor, columns, &mut |part| {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
            out.write_all(&bytes).map_err(fail)
        }),
        Form::Transposed => {
            let values = weights.read(tensor)?;
            write_turned(&values, columns, &mut |column| {
                bytes.clear();
                bytes.extend(column.iter().flat_map(|value| value.to_le_bytes()));
                out.write_all(&bytes).map_err(fail)
            })
        }
        Form::Steps { without } => weights.stream(tensor, columns, &mut |part| {
            bytes.clear();
            bytes.extend(part.chunks_exact(columns).flat_map(|row| step(row, without).to_le_bytes()));
            out.write_all(&bytes).map_err(fail)
        }),
        Form::Codes { transposed: false, without } => weights.stream(tensor, columns, &mut |part| {
            bytes.clear();
            part.chunks_exact(columns).for_each(|row| code(row, without, &mut bytes));
            out.write_all(&bytes).map_err(fail)
        }),
        Form::Codes { transposed: true, without } => {
            weights.stream(tensor, columns, &mut |part| {
                part.chunks_exact(columns).for_each(|row| code(row, without, &mut bytes));
                Ok(())
            })?;
            write_turned(&bytes, columns, &mut |column| out.write_all(column).map_err(fail))
        }
        Form::Columns(kept) => {
            let mut found = vec![Vec::new(); kept.len()];
            weights.stream(tensor, columns, &mut |part| {
                for row in part.chunks_exact(columns) {
                    found.iter_mut().zip(&**kept).for_each(|(column, &at)| column.push(row[at]));
                }
                Ok(())
            })?;
            bytes.extend(found.iter().flatten().flat_map(|value| value.to_le_bytes()));
            out.write_all(&bytes).map_err(fail)
        }
    }
}

/// Columns are gathered this many at a time, so that a cache line read serves all of them.
const BLOCK: usize = 32;

/// Hands over each column of `values`, `[rows, columns]`.
fn write_turned<T: Copy + Default>(
    values: &[T],
    columns: usize,
    write: &mut dyn FnMut(&[T]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let rows = values.len() / columns.max(1);
    let mut block = vec![T::default(); BLOCK * rows];
    for first in (0..columns).step_by(BLOCK) {
        let width = BLOCK.min(columns - first);
        for (at, row) in values.chunks_exact(columns).enumerate() {
            for (column, &value) in row[first..first + width].iter().enumerate() {
                block[column * rows + at] = value;
            }
        }
        for column in block.chunks_exact(rows.max(1)).take(width) {
            write(column)?;
        }
    }
    Ok(())
}

/// The step of a row's codes; rows of zeros have a step too.
fn step(row: &[f32], without: &[usize]) -> f32 {
    let counted = row.iter().enumerate().filter(|(at, _)| without.binary_search(at).is_err());
    let largest = counted.fold(0.0, |largest: f32, (_, value)| largest.max(value.abs()));
    if largest > 0.0 { largest / 127.0 } else { 1.0 }
}

fn code(row: &[f32], without: &[usize], out: &mut Vec<u8>) {
    let (start, step) = (out.len(), step(row, without));
    out.extend(row.iter().map(|value| (value / step).round().clamp(-127.0, 127.0) as i8 as u8));
    without.iter().for_each(|at| out[start + at] = 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_any_matrix_come_in_order() {
        for (rows, columns) in [(1, 1), (3, 70), (70, 3), (33, 32), (0, 5)] {
            let values: Vec<usize> = (0..rows * columns).collect();
            let mut turned = Vec::new();
            write_turned(&values, columns, &mut |column| {
                turned.extend_from_slice(column);
                Ok(())
            })
            .unwrap();
            let expected: Vec<usize> =
                (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column)).collect();
            assert_eq!(turned, expected, "{rows} {columns}");
        }
    }

    #[test]
    fn codes_times_step_are_near_the_weights() {
        let row = [0.5, -1.0, 0.0, 0.249];
        let codes = |without: &[usize]| {
            let mut codes = Vec::new();
            code(&row, without, &mut codes);
            codes.into_iter().map(|code| code as i8).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[]), [64, -127, 0, 32]);
        assert_eq!(step(&row, &[]), 1.0 / 127.0);
        // What is left out has no say in the step.
        assert_eq!(codes(&[1]), [127, 0, 0, 63]);
        assert_eq!(step(&[0.0; 3], &[]), 1.0);
    }
}
