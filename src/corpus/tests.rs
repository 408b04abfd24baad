//! Reading whole inputs, good and hostile.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use serde_json::{Value, json};

fn options(format: Format) -> ReadOptions {
    ReadOptions { format: Some(format), ..ReadOptions::default() }
}

fn skipping(format: Format) -> ReadOptions {
    ReadOptions { skip_bad: true, ..options(format) }
}

fn source(bytes: impl Into<Vec<u8>>, options: ReadOptions) -> Source {
    Source::from_reader(io::Cursor::new(bytes.into()), "in", options).unwrap()
}

fn jsonl(text: &str) -> Vec<Result<Document, CorpusError>> {
    source(text, options(Format::Jsonl)).collect()
}

fn ids(source: impl Iterator<Item = Result<Document, CorpusError>>) -> Vec<String> {
    source.map(|document| document.unwrap().id).collect()
}

fn first_error(bytes: impl Into<Vec<u8>>, options: ReadOptions) -> String {
    source(bytes, options).find_map(Result::err).map(|error| error.to_string()).unwrap_or_default()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn a_record_becomes_a_document() {
    let text = "\u{feff}{\"_id\":\"a\",\"title\":\"T\",\"text\":\"x\",\"url\":\"u\",\"metadata\":{\"year\":1999,\"tags\":[1]}}\r\n\
                \r\n  \n{\"id\":7,\"text\":\"y\",\"title\":null,\"metadata\":null}\n{\"_id\":\"c\",\"id\":3,\"title\":\"only\",\"metadata\":\"m\"}";
    let documents: Vec<Document> = jsonl(text).into_iter().map(Result::unwrap).collect();
    let metadata = |value: Value| value.as_object().cloned().unwrap();
    let expected = [
        Document {
            id: "a".into(),
            title: "T".into(),
            text: "x".into(),
            metadata: metadata(json!({"url": "u", "year": 1999, "tags": [1]})),
        },
        Document::new("7", "y"),
        Document {
            id: "c".into(),
            title: "only".into(),
            text: String::new(),
            metadata: metadata(json!({"id": 3, "metadata": "m"})),
        },
    ];
    assert_eq!(documents, expected);
}

#[test]
fn every_error_names_the_line_and_the_field() {
    for (line, message) in [
        ("{\"text\":\"x\"}", "no field \"_id\"; the record has text"),
        ("{\"_id\":\"x\",\"body\":\"t\"}", "no field \"text\"; the record has _id, body"),
        ("{}", "no field \"_id\"; the record has none"),
        ("{\"_id\":\"\",\"text\":\"x\"}", "field \"_id\" is empty; give the record a name"),
        ("{\"id\":\"\",\"text\":\"x\"}", "field \"id\" is empty; give the record a name"),
        ("{\"_id\":1.5,\"text\":\"x\"}", "field \"_id\" is a number, not a string or a whole number"),
        ("{\"_id\":null,\"text\":\"x\"}", "field \"_id\" is null, not a string or a whole number"),
        ("{\"_id\":\"x\",\"text\":[\"x\"]}", "field \"text\" is an array, not a string"),
        ("{\"_id\":\"x\",\"text\":\"t\",\"title\":{}}", "field \"title\" is an object, not a string"),
        (
            "{\"_id\":\"x\",\"text\":\" \\n\"}",
            "\"x\" has no text and no title; fill it or leave the record out",
        ),
        ("{\"_id\":\"a\\u0000\",\"text\":\"x\"}", "the id \"a\\0\" has a control character; remove it"),
        (
            "{\"_id\":\"ok\",\"text\":\"again\"}",
            "the id \"ok\" was there before; rename or remove one of the records",
        ),
        ("{\"_id\":\"x\",\"text\":\"t\",\"text\":\"t\"}", "field \"text\" is there twice; keep one"),
        (
            "{\"_id\":\"x\",\"text\":\"t\",\"a\":1,\"metadata\":{\"a\":2}}",
            "field \"metadata.a\" is there twice; keep one",
        ),
        ("{\"_id\":\"x\"", "not a JSON object on one line: EOF while parsing an object (column 10)"),
        ("[{\"_id\":\"x\"}]", "a JSON array; write one object per line (jq -c '.[]' does)"),
        (
            "{\"_id\":\"x\",\"text\":\"a\u{0}b\"}",
            "not a JSON object on one line: control character (\\u0000-\\u001F) found while parsing a string (column 21)",
        ),
        (
            "{\"_id\":\"x\",\"text\":\"a\"}\r{\"_id\":\"y\",\"text\":\"b\"}",
            "a lone carriage return stands in the line; end lines with a line feed (tr '\\r' '\\n')",
        ),
    ] {
        let text =
            format!("{{\"_id\":\"ok\",\"text\":\"t\"}}\n\n{line}\n{{\"_id\":\"last\",\"text\":\"t\"}}\n");
        let found = jsonl(&text);
        assert_eq!(found.len(), 3, "{line}");
        assert_eq!(found[1].as_ref().unwrap_err().to_string(), format!("in:3: {message}"), "{line}");
        assert_eq!(found[2].as_ref().unwrap().id, "last");
        let mut source = source(text, skipping(Format::Jsonl));
        assert_eq!(ids(source.by_ref()), ["ok", "last"]);
        assert_eq!((source.skipped().records, source.skipped().first.len()), (1, 1));
    }
}

#[test]
fn ids_have_1_to_512_bytes() {
    let line = |id: String| format!("{{\"_id\":\"{id}\",\"text\":\"t\"}}\n");
    assert_eq!(jsonl(&line("é".repeat(256)))[0].as_ref().unwrap().id.len(), 512);
    let error = first_error(line("é".repeat(256) + "x"), options(Format::Jsonl));
    assert_eq!(error, format!("in:1: the id has 513 bytes, and 512 are possible: \"{}\"…", "é".repeat(32)));
}

#[test]
fn invalid_utf8_is_found_where_it_is() {
    let bytes = b"{\"_id\":\"a\",\"text\":\"x\"}\n{\"_id\":\"b\",\"text\":\"\xff\"}\n{\"_id\":\"c\",\"text\":\"x\"}\n";
    let error = first_error(*bytes, options(Format::Jsonl));
    assert_eq!(error, "in:2: byte 19 is not UTF-8; convert the file to UTF-8 (iconv does)");
    assert_eq!(ids(source(*bytes, skipping(Format::Jsonl))), ["a", "c"]);
    let utf16: Vec<u8> = "\u{feff}{\"_id\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(first_error(utf16, options(Format::Jsonl)).starts_with("in:1: the file is UTF-16"));
}

#[test]
fn repeated_ids_can_be_allowed_and_empty_input_too() {
    let twice = "{\"_id\":\"a\",\"text\":\"1\"}\n{\"_id\":\"a\",\"text\":\"2\"}\n";
    let lenient = ReadOptions { allow_repeated_ids: true, allow_empty: true, ..options(Format::Jsonl) };
    assert_eq!(ids(source(twice, lenient.clone())), ["a", "a"]);
    assert_eq!(source("", lenient).count(), 0);
    for empty in ["", "\n \r\n"] {
        let error = first_error(empty, ReadOptions::default());
        assert_eq!(error, "in: no document in it (0 bad ones skipped); check that it is the right file");
    }
    let error = first_error("{\n}\n", skipping(Format::Jsonl));
    assert_eq!(error, "in: no document in it (2 bad ones skipped); check that it is the right file");
    assert_eq!(jsonl("{\n").len(), 1, "one error is enough");
}

#[test]
fn only_the_first_few_errors_are_kept() {
    let mut source =
        source("{}\n".repeat(1000) + "{\"_id\":\"a\",\"text\":\"t\"}\n", skipping(Format::Jsonl));
    assert_eq!(ids(source.by_ref()), ["a"]);
    assert_eq!((source.skipped().records, source.skipped().first.len()), (1000, Skipped::REMEMBERED));
    assert!(source.skipped().first[7].to_string().starts_with("in:8: "));
}

#[test]
fn fields_can_have_other_names() {
    let fields = FieldNames { id: Some("pid".into()), title: Some("head".into()), text: Some("body".into()) };
    let read = |text: &str, format| {
        let options = ReadOptions { fields: fields.clone(), ..options(format) };
        source(text, options).next().unwrap().unwrap()
    };
    let expected = Document { title: "h".into(), ..Document::new("1", "b") };
    assert_eq!(read("{\"pid\":1,\"head\":\"h\",\"body\":\"b\"}", Format::Jsonl), expected);
    assert_eq!(read("body\tpid\thead\nb\t1\th\n", Format::Tsv), expected);
    let options = ReadOptions { fields, ..options(Format::Tsv) };
    assert_eq!(first_error("id\ttext\n1\tx\n", options), "in:1: no field \"pid\"; the record has id, text");
}

#[test]
fn tables_with_and_without_a_header() {
    let read =
        |text: &str| -> Vec<Document> { source(text, ReadOptions::default()).map(Result::unwrap).collect() };
    assert_eq!(read("0\t\"quoted\n1\ttwo\r\n"), [Document::new("0", "\"quoted"), Document::new("1", "two")]);
    assert_eq!(read("0\tT\tx\n"), [Document { title: "T".into(), ..Document::new("0", "x") }]);
    let with_url = read("ID\tURL\tText\nd\thttp\tx\n");
    assert_eq!(with_url[0].metadata, *json!({"URL": "http"}).as_object().unwrap());
    for (text, message) in [
        ("a\tb\nc\n", "in:2: 1 columns, but the first line has 2; escape or remove the odd separator"),
        (
            "a\tb\tc\td\n",
            "in:1: the first line names no id and text columns, and 4 columns could mean anything; add a header such as id, title, text",
        ),
        ("id\ttext\ttext\n", "in:1: field \"text\" is there twice; keep one"),
        ("id\ttext\n\tx\n", "in:2: field \"id\" is empty; give the record a name"),
        ("id\ttext\nx\t \n", "in:2: \"x\" has no text and no title; fill it or leave the record out"),
    ] {
        assert_eq!(first_error(text, options(Format::Tsv)), message);
    }
    // After a first line that explains nothing no later line may pass for a header.
    let mut odd = source("a\tb\tc\td\nid\tx\ty\ttext\n1\t2\t3\t4\n", skipping(Format::Tsv));
    assert!(matches!(odd.next(), Some(Err(CorpusError::Empty { skipped: 1, .. }))));
}

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

#[test]
fn text_files_and_markdown_are_documents() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("b.md", b"# Sails\r\n\r\nWind.\r\n");
    write("a/z.txt", "\u{feff}Plain text\n".as_bytes());
    write("a/packed.txt.gz", &gzip(b"Packed"));
    write("c/empty.txt", b" \n");
    write("c/code.rs", b"fn main() {}");
    write(".hidden/x.txt", b"no");
    write(".x.md", b"no");
    let documents: Vec<Document> =
        Source::open(folder.path(), ReadOptions::default()).unwrap().map(Result::unwrap).collect();
    let expected = [
        Document::new("a/packed.txt.gz", "Packed"),
        Document::new("a/z.txt", "Plain text"),
        Document { title: "Sails".into(), ..Document::new("b.md", "Wind.") },
    ];
    assert_eq!(documents, expected);
    let mut all = Source::open(folder.path(), options(Format::Text)).unwrap();
    assert_eq!(ids(all.by_ref()), ["a/packed.txt.gz", "a/z.txt", "b.md", "c/code.rs"]);
    assert_eq!(all.skipped().empty_files, 1);
    assert_eq!(all.position().total, Some(all.position().bytes));
    let one = Source::open(folder.path().join("a/z.txt"), ReadOptions::default()).unwrap();
    assert_eq!(ids(one), ["z.txt"]);
    let none = Source::open(folder.path(), options(Format::Jsonl)).unwrap_err();
    assert!(matches!(none, CorpusError::NoFiles { .. }), "{none}");

    write("a/bad.txt", b"one\ntwo \xff");
    write("d/binary.txt", b"one\n\0");
    write("d/broken.txt.gz", &gzip(b"Some text that is cut")[..20]);
    write("d/fine.txt", b"fine");
    let errors: Vec<String> = Source::open(folder.path(), ReadOptions::default())
        .unwrap()
        .filter_map(Result::err)
        .map(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
        .collect();
    assert_eq!(
        errors,
        [
            "/a/bad.txt:2: byte 4 is not UTF-8; convert the file to UTF-8 (iconv does)",
            "/d/binary.txt:2: byte 0 is NUL, so this is no text file; leave it out",
            "/d/broken.txt.gz: cannot be read: the gzip data ends too soon",
        ]
    );
    let mut rest =
        Source::open(folder.path(), ReadOptions { skip_bad: true, ..ReadOptions::default() }).unwrap();
    assert_eq!(rest.by_ref().count(), 4);
    assert_eq!(rest.skipped().records, 3);
    let small = ReadOptions { max_line_bytes: 5, ..options(Format::Text) };
    let long = Source::open(folder.path().join("a/z.txt"), small).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(long.problem(), Some(Problem::TooLong { limit: 5 })));
}

#[test]
fn a_beir_folder_is_its_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let open = |format| Source::open(folder.path(), ReadOptions { format, ..ReadOptions::default() });
    assert!(matches!(open(Some(Format::Beir)), Err(CorpusError::NoFiles { .. })));
    write("corpus.jsonl.zst", &zstd(b"{\"_id\":\"a\",\"text\":\"x\"}\n"));
    write("queries.jsonl", b"{\"_id\":\"q\",\"text\":\"x?\",\"metadata\":{\"n\":1}}\n");
    for format in [None, Some(Format::Beir)] {
        assert_eq!(ids(open(format).unwrap()), ["a"]);
    }
    let query = Queries::open(folder.path(), ReadOptions::default()).unwrap().next().unwrap().unwrap();
    assert_eq!((query.id.as_str(), query.text.as_str(), &query.metadata["n"]), ("q", "x?", &json!(1)));
    let file = Source::open(folder.path().join("queries.jsonl"), options(Format::Beir)).unwrap_err();
    assert!(file.to_string().ends_with("is a file, but the format beir needs a folder"));
    assert!(matches!(Source::open("/no/such", ReadOptions::default()), Err(CorpusError::Open { .. })));
}

#[test]
fn shards_of_a_folder_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for (name, id) in [("b.jsonl", "2"), ("a.jsonl", "1"), ("c.csv", "3")] {
        let row = format!("{{\"_id\":\"{id}\",\"text\":\"t\"}}\n");
        let text = if name.ends_with("csv") { format!("id,text\n{id},\"a, b\nc\"\n") } else { row };
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(ids(Source::open(folder.path(), options(Format::Jsonl)).unwrap()), ["1", "2"]);
    let csv: Vec<Document> =
        Source::open(folder.path(), options(Format::Tsv)).unwrap().map(Result::unwrap).collect();
    assert_eq!(csv, [Document::new("3", "a, b\nc")]);
    // A folder of queries that is no BEIR folder has none.
    assert!(matches!(Queries::open(folder.path(), ReadOptions::default()), Err(CorpusError::NoFiles { .. })));
}

#[test]
fn queries_come_in_three_forms() {
    let read = |text: &str| {
        let text = text.as_bytes().to_vec();
        Queries::from_reader(io::Cursor::new(text), "in", ReadOptions::default()).and_then(Queries::read_all)
    };
    let pair = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    assert_eq!(read("{\"_id\":1,\"text\":\"x\"}\n").unwrap(), [pair("1", "x")]);
    assert_eq!(read("q1\twhat?\nq2\twhy?\n").unwrap(), [pair("q1", "what?"), pair("q2", "why?")]);
    assert_eq!(read("qid\tquery\nq1\twhat?\n").unwrap(), [pair("q1", "what?")]);
    assert_eq!(read("what?\n\n why? \r\n").unwrap(), [pair("1", "what?"), pair("3", "why?")]);
    for (text, message) in [
        ("", "in: no query in it (0 bad ones skipped); check that it is the right file"),
        ("q\ta\nq\tb\n", "in:2: the id \"q\" was there before; rename or remove one of the records"),
        ("q\t \n", "in:1: \"q\" has no text; fill it or leave the record out"),
        ("{\"_id\":\"q\"}", "in:1: no field \"text\"; the record has _id"),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), message);
    }
    let mut skipping = Queries::from_reader(&b"q\t\nr\tx\n"[..], "in", skipping(Format::Tsv)).unwrap();
    assert_eq!(skipping.next().unwrap().unwrap().id, "r");
    assert_eq!((skipping.next().is_none(), skipping.skipped().records), (true, 1));
}

#[test]
fn the_sample_corpus_is_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut topics = std::collections::BTreeMap::new();
    for document in Source::open(folder.join("corpus.jsonl"), ReadOptions::default()).unwrap() {
        let document = document.unwrap();
        let words = document.text.split_whitespace().count();
        assert!((35..=95).contains(&words) && !document.title.is_empty(), "{}: {words} words", document.id);
        *topics.entry(document.metadata["topic"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert!(topics.values().sum::<i32>() >= 280 && topics.len() >= 15, "{topics:?}");
    let queries =
        Queries::open(folder.join("queries.tsv"), ReadOptions::default()).unwrap().read_all().unwrap();
    assert!(queries.len() >= 25);
}

#[test]
fn readers_can_move_to_another_thread() {
    fn moves<T: Send>() {}
    moves::<Source>();
    moves::<Queries>();
    moves::<CorpusError>();
}

proptest::proptest! {
    /// Whatever the bytes, reading ends, and what is handed out keeps the promises.
    #[test]
    fn any_bytes_are_read_or_refused(
        head in proptest::sample::select(vec![
            &b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"{\"_id\":\"a\",\"text\":\"", b"id\ttext\n", b"---\ntitle: ", b"\xef\xbb\xbf#",
        ]),
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        format in proptest::sample::select(vec![None, Some(Format::Jsonl), Some(Format::Tsv), Some(Format::Text), Some(Format::Markdown)]),
    ) {
        let input = [head, &bytes].concat();
        let options = ReadOptions { format, max_line_bytes: 200, skip_bad: true, ..ReadOptions::default() };
        let found = Source::from_reader(io::Cursor::new(input.clone()), "in", options.clone());
        for document in found.into_iter().flatten().flatten() {
            assert!((1..=MAX_ID_BYTES).contains(&document.id.len()));
            assert!(!document.full_text().trim().is_empty());
        }
        let found = Queries::from_reader(io::Cursor::new(input), "in", options);
        for query in found.into_iter().flatten().flatten() {
            assert!(!query.text.trim().is_empty());
        }
    }
}
