//! Indexes written by this and every earlier release are read, with the answers they gave then.
//!
//! `tests/fixtures/format/v1/` holds one folder of files per case and, beside it, the answers recorded when it was
//! written. A fixture of a released version is never written again. Before the first release, `cargo test --test
//! reliability -- --ignored write_fixtures` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use lateen::format::{
    DenseStorage, FileName, Flags, FormatError, Manifest, SectionKind, SegmentLayout, SegmentWriter,
    TokenStorage,
};
use lateen::index::{Index, IndexError, VerifyLevel, verify, verify_in};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::answers;
use crate::sample::{self, Batch, Files, Recipe};

/// How far a score may be from the recorded one: the order of additions differs between instruction sets.
const TOLERANCE: f64 = 1e-5;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format")
}

/// The cases of version 1, by name.
pub fn cases() -> Vec<(&'static str, Files)> {
    use {DenseStorage as D, TokenStorage as T};
    let numbers: Vec<u64> = (0..24).collect();
    let one = [Batch { add: &numbers[..12], delete: &[] }];
    let deletes = [Batch { add: &numbers[..12], delete: &[] }, Batch { add: &[], delete: &[1, 5, 6, 7, 8] }];
    let segments = [
        Batch { add: &numbers[..8], delete: &[] },
        Batch { add: &numbers[6..12], delete: &[0, 11] },
        Batch { add: &[20], delete: &[] },
        Batch { add: &numbers[12..20], delete: &[20, 3] },
    ];
    let no_texts = Recipe { store_documents: false, ..Recipe::new(T::Residual4, D::None) };
    let waiting = Recipe { code_from_tokens: 80, ..Recipe::new(T::Residual4, D::None) };
    let odd = Recipe { token_dim: 13, dense_dim: 5, ..Recipe::new(T::Residual2, D::F16) };
    vec![
        ("residual4", Recipe::new(T::Residual4, D::None).files(&one)),
        ("residual2-deletes", Recipe::new(T::Residual2, D::None).files(&deletes)),
        ("f16-segments", Recipe::new(T::F16, D::None).files(&segments)),
        ("f32-dense-f16", Recipe::new(T::F32, D::F16).files(&deletes)),
        ("residual4-dense-i8-graph-segments", Recipe::new(T::Residual4, D::I8).files(&segments)),
        ("dense-f32-graph", Recipe::new(T::None, D::F32).files(&one)),
        ("residual4-without-texts", no_texts.files(&segments)),
        ("residual2-odd-dimensions", odd.files(&segments)),
        ("residual4-waiting", waiting.files(&segments)),
        (
            "residual1-odd-dimensions",
            Recipe { token_dim: 13, ..Recipe::new(T::Residual1, D::None) }.files(&deletes),
        ),
        (
            "ternary-odd-dimensions",
            Recipe { token_dim: 13, ..Recipe::new(T::ResidualTernary, D::None) }.files(&deletes),
        ),
        ("empty", Recipe::new(T::Residual4, D::F32).files(&[])),
    ]
}

#[test]
#[ignore = "writes the fixtures of the current version"]
fn write_fixtures() {
    for (name, files) in cases() {
        let folder = folder().join("v1").join(name);
        let _ = fs::remove_dir_all(&folder);
        write(&folder, &files);
        let recorded = answers::recorded(&sample::open(&files).unwrap().snapshot());
        let answers = serde_json::to_string_pretty(&recorded).unwrap();
        fs::write(folder.with_extension("json"), answers + "\n").unwrap();
    }
    let future = folder().join("future");
    let _ = fs::remove_dir_all(&future);
    write(&future, &from_the_future(&cases()[0].1));
}

fn write(folder: &Path, files: &Files) {
    fs::create_dir_all(folder).unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
}

/// The same files, saying that they are of the next version, under a correct checksum.
fn from_the_future(files: &Files) -> Files {
    let newer = |bytes: &Vec<u8>| {
        let mut bytes = bytes.clone();
        bytes[8] += 1;
        let sum = xxh3_64(&bytes[..56]);
        bytes[56..64].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    files.iter().map(|(name, bytes)| (name.clone(), newer(bytes))).collect()
}

/// The fixtures that are there: `(version, name, folder)`.
pub fn stored() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('v')))
        .flat_map(|version| fs::read_dir(version).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert!(found.len() >= 12, "fixtures are missing: {found:?}");
    found
}

pub fn read(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn every_stored_index_gives_its_recorded_answers() {
    for path in stored() {
        let before = read(&path);
        let expected: Value =
            serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let index = Index::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_same(&answers::recorded(&index.snapshot()), &expected, &path.display().to_string());
        let report = verify(&path, VerifyLevel::Full).unwrap();
        assert!(report.is_whole(), "{}: {:?}", path.display(), report.findings);
        assert!(read(&path) == before, "{} was changed by reading", path.display());
    }
}

/// Old files go on living: the next commit keeps what they say, and leaves them as they are.
#[test]
fn every_stored_index_can_be_written_on() {
    for path in stored() {
        let files = read(&path);
        let index = sample::open(&files).unwrap();
        let settings = index.snapshot().settings().clone();
        let (documents, mut writer) =
            (index.snapshot().documents(), index.writer(sample::writer_options()).unwrap());
        let recipe = Recipe {
            token_dim: settings.token_dim,
            dense_dim: settings.dense_dim,
            store_documents: settings.store_documents,
            ..Recipe::new(settings.token_storage, settings.dense_storage)
        };
        writer.add(recipe.document(77, 1)).unwrap();
        writer.commit().unwrap();
        assert_eq!(index.snapshot().documents(), documents + 1);
        assert!(index.snapshot().find("doc-77").unwrap().is_some());
        for segment in index.snapshot().segments() {
            for local in 0..segment.documents() {
                segment.reader().external_id(local).unwrap();
            }
        }
    }
}

fn assert_same(found: &Value, expected: &Value, place: &str) {
    match (found, expected) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            (0..a.len()).for_each(|at| assert_same(&a[at], &b[at], &format!("{place}[{at}]")));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{place}");
            a.iter().for_each(|(key, value)| assert_same(value, &b[key], &format!("{place}.{key}")));
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= TOLERANCE * (1.0 + b.abs()), "{place}: {a} instead of {b}");
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

/// The files of today are byte for byte those of the fixtures: a change of what is written is a decision.
#[test]
fn what_is_written_today_is_what_was_recorded() {
    for (name, files) in cases() {
        let stored = read(&folder().join("v1").join(name));
        assert!(files.keys().eq(stored.keys()), "{name}: {:?} {:?}", files.keys(), stored.keys());
        for (file, bytes) in files.iter().filter(|(file, _)| !file.ends_with(".lts")) {
            assert_eq!(bytes.len(), stored[file].len(), "{name}/{file}");
        }
        // Compressed blocks belong to zstd's release, and scores of a graph's builder to the kernels; all else is ours.
        for (file, bytes) in files.iter().filter(|(file, _)| file.ends_with(".lts")) {
            let (ours, theirs) = (sections(bytes), sections(&stored[file]));
            assert_eq!(ours.len(), theirs.len(), "{name}/{file}");
            for ((kind, ours), (of, theirs)) in ours.into_iter().zip(theirs) {
                assert_eq!(kind, of, "{name}/{file}");
                let varies = matches!(kind, SectionKind::StoredFields | SectionKind::Meta);
                assert!(varies || ours == theirs, "{name}/{file}: {kind} differs");
            }
        }
    }
}

fn sections(segment: &[u8]) -> Vec<(SectionKind, Vec<u8>)> {
    let layout = SegmentLayout::parse(segment).unwrap();
    layout.entries().iter().map(|entry| (entry.kind(), segment[entry.range()].to_vec())).collect()
}

#[test]
fn the_future_is_refused_untouched() {
    let path = folder().join("future");
    let before = read(&path);
    let error = Index::open(&path).unwrap_err();
    assert!(matches!(error, IndexError::Format { source: FormatError::TooNew { found: 2, newest: 1 }, .. }));
    assert!(error.to_string().contains("newer"), "{error}");
    assert!(verify(&path, VerifyLevel::Full).is_err());
    assert!(read(&path) == before);
    // The same for one file among older ones, and when somebody wants to write.
    let folder = tempfile::tempdir().unwrap();
    let present = read(&self::folder().join("v1/residual4"));
    for name in present.keys().filter(|name| !name.ends_with("00001.ltm")) {
        let mut mixed = present.clone();
        mixed.insert(name.clone(), before[name].clone());
        write(folder.path(), &mixed);
        let error = Index::open(folder.path()).and_then(|index| index.writer(sample::writer_options()));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("newer"), "{name}: {error}");
        assert!(read(folder.path()) == mixed, "{name}");
    }
}

/// `files` with one section more in each segment, and manifests that name the new segments.
fn with_section(files: &Files, flags: Flags) -> Files {
    let mut changed = files.clone();
    let mut made = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".lts")) {
        let layout = SegmentLayout::parse(bytes).unwrap();
        let mut writer = SegmentWriter::new(Vec::new()).unwrap();
        let mut put = |kind, flags, content: &[u8]| {
            writer.begin(kind, flags).unwrap();
            std::io::Write::write_all(&mut writer, content).unwrap();
            writer.end().unwrap();
        };
        put(SectionKind::Unknown(900), flags, b"something of a newer release");
        for entry in layout.entries() {
            put(entry.kind(), Flags::REQUIRED, &bytes[entry.range()]);
        }
        let (segment, identity) = writer.finish().unwrap();
        made.push((FileName::parse(name).unwrap(), segment.len() as u64, identity));
        changed.insert(name.clone(), segment);
    }
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".ltm")) {
        let mut manifest = Manifest::decode(bytes).unwrap();
        for record in &mut manifest.segments {
            let of = FileName::Segment(record.number);
            let (_, length, identity) = made.iter().find(|(name, ..)| *name == of).unwrap();
            (record.bytes, record.identity) = (*length, *identity);
        }
        changed.insert(name.clone(), manifest.encode().unwrap());
    }
    changed
}

#[test]
fn unknown_sections_are_skipped_or_refused() {
    let files = read(&folder().join("v1/residual4-dense-i8-graph-segments"));
    let expected = answers::recorded(&sample::open(&files).unwrap().snapshot());
    let optional = with_section(&files, Flags::OPTIONAL);
    assert_eq!(answers::recorded(&sample::open(&optional).unwrap().snapshot()), expected);
    let report = verify_in(&sample::directory(&optional), VerifyLevel::Full).unwrap();
    assert!(report.is_whole(), "{:?}", report.findings);
    let error = sample::open(&with_section(&files, Flags::REQUIRED)).unwrap_err();
    let IndexError::Format { source: FormatError::UnknownRequiredSection { kind: 900 }, .. } = error else {
        panic!("{error}");
    };
}
