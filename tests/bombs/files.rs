//! Files of an index.

use lateen::format::{Manifest, SectionKind, SegmentLayout, Tombstones};

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [metadata(), segments(), sections()].into_iter().flatten().collect()
}

fn manifest(name: &'static str, body: Vec<u8>) -> Case {
    case(name, move || Manifest::decode(&format::sealed(2, &body)).map(drop))
}

fn tombstones(name: &'static str, body: Vec<u8>) -> Case {
    case(name, move || Tombstones::decode(&format::sealed(3, &body)).map(drop))
}

fn section(name: &'static str, kind: SectionKind, bytes: Vec<u8>) -> Case {
    let bytes = lateen::format::AlignedBytes::from_slice(&bytes);
    case(name, move || format::read_section(kind, &bytes))
}

/// Settings, then an empty model, up to the list of segments.
fn manifest_head() -> Vec<u8> {
    let settings = [(8, 4), (4, 1), (0, 4), (0, 1), (0, 1), (0, 8)];
    let model = [(0, 8), (0, 8), (0, 8), (0, 8), (0, 8)];
    numbers(&[&[(1, 8), (1, 8)][..], &settings, &model].concat())
}

fn metadata() -> Vec<Case> {
    let with = |fields: &[(u64, usize)]| [manifest_head(), numbers(fields)].concat();
    let name = |length: u64| {
        let mut body = manifest_head();
        body[35..43].copy_from_slice(&length.to_le_bytes());
        body
    };
    let meta = |fields: &[(u64, usize)]| {
        let head = [(1, 4), (1, 8), (8, 4), (4, 1), (0, 4)];
        let settings = [(8, 4), (4, 1), (0, 4), (0, 1), (0, 1), (0, 8)];
        numbers(&[&head[..], &[(0, 8)], &settings, fields].concat())
    };
    let long_body = |length: u64| {
        let mut file = format::sealed(2, &manifest_head());
        file[16..24].copy_from_slice(&length.to_le_bytes());
        let sum = xxhash_rust::xxh3::xxh3_64(&file[..56]);
        file[56..64].copy_from_slice(&sum.to_le_bytes());
        file
    };
    let bodies = [long_body(HUGE), long_body(u64::MAX)];
    let [huge_body, endless_body] = bodies;
    vec![
        manifest("a manifest of 2³² segments", with(&[(WIDE, 4)])),
        manifest("a manifest of 2²⁰ segments, one of them there", with(&[(1 << 20, 4), (0, 41)])),
        manifest(
            "2³² targets of a tuning",
            with(&[(0, 4), (1, 1), (0, 8), (0, 8), (0, 4), (0, 1), (0, 8), (WIDE, 4)]),
        ),
        manifest(
            "2³² settings of a target",
            with(&[
                (0, 4),
                (1, 1),
                (0, 8),
                (0, 8),
                (0, 4),
                (0, 1),
                (0, 8),
                (1, 4),
                (1, 4),
                (0, 8),
                (0, 4),
                (WIDE, 4),
            ]),
        ),
        manifest("a model name of 2⁶⁰ bytes", name(HUGE)),
        manifest("a model name of 2⁶⁴ bytes", name(u64::MAX)),
        manifest("a model name of 2³² bytes", name(WIDE)),
        case("a manifest body of 2⁶⁰ bytes", move || Manifest::decode(&huge_body).map(drop)),
        case("a manifest body of 2⁶⁴ bytes", move || Manifest::decode(&endless_body).map(drop)),
        section("2³² build settings", SectionKind::Meta, meta(&[(WIDE, 4)])),
        section("a build setting of 2⁶⁰ bytes", SectionKind::Meta, meta(&[(1, 4), (HUGE, 8)])),
        tombstones("a bitmap of 2¹⁶ containers", numbers(&[(1, 8), (9, 4), (9, 4), (12346, 4), (65_536, 4)])),
        tombstones("a bitmap of 2³² containers", numbers(&[(1, 8), (9, 4), (9, 4), (12346, 4), (WIDE, 4)])),
        tombstones(
            "a bitmap of runs without runs",
            numbers(&[(1, 8), (WIDE, 4), (WIDE, 4), (0xffff_303b, 4)]),
        ),
    ]
}

/// A segment with a directory of `entries`, all checksums right.
fn segment(entries: &[[(u64, usize); 7]], directory: (u64, u64)) -> Vec<u8> {
    let mut file = vec![0; 64];
    file[8] = 1;
    file[10] = 1;
    let entries: Vec<u8> = entries.iter().flat_map(|entry| numbers(entry)).collect();
    file.extend_from_slice(&entries);
    file.resize(file.len().next_multiple_of(64), 0);
    let length = file.len() as u64 + 64;
    file.extend(record(&[(directory.0, 8), (directory.1, 8), (0, 8), (length, 8)], 64));
    format::reseal_segment(&mut file);
    file
}

fn segments() -> Vec<Case> {
    let entry = |kind: u64, offset: u64, length: u64| {
        [(kind, 4), (1, 4), (offset, 8), (length, 8), (64, 8), (0, 8), (0, 8)]
    };
    let parse = |name, file: Vec<u8>| {
        case(name, move || SegmentLayout::parse(&file).and_then(|layout| layout.verify(&file)))
    };
    vec![
        parse("a directory of 2⁶⁰ bytes", segment(&[], (64, HUGE / 48 * 48))),
        parse("a directory of 2³² sections", segment(&[], (64, WIDE * 48))),
        parse("a directory at 2⁶⁰", segment(&[], (HUGE, 48))),
        parse("a section of 2⁶⁰ bytes", segment(&[entry(5, 64, HUGE)], (64, 48))),
        parse("a section of 2⁶⁴ bytes", segment(&[entry(5, 64, u64::MAX)], (64, 48))),
        parse("a section at the end of the numbers", segment(&[entry(5, u64::MAX - 63, 64)], (64, 48))),
    ]
}

fn sections() -> Vec<Case> {
    use SectionKind as S;
    let levels = [(0, 8), (0, 8)];
    let codec = |dim: u64, count: u64| {
        record(&[&[(dim, 4), (4, 1), (0, 3), (7, 8)][..], &levels, &[(0, 8), (count, 4)]].concat(), 64)
    };
    let foot = |fields: &[(u64, usize)]| record(fields, 64);
    let block = |raw: u64, body: &[u8]| {
        let mut bytes = body.to_vec();
        bytes.resize(body.len().next_multiple_of(64), 0);
        bytes.extend(numbers(&[(0, 4), (raw, 4), (0, 8)]));
        bytes.extend(record(&[(1, 4), (1, 4), (body.len() as u64, 8)], 64));
        bytes
    };
    // A frame head that declares 2⁶⁰ bytes, and an honest frame of zeros that decompresses to too much.
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &HUGE.to_le_bytes(), &[1, 0, 0]].concat();
    vec![
        section("2³² centroids", S::Codec, codec(8, WIDE)),
        section("2¹⁹ centroids of 8192 dimensions", S::Codec, codec(8192, 1 << 19)),
        section("2⁶⁰ centroid ids", S::CentroidIds, record(&[(HUGE, 8), (2, 1)], 64)),
        section("2⁶⁴ centroid ids", S::CentroidIds, record(&[(u64::MAX, 8), (4, 1)], 64)),
        section("2³² lists", S::InvertedLists, record(&[(WIDE, 4), (9, 4), (0, 8), (4, 1)], 128)),
        section("lists of 2⁶⁰ bytes", S::InvertedLists, record(&[(1, 4), (9, 4), (HUGE, 8), (8, 1)], 128)),
        section("2⁶⁰ rows", S::RawTokens, record(&[(HUGE, 8), (8192, 4), (1, 1)], 64)),
        section("2⁶⁴ rows", S::RawTokens, record(&[(u64::MAX, 8), (1, 4), (2, 1)], 64)),
        section("2³² rows of bytes", S::DenseVectors, record(&[(WIDE, 8), (8192, 4), (3, 1)], 64)),
        section("2³² nodes", S::GraphLinks, record(&[(WIDE, 4), (4096, 4), (4096, 4)], 128)),
        section(
            "2³² lists above",
            S::GraphLinks,
            record(&[(1, 4), (4096, 4), (1, 4), (0, 4), (63, 4), (WIDE, 4)], 192),
        ),
        section("2³² ids", S::ExternalIds, record(&[(WIDE, 4), (4, 1), (0, 3), (64, 8)], 128)),
        section("ids of 2⁶⁰ bytes", S::ExternalIds, record(&[(1, 4), (8, 1), (0, 3), (HUGE, 8)], 192)),
        section(
            "2³² documents with terms",
            S::Terms,
            record(&[(WIDE, 4), (1, 4), (0, 24), (4, 1), (4, 1)], 192),
        ),
        section("2³² terms", S::Terms, record(&[(1, 4), (WIDE, 4), (0, 24), (4, 1), (4, 1)], 192)),
        section(
            "terms of 2⁶⁰ bytes",
            S::Terms,
            record(&[(1, 4), (1, 4), (1, 8), (HUGE, 8), (HUGE, 8), (8, 1), (8, 1)], 256),
        ),
        section("2³² blocks of texts", S::StoredFields, foot(&[(WIDE, 4), (WIDE, 4), (64, 8)])),
        section("texts of 2⁶⁰ bytes", S::StoredFields, foot(&[(1, 4), (1, 4), (HUGE, 8)])),
        section("a text of 4 GiB in 16 bytes", S::StoredFields, block(WIDE, &frame)),
        section("a frame that declares 2⁶⁰ bytes", S::StoredFields, block(1 << 18, &frame)),
    ]
}
