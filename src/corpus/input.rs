//! A file or a stream, decompressed, with its bytes counted before decompression.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{CorpusError, Place, Problem};
use super::parquet::MAGIC;

const BUFFER: usize = 64 << 10;
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
/// So much of the beginning is looked at to tell the format.
const LOOK: usize = 4 << 10;
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// zstd's own default limit, stated: a frame may ask for a window of 128 MiB and no more.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Counts what passes.
pub(super) struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

type Raw = Chain<Cursor<Vec<u8>>, BufReader<Counted<Box<dyn Read + Send>>>>;

/// Bytes to read lines from, and what they are packed in.
pub(super) struct Input {
    reader: Box<dyn BufRead + Send>,
    /// `gzip`, `zstd`, or nothing.
    pub(super) compression: Option<&'static str>,
    /// Whether the text begins with a UTF-16 byte-order mark. A UTF-8 one is dropped.
    pub(super) utf16: bool,
    /// What the first bytes look like.
    pub(super) looks: Looks,
}

/// What the beginning of a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// Nothing but white space.
    Empty,
    /// Begins with a brace or a bracket.
    Json,
    /// Begins as a Parquet file.
    Parquet,
    /// Has a tab in its first line.
    Table,
    /// Anything else.
    Plain,
}

impl Looks {
    fn of(first: &[u8]) -> Self {
        if first.starts_with(&MAGIC) {
            return Self::Parquet;
        }
        let first = first.trim_ascii_start();
        let line = first.split(|&byte| byte == b'\n').next().unwrap_or_default();
        match first.first() {
            None => Self::Empty,
            Some(b'{' | b'[') => Self::Json,
            Some(_) if line.contains(&b'\t') => Self::Table,
            Some(_) => Self::Plain,
        }
    }
}

impl Input {
    /// Opens a regular file (or a pipe that has a name).
    pub(super) fn open(path: &Path, count: &Arc<AtomicU64>) -> Result<Self, CorpusError> {
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|source| CorpusError::Open { file: file.clone(), source })?;
        Self::unpack(Box::new(opened), &file, count)
    }

    /// Looks at the first bytes of `reader` and puts the fitting decompressor in front of it.
    pub(super) fn unpack(
        reader: Box<dyn Read + Send>,
        file: &str,
        count: &Arc<AtomicU64>,
    ) -> Result<Self, CorpusError> {
        let fail = |compression| {
            let at = Place { file: file.to_owned(), line: None };
            move |source| read_error(at, compression, source)
        };
        let counted = Counted { inner: reader, count: Arc::clone(count) };
        let mut raw = BufReader::with_capacity(BUFFER, counted);
        let first = take_first(&mut raw, ZSTD.len()).map_err(fail(None))?;
        let (gzip, zstd) = (first.starts_with(&GZIP), first == ZSTD);
        let raw: Raw = Cursor::new(first).chain(raw);
        let (plain, compression): (Box<dyn BufRead + Send>, _) = if gzip {
            (buffered(flate2::bufread::MultiGzDecoder::new(raw)), Some("gzip"))
        } else if zstd {
            let mut plain = zstd::stream::read::Decoder::with_buffer(raw).map_err(fail(None))?;
            plain.window_log_max(ZSTD_WINDOW_LOG).map_err(fail(None))?;
            (buffered(plain), Some("zstd"))
        } else {
            (Box::new(raw), None)
        };
        Self::skip_mark(plain, compression).map_err(fail(compression))
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self { reader: Box::new(io::empty()), compression: None, utf16: false, looks: Looks::Empty }
    }

    fn skip_mark(mut plain: Box<dyn BufRead + Send>, compression: Option<&'static str>) -> io::Result<Self> {
        let mut first = take_first(&mut plain, LOOK)?;
        if first.starts_with(&UTF8_MARK) {
            first.drain(..UTF8_MARK.len());
        }
        let utf16 = first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]);
        let looks = Looks::of(&first);
        let reader = Box::new(Cursor::new(first).chain(plain));
        Ok(Self { reader, compression, utf16, looks })
    }
}

/// The error for a failed read: breaking off inside compressed data has a name of its own.
pub(super) fn read_error(at: Place, compression: Option<&'static str>, source: io::Error) -> CorpusError {
    match compression {
        Some(compression) if source.kind() == io::ErrorKind::UnexpectedEof => {
            CorpusError::Truncated { at, compression }
        }
        _ => CorpusError::Read { at, source },
    }
}

fn take_first(reader: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(len);
    reader.take(len as u64).read_to_end(&mut first)?;
    Ok(first)
}

fn buffered(reader: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER, reader))
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

/// A text file as its lines will be read: unpacked, without a byte-order mark.
pub struct TextFile {
    input: Input,
    file: String,
}

impl TextFile {
    /// Opens a file; its first bytes say whether it is packed by gzip or zstd.
    ///
    /// Nothing bounds the length of a line here, and a packed file may unpack to any size: whoever reads sets the
    /// limits.
    ///
    /// # Errors
    /// [`CorpusError::Open`] and [`CorpusError::Read`]; [`CorpusError::Record`] for UTF-16.
    ///
    /// ```
    /// use std::io::Read;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.txt");
    /// std::fs::write(&path, "\u{feff}tide\n")?;
    /// let mut text = String::new();
    /// lateen::corpus::TextFile::open(&path)?.read_to_string(&mut text)?;
    /// assert_eq!(text, "tide\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CorpusError> {
        let path = path.as_ref();
        let input = Input::open(path, &Arc::default())?;
        let file = path.display().to_string();
        if input.utf16 {
            let at = Place { file, line: None };
            return Err(CorpusError::Record { at, problem: Problem::Utf16 });
        }
        Ok(Self { input, file })
    }

    /// `gzip`, `zstd`, or nothing.
    #[must_use]
    pub fn compression(&self) -> Option<&'static str> {
        self.input.compression
    }

    /// The error for a read that failed at `line`: breaking off inside packed data has a name of its own.
    #[must_use]
    pub fn error(&self, line: u64, source: io::Error) -> CorpusError {
        read_error(Place { file: self.file.clone(), line: Some(line) }, self.input.compression, source)
    }
}

impl Read for TextFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf)
    }
}

impl BufRead for TextFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
    }
}

impl std::fmt::Debug for TextFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextFile").field("file", &self.file).finish_non_exhaustive()
    }
}
