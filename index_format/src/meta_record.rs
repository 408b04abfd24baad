//! Section `Meta`: what a segment says about itself.

use crate::error::FormatError;
use crate::metadata;
use crate::settings::{IndexSettings, MAX_DIM};

/// Counts and settings of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaRecord {
    /// Documents in the segment.
    pub documents: u32,
    /// Tokens in the segment: at most `u32::MAX`.
    pub tokens: u64,
    /// Dimension of its token vectors; 0 if there are none.
    pub dim: u32,
    /// [`CodeWidth::number`](crate::CodeWidth::number) of a residual code; 0 if tokens are stored in another way or not at all.
    pub bits: u8,
    /// Dimension of its dense vectors; 0 if there are none.
    pub dense_dim: u32,
    /// Name and version of the program that wrote it.
    pub writer: String,
    /// The index's settings at that time.
    pub settings: IndexSettings,
    /// Settings of this build, by name: what the format need not know but people want to.
    pub build: Vec<(String, String)>,
}

impl MetaRecord {
    /// The bytes of the section.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] or [`FormatError::Inconsistent`] if [`decode`](Self::decode) would refuse them.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        metadata::encode_meta(self)
    }

    /// Reads the section.
    ///
    /// # Errors
    /// [`FormatError::Record`] if the bytes are no such record, [`FormatError::TooLarge`] or
    /// [`FormatError::Inconsistent`] if it contradicts itself.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let record = metadata::decode_meta(bytes)?;
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), FormatError> {
        self.settings.check()?;
        for (what, limit, found) in [
            ("the number of tokens in a segment", u32::MAX.into(), self.tokens),
            ("a dimension", MAX_DIM.into(), self.dim.into()),
            ("a dimension", MAX_DIM.into(), self.dense_dim.into()),
            ("the width of a code", 4, self.bits.into()),
        ] {
            if found > limit {
                return Err(FormatError::TooLarge { what, limit, found });
            }
        }
        Ok(())
    }
}
