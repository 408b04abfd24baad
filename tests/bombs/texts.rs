//! Documents, judgements and runs; and texts that are long or odd.

use std::io::{self, Read, Write};

use lateen::corpus::{Format, ReadOptions, Source};
use lateen::encode::Model;
use lateen::eval::{Qrels, Run};

use super::*;

/// Bytes without end.
struct Endless(&'static [u8], usize);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *out {
            *byte = self.0[self.1 % self.0.len()];
            self.1 += 1;
        }
        Ok(out.len())
    }
}

fn read_corpus(format: Option<Format>, reader: impl Read + Send + 'static) -> Result<(), String> {
    let options = ReadOptions { format, max_line_bytes: 1 << 20, ..ReadOptions::default() };
    let source = Source::from_reader(reader, "bomb", options).map_err(|error| error.to_string())?;
    source.take(1000).try_for_each(|document| document.map(drop)).map_err(|error| error.to_string())
}

/// A Parquet file of nothing but a footer, which says that it has so many bytes.
fn parquet(name: &'static str, footer: &'static [u8], length: u32) -> Case {
    case(name, move || {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = folder.path().join("bomb.parquet");
        let bytes = [b"PAR1", footer, &length.to_le_bytes(), b"PAR1"].concat();
        std::fs::write(&path, bytes).map_err(|error| error.to_string())?;
        let source = Source::open(&path, ReadOptions::default()).map_err(|error| error.to_string())?;
        source.take(1000).try_for_each(|document| document.map(drop)).map_err(|error| error.to_string())
    })
}

pub(super) fn cases() -> Vec<Case> {
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        format!("{{\"_id\": \"a\", \"text\": \"b\", \"deep\": {open}1{close}}}\n").into_bytes()
    };
    let (arrays, objects) = (nested("[", "]"), nested("{\"a\":", "}"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'x'; 64 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    // A frame whose window is 2⁴¹ bytes.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0];
    let corpus = |name, format, bytes: Vec<u8>| {
        case(name, move || read_corpus(format, io::Cursor::new(bytes.clone())))
    };
    vec![
        corpus("arrays 100,000 deep", Some(Format::Jsonl), arrays),
        corpus("objects 100,000 deep", Some(Format::Jsonl), objects),
        corpus("64 MiB in 64 KiB of gzip", Some(Format::Jsonl), packed),
        corpus("a zstd window of 2⁴¹ bytes", Some(Format::Jsonl), window.to_vec()),
        case("a line without end", || read_corpus(Some(Format::Jsonl), Endless(b"{\"text\": 1, ", 0))),
        case("a row without end", || read_corpus(Some(Format::Tsv), Endless(b"id\ttext\t", 0))),
        case("a text without end", || read_corpus(Some(Format::Text), Endless(b"text\n", 0))),
        case("front matter without end", || read_corpus(Some(Format::Markdown), Endless(b"---\na: b\n", 0))),
        case("bytes without end", || read_corpus(None, Endless(b"x", 0))),
        parquet("a Parquet footer of 4 GiB", &[], u32::MAX),
        parquet("2⁶⁰ columns", &[0x29, 0xfc, 128, 128, 128, 128, 128, 128, 128, 128, 16], 11),
        parquet("a name of 2⁶⁰ bytes", &[0x29, 0x1c, 0x48, 128, 128, 128, 128, 128, 128, 128, 128, 16], 12),
        parquet(
            "2⁵⁹ columns of a group",
            &[0x29, 0x1c, 0x55, 128, 128, 128, 128, 128, 128, 128, 128, 16, 0, 0],
            14,
        ),
        case("judgements without end", || {
            Qrels::read(io::BufReader::new(Endless(b"q 0 d ", 0)), "bomb").map(drop)
        }),
        case("a run without end", || {
            Run::read_trec(io::BufReader::new(Endless(b"q Q0 d 1 2.0 ", 0)), "bomb").map(drop)
        }),
    ]
}

/// Of a hostile text nothing but its length matters, and beyond what a model reads not even that.
#[test]
fn hostile_text_costs_no_more_than_its_length() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let model = Model::bundled().unwrap();
    let texts: [(&str, &str); 12] = [
        ("one word", "a"),
        ("combining marks", "e\u{301}\u{327}\u{30a}"),
        ("NUL, right-to-left, joiners", "\0\u{202e}\u{200d}"),
        ("CJK", "\u{6f22}\u{5b57}"),
        ("spaces", " "),
        ("grapheme joiners", "\u{34f}"),
        ("four-byte letters", "\u{10348}"),
        ("emoji families", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"),
        ("lone carriage returns", "x\r"),
        ("punctuation", "!?;"),
        ("Hangul to be composed", "\u{1112}\u{1161}\u{11ab}"),
        ("prose", "the moon raises the sea twice a day "),
    ];
    for (name, part) in texts {
        let cost = |characters: usize| {
            let text: String = part.chars().cycle().take(characters).collect();
            spent(|| {
                let found = model.encode_document_tokens(&[&text]).unwrap();
                assert!(found[0].matrix.view().rows() <= model.limits().1, "{name}");
            })
        };
        let costs = [500, 5_000, 100_000, 1_000_000].map(cost);
        println!("{name}: {costs:?} bytes asked for");
        // Ten times the text; buffers that grow by doubling add up to half as much again. Quadratic would be a hundred.
        assert!(costs[1] <= 16 * costs[0], "{name}: more than its length: {costs:?}");
        assert!(costs[3] <= 2 * costs[2] + (64 << 10), "{name}: not cut: {costs:?}");
    }
    // What is held at once does not grow with the text: it was never more than this for any of them.
    let (before, text) = (model.statistics().truncated, "the moon ".repeat(1_200_000));
    let held = ALLOCATOR.allocated();
    assert!(spent(|| drop(model.encode_document_tokens(&[&text]).unwrap())) < 32 << 20);
    assert!(
        ALLOCATOR.max_allocated() - held < 32 << 20,
        "{} bytes at once",
        ALLOCATOR.max_allocated() - held
    );
    assert_eq!(model.statistics().truncated, before + 1);
}

/// Lines that are no documents cost what lines cost, and the rest of the file is read.
#[test]
fn hostile_lines_cost_no_more_than_their_length() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cost = |lines: usize| {
        let mut bytes = b"\xef\xbb\xbf".to_vec();
        for line in 0..lines {
            match line % 5 {
                0 => bytes
                    .extend_from_slice(format!("{{\"_id\": \"{line}\", \"text\": \"x\"}}\r\n").as_bytes()),
                1 => bytes.extend_from_slice(b"\xff\xfe not UTF-8\n"),
                2 => bytes.extend_from_slice(b"{\"text\": \"no id\"}\n"),
                3 => bytes.extend_from_slice(b"\0\n"),
                _ => bytes.extend_from_slice(b"{\"_id\": 1, \"text\": \r\n"),
            }
        }
        let options = ReadOptions { format: Some(Format::Jsonl), skip_bad: true, ..ReadOptions::default() };
        spent(|| {
            let mut source = Source::from_reader(io::Cursor::new(bytes), "hostile", options).unwrap();
            let sound = source.by_ref().filter(Result::is_ok).count();
            assert_eq!((sound, source.skipped().records as usize), (lines / 5, lines - lines / 5));
        })
    };
    let costs = [1_000, 10_000, 100_000].map(cost);
    println!("{costs:?} bytes asked for");
    assert!(costs[1] <= 12 * costs[0] && costs[2] <= 12 * costs[1], "{costs:?}");
}

/// A million documents of nothing: one at a time.
#[test]
fn empty_documents_cost_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    struct Empty(u64, Vec<u8>);
    impl Read for Empty {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() && self.0 < 1_000_000 {
                writeln!(self.1, "{}\t", self.0)?;
                self.0 += 1;
            }
            let count = self.1.len().min(out.len());
            out[..count].copy_from_slice(&self.1[..count]);
            self.1.drain(..count);
            Ok(count)
        }
    }
    let options = ReadOptions {
        format: Some(Format::Tsv),
        skip_bad: true,
        allow_empty: true,
        ..ReadOptions::default()
    };
    let before = ALLOCATOR.allocated();
    let mut source = Source::from_reader(Empty(0, Vec::new()), "empty", options).unwrap();
    let read = source.by_ref().count() as u64;
    assert_eq!(read + source.skipped().records, 1_000_000);
    let held = ALLOCATOR.allocated() - before;
    assert!(held < 64 << 20, "{held} bytes are held");
}
