//! Files of a real writer, and hostile ones made by hand.

use std::io::Cursor;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::corpus::{Problem, Queries, QuestionSet, ReadOptions, Source, read_reranking_set};

mod writer;
use writer::{BYTES, Chunk, I32, I64, LIST, STRUCT, Thrift, file, page, text_file};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet").join(name)
}

fn rows_of(bytes: Vec<u8>) -> Result<Vec<Map<String, Value>>, CorpusError> {
    Rows::of(Box::new(Cursor::new(bytes)), "in".to_owned(), None, 1 << 20, &Arc::default())?.collect()
}

fn error(bytes: Vec<u8>) -> String {
    rows_of(bytes).unwrap_err().to_string()
}

#[test]
fn every_way_of_writing_gives_the_same_rows() {
    let expected: Vec<Map<String, Value>> =
        serde_json::from_slice(&std::fs::read(fixture("rows.json")).unwrap()).unwrap();
    let mut ways = 0;
    for entry in std::fs::read_dir(fixture("rows")).unwrap() {
        let path = entry.unwrap().path();
        let count = Arc::default();
        let rows: Result<Vec<_>, _> = Rows::open(&path, None, 1 << 20, &count).unwrap().collect();
        for (at, (found, expected)) in rows.unwrap().iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{} row {at}", path.display());
        }
        let read = count.load(Ordering::Relaxed);
        assert!(read > 0 && read < path.metadata().unwrap().len(), "{read} bytes counted");
        ways += 1;
    }
    assert_eq!(ways, 7);
}

#[test]
fn sets_are_read_as_they_are_published() {
    let samples = read_reranking_set(fixture("reranking"), None).unwrap();
    assert_eq!((samples.len(), samples[8].positive.len()), (9, 2));
    assert_eq!(samples[4].queries, ["问题 4"]);
    assert_eq!(samples[4].negative[3], "别的 4.3");
    let one = read_reranking_set(fixture("reranking/test-00001-of-00003.parquet"), None).unwrap();
    assert_eq!(one, samples[3..6]);
    assert!(read_reranking_set(fixture("reranking"), Some("dev")).is_err());

    let set = QuestionSet::open(fixture("posq.parquet"), None).unwrap();
    assert_eq!((set.texts.len(), set.questions.len()), (2, 3));
    assert_eq!(
        (set.questions[1].start, set.questions[1].parts.join(" ")),
        (Some(27), "beginning middle".into())
    );
}

#[test]
fn documents_and_queries_are_rows_too() {
    let mut source = Source::open(fixture("corpus.parquet"), ReadOptions::default()).unwrap();
    let documents: Vec<_> = source.by_ref().map(Result::unwrap).collect();
    assert_eq!((documents[0].id.as_str(), documents[0].title.as_str()), ("7", "Tides"));
    assert_eq!(documents[0].metadata["tags"], json!(["sea", "moon"]));
    assert_eq!(documents[1].metadata["year"], Value::Null);
    assert!(source.position().bytes > 0);
    let queries = Queries::open(fixture("corpus.parquet"), ReadOptions::default()).unwrap();
    assert_eq!(queries.read_all().unwrap()[1], ("8".to_owned(), "Bread rises.".to_owned()));
    let stream = File::open(fixture("corpus.parquet")).unwrap();
    let error = Source::from_reader(stream, "standard input", ReadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "standard input is a stream, but the format parquet needs a file");
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let refused = |name: &str| {
        let source = Source::open(fixture(name), ReadOptions::default());
        let error = source.map_or_else(Err, |mut source| source.try_for_each(|document| document.map(drop)));
        error.unwrap_err().to_string()
    };
    for (name, words) in [
        ("brotli.parquet", "brotli.parquet:1: column \"_id\" is compressed by Brotli; write it with snappy"),
        ("nested.parquet", "column \"author\" holds groups of columns, not text"),
        ("dates.parquet", "column \"day\" holds dates or times, not text"),
        ("rows/usual.parquet", "no field \"text\""),
    ] {
        let error = refused(name);
        let is_other = name.starts_with("rows") && error.contains("is there");
        assert!(error.contains(words) || is_other || error.contains("no text"), "{name}: {error}");
    }
    let error = read_reranking_set(fixture("corpus.parquet"), None).unwrap_err().to_string();
    assert!(
        error.contains("column \"query\" no such column; the file has _id, title, text, year, tags"),
        "{error}"
    );
    let error = read_reranking_set(fixture("posq.parquet"), None).unwrap_err().to_string();
    assert!(error.contains("no such column"), "{error}");
    let error = QuestionSet::open(fixture("reranking"), None).unwrap_err().to_string();
    assert!(
        error.contains("column \"content\" no such column; the file has query, positive, negative"),
        "{error}"
    );
}

#[test]
fn no_broken_file_is_read_to_its_end_or_panics() {
    for name in ["corpus.parquet", "posq.parquet", "reranking/test-00000-of-00003.parquet"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in 0..whole.len() {
            assert!(rows_of(whole[..length].to_vec()).is_err(), "{name} cut to {length}");
        }
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] ^= flip;
                let _ = rows_of(broken);
            }
        }
    }
    for name in ["rows/checksums.parquet", "rows/differences.parquet", "rows/new-pages.parquet"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut broken = whole.clone();
            broken[at] ^= 0xff >> (at % 8);
            let _ = rows_of(broken);
        }
    }
}

#[test]
fn a_changed_page_does_not_pass_its_checksum() {
    let mut whole = std::fs::read(fixture("rows/checksums.parquet")).unwrap();
    // The first page begins at byte 4; its header is shorter than 60 bytes.
    whole[64] ^= 1;
    assert!(error(whole).contains("a page has checksum"));
}

#[test]
fn a_file_made_by_hand_is_read() {
    let rows = rows_of(text_file(&["a", "", "ü"], 3, |_| {})).unwrap();
    assert_eq!(rows.iter().map(|row| &row["t"]).collect::<Vec<_>>(), ["a", "", "ü"]);
}

#[test]
fn claims_are_not_believed() {
    for rows in [4, 1 << 60, i64::MAX] {
        let message = error(text_file(&["a", "b", "c"], rows, |_| {}));
        assert!(message.starts_with("in:4: column \"t\" ends after 3 of the"), "{message}");
    }
    let message = error(text_file(&["a", "b", "c"], 2, |_| {}));
    assert!(message.contains("a column has more rows than its row group"), "{message}");
    assert!(error(text_file(&["a"], -1, |_| {})).contains("a negative number"));
    for (change, words) in [
        (
            Chunk { unpacked: Some(i32::MAX as i64), ..Chunk::default() },
            "a page says that it has 2147483647 bytes",
        ),
        (Chunk { unpacked: Some(77), ..Chunk::default() }, "another length than it says"),
        (Chunk { packed: Some(1 << 20), ..Chunk::default() }, "a page is longer than its column"),
        (Chunk { count: Some(1 << 30), ..Chunk::default() }, "a page ends before its values"),
        (Chunk { codec: 1, ..Chunk::default() }, "a page cannot be unpacked"),
        (Chunk { codec: 6, unpacked: Some(1 << 26), ..Chunk::default() }, "a page cannot be unpacked"),
        (Chunk { codec: 4, ..Chunk::default() }, "is compressed by Brotli"),
        (Chunk { encoding: 9, ..Chunk::default() }, "is encoded by BYTE_STREAM_SPLIT"),
        (Chunk { encoding: 8, ..Chunk::default() }, "a dictionary is missing"),
        (Chunk { begin: Some(1 << 40), ..Chunk::default() }, "a column stands outside the file"),
    ] {
        let message = error(text_file(&["abc", "d"], 3, |chunk| *chunk = change));
        assert!(message.contains(words), "{words}: {message}");
    }
    // A string that says it has 2 GiB.
    let chunk = Chunk { values: i32::MAX.to_le_bytes().to_vec(), count: Some(1), ..Chunk::default() };
    assert!(error(file(&[("t", chunk)], 1)).contains("a page ends before its values"));
}

#[test]
fn a_row_of_a_billion_values_is_refused_and_the_next_one_read() {
    // One run of 2^20 items of nothing, then a row without items.
    let run = |value: u8, count: u32| {
        let mut levels = Vec::new();
        writer::varint(&mut levels, u64::from(count) << 1);
        levels.push(value);
        levels
    };
    let many = 1 << 20;
    let repetitions = [run(0, 1), run(1, many - 1), run(0, 1)].concat();
    let definitions = [run(1, many), run(0, 1)].concat();
    let prefixed = |levels: Vec<u8>| [&(levels.len() as u32).to_le_bytes()[..], &levels].concat();
    let values = [prefixed(repetitions), prefixed(definitions), vec![0; 8]].concat();
    // The items are empty strings of a dictionary of one, named by no bits.
    let dictionary = page(2, 4, 4, 1, 0, &[0; 4]);
    let values = [&values[..values.len() - 8], &[0], &{
        let mut indices = Vec::new();
        writer::varint(&mut indices, u64::from(many) << 1);
        indices
    }]
    .concat();
    let data = page(0, values.len(), values.len(), u64::from(many) + 1, 8, &values);
    let bytes = writer::list_file("t", &[dictionary, data].concat(), 2);
    let mut rows =
        Rows::of(Box::new(Cursor::new(bytes)), "in".into(), None, 1 << 20, &Arc::default()).unwrap();
    let error = rows.next().unwrap().unwrap_err();
    assert!(matches!(error, CorpusError::Record { problem: Problem::TooManyValues { .. }, .. }), "{error}");
    assert_eq!(rows.next().unwrap().unwrap()["t"], json!([]));
    assert!(rows.next().is_none());
}

#[test]
fn text_that_is_none_is_one_bad_row() {
    let chunk = Chunk {
        values: [&1u32.to_le_bytes()[..], &[0xff], &1u32.to_le_bytes(), b"a"].concat(),
        ..Chunk::default()
    };
    let bytes = file(&[("t", Chunk { count: Some(2), ..chunk })], 2);
    let mut rows =
        Rows::of(Box::new(Cursor::new(bytes)), "in".into(), None, 1 << 20, &Arc::default()).unwrap();
    let error = rows.next().unwrap().unwrap_err();
    assert!(error.is_record());
    assert_eq!(error.to_string(), "in:1: field \"t\" is bytes that are not UTF-8, not text");
    assert_eq!(rows.next().unwrap().unwrap()["t"], "a");
    let long = text_file(&["abcdefgh", "ab"], 2, |_| {});
    let mut rows = Rows::of(Box::new(Cursor::new(long)), "in".into(), None, 4, &Arc::default()).unwrap();
    assert!(rows.next().unwrap().unwrap_err().to_string().contains("longer than 4 bytes"));
    assert_eq!(rows.next().unwrap().unwrap()["t"], "ab");
}

#[test]
fn structures_without_end_are_refused() {
    // Structures in structures, lists in lists, and a schema whose groups never end.
    for deep in [vec![0x1c; 1 << 16], vec![0x19; 1 << 16]] {
        assert!(error(writer::with_footer(&[], &deep)).contains("is damaged"));
    }
    let mut elements = Thrift::default();
    elements.field(2, LIST);
    elements.list(STRUCT, 3000);
    for _ in 0..3000 {
        elements.begin();
        elements.field(4, BYTES).bytes(b"g");
        elements.field(5, I32).number(1);
        elements.end();
    }
    elements.end();
    assert!(error(writer::with_footer(&[], &elements.bytes)).contains("too deep in each other"));
    let mut rows = Thrift::default();
    rows.field(3, I64).number(i64::MAX);
    rows.end();
    assert!(error(writer::with_footer(&[], &rows.bytes)).contains("the list of columns is not whole"));
}
