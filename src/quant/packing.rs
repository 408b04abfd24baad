//! Codes of 2 or 4 bits side by side in bytes.

/// Bytes of one packed row: `⌈dim · bits / 8⌉`.
#[must_use]
pub fn row_bytes(dim: usize, bits: u8) -> usize {
    (dim * usize::from(bits)).div_ceil(8)
}

/// Packs one row: value `i` takes the bits from `i · bits` on, lowest bit first; unused bits are zero.
///
/// # Panics
/// If `bits` is neither 2 nor 4, or `out` is not [`row_bytes`] long.
pub fn pack(values: &[u8], bits: u8, out: &mut [u8]) {
    assert!(matches!(bits, 2 | 4), "pack: {bits} bits");
    assert_eq!(out.len(), row_bytes(values.len(), bits), "pack: length differs");
    for (byte, values) in out.iter_mut().zip(values.chunks(8 / usize::from(bits))) {
        *byte = values.iter().rev().fold(0, |packed, &value| packed << bits | value);
    }
}

/// Value `at` of a row packed by [`pack`].
///
/// # Panics
/// If the row is too short.
#[must_use]
pub fn unpack(row: &[u8], bits: u8, at: usize) -> u8 {
    let bit = at * usize::from(bits);
    row[bit / 8] >> (bit % 8) & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_value_is_in_the_lowest_bits() {
        let mut out = [0xff; 2];
        pack(&[1, 2, 3], 4, &mut out);
        assert_eq!(out, [0x21, 0x03]);
        pack(&[1, 2, 3, 0, 3], 2, &mut out);
        assert_eq!(out, [0b0011_1001, 0b11]);
    }

    proptest! {
        #[test]
        fn values_come_back(wide in prop::bool::ANY, values in prop::collection::vec(0u8..16, 0..70)) {
            let bits = if wide { 4 } else { 2 };
            let values: Vec<u8> = values.into_iter().map(|value| value % (1 << bits)).collect();
            let mut row = vec![0xaa; row_bytes(values.len(), bits)];
            pack(&values, bits, &mut row);
            for (at, &value) in values.iter().enumerate() {
                prop_assert_eq!(unpack(&row, bits, at), value);
            }
            let used = values.len() * usize::from(bits);
            if !used.is_multiple_of(8) {
                prop_assert_eq!(row[row.len() - 1] >> (used % 8), 0);
            }
        }
    }
}
