//! Numbers in as few bytes as they need, seven bits each, the least significant first.

pub(super) fn push_leb128(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The first number and the bytes after it. Only the shortest encoding of a `u32` is one.
#[inline]
pub(super) fn read_leb128(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((first.into(), rest));
    }
    let mut number = u64::from(first & 0x7f);
    for (index, &byte) in rest.iter().take(4).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * (index + 1));
        if byte < 0x80 {
            let number = u32::try_from(number).ok()?;
            return (byte != 0).then_some((number, &rest[index + 1..]));
        }
    }
    None
}
