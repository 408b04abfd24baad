//! Bytes that change, files that end early, files in each other's place: an error, or the same answers.

use super::*;

/// An index with everything in it that fits into few kilobytes.
fn small_index(tokens: TokenStorage) -> BTreeMap<String, Vec<u8>> {
    let settings = settings(tokens, DenseStorage::I8);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(WriterOptions { graph_min_documents: 4, ..small_writer() }).unwrap();
    for n in 0..8 {
        writer.add(document(&settings, &format!("{n}"), 0)).unwrap();
    }
    writer.commit().unwrap();
    writer.add(document(&settings, "new", 0)).unwrap();
    writer.delete("3").unwrap();
    writer.commit().unwrap();
    files(&directory)
}

type Answers = (Contents, Vec<u64>, String);

fn answers(files: &BTreeMap<String, Vec<u8>>) -> Result<Answers, IndexError> {
    let directory = MemoryDirectory::new();
    files.iter().for_each(|(name, bytes)| directory.put(name, bytes));
    let snapshot = open(&directory)?.snapshot();
    let contents = read_all(&snapshot)?;
    let structures = snapshot
        .segments()
        .iter()
        .map(|segment| read_structures(segment.reader()))
        .collect::<Result<_, _>>()?;
    let described = format!("{:?} {:?}", snapshot.settings(), snapshot.model());
    Ok((contents, structures, described))
}

/// The newest manifest and what it names.
fn is_read(name: &str) -> bool {
    !name.starts_with("manifest") || name.contains("3.ltm")
}

#[test]
fn no_changed_byte_goes_unnoticed_and_changes_an_answer() {
    for tokens in [TokenStorage::Residual4, TokenStorage::F16] {
        let whole = small_index(tokens);
        let expected = answers(&whole).unwrap();
        let (mut flips, mut harmless) = (0, 0);
        for name in whole.keys().filter(|name| is_read(name)) {
            for at in 0..whole[name].len() {
                let mut files = whole.clone();
                files.get_mut(name).unwrap()[at] ^= 0xff;
                flips += 1;
                if let Ok(found) = answers(&files) {
                    assert!(found == expected, "byte {at} of {name} changes the answers");
                    harmless += 1;
                }
            }
        }
        println!("{flips} bytes changed, {harmless} of them harmless");
        assert!(flips > 4000 && harmless * 100 <= flips, "{harmless} of {flips} harmless");
    }
}

#[test]
fn verify_finds_every_changed_byte() {
    let whole = small_index(TokenStorage::Residual2);
    let directory = MemoryDirectory::new();
    whole.iter().for_each(|(name, bytes)| directory.put(name, bytes));
    assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
    for name in whole.keys().filter(|name| is_read(name)) {
        for at in 0..whole[name].len() {
            let mut bytes = whole[name].clone();
            bytes[at] ^= 0x10;
            directory.put(name, &bytes);
            match verify_in(&directory, VerifyLevel::Full) {
                Ok(report) => {
                    assert!(!report.is_whole(), "byte {at} of {name}");
                    assert!(
                        report.findings.iter().all(|finding| finding.file.ends_with(name)),
                        "byte {at} of {name}"
                    );
                }
                Err(_) => assert!(name.starts_with("manifest")),
            }
        }
        directory.put(name, &whole[name]);
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let whole = small_index(TokenStorage::Residual4);
    for name in whole.keys().filter(|name| is_read(name)) {
        let len = whole[name].len();
        for new_len in (0..len).chain([len + 1, len + 64, len + 4096]) {
            let mut files = whole.clone();
            files.get_mut(name).unwrap().resize(new_len, 0);
            assert!(answers(&files).is_err(), "{name} of {len} bytes cut or extended to {new_len}");
        }
        let mut files = whole.clone();
        files.remove(name);
        // Without the newest manifest the one before is the newest, and whole.
        assert_eq!(answers(&files).is_err(), !name.starts_with("manifest"), "{name}");
    }
}

#[test]
fn pages_of_zeros_and_exchanged_files_are_noticed() {
    let whole = small_index(TokenStorage::F32);
    for name in whole.keys().filter(|name| is_read(name)) {
        for page in (0..whole[name].len()).step_by(512) {
            let mut files = whole.clone();
            let bytes = files.get_mut(name).unwrap();
            let end = bytes.len().min(page + 512);
            if bytes[page..end].iter().any(|&byte| byte != 0) {
                bytes[page..end].fill(0);
                assert!(answers(&files).is_err(), "page at {page} of {name}");
            }
        }
    }
    let names: Vec<_> = whole.keys().filter(|name| is_read(name)).collect();
    for a in &names {
        for b in names.iter().filter(|b| **b != *a) {
            let mut files = whole.clone();
            files.insert((*a).clone(), whole[*b].clone());
            assert!(answers(&files).is_err(), "{b} under the name {a}");
        }
    }
    // A segment of the same shape from another index.
    let other = {
        let settings = settings(TokenStorage::F32, DenseStorage::I8);
        let (directory, index) = memory_index(&settings);
        let mut writer = index.writer(WriterOptions { graph_min_documents: 4, ..small_writer() }).unwrap();
        for n in 0..8 {
            let mut document = document(&settings, &format!("{n}"), 0);
            document.content_hash += 1;
            writer.add(document).unwrap();
        }
        writer.commit().unwrap();
        files(&directory)
    };
    let name = "segment-00000000000000000001.lts";
    assert_eq!(other[name].len(), whole[name].len());
    let mut files = whole.clone();
    files.insert(name.to_owned(), other[name].clone());
    assert!(matches!(answers(&files), Err(IndexError::WrongFile { what: "its identity", .. })));
}

#[test]
fn a_damaged_block_hides_nothing_else() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    let mut random = StdRng::seed_from_u64(3);
    for n in 0..30 {
        let mut document = document(&settings, &format!("{n}"), 0);
        document.stored.as_mut().unwrap().text =
            (0..30_000).map(|_| random.random_range('a'..='z')).collect();
        writer.add(document).unwrap();
    }
    writer.commit().unwrap();
    drop((writer, index));
    let name = "segment-00000000000000000001.lts";
    let mut bytes = files(&directory)[name].clone();
    let reader = open(&directory).unwrap().snapshot();
    let stored = crate::format::SectionKind::StoredFields;
    let range = reader.segments()[0].reader().entries().find(|entry| entry.kind() == stored).unwrap().range();
    bytes[range.start + 100_000] ^= 1;
    directory.put(name, &bytes);
    let snapshot = open(&directory).unwrap().snapshot();
    let results: Vec<_> = (0..30).map(|n| snapshot.stored(DocId(n)).is_ok()).collect();
    let failed = results.iter().filter(|ok| !**ok).count();
    assert!((1..=8).contains(&failed), "{failed} documents share the block");
    assert!(results[0] && results[29]);
    // Still an error when touched again, and everything else is there.
    let results_again: Vec<_> = (0..30).map(|n| snapshot.stored(DocId(n)).is_ok()).collect();
    assert_eq!(results, results_again);
    let raw = snapshot.segments()[0].reader().raw().unwrap().unwrap();
    assert!((0..30).all(|n| raw.document(n).is_ok() && snapshot.external_id(DocId(n)).is_ok()));
    let report = verify_in(&directory, VerifyLevel::Full).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].section, Some(stored));
    assert!(verify_in(&directory, VerifyLevel::Quick).unwrap().is_whole());
}
