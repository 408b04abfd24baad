//! `FORMAT.md` says what the code does.

use std::collections::BTreeMap;

use lateen_index_format::{SectionKind, layout};

use crate::sample;

const FORMAT: &str = include_str!("../../FORMAT.md");

/// The cells of each table below a `###` heading whose first columns are `columns`, by heading.
fn tables(columns: &[&str]) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut tables = BTreeMap::new();
    for part in FORMAT.split("\n### ").skip(1) {
        let (title, body) = part.split_once('\n').unwrap();
        let mut rows =
            body.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        let cells = |line: &str| -> Vec<String> {
            line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
        };
        let header = rows.next().map(cells).unwrap_or_default();
        if header.starts_with(&columns.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()) {
            tables.insert(title.to_owned(), rows.skip(1).map(cells).collect());
        }
    }
    tables
}

#[test]
fn fixed_records_lie_as_specified() {
    let specified: BTreeMap<String, Vec<(usize, usize, String)>> = tables(&["offset", "size", "field"])
        .into_iter()
        .map(|(title, rows)| {
            let fields = rows
                .into_iter()
                .map(|row| (row[0].parse().unwrap(), row[1].parse().unwrap(), row[2].clone()));
            (title, fields.collect())
        })
        .collect();
    let coded = layout::RECORDS
        .iter()
        .map(|record| {
            let fields = record.fields.iter().map(|field| (field.offset, field.size, field.name.to_owned()));
            (record.title.to_owned(), fields.collect())
        })
        .collect();
    assert_eq!(specified, coded);
}

#[test]
fn section_kinds_are_as_specified() {
    let specified: Vec<(u32, String)> = tables(&["kind", "section"])["Section kinds"]
        .iter()
        .map(|row| (row[0].parse().unwrap(), row[1].clone()))
        .collect();
    let coded: Vec<(u32, String)> =
        SectionKind::KNOWN.iter().map(|kind| (kind.code(), kind.name().to_owned())).collect();
    assert_eq!(specified, coded);
}

/// Reads metadata records by nothing but the tables.
struct Reader<'a> {
    tables: BTreeMap<String, Vec<Vec<String>>>,
    bytes: &'a [u8],
    /// Values by path, in order.
    values: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    fn read(title: &str, bytes: &'a [u8]) -> Vec<(String, String)> {
        let mut reader = Self { tables: tables(&["field", "type"]), bytes, values: Vec::new() };
        reader.record(title, "");
        assert!(reader.bytes.is_empty(), "bytes are left over");
        reader.values
    }

    fn record(&mut self, title: &str, path: &str) {
        for row in self.tables[title].clone() {
            self.value(&row[1], &format!("{path}{}", row[0]));
        }
    }

    fn value(&mut self, kind: &str, path: &str) {
        let value = match kind {
            "u8" | "bool" => self.integer(1).to_string(),
            "u32" => self.integer(4).to_string(),
            "u64" => self.integer(8).to_string(),
            "str" => {
                let len = self.integer(8) as usize;
                String::from_utf8(self.take(len).to_vec()).unwrap()
            }
            "[u8; 16]" => String::from_utf8(self.take(16).to_vec()).unwrap(),
            other => return self.compound(other, path),
        };
        self.values.push((path.to_owned(), value));
    }

    fn compound(&mut self, kind: &str, path: &str) {
        let (count, item) = if let Some(item) = kind.strip_prefix("list of ") {
            (self.integer(4), item)
        } else if let Some(item) = kind.strip_prefix("option of ") {
            (self.integer(1), item)
        } else {
            return self.record(kind, &format!("{path}."));
        };
        for index in 0..count {
            self.record(item, &format!("{path}[{index}]."));
        }
    }

    fn integer(&mut self, size: usize) -> u64 {
        self.take(size).iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken
    }
}

fn assert_values(read: &[(String, String)], expected: &[(&str, &str)]) {
    let read: Vec<(&str, &str)> = read.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_manifest_reads_as_specified() {
    let file = sample::manifest().encode().unwrap();
    assert_values(
        &Reader::read("Manifest", &file[64..]),
        &[
            ("generation", "7"),
            ("next_number", "12"),
            ("settings.token_dim", "3"),
            ("settings.token_storage", "2"),
            ("settings.dense_dim", "2"),
            ("settings.dense_storage", "3"),
            ("settings.store_documents", "1"),
            ("settings.seed", "42"),
            ("settings.words", "1"),
            ("model.name", "tiny"),
            ("model.location", "models/tiny"),
            ("model.fingerprint", "0123456789abcdef"),
            ("model.description", "late interaction, dim 3"),
            ("segments[0].number", "3"),
            ("segments[0].documents", "3"),
            ("segments[0].tokens", "5"),
            ("segments[0].bytes", "4096"),
            ("segments[0].identity", "99"),
            ("segments[1].number", "9"),
            ("segments[1].documents", "10"),
            ("segments[1].tokens", "80"),
            ("segments[1].bytes", "8192"),
            ("segments[1].identity", "100"),
            ("segments[1].tombstones[0].number", "11"),
            ("segments[1].tombstones[0].deleted", "2"),
            ("segments[1].tombstones[0].checksum", "101"),
            ("tuning[0].documents", "11"),
            ("tuning[0].tokens", "85"),
            ("tuning[0].queries", "64"),
            ("tuning[0].source", "1"),
            ("tuning[0].seed", "5"),
            ("tuning[0].targets[0].k", "10"),
            ("tuning[0].targets[0].recall", "950000"),
            ("tuning[0].targets[0].measured", "996000"),
            ("tuning[0].targets[0].lower", "991000"),
            ("tuning[0].targets[0].knobs[0].name", "candidates"),
            ("tuning[0].targets[0].knobs[0].value", "64"),
            ("tuning[0].targets[0].knobs[1].name", "nprobe"),
            ("tuning[0].targets[0].knobs[1].value", "8"),
            ("tuning[0].targets[1].k", "10"),
            ("tuning[0].targets[1].recall", "990000"),
            ("tuning[0].targets[1].measured", "996000"),
            ("tuning[0].targets[1].lower", "991000"),
            ("tuning[0].targets[1].knobs[0].name", "nprobe"),
            ("tuning[0].targets[1].knobs[0].value", "16"),
        ],
    );
}

#[test]
fn a_meta_section_reads_as_specified() {
    assert_values(
        &Reader::read("Meta", &sample::section(SectionKind::Meta)),
        &[
            ("documents", "3"),
            ("tokens", "5"),
            ("dim", "3"),
            ("bits", "4"),
            ("dense_dim", "2"),
            ("writer", "lateen 0.1.0"),
            ("settings.token_dim", "3"),
            ("settings.token_storage", "2"),
            ("settings.dense_dim", "2"),
            ("settings.dense_storage", "3"),
            ("settings.store_documents", "1"),
            ("settings.seed", "42"),
            ("settings.words", "1"),
            ("build[0].name", "ef"),
            ("build[0].value", "200"),
        ],
    );
}
