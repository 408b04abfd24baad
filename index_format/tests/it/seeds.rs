//! The seeds of the fuzzers are the sample files: small, sound, with every section.
//!
//! After a change of the format, `LATEEN_WRITE_SEEDS=1` writes them anew.

use std::fs;
use std::path::Path;

use lateen_index_format::{SectionKind, StoredFieldsView};

use crate::sample;

fn assert_seed(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
    if std::env::var_os("LATEEN_WRITE_SEEDS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let seed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(seed, bytes, "{name}");
}

#[test]
fn of_files() {
    assert_seed("manifest/sample", &sample::manifest().encode().unwrap());
    assert_seed("tombstones/sample", &sample::tombstones().encode().unwrap());
    assert_seed("segment/empty", &sample::segment_of(&[]).0);
}

#[test]
fn of_sections() {
    // What zstd writes may change with its release; every other section is pinned.
    for (index, kind) in
        (0_u8..).zip(SectionKind::KNOWN).filter(|(_, kind)| *kind != SectionKind::StoredFields)
    {
        let mut seed = vec![index];
        seed.extend(sample::section(kind));
        assert_seed(&format!("sections/{}", kind.name()), &seed);
    }
}

#[test]
fn of_stored_fields() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/stored_fields/sample");
    if std::env::var_os("LATEEN_WRITE_SEEDS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, sample::section(SectionKind::StoredFields)).unwrap();
        fs::write(path.parent().unwrap().with_file_name("segment").join("sample"), sample::segment())
            .unwrap();
    }
    let seed = fs::read(&path).unwrap();
    StoredFieldsView::new(&seed).unwrap().check().unwrap();
}
