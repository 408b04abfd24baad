//! What users can get wrong, and what they are told.

use super::*;
use crate::format::FormatError;

fn writer() -> (IndexSettings, Writer) {
    let settings = settings(TokenStorage::F16, DenseStorage::F16);
    let (_, index) = memory_index(&settings);
    let writer = index.writer(small_writer()).unwrap();
    (settings, writer)
}

fn refused(change: impl FnOnce(&mut NewDocument)) -> IndexError {
    let (settings, mut writer) = writer();
    let mut bad = document(&settings, "bad", 0);
    bad.tokens = Some(EncodedTokens {
        matrix: TokenMatrixBuf::new(vec![1.0; 2 * TOKEN_DIM], TOKEN_DIM).unwrap(),
        token_ids: vec![5, 6],
        spans: Vec::new(),
    });
    change(&mut bad);
    let error = writer.add(bad).unwrap_err();
    // Nothing of it stays, and the writer goes on.
    assert_eq!(writer.documents(), 0);
    writer.add(document(&settings, "good", 0)).unwrap();
    assert_eq!(writer.commit().unwrap().documents, 1);
    error
}

fn matrix(data: Vec<f32>, dim: usize) -> TokenMatrixBuf {
    TokenMatrixBuf::new(data, dim).unwrap()
}

#[test]
fn documents_that_do_not_fit_are_refused_with_their_id() {
    use IndexError as E;
    assert!(matches!(refused(|d| d.id = String::new()), E::InvalidId { bytes: 0, .. }));
    assert!(matches!(refused(|d| d.id = "é".repeat(257)), E::InvalidId { bytes: 514, .. }));
    assert!(matches!(refused(|d| d.tokens = None), E::MissingPart { part: "token matrix", .. }));
    assert!(matches!(refused(|d| d.dense = None), E::MissingPart { part: "dense vector", .. }));
    assert!(matches!(refused(|d| d.stored = None), E::MissingPart { part: "stored document", .. }));
    let error = refused(|d| d.tokens.as_mut().unwrap().matrix = matrix(vec![1.0; 14], 7));
    assert!(matches!(error, E::DimensionMismatch { expected: TOKEN_DIM, found: 7, .. }));
    assert_eq!(error.to_string(), "document \"bad\": its token matrix has 7 dimensions, the index has 8");
    let error = refused(|d| d.tokens.as_mut().unwrap().token_ids = vec![1]);
    assert!(matches!(error, E::TokenIdCount { ids: 1, rows: 2, .. }));
    let mut rows = vec![1.0; 2 * TOKEN_DIM];
    rows[TOKEN_DIM..].fill(0.0);
    let error = refused(|d| d.tokens.as_mut().unwrap().matrix = matrix(rows, TOKEN_DIM));
    assert!(matches!(&error, E::ZeroRow { id, row: 1, .. } if id == "bad"));
    assert!(matches!(refused(|d| d.dense = Some(vec![1.0; 3])), E::DimensionMismatch { found: 3, .. }));
    let error = refused(|d| d.dense.as_mut().unwrap()[2] = f32::NAN);
    assert!(matches!(error, E::NotStorable { column: 2, .. }));
    assert!(matches!(refused(|d| d.dense.as_mut().unwrap()[0] = 1e6), E::NotStorable { column: 0, .. }));
    assert!(matches!(refused(|d| d.dense = Some(vec![0.0; DENSE_DIM])), E::ZeroRow { .. }));
}

#[test]
fn parts_without_a_place_are_refused() {
    let settings = settings(TokenStorage::None, DenseStorage::F32);
    let (_, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    let mut bad = document(&settings, "a", 0);
    let matrix = matrix(vec![1.0; TOKEN_DIM], TOKEN_DIM);
    bad.tokens = Some(EncodedTokens { matrix, token_ids: Vec::new(), spans: Vec::new() });
    assert!(matches!(writer.add(bad), Err(IndexError::UnexpectedPart { .. })));
}

#[test]
fn ids_of_the_largest_length_and_any_script_are_kept() {
    let settings = settings(TokenStorage::F16, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    let ids =
        ["x".repeat(512), "\0".to_owned(), "語".repeat(170), "../../etc/passwd".to_owned(), " ".to_owned()];
    for id in &ids {
        writer.add(document(&settings, id, 0)).unwrap();
    }
    writer.commit().unwrap();
    let snapshot = open(&directory).unwrap().snapshot();
    for (n, id) in (0..).zip(&ids) {
        assert_eq!(snapshot.find(id).unwrap(), Some(DocId(n)));
    }
    assert_eq!(snapshot.find("").unwrap(), None);
}

#[test]
fn settings_that_fit_no_index_are_refused() {
    let create = |settings: IndexSettings| {
        let directory = Arc::new(MemoryDirectory::new());
        Index::create_in(directory, &settings, &model(), IndexOptions::default()).unwrap_err()
    };
    let good = settings(TokenStorage::F16, DenseStorage::None);
    for (bad, name) in [
        (IndexSettings { token_dim: 0, ..good.clone() }, "token_dim"),
        (IndexSettings { token_dim: 8193, ..good.clone() }, "token_dim"),
        (IndexSettings { token_storage: TokenStorage::None, ..good.clone() }, "token_dim"),
        (IndexSettings { dense_dim: 5, ..good.clone() }, "dense_dim"),
        (IndexSettings { dense_storage: DenseStorage::I8, ..good.clone() }, "dense_dim"),
        (IndexSettings { token_storage: TokenStorage::None, token_dim: 0, ..good }, "token_storage"),
    ] {
        assert!(matches!(create(bad), IndexError::InvalidSettings { setting, .. } if setting == name));
    }
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let index = Index::create(dir.path(), &settings, &model()).unwrap();
    let writer = index.writer(small_writer()).unwrap();
    for index in [&index, &Index::open(dir.path()).unwrap()] {
        let error = index.writer(small_writer()).unwrap_err();
        assert!(matches!(&error, IndexError::Locked { file } if *file == dir.path().join("lock")), "{error}");
    }
    drop(writer);
    // What another writer commits in between is where the next one starts.
    let mut other = Index::open(dir.path()).unwrap().writer(small_writer()).unwrap();
    other.add(document(&settings, "a", 0)).unwrap();
    other.commit().unwrap();
    drop(other);
    let mut writer = index.writer(small_writer()).unwrap();
    assert_eq!(writer.documents(), 1);
    assert!(writer.add(document(&settings, "a", 1)).unwrap());
    assert_eq!(writer.commit().unwrap().documents, 1);
    assert_eq!(index.snapshot().generation(), 3);
}

#[test]
fn an_index_is_created_once() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    assert!(matches!(Index::open(&dir.path().join("none")), Err(IndexError::NoIndex { .. })));
    assert!(matches!(Index::open(dir.path()), Err(IndexError::NoIndex { .. })));
    assert!(matches!(verify(dir.path(), VerifyLevel::Full), Err(IndexError::NoIndex { .. })));
    Index::create(dir.path(), &settings, &model()).unwrap();
    let error = Index::create(dir.path(), &settings, &model()).unwrap_err();
    assert!(matches!(error, IndexError::AlreadyExists { .. }));
    let file = dir.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    assert!(matches!(Index::create(&file, &settings, &model()), Err(IndexError::Io { .. })));
    assert!(Index::open(&file).is_err());
}

/// Changes the version in a file's head, checksum included.
fn with_version(bytes: &mut [u8], version: u16) {
    bytes[8..10].copy_from_slice(&version.to_le_bytes());
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..56]);
    bytes[56..64].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn files_of_other_versions_are_refused_untouched() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    writer.add(document(&settings, "a", 0)).unwrap();
    writer.add(document(&settings, "b", 0)).unwrap();
    writer.commit().unwrap();
    writer.delete("a").unwrap();
    writer.commit().unwrap();
    drop(writer);
    let newest: Vec<_> = [
        "manifest-00000000000000000003.ltm",
        "segment-00000000000000000001.lts",
        "tombstones-00000000000000000002.ltd",
    ]
    .into();
    for name in newest {
        for (version, too_new) in [(0, false), (2, true), (u16::MAX, true)] {
            let changed = MemoryDirectory::new();
            for (other, mut bytes) in files(&directory) {
                if other == name {
                    with_version(&mut bytes, version);
                }
                changed.put(&other, &bytes);
            }
            let before = files(&changed);
            let error = open(&changed).unwrap_err();
            let typed = match &error {
                IndexError::Format { file, source } => {
                    assert!(file.ends_with(name));
                    match source {
                        FormatError::TooNew { found, .. } => too_new && *found == version,
                        FormatError::TooOld { found, .. } => !too_new && *found == version,
                        _ => false,
                    }
                }
                _ => false,
            };
            assert!(typed, "{name} {version}: {error}");
            // The writer of an index opened before does not touch them either.
            assert_eq!(files(&changed), before);
        }
    }
}

#[test]
fn a_damaged_newest_manifest_is_never_passed_over() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    writer.add(document(&settings, "a", 0)).unwrap();
    writer.commit().unwrap();
    drop((writer, index));
    directory.put("manifest-00000000000000000003.ltm", b"");
    assert!(matches!(open(&directory), Err(IndexError::Format { .. })));
    // What has another name is none of ours.
    directory.remove("manifest-00000000000000000003.ltm").unwrap();
    for name in ["manifest-00000000000000000003.ltm.tmp", "manifest-3.ltm", "notes.txt"] {
        directory.put(name, b"");
    }
    let index = open(&directory).unwrap();
    assert_eq!(index.snapshot().generation(), 2);
    drop(index.writer(small_writer()).unwrap());
    let names = directory.names().unwrap();
    assert!(!names.iter().any(|name| name.ends_with(".tmp")));
    assert!(
        names.iter().any(|name| name == "notes.txt") && names.iter().any(|name| name == "manifest-3.ltm")
    );
}
