//! Lines of bounded length.

use std::io::{self, BufRead};

/// One attempt to read a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The buffer holds a line without its end.
    Whole,
    /// The line is longer than the limit; the buffer is empty.
    TooLong,
    /// There is no further line.
    End,
}

/// Reads lines that end in LF or CR LF, and counts them.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    limit: usize,
    /// The line last read was too long, and its end has not been seen.
    unfinished: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, number: 0, limit, unfinished: false }
    }

    /// The line last read, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Appends the next line to `line`, which never grows past the limit (CR LF not counted).
    ///
    /// Too long a line is reported as soon as that is known; the next call passes over the rest of it. So a line without
    /// end costs no more than the limit, unless somebody wants to read on.
    pub(super) fn append(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        self.pass_over()?;
        let mut begun = false;
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() && !begun {
                return Ok(Line::End);
            }
            if !begun {
                self.number += 1;
                begun = true;
            }
            let end = memchr(bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            // One byte more than the limit may be the CR of a CR LF.
            let fits = line.len() + part.len() <= self.limit + 1;
            if fits {
                line.extend_from_slice(part);
            }
            let (taken, done) = (end.map_or(part.len(), |end| end + 1), end.is_some() || bytes.is_empty());
            self.reader.consume(taken);
            if !fits {
                self.unfinished = !done;
                line.clear();
                return Ok(Line::TooLong);
            }
            if done {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > self.limit {
            line.clear();
            return Ok(Line::TooLong);
        }
        Ok(Line::Whole)
    }

    fn pass_over(&mut self) -> io::Result<()> {
        while self.unfinished {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr(bytes);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            self.unfinished = taken > 0 && end.is_none();
            self.reader.consume(taken);
        }
        Ok(())
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    // The standard library's search for a byte in a slice is vectorised only behind `str`; chunks do as well.
    const CHUNK: usize = 32;
    let chunks = bytes.chunks_exact(CHUNK);
    let mut at = 0;
    for chunk in chunks {
        if chunk.iter().fold(false, |found, &byte| found | (byte == b'\n')) {
            break;
        }
        at += CHUNK;
    }
    bytes[at..].iter().position(|&byte| byte == b'\n').map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    fn lines(input: &[u8], limit: usize) -> Vec<Option<String>> {
        // A buffer of five bytes puts every kind of seam everywhere.
        let mut lines = Lines::new(BufReader::with_capacity(5, input), limit);
        let mut all = Vec::new();
        loop {
            let mut line = Vec::new();
            match lines.append(&mut line).unwrap() {
                Line::Whole => all.push(Some(String::from_utf8(line).unwrap())),
                Line::TooLong => all.push(None),
                Line::End => break,
            }
        }
        assert_eq!(lines.number(), all.len() as u64);
        all
    }

    #[test]
    fn ends_are_lf_crlf_or_nothing() {
        let some = |line: &str| Some(line.to_owned());
        assert_eq!(lines(b"", 9), []);
        assert_eq!(lines(b"\n", 9), [some("")]);
        assert_eq!(lines(b"a\r\nb\n\r\nc", 9), [some("a"), some("b"), some(""), some("c")]);
        assert_eq!(lines(b"a\rb\r", 9), [some("a\rb")]);
    }

    #[test]
    fn a_long_line_is_passed_over() {
        let some = |line: &str| Some(line.to_owned());
        assert_eq!(
            lines(b"abcd\nabc\r\nabc\nabcd\r\nabcdefghijklm\nxy", 3),
            [None, some("abc"), some("abc"), None, None, some("xy")]
        );
        assert_eq!(lines(b"abcdefghijklmnop", 3), [None]);
        assert_eq!(lines(b"abc\r", 3), [some("abc")]);
    }

    #[test]
    fn the_buffer_stays_small() {
        let input = BufReader::new(io::repeat(b'x').take(64 << 20));
        let mut lines = Lines::new(input, 1 << 16);
        let mut line = Vec::new();
        assert_eq!(lines.append(&mut line).unwrap(), Line::TooLong);
        assert_eq!(lines.append(&mut line).unwrap(), Line::End);
        assert!(line.capacity() <= 1 << 18, "{}", line.capacity());
    }

    #[test]
    fn memchr_finds_the_first() {
        for len in 0..100 {
            for at in 0..len {
                let mut bytes = vec![b'x'; len];
                bytes[at] = b'\n';
                bytes[len - 1] = b'\n';
                assert_eq!(memchr(&bytes), Some(at));
            }
            assert_eq!(memchr(&vec![b'x'; len]), None);
        }
    }
}
