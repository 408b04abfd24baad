//! Reading whole inputs, good and hostile.

use std::io::{self, Write};
use std::path::Path;

use super::*;
use serde_json::{Value, json};

mod folders;
mod packed;

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
