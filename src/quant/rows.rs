//! Where the vectors come from.

use crate::types::TokenMatrix;

/// Unit vectors that can be read in any order, from any thread: memory, a file of half floats, another index.
///
/// Rows are copied out one at a time, so the source decides how they are stored and nothing else needs the
/// whole matrix in memory.
pub trait TokenRows: Sync {
    /// How many rows.
    fn len(&self) -> usize;

    /// The length of each row.
    fn dim(&self) -> usize;

    /// Writes row `row` to `out`, which has [`dim`](Self::dim) places. The same row gives the same numbers every time.
    fn copy_row(&self, row: usize, out: &mut [f32]);

    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl TokenRows for TokenMatrix<'_> {
    fn len(&self) -> usize {
        self.rows()
    }

    fn dim(&self) -> usize {
        TokenMatrix::dim(self)
    }

    fn copy_row(&self, row: usize, out: &mut [f32]) {
        out.copy_from_slice(self.row(row));
    }
}
