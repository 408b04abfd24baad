//! NumPy's `.npy` files, version 1.0: a small text header, then numbers.

use std::io::{self, Write};

/// Writes the header of a little-endian array in C order.
fn header(out: &mut impl Write, descr: &str, shape: &[usize]) -> io::Result<()> {
    let dims: Vec<String> = shape.iter().map(|dim| format!("{dim},")).collect();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", dims.join(" "));
    // Magic, version, length and text together fill a multiple of 64 bytes.
    let padding = 63 - (10 + text.len()) % 64;
    let length = u16::try_from(text.len() + padding + 1).map_err(io::Error::other)?;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&length.to_le_bytes())?;
    writeln!(out, "{text}{:padding$}", "")
}

/// Writes `[rows, dim]` numbers.
pub fn write_f32(out: &mut impl Write, dim: usize, rows: &[f32]) -> io::Result<()> {
    header(out, "<f4", &[rows.len() / dim.max(1), dim])?;
    rows.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

/// Writes a list of numbers.
pub fn write_u32(out: &mut impl Write, values: &[u32]) -> io::Result<()> {
    header(out, "<u4", &[values.len()])?;
    values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_numpys() {
        let mut bytes = Vec::new();
        write_f32(&mut bytes, 2, &[1.0, 2.0, 3.0, 4.0]).unwrap();
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert_eq!(header.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2,), }");
        assert!(header.ends_with('\n'));
        assert_eq!(bytes[10 + length..][..8], [0, 0, 128, 63, 0, 0, 0, 64]);
        let mut bytes = Vec::new();
        write_u32(&mut bytes, &[7]).unwrap();
        assert_eq!(bytes[bytes.len() - 4..], [7, 0, 0, 0]);
    }
}
