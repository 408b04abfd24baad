//! Reading and filling fixed-size records by the fields of their [`RecordLayout`].

use crate::FormatError;
use crate::layout::{Field, RecordLayout};

/// A record inside a file: as long as its layout says, reserved bytes zero.
#[derive(Clone, Copy)]
pub(crate) struct RecordRef<'a> {
    bytes: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Views the first bytes of `bytes` as a record.
    pub(crate) fn new(layout: &RecordLayout, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let Some(bytes) = bytes.get(..layout.len) else {
            let (needed, have) = (layout.len as u64, bytes.len() as u64);
            return Err(FormatError::Truncated { what: layout.title, needed, have });
        };
        let record = Self { bytes };
        for field in layout.fields.iter().filter(|field| field.name == "reserved") {
            if let Some(&found) = record.bytes(*field).iter().find(|&&byte| byte != 0) {
                return Err(FormatError::Inconsistent {
                    what: "a reserved byte",
                    expected: 0,
                    found: found.into(),
                });
            }
        }
        Ok(record)
    }

    /// The bytes of `field`, which belongs to this record's layout and so lies inside.
    pub(crate) fn bytes(&self, field: Field) -> &'a [u8] {
        &self.bytes[field.offset..field.offset + field.size]
    }

    pub(crate) fn array<const N: usize>(&self, field: Field) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field));
        array
    }

    pub(crate) fn u8(&self, field: Field) -> u8 {
        u8::from_le_bytes(self.array(field))
    }

    pub(crate) fn u16(&self, field: Field) -> u16 {
        u16::from_le_bytes(self.array(field))
    }

    pub(crate) fn u32(&self, field: Field) -> u32 {
        u32::from_le_bytes(self.array(field))
    }

    pub(crate) fn u64(&self, field: Field) -> u64 {
        u64::from_le_bytes(self.array(field))
    }

    pub(crate) fn f32(&self, field: Field) -> f32 {
        f32::from_le_bytes(self.array(field))
    }
}

/// A record being filled; what is not set stays zero.
pub(crate) struct RecordBuf<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> RecordBuf<N> {
    pub(crate) fn new(layout: &RecordLayout) -> Self {
        assert_eq!(layout.len, N, "{} has another length", layout.title);
        Self { bytes: [0; N] }
    }

    /// Sets `field` to little-endian `value`, which is as long as the field.
    pub(crate) fn set(mut self, field: Field, value: impl AsRef<[u8]>) -> Self {
        self.bytes[field.offset..field.offset + field.size].copy_from_slice(value.as_ref());
        self
    }

    /// The bytes before `field`.
    pub(crate) fn before(&self, field: Field) -> &[u8] {
        &self.bytes[..field.offset]
    }

    pub(crate) fn into_bytes(self) -> [u8; N] {
        self.bytes
    }
}
