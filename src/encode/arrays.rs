//! Arrays of numbers in files that others read: NumPy's `.npy` and safetensors.
//!
//! Both are written without anything that tells when or where, so the same numbers give the same bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde_json::{Value, json};

/// The longest header of a `.npy` file that is read.
const HEADER_LIMIT: usize = 1 << 16;
/// The most numbers that are read from a `.npy` file: 4 GiB of them.
const NUMBERS_LIMIT: usize = 1 << 30;

/// The type of an array's numbers, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// 32-bit floats.
    F32,
    /// Signed bytes.
    I8,
    /// Bytes.
    U8,
    /// 32-bit numbers without sign.
    U32,
}

impl Number {
    fn numpy(self) -> &'static str {
        match self {
            Self::F32 => "<f4",
            Self::I8 => "|i1",
            Self::U8 => "|u1",
            Self::U32 => "<u4",
        }
    }

    fn safetensors(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::U32 => "U32",
        }
    }

    /// Bytes of a number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// Numbers of one type, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    number: Number,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    /// Takes bytes as numbers; none if they are not as many as the shape says.
    #[must_use]
    pub fn new(number: Number, shape: Vec<usize>, bytes: Vec<u8>) -> Option<Self> {
        let wanted = shape.iter().try_fold(number.size(), |all, &size| all.checked_mul(size))?;
        (wanted == bytes.len()).then_some(Self { number, shape, bytes })
    }

    /// `[rows, dim]` floats; none if they do not fill their rows.
    #[must_use]
    pub fn rows(values: &[f32], dim: usize) -> Option<Self> {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self::new(Number::F32, vec![values.len().checked_div(dim)?, dim], bytes)
    }

    /// A list of numbers.
    #[must_use]
    pub fn list(values: &[u32]) -> Self {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { number: Number::U32, shape: vec![values.len()], bytes }
    }

    /// Writes a `.npy` file, version 1.0: a small text header, then the numbers.
    ///
    /// # Errors
    /// As the writer.
    pub fn write_npy(&self, out: &mut impl Write) -> io::Result<()> {
        let dims: Vec<String> = self.shape.iter().map(|dim| format!("{dim},")).collect();
        let (number, shape) = (self.number.numpy(), dims.join(" "));
        let text = format!("{{'descr': '{number}', 'fortran_order': False, 'shape': ({shape}), }}");
        // Magic, version, length and text together fill a multiple of 64 bytes.
        let padding = 63 - (10 + text.len()) % 64;
        let length = u16::try_from(text.len() + padding + 1).map_err(io::Error::other)?;
        out.write_all(b"\x93NUMPY\x01\x00")?;
        out.write_all(&length.to_le_bytes())?;
        writeln!(out, "{text}{:padding$}", "")?;
        out.write_all(&self.bytes)
    }
}

/// Writes named arrays as a safetensors file: the length of a JSON header as a little-endian `u64`, the header, the
/// numbers.
///
/// # Errors
/// As the writer.
pub fn write_safetensors(
    out: &mut impl Write,
    arrays: &BTreeMap<String, Array>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    // Wider numbers first, so that each array is aligned.
    let mut order: Vec<(&String, &Array)> = arrays.iter().collect();
    order.sort_by_key(|(_, array)| std::cmp::Reverse(array.number.size()));
    let mut end = 0;
    for (name, array) in &order {
        let (start, kind) = (end, array.number.safetensors());
        end += array.bytes.len();
        header.insert(
            (*name).clone(),
            json!({"dtype": kind, "shape": array.shape, "data_offsets": [start, end]}),
        );
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(&text)?;
    order.iter().try_for_each(|(_, array)| out.write_all(&array.bytes))
}

/// Reads a `.npy` file of 32-bit floats in C order with two dimensions: its rows' length and its numbers.
///
/// # Errors
/// As the reader, and [`io::ErrorKind::InvalidData`] with what is wrong if it holds something else.
pub fn read_npy_f32(from: &mut impl Read) -> io::Result<(usize, Vec<f32>)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut start = [0; 8];
    from.read_exact(&mut start)?;
    if start[..6] != *b"\x93NUMPY" {
        return Err(wrong("it is no .npy file"));
    }
    let length = if start[6] == 1 {
        let mut bytes = [0; 2];
        from.read_exact(&mut bytes)?;
        usize::from(u16::from_le_bytes(bytes))
    } else {
        let mut bytes = [0; 4];
        from.read_exact(&mut bytes)?;
        u32::from_le_bytes(bytes) as usize
    };
    if length > HEADER_LIMIT {
        return Err(wrong("its header is too long"));
    }
    let mut header = vec![0; length];
    from.read_exact(&mut header)?;
    let header = String::from_utf8(header).map_err(|_| wrong("its header is no text"))?;
    if !header.contains("'descr': '<f4'") || !header.contains("'fortran_order': False") {
        return Err(wrong("it does not hold 32-bit floats in C order"));
    }
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')'));
    let sizes =
        shape.map_or("", |(sizes, _)| sizes).split(',').map(str::trim).filter(|size| !size.is_empty());
    let sizes: Vec<usize> =
        sizes.map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong("its shape is none"))?;
    let &[rows, dim] = &sizes[..] else { return Err(wrong("it has not two dimensions")) };
    let count = rows.checked_mul(dim).filter(|&count| count <= NUMBERS_LIMIT);
    let count = count.ok_or_else(|| wrong("it is too large"))?;
    let mut bytes = Vec::new();
    from.take(count as u64 * 4).read_to_end(&mut bytes)?;
    if bytes.len() != count * 4 {
        return Err(wrong("it ends before its numbers do"));
    }
    Ok((dim, bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()))
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    fn npy(array: &Array) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn headers_are_numpys() {
        let bytes = npy(&Array::rows(&[1.0, 2.0, 3.0, 4.0], 2).unwrap());
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
        assert_eq!(header.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2,), }");
        assert!(header.ends_with('\n'));
        assert_eq!(bytes[10 + length..][..8], [0, 0, 128, 63, 0, 0, 0, 64]);
        let bytes = npy(&Array::list(&[7]));
        assert_eq!(bytes[bytes.len() - 4..], [7, 0, 0, 0]);
        let bytes = npy(&Array::new(Number::I8, vec![1, 3], vec![1, 2, 255]).unwrap());
        assert!(String::from_utf8_lossy(&bytes).contains("'|i1'") && bytes.ends_with(&[1, 2, 255]));
        assert_eq!(Array::new(Number::F32, vec![2, 3], vec![0; 23]), None);
        assert_eq!(Array::new(Number::F32, vec![usize::MAX, 3], vec![]), None);
    }

    #[test]
    fn what_was_written_is_read_and_damage_is_told() {
        let bytes = npy(&Array::rows(&[1.0, -2.5, 3.0, 4.0, 5.0, 6.0], 3).unwrap());
        assert_eq!(read_npy_f32(&mut &bytes[..]).unwrap(), (3, vec![1.0, -2.5, 3.0, 4.0, 5.0, 6.0]));
        for end in 0..bytes.len() {
            assert!(read_npy_f32(&mut &bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(read_npy_f32(&mut &npy(&Array::list(&[1]))[..]).is_err());
        let text = String::from_utf8_lossy(&bytes[..128]).replace("(2, 3,)", "(9999999999, 9999999999,)");
        assert!(read_npy_f32(&mut text.as_bytes()).is_err());
    }

    #[test]
    fn safetensors_are_read_by_the_formats_own_reader() {
        let arrays = BTreeMap::from([
            ("codes".to_owned(), Array::new(Number::U8, vec![3, 1], vec![1, 2, 3]).unwrap()),
            ("ranges".to_owned(), Array::rows(&[0.5, 1.5], 1).unwrap()),
        ]);
        let metadata = BTreeMap::from([("precision".to_owned(), "uint8".to_owned())]);
        let mut bytes = Vec::new();
        write_safetensors(&mut bytes, &arrays, &metadata).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.tensor("codes").unwrap().data(), [1, 2, 3]);
        let ranges = read.tensor("ranges").unwrap();
        assert_eq!((ranges.shape(), ranges.data()), (&[2, 1][..], &[0, 0, 0, 63, 0, 0, 192, 63][..]));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["precision"], "uint8");
    }
}
