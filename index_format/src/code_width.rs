//! How wide a code is, and how codes share bytes.

use crate::error::FormatError;

/// How many values a component of a residual can take, and how codes of them are packed.
///
/// A byte holds `n` codes: the digits of a number of base `L`, least significant first. Where `L` is a power of two
/// these are bit fields.
///
/// | width | values `L` | codes a byte `n` | bits a component | bytes at 128 dimensions |
/// |---|---|---|---|---|
/// | [`One`](Self::One) | 2 | 8 | 1 | 16 |
/// | [`Ternary`](Self::Ternary) | 3 | 5 | 1.6 | 26 |
/// | [`Two`](Self::Two) | 4 | 4 | 2 | 32 |
/// | [`Four`](Self::Four) | 16 | 2 | 4 | 64 |
///
/// ```
/// use lateen_index_format::CodeWidth;
/// let mut row = [0; 2];
/// CodeWidth::Ternary.pack(&[2, 0, 1, 0, 0, 1], &mut row);
/// assert_eq!(row, [2 + 9, 1]);
/// assert_eq!(CodeWidth::Ternary.unpack(&row, 2), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CodeWidth {
    /// 1 bit: a sign.
    One,
    /// 1.6 bits: a sign or nothing, five to a byte.
    Ternary,
    /// 2 bits.
    Two,
    /// 4 bits.
    Four,
}

impl CodeWidth {
    /// All widths, narrowest first.
    pub const ALL: [Self; 4] = [Self::One, Self::Ternary, Self::Two, Self::Four];

    /// The number in records: the bits of a code, and 3 for ternary codes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Ternary => 3,
            Self::Four => 4,
        }
    }

    /// The width of this [`number`](Self::number).
    ///
    /// # Errors
    /// [`FormatError::Inconsistent`] if there is none.
    pub fn from_number(number: u8) -> Result<Self, FormatError> {
        let found = Self::ALL.into_iter().find(|width| width.number() == number);
        let what = "the width of a code";
        found.ok_or(FormatError::Inconsistent { what, expected: 4, found: number.into() })
    }

    /// Its name, as options and reports have it: `1`, `ternary`, `2`, `4`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Ternary => "ternary",
            Self::Two => "2",
            Self::Four => "4",
        }
    }

    /// How many values a code can have.
    #[must_use]
    pub const fn levels(self) -> usize {
        match self {
            Self::One => 2,
            Self::Ternary => 3,
            Self::Two => 4,
            Self::Four => 16,
        }
    }

    /// How many codes share a byte.
    #[must_use]
    pub const fn per_byte(self) -> usize {
        match self {
            Self::One => 8,
            Self::Ternary => 5,
            Self::Two => 4,
            Self::Four => 2,
        }
    }

    /// Bytes of one row of `dim` codes: `⌈dim / per_byte⌉`.
    #[must_use]
    pub const fn row_bytes(self, dim: usize) -> usize {
        dim.div_ceil(self.per_byte())
    }

    /// Digit `at` of a byte, `at < per_byte`. A byte above the largest number of that many digits has those of its remainder.
    #[must_use]
    pub const fn digit(self, byte: u8, at: usize) -> u8 {
        match self {
            Self::One => byte >> at & 1,
            Self::Ternary => byte / [1, 3, 9, 27, 81][at] % 3,
            Self::Two => byte >> (2 * at) & 3,
            Self::Four => byte >> (4 * at) & 15,
        }
    }

    /// Packs one row; unused digits are zero.
    ///
    /// # Panics
    /// If `out` is not [`row_bytes`](Self::row_bytes) long.
    pub fn pack(self, codes: &[u8], out: &mut [u8]) {
        assert_eq!(out.len(), self.row_bytes(codes.len()), "pack: length differs");
        let base = self.levels() as u8;
        for (byte, codes) in out.iter_mut().zip(codes.chunks(self.per_byte())) {
            debug_assert!(codes.iter().all(|&code| code < base));
            *byte =
                codes.iter().rev().fold(0, |number: u8, &code| number.wrapping_mul(base).wrapping_add(code));
        }
    }

    /// Code `at` of a packed row.
    ///
    /// # Panics
    /// If the row is too short.
    #[must_use]
    pub fn unpack(self, row: &[u8], at: usize) -> u8 {
        self.digit(row[at / self.per_byte()], at % self.per_byte())
    }

    /// One more than the largest byte of `digits` codes.
    pub(crate) fn byte_limit(self, digits: usize) -> u16 {
        (0..digits).fold(1, |limit, _| limit * self.levels() as u16)
    }
}
