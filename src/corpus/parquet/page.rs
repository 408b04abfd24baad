//! Pages: what stands before them, and how they are packed.

use std::io::{Read, Seek, SeekFrom};

use super::Fault;
use super::error::ParquetProblem;
use super::footer::Chunk;
use super::thrift::{Kind, Thrift};

/// Larger pages are refused. Writers begin a new one at 1 MB; one of them only at 100 MB.
const LARGEST: u64 = 128 << 20;
/// Larger headers are refused; they grow only by the smallest and largest value of the page.
const LARGEST_HEADER: u64 = 4 << 20;
/// So much is read to find the header.
const FIRST_LOOK: u64 = 4 << 10;
/// Snappy's best: three bytes that repeat 64.
const SNAPPY_RATIO: u64 = 22;
const ZSTD_WINDOW_LOG: u32 = 27;

/// What stands before a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    kind: i64,
    unpacked: u64,
    packed: u64,
    checksum: Option<u32>,
    /// Levels, or entries of a dictionary.
    pub(super) count: u64,
    pub(super) encoding: i64,
    /// Only the newer kind of data page says these.
    definitions: u64,
    repetitions: u64,
    is_plain: bool,
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Data,
    /// Its levels stand before the packed part, with their lengths in the header.
    NewData {
        repetitions: usize,
        definitions: usize,
    },
    Dictionary,
    /// Nothing that is read.
    Other,
}

impl Header {
    pub(super) fn kind(&self) -> PageKind {
        match self.kind {
            0 => PageKind::Data,
            2 => PageKind::Dictionary,
            3 => PageKind::NewData {
                repetitions: self.repetitions as usize,
                definitions: self.definitions as usize,
            },
            _ => PageKind::Other,
        }
    }

    fn read(bytes: &[u8]) -> Result<(Self, usize), ParquetProblem> {
        let mut header = Self::default();
        let mut thrift = Thrift::new(bytes);
        thrift.structure(|thrift, id, kind| {
            match id {
                1 => header.kind = thrift.integer(kind)?,
                2 => header.unpacked = thrift.count(kind)?,
                3 => header.packed = thrift.count(kind)?,
                4 => header.checksum = Some(thrift.integer(kind)? as u32),
                5 | 7 if kind == Kind::Struct => header.older(thrift)?,
                8 if kind == Kind::Struct => header.newer(thrift)?,
                _ => thrift.skip(kind)?,
            }
            Ok(())
        })?;
        Ok((header, thrift.position()))
    }

    fn older(&mut self, thrift: &mut Thrift<'_>) -> Result<(), ParquetProblem> {
        thrift.structure(|thrift, id, kind| {
            match id {
                1 => self.count = thrift.count(kind)?,
                2 => self.encoding = thrift.integer(kind)?,
                _ => thrift.skip(kind)?,
            }
            Ok(())
        })
    }

    fn newer(&mut self, thrift: &mut Thrift<'_>) -> Result<(), ParquetProblem> {
        thrift.structure(|thrift, id, kind| {
            match id {
                1 => self.count = thrift.count(kind)?,
                4 => self.encoding = thrift.integer(kind)?,
                5 => self.definitions = thrift.count(kind)?,
                6 => self.repetitions = thrift.count(kind)?,
                7 => self.is_plain = !Thrift::truth(kind)?,
                _ => thrift.skip(kind)?,
            }
            Ok(())
        })
    }

    /// Bytes of levels in front of what is packed.
    fn levels(&self) -> Result<u64, ParquetProblem> {
        let levels = self.definitions.checked_add(self.repetitions);
        levels
            .filter(|&levels| levels <= self.packed.min(self.unpacked))
            .ok_or(ParquetProblem::damaged("levels are longer than their page"))
    }
}

/// Reads the page at `at` and moves `at` behind it. Of [`PageKind::Other`] the bytes are left out.
pub(super) fn read(
    file: &mut (impl Read + Seek + ?Sized),
    chunk: Chunk,
    at: &mut u64,
) -> Result<(Header, Vec<u8>), Fault> {
    let (header, size) = read_header(file, chunk, *at)?;
    let begin = *at + size;
    let end = begin.checked_add(header.packed).filter(|&end| end <= chunk.end);
    *at = end.ok_or(ParquetProblem::damaged("a page is longer than its column"))?;
    let bytes = header.packed.max(header.unpacked);
    if bytes > LARGEST {
        return Err(ParquetProblem::TooLarge { part: "page", bytes, limit: LARGEST }.into());
    }
    if header.kind() == PageKind::Other {
        return Ok((header, Vec::new()));
    }
    let mut packed = vec![0; header.packed as usize];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut packed)?;
    check(&packed, header.checksum)?;
    let page = unpack(&header, chunk.codec, packed)?;
    Ok((header, page))
}

fn read_header(
    file: &mut (impl Read + Seek + ?Sized),
    chunk: Chunk,
    at: u64,
) -> Result<(Header, u64), Fault> {
    let left = chunk.end.saturating_sub(at);
    let mut look = FIRST_LOOK;
    loop {
        let mut bytes = vec![0; look.min(left) as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes)?;
        match Header::read(&bytes) {
            Ok((header, size)) => return Ok((header, size as u64)),
            Err(problem) if look >= left => return Err(problem.into()),
            Err(_) if look >= LARGEST_HEADER => {
                let (part, bytes) = ("page header", look);
                return Err(ParquetProblem::TooLarge { part, bytes, limit: LARGEST_HEADER }.into());
            }
            Err(_) => look *= 8,
        }
    }
}

fn check(packed: &[u8], expected: Option<u32>) -> Result<(), ParquetProblem> {
    let Some(expected) = expected else { return Ok(()) };
    let mut crc = flate2::Crc::new();
    crc.update(packed);
    let found = crc.sum();
    if found == expected { Ok(()) } else { Err(ParquetProblem::Checksum { found, expected }) }
}

fn unpack(header: &Header, codec: i64, packed: Vec<u8>) -> Result<Vec<u8>, ParquetProblem> {
    let levels = header.levels()?;
    let is_plain = codec == 0 || header.is_plain;
    if is_plain {
        let fits = header.packed == header.unpacked;
        return if fits {
            Ok(packed)
        } else {
            Err(ParquetProblem::damaged("a page has another length than it says"))
        };
    }
    let (levels, values) = packed.split_at(levels as usize);
    let size = header.unpacked - levels.len() as u64;
    let unpacked = unpack_values(codec, values, size)?;
    if unpacked.len() as u64 != size {
        return Err(ParquetProblem::damaged("a page unpacks to another length than it says"));
    }
    if levels.is_empty() { Ok(unpacked) } else { Ok([levels, &unpacked].concat()) }
}

/// At most a byte more than `size`. Memory grows with what is unpacked, not with what is claimed.
fn unpack_values(codec: i64, values: &[u8], size: u64) -> Result<Vec<u8>, ParquetProblem> {
    const BROKEN: ParquetProblem = ParquetProblem::damaged("a page cannot be unpacked");
    // Of a page with nothing but levels the newer kind has nothing to unpack.
    if size == 0 && values.is_empty() {
        return Ok(Vec::new());
    }
    let all = |reader: &mut dyn Read| {
        let mut unpacked = Vec::new();
        reader.take(size + 1).read_to_end(&mut unpacked).map(|_| unpacked).map_err(|_| BROKEN)
    };
    match codec {
        1 => {
            let claimed = snap::raw::decompress_len(values).map_err(|_| BROKEN)? as u64;
            if claimed != size || size / SNAPPY_RATIO > values.len() as u64 {
                return Err(BROKEN);
            }
            snap::raw::Decoder::new().decompress_vec(values).map_err(|_| BROKEN)
        }
        2 => all(&mut flate2::read::MultiGzDecoder::new(values)),
        6 => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(values).map_err(|_| BROKEN)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| BROKEN)?;
            all(&mut decoder)
        }
        3 => Err(codec_error("LZO")),
        4 => Err(codec_error("Brotli")),
        5 => Err(codec_error("LZ4")),
        7 => Err(codec_error("LZ4_RAW")),
        other => Err(codec_error(&format!("codec number {other}"))),
    }
}

fn codec_error(codec: &str) -> ParquetProblem {
    ParquetProblem::Codec { codec: codec.to_owned() }
}
