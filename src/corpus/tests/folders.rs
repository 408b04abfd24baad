//! Folders of files.

use std::fs;

use super::*;

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
