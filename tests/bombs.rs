//! Small files that claim to be large: each is refused, and no memory is spent on the claim.
//!
//! A binary of its own, because its allocator counts every byte that is asked for.

#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use cap::Cap;
use lateen::corpus::{Format, ReadOptions, Source};
use lateen::encode::{Model, ModelOptions, RuntimeChoice, RuntimeSearch};
use lateen::eval::{Qrels, Run};
use lateen::format::{Manifest, SectionKind, SegmentLayout, Tombstones};

#[allow(dead_code, reason = "the fuzzers use all of it")]
#[path = "../fuzz/src/format.rs"]
mod format;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// One test at a time: the count is of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// The most that may be asked for, in total, on the way to a refusal.
const LIMIT: usize = 16 << 20;

/// Runs a reader on a bomb; `Ok` means that the bomb was taken for sound.
type Case = (&'static str, Box<dyn Fn() -> Result<(), String>>);

fn case<E: std::fmt::Display>(name: &'static str, run: impl Fn() -> Result<(), E> + 'static) -> Case {
    (name, Box::new(move || run().map_err(|error| error.to_string())))
}

/// Little-endian numbers one after the other: `(value, bytes)`.
fn numbers(fields: &[(u64, usize)]) -> Vec<u8> {
    let number = |&(value, width): &(u64, usize)| {
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(width, 0);
        bytes
    };
    fields.iter().flat_map(number).collect()
}

/// Numbers, then zeros up to `length`.
fn record(fields: &[(u64, usize)], length: usize) -> Vec<u8> {
    let mut bytes = numbers(fields);
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}

const HUGE: u64 = 1 << 60;
const WIDE: u64 = u32::MAX as u64;

fn manifest(name: &'static str, body: Vec<u8>) -> Case {
    case(name, move || Manifest::decode(&format::sealed(2, &body)).map(drop))
}

fn tombstones(name: &'static str, body: Vec<u8>) -> Case {
    case(name, move || Tombstones::decode(&format::sealed(3, &body)).map(drop))
}

fn section(name: &'static str, kind: SectionKind, bytes: Vec<u8>) -> Case {
    let bytes = lateen::format::AlignedBytes::from_slice(&bytes);
    case(name, move || format::read_section(kind, &bytes))
}

/// Settings, then an empty model, up to the list of segments.
fn manifest_head() -> Vec<u8> {
    let settings = [(8, 4), (4, 1), (0, 4), (0, 1), (0, 1), (0, 8)];
    let model = [(0, 8), (0, 8), (0, 8), (0, 8), (0, 8)];
    numbers(&[&[(1, 8), (1, 8)][..], &settings, &model].concat())
}

fn metadata() -> Vec<Case> {
    let with = |fields: &[(u64, usize)]| [manifest_head(), numbers(fields)].concat();
    let name = |length: u64| {
        let mut body = manifest_head();
        body[35..43].copy_from_slice(&length.to_le_bytes());
        body
    };
    let meta = |fields: &[(u64, usize)]| {
        let head = [(1, 4), (1, 8), (8, 4), (4, 1), (0, 4)];
        let settings = [(8, 4), (4, 1), (0, 4), (0, 1), (0, 1), (0, 8)];
        numbers(&[&head[..], &[(0, 8)], &settings, fields].concat())
    };
    let long_body = |length: u64| {
        let mut file = format::sealed(2, &manifest_head());
        file[16..24].copy_from_slice(&length.to_le_bytes());
        let sum = xxhash_rust::xxh3::xxh3_64(&file[..56]);
        file[56..64].copy_from_slice(&sum.to_le_bytes());
        file
    };
    let bodies = [long_body(HUGE), long_body(u64::MAX)];
    let [huge_body, endless_body] = bodies;
    vec![
        manifest("a manifest of 2³² segments", with(&[(WIDE, 4)])),
        manifest("a manifest of 2²⁰ segments, one of them there", with(&[(1 << 20, 4), (0, 41)])),
        manifest(
            "2³² targets of a tuning",
            with(&[(0, 4), (1, 1), (0, 8), (0, 8), (0, 4), (0, 1), (0, 8), (WIDE, 4)]),
        ),
        manifest(
            "2³² settings of a target",
            with(&[
                (0, 4),
                (1, 1),
                (0, 8),
                (0, 8),
                (0, 4),
                (0, 1),
                (0, 8),
                (1, 4),
                (1, 4),
                (0, 8),
                (0, 4),
                (WIDE, 4),
            ]),
        ),
        manifest("a model name of 2⁶⁰ bytes", name(HUGE)),
        manifest("a model name of 2⁶⁴ bytes", name(u64::MAX)),
        manifest("a model name of 2³² bytes", name(WIDE)),
        case("a manifest body of 2⁶⁰ bytes", move || Manifest::decode(&huge_body).map(drop)),
        case("a manifest body of 2⁶⁴ bytes", move || Manifest::decode(&endless_body).map(drop)),
        section("2³² build settings", SectionKind::Meta, meta(&[(WIDE, 4)])),
        section("a build setting of 2⁶⁰ bytes", SectionKind::Meta, meta(&[(1, 4), (HUGE, 8)])),
        tombstones("a bitmap of 2¹⁶ containers", numbers(&[(1, 8), (9, 4), (9, 4), (12346, 4), (65_536, 4)])),
        tombstones("a bitmap of 2³² containers", numbers(&[(1, 8), (9, 4), (9, 4), (12346, 4), (WIDE, 4)])),
        tombstones(
            "a bitmap of runs without runs",
            numbers(&[(1, 8), (WIDE, 4), (WIDE, 4), (0xffff_303b, 4)]),
        ),
    ]
}

/// A segment with a directory of `entries`, all checksums right.
fn segment(entries: &[[(u64, usize); 7]], directory: (u64, u64)) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[8] = 1;
    file[10] = 1;
    let entries: Vec<u8> = entries.iter().flat_map(|entry| numbers(entry)).collect();
    file.extend_from_slice(&entries);
    file.resize(file.len().next_multiple_of(64), 0);
    let length = file.len() as u64 + 64;
    file.extend(record(&[(directory.0, 8), (directory.1, 8), (0, 8), (length, 8)], 64));
    format::reseal_segment(&mut file);
    file
}

fn segments() -> Vec<Case> {
    let entry = |kind: u64, offset: u64, length: u64| {
        [(kind, 4), (1, 4), (offset, 8), (length, 8), (64, 8), (0, 8), (0, 8)]
    };
    let parse = |name, file: Vec<u8>| {
        case(name, move || SegmentLayout::parse(&file).and_then(|layout| layout.verify(&file)))
    };
    vec![
        parse("a directory of 2⁶⁰ bytes", segment(&[], (64, HUGE / 48 * 48))),
        parse("a directory of 2³² sections", segment(&[], (64, WIDE * 48))),
        parse("a directory at 2⁶⁰", segment(&[], (HUGE, 48))),
        parse("a section of 2⁶⁰ bytes", segment(&[entry(5, 64, HUGE)], (64, 48))),
        parse("a section of 2⁶⁴ bytes", segment(&[entry(5, 64, u64::MAX)], (64, 48))),
        parse("a section at the end of the numbers", segment(&[entry(5, u64::MAX - 63, 64)], (64, 48))),
    ]
}

fn sections() -> Vec<Case> {
    use SectionKind as S;
    let levels = [(0, 8), (0, 8)];
    let codec = |dim: u64, count: u64| {
        record(&[&[(dim, 4), (4, 1), (0, 3), (7, 8)][..], &levels, &[(0, 8), (count, 4)]].concat(), 64)
    };
    let foot = |fields: &[(u64, usize)]| record(fields, 64);
    let block = |raw: u64, body: &[u8]| {
        let mut bytes = body.to_vec();
        bytes.resize(body.len().next_multiple_of(64), 0);
        bytes.extend(numbers(&[(0, 4), (raw, 4), (0, 8)]));
        bytes.extend(record(&[(1, 4), (1, 4), (body.len() as u64, 8)], 64));
        bytes
    };
    // A frame head that declares 2⁶⁰ bytes, and an honest frame of zeros that decompresses to too much.
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &HUGE.to_le_bytes(), &[1, 0, 0]].concat();
    vec![
        section("2³² centroids", S::Codec, codec(8, WIDE)),
        section("2¹⁹ centroids of 8192 dimensions", S::Codec, codec(8192, 1 << 19)),
        section("2⁶⁰ centroid ids", S::CentroidIds, record(&[(HUGE, 8), (2, 1)], 64)),
        section("2⁶⁴ centroid ids", S::CentroidIds, record(&[(u64::MAX, 8), (4, 1)], 64)),
        section("2³² lists", S::InvertedLists, record(&[(WIDE, 4), (9, 4), (0, 8), (4, 1)], 128)),
        section("lists of 2⁶⁰ bytes", S::InvertedLists, record(&[(1, 4), (9, 4), (HUGE, 8), (8, 1)], 128)),
        section("2⁶⁰ rows", S::RawTokens, record(&[(HUGE, 8), (8192, 4), (1, 1)], 64)),
        section("2⁶⁴ rows", S::RawTokens, record(&[(u64::MAX, 8), (1, 4), (2, 1)], 64)),
        section("2³² rows of bytes", S::DenseVectors, record(&[(WIDE, 8), (8192, 4), (3, 1)], 64)),
        section("2³² nodes", S::GraphLinks, record(&[(WIDE, 4), (4096, 4), (4096, 4)], 128)),
        section(
            "2³² lists above",
            S::GraphLinks,
            record(&[(1, 4), (4096, 4), (1, 4), (0, 4), (63, 4), (WIDE, 4)], 192),
        ),
        section("2³² ids", S::ExternalIds, record(&[(WIDE, 4), (4, 1), (0, 3), (64, 8)], 128)),
        section("ids of 2⁶⁰ bytes", S::ExternalIds, record(&[(1, 4), (8, 1), (0, 3), (HUGE, 8)], 192)),
        section(
            "2³² documents with terms",
            S::Terms,
            record(&[(WIDE, 4), (1, 4), (0, 24), (4, 1), (4, 1)], 192),
        ),
        section("2³² terms", S::Terms, record(&[(1, 4), (WIDE, 4), (0, 24), (4, 1), (4, 1)], 192)),
        section(
            "terms of 2⁶⁰ bytes",
            S::Terms,
            record(&[(1, 4), (1, 4), (1, 8), (HUGE, 8), (HUGE, 8), (8, 1), (8, 1)], 256),
        ),
        section("2³² blocks of texts", S::StoredFields, foot(&[(WIDE, 4), (WIDE, 4), (64, 8)])),
        section("texts of 2⁶⁰ bytes", S::StoredFields, foot(&[(1, 4), (1, 4), (HUGE, 8)])),
        section("a text of 4 GiB in 16 bytes", S::StoredFields, block(WIDE, &frame)),
        section("a frame that declares 2⁶⁰ bytes", S::StoredFields, block(1 << 18, &frame)),
    ]
}

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

fn texts() -> Vec<Case> {
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
        case("judgements without end", || {
            Qrels::read(io::BufReader::new(Endless(b"q 0 d ", 0)), "bomb").map(drop)
        }),
        case("a run without end", || {
            Run::read_trec(io::BufReader::new(Endless(b"q Q0 d 1 2.0 ", 0)), "bomb").map(drop)
        }),
    ]
}

/// A model directory of which one file is the bomb.
fn model(name: &'static str, file: &'static str, bytes: Vec<u8>, length: Option<u64>) -> Case {
    case(name, move || {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        put("config.json", br#"{"model_type":"lateen-static","version":1,"dim":2,"max_query_tokens":8,"max_document_tokens":8}"#);
        put("tokenizer.json", br#"{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}"#);
        put(file, &bytes);
        if let Some(length) = length {
            let file = std::fs::OpenOptions::new().write(true).open(folder.path().join(file)).unwrap();
            file.set_len(length).unwrap();
        }
        let options = ModelOptions {
            runtime: RuntimeChoice::Rten,
            search: RuntimeSearch::nowhere(),
            threads: 1,
            ..ModelOptions::default()
        };
        Model::load(folder.path(), &options).map(drop)
    })
}

fn models() -> Vec<Case> {
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let config = |dim: &str| {
        format!("{{\"model_type\":\"lateen-static\",\"version\":1,\"dim\":{dim},\"max_query_tokens\":8,\"max_document_tokens\":8}}")
            .into_bytes()
    };
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let tensor = |shape: &str, offsets: &str| {
        header(&format!(
            "{{\"embeddings\":{{\"dtype\":\"I8\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}"
        ))
    };
    let weights = "model.safetensors";
    vec![
        model("a model of 2³¹ dimensions", "config.json", config("2147483648"), None),
        model("a model of 2⁶³ dimensions", "config.json", config("9223372036854775808"), None),
        model("settings 100,000 deep", "config.json", deep.clone(), None),
        model("a tokenizer 100,000 deep", "tokenizer.json", deep, None),
        model("a tokenizer of 4 GiB", "tokenizer.json", Vec::new(), Some(4 << 30)),
        model("settings of 4 GiB", "config.json", Vec::new(), Some(4 << 30)),
        model("a header of 2⁶⁰ bytes", weights, HUGE.to_le_bytes().to_vec(), None),
        model(
            "a header of 17 MiB in a file of 14",
            weights,
            (17_u64 << 20).to_le_bytes().to_vec(),
            Some(14 << 20),
        ),
        model("a tensor of 2⁶⁰ rows", weights, tensor("[1152921504606846976,2]", "[0,8]"), None),
        model("a tensor whose size wraps around", weights, tensor("[9223372036854775808,2]", "[0,0]"), None),
        model("a tensor at 2⁶⁰", weights, tensor("[1,2]", "[1152921504606846976,1152921504606846978]"), None),
        model("a tensor that ends before it begins", weights, tensor("[1,2]", "[8,6]"), None),
    ]
}

#[test]
fn no_claim_is_believed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // What the library makes once does not count.
    let _ = models().last().unwrap().1();
    let cases: Vec<Case> =
        [metadata(), segments(), sections(), texts(), models()].into_iter().flatten().collect();
    assert!(cases.len() >= 40);
    let mut failures = Vec::new();
    for (name, run) in &cases {
        let before = ALLOCATOR.total_allocated();
        let result = run();
        let spent = ALLOCATOR.total_allocated() - before;
        println!(
            "{spent:>9} bytes asked for: {name}: {}",
            result.as_ref().err().map_or("taken", String::as_str)
        );
        if result.is_ok() || spent > LIMIT {
            failures.push(format!("{name}: {spent} bytes asked for, {result:?}"));
        }
    }
    println!("{} cases", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Bytes asked for while `run` runs.
fn spent(run: impl FnOnce()) -> usize {
    let before = ALLOCATOR.total_allocated();
    run();
    ALLOCATOR.total_allocated() - before
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
