//! Versions, kinds and names of files.

use lateen_index_format::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::sample;

/// `file` with bytes of its head replaced and the head's checksum made to match.
fn with_head(mut file: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = xxh3_64(&file[..56]);
    file[56..64].copy_from_slice(&sum.to_le_bytes());
    file
}

#[test]
fn newer_and_older_versions_are_told_apart() {
    for (version, is_newer) in [(VERSION + 1, true), (u16::MAX, true), (OLDEST_VERSION - 1, false)] {
        let bytes = version.to_le_bytes();
        let errors = [
            SegmentLayout::parse(&with_head(sample::segment(), 8, &bytes)).unwrap_err(),
            Manifest::decode(&with_head(sample::manifest().encode().unwrap(), 8, &bytes)).unwrap_err(),
            Tombstones::decode(&with_head(sample::tombstones().encode().unwrap(), 8, &bytes)).unwrap_err(),
        ];
        for error in errors {
            match error {
                FormatError::TooNew { found, newest } => assert!(is_newer && (found, newest) == (version, 1)),
                FormatError::TooOld { found, oldest } => {
                    assert!(!is_newer && (found, oldest) == (version, 1))
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_damaged_version_is_damage() {
    let mut file = sample::segment();
    file[8] ^= 0x02;
    assert!(matches!(
        SegmentLayout::parse(&file),
        Err(FormatError::ChecksumMismatch { part: Part::Head, .. })
    ));
}

#[test]
fn a_newer_head_may_use_reserved_bytes() {
    let file = with_head(with_head(sample::segment(), 8, &2_u16.to_le_bytes()), 40, &[1]);
    assert!(matches!(SegmentLayout::parse(&file), Err(FormatError::TooNew { found: 2, .. })));
    let file = with_head(sample::segment(), 40, &[1]);
    assert!(matches!(SegmentLayout::parse(&file), Err(FormatError::Inconsistent { found: 1, .. })));
}

#[test]
fn kinds_are_told_apart() {
    let manifest = sample::manifest().encode().unwrap();
    assert!(matches!(
        SegmentLayout::parse(&manifest),
        Err(FormatError::WrongKind { expected: FileKind::Segment, found: 2 })
    ));
    assert!(matches!(Tombstones::decode(&manifest), Err(FormatError::WrongKind { found: 2, .. })));
    let segment = sample::segment();
    assert!(matches!(Manifest::decode(&segment), Err(FormatError::WrongKind { found: 1, .. })));
}

#[test]
fn foreign_files_are_told_from_short_ones() {
    assert!(matches!(SegmentLayout::parse(b"PK\x03\x04"), Err(FormatError::NotLateen { .. })));
    assert!(matches!(SegmentLayout::parse(b""), Err(FormatError::Truncated { have: 0, .. })));
    assert!(matches!(SegmentLayout::parse(&MAGIC[..3]), Err(FormatError::Truncated { have: 3, .. })));
}

#[test]
fn identities_cover_the_body() {
    let one = sample::tombstones();
    let other = Tombstones { deleted: [1, 7].into_iter().collect(), ..one.clone() };
    let identity = |tombstones: &Tombstones| Tombstones::identity(&tombstones.encode().unwrap()).unwrap();
    assert_eq!(identity(&one), identity(&one.clone()));
    assert_ne!(identity(&one), identity(&other));
}

#[test]
fn names_round_trip() {
    for number in [0, 7, u64::MAX] {
        for name in [FileName::Manifest(number), FileName::Segment(number), FileName::Tombstones(number)] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
    }
    assert_eq!(FileName::parse(LOCK_NAME), Some(FileName::Lock));
    assert_eq!(manifest_name(1), "manifest-00000000000000000001.ltm");
    assert_eq!(tombstones_name(u64::MAX), "tombstones-18446744073709551615.ltd");
    for name in [
        "",
        "locked",
        "segment-1.lts",
        "segment-00000000000000000001.ltm",
        "segment-+0000000000000000001.lts",
        "segment-99999999999999999999.lts",
        "segment-00000000000000000001.lts.tmp",
        "./segment-00000000000000000001.lts",
    ] {
        assert_eq!(FileName::parse(name), None, "{name}");
    }
}
