//! Streams: what they are told by, packed ones, and ones without end.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

#[test]
fn the_format_is_told_by_the_first_bytes() {
    assert_eq!(ids(source("\n {\"_id\":\"j\",\"text\":\"t\"}", ReadOptions::default())), ["j"]);
    assert_eq!(ids(source("t\tx", ReadOptions::default())), ["t"]);
    let plain = Source::from_reader(&b"just words"[..], "in", ReadOptions::default());
    assert!(matches!(plain, Err(CorpusError::UnknownFormat { .. })));
    assert_eq!(ids(source("just words", options(Format::Text))), ["in"]);
    let beir = Source::from_reader(&b""[..], "in", options(Format::Beir)).unwrap_err();
    assert_eq!(beir.to_string(), "in is a stream, but the format beir needs a folder");
}

#[test]
fn compressed_input_is_known_by_its_bytes() {
    let text = b"{\"_id\":\"a\",\"text\":\"x\"}\n{\"_id\":\"b\",\"text\":\"y\"}\n";
    let (first, second) = text.split_at(30);
    for packed in [
        gzip(text),
        [gzip(first), gzip(second)].concat(),
        [gzip(b""), gzip(text)].concat(),
        zstd(text),
        [zstd(first), zstd(second)].concat(),
        gzip(&[b"\xef\xbb\xbf", &text[..]].concat()),
    ] {
        assert_eq!(ids(source(packed, ReadOptions::default())), ["a", "b"]);
    }
}

#[test]
fn truncated_compression_is_an_error_at_every_length() {
    let text: String =
        (0..200).map(|at| format!("{{\"_id\":\"{at}\",\"text\":\"{}\"}}\n", at * 7919)).collect();
    for (packed, name) in [(gzip(text.as_bytes()), "gzip"), (zstd(text.as_bytes()), "zstd")] {
        for len in 4..packed.len() {
            let opened =
                Source::from_reader(io::Cursor::new(packed[..len].to_vec()), "in", skipping(Format::Jsonl));
            let error = match opened {
                Ok(mut source) => source.find_map(Result::err),
                Err(error) => Some(error),
            };
            let Some(CorpusError::Truncated { compression, .. }) = error else {
                panic!("{name} cut at {len} of {}: {error:?}", packed.len());
            };
            assert_eq!(compression, name);
        }
    }
    let mut flipped = gzip(text.as_bytes());
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    flipped.truncate(middle + 1000);
    assert!(!first_error(flipped, options(Format::Jsonl)).is_empty());
}

/// Gives `left` bytes of `x` after a beginning, and counts the bytes it gave.
struct Endless {
    head: &'static [u8],
    left: u64,
    given: Arc<AtomicU64>,
}

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (head, len) = (self.head.len(), buf.len());
        let count = if head > 0 {
            self.head.read(buf)?
        } else {
            let count = len.min(usize::try_from(self.left).unwrap_or(len));
            buf[..count].fill(b'x');
            self.left -= count as u64;
            count
        };
        self.given.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn a_line_of_64_mb_is_passed_over() {
    let given = Arc::new(AtomicU64::new(0));
    let long = Endless { head: b"{\"_id\":\"a\",\"text\":\"", left: 64 << 20, given: Arc::clone(&given) };
    let input = long.chain(&b"\"}\n{\"_id\":\"b\",\"text\":\"after\"}\n"[..]);
    let limited = ReadOptions { max_line_bytes: 4096, ..options(Format::Jsonl) };
    let mut source = Source::from_reader(input, "in", limited).unwrap();
    let error = source.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "in:1: longer than 4096 bytes; split the record or raise the limit");
    assert_eq!(source.next().unwrap().unwrap().id, "b");
    assert!(given.load(Ordering::Relaxed) > 64 << 20);
    assert!(source.position().bytes > 64 << 20 && source.position().total.is_none());
}

#[test]
fn reading_runs_no_more_than_buffers_ahead() {
    let given = Arc::new(AtomicU64::new(0));
    let head = b"{\"_id\":\"a\",\"text\":\"first\"}\n";
    let input = Endless { head, left: u64::MAX, given: Arc::clone(&given) };
    let mut source = Source::from_reader(input, "in", ReadOptions::default()).unwrap();
    assert_eq!(source.next().unwrap().unwrap().id, "a");
    assert!(given.load(Ordering::Relaxed) <= 1 << 18, "{given:?}");
}

#[test]
fn a_decompression_bomb_costs_only_time() {
    // 256 MiB in about 24 KiB (zstd) and 1.1 MiB (gzip): one line, which is passed over in pieces.
    let zeros = || Endless { head: b"", left: 256 << 20, given: Arc::default() };
    let packed = zstd::encode_all(zeros(), 1).unwrap();
    assert!(packed.len() < 1 << 20);
    let error = first_error(packed, options(Format::Jsonl));
    assert!(error.contains("longer than 16777216 bytes"), "{error}");
}
