//! Enough of a writer to lie.

use super::MAGIC;

pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
pub(super) const BYTES: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

pub(super) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Thrift's compact protocol; the last field's number is kept for each structure that is open.
#[derive(Default)]
pub(super) struct Thrift {
    pub(super) bytes: Vec<u8>,
    last: Vec<i16>,
}

impl Thrift {
    pub(super) fn field(&mut self, id: i16, kind: u8) -> &mut Self {
        if self.last.is_empty() {
            self.last.push(0);
        }
        let last = self.last.last_mut().unwrap();
        self.bytes.push(((id - *last) as u8) << 4 | kind);
        *last = id;
        self
    }

    pub(super) fn number(&mut self, value: i64) {
        varint(&mut self.bytes, (value << 1 ^ value >> 63) as u64);
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn list(&mut self, kind: u8, count: u64) {
        self.bytes.push(0xf0 | kind);
        varint(&mut self.bytes, count);
    }

    pub(super) fn begin(&mut self) {
        if self.last.is_empty() {
            self.last.push(0);
        }
        self.last.push(0);
    }

    pub(super) fn end(&mut self) {
        self.bytes.push(0);
        self.last.pop();
    }
}

/// What a column says of itself; `None` is the truth.
#[derive(Clone, Default)]
pub(super) struct Chunk {
    pub(super) values: Vec<u8>,
    pub(super) codec: i64,
    pub(super) encoding: i64,
    pub(super) count: Option<i64>,
    pub(super) packed: Option<usize>,
    pub(super) unpacked: Option<i64>,
    pub(super) begin: Option<i64>,
}

/// A page with its header. `kind`: 0 for data, 2 for a dictionary.
pub(super) fn page(
    kind: i64,
    unpacked: usize,
    packed: usize,
    count: u64,
    encoding: i64,
    body: &[u8],
) -> Vec<u8> {
    let mut header = Thrift::default();
    header.field(1, I32).number(kind);
    header.field(2, I32).number(unpacked as i64);
    header.field(3, I32).number(packed as i64);
    header.field(if kind == 0 { 5 } else { 7 }, STRUCT).begin();
    header.field(1, I32).number(count as i64);
    header.field(2, I32).number(encoding);
    header.end();
    header.end();
    [&header.bytes, body].concat()
}

/// A file of one column of texts that must be there.
pub(super) fn text_file(texts: &[&str], rows: i64, change: impl FnOnce(&mut Chunk)) -> Vec<u8> {
    let mut chunk = Chunk::default();
    change(&mut chunk);
    chunk.values = texts
        .iter()
        .flat_map(|text| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat())
        .collect();
    chunk.count = chunk.count.or(Some(texts.len() as i64));
    file(&[("t", chunk)], rows)
}

/// A file of columns of texts that must be there.
pub(super) fn file(columns: &[(&str, Chunk)], rows: i64) -> Vec<u8> {
    let mut elements = Thrift::default();
    elements.field(2, LIST);
    elements.list(STRUCT, 1 + columns.len() as u64);
    root(&mut elements, columns.len());
    for (name, _) in columns {
        leaf(&mut elements, name, 0);
    }
    let mut body = Vec::new();
    let mut chunks = Vec::new();
    for (_, chunk) in columns {
        let size = chunk.values.len();
        let unpacked = chunk.unpacked.map_or(size, |size| size as usize);
        let count = chunk.count.unwrap_or(0) as u64;
        let bytes = page(0, unpacked, chunk.packed.unwrap_or(size), count, chunk.encoding, &chunk.values);
        chunks.push((chunk.codec, chunk.begin.unwrap_or(4 + body.len() as i64), bytes.len() as i64));
        body.extend_from_slice(&bytes);
    }
    row_group(&mut elements, &chunks, rows);
    with_footer(&body, &elements.bytes)
}

/// A file of one column of lists of texts, all of which must be there.
pub(super) fn list_file(name: &str, pages: &[u8], rows: i64) -> Vec<u8> {
    let mut elements = Thrift::default();
    elements.field(2, LIST);
    elements.list(STRUCT, 2);
    root(&mut elements, 1);
    leaf(&mut elements, name, 2);
    row_group(&mut elements, &[(0, 4, pages.len() as i64)], rows);
    with_footer(pages, &elements.bytes)
}

fn root(elements: &mut Thrift, children: usize) {
    elements.begin();
    elements.field(4, BYTES).bytes(b"schema");
    elements.field(5, I32).number(children as i64);
    elements.end();
}

/// `repetition`: 0 for once, 2 for any number of times.
fn leaf(elements: &mut Thrift, name: &str, repetition: i64) {
    elements.begin();
    elements.field(1, I32).number(6);
    elements.field(3, I32).number(repetition);
    elements.field(4, BYTES).bytes(name.as_bytes());
    elements.end();
}

/// `chunks`: codec, begin and length. Ends the footer too.
fn row_group(footer: &mut Thrift, chunks: &[(i64, i64, i64)], rows: i64) {
    footer.field(4, LIST);
    footer.list(STRUCT, 1);
    footer.begin();
    footer.field(1, LIST);
    footer.list(STRUCT, chunks.len() as u64);
    for &(codec, begin, length) in chunks {
        footer.begin();
        footer.field(3, STRUCT).begin();
        footer.field(4, I32).number(codec);
        footer.field(7, I64).number(length);
        footer.field(9, I64).number(begin);
        footer.end();
        footer.end();
    }
    footer.field(3, I64).number(rows);
    footer.end();
    footer.end();
}

pub(super) fn with_footer(body: &[u8], footer: &[u8]) -> Vec<u8> {
    [&MAGIC[..], body, footer, &(footer.len() as u32).to_le_bytes(), &MAGIC].concat()
}
