//! Small files in one piece: a head that gives the length and checksum of the body, then the body.

use crate::checksum::{self, checksum};
use crate::error::{FormatError, Part};
use crate::head::{self, FileKind, HEAD_LEN};

/// Puts a head before `body`.
pub(crate) fn seal(kind: FileKind, body: &[u8]) -> Vec<u8> {
    let (head, _) = head::encode(kind, body.len() as u64, checksum(body));
    let mut file = Vec::with_capacity(HEAD_LEN + body.len());
    file.extend_from_slice(&head);
    file.extend_from_slice(body);
    file
}

/// The verified body of a file.
pub(crate) fn open(file: &[u8], kind: FileKind) -> Result<&[u8], FormatError> {
    let head = head::parse(file, kind)?;
    let body = &file[HEAD_LEN..];
    let have = body.len() as u64;
    if have < head.body_length {
        return Err(FormatError::Truncated { what: "the file body", needed: head.body_length, have });
    }
    if have > head.body_length {
        return Err(FormatError::Inconsistent {
            what: "the length of the file body",
            expected: head.body_length,
            found: have,
        });
    }
    checksum::check(Part::Body(kind), body, head.body_checksum)?;
    Ok(body)
}

/// The checksum of a file's head, which covers the checksum of the body: it stands for the whole file.
pub(crate) fn identity(file: &[u8], kind: FileKind) -> Result<u64, FormatError> {
    Ok(head::parse(file, kind)?.checksum)
}
