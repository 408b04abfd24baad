//! The bytes of every record, pinned: a change here is a new version of the format.
//!
//! `00*56` is 56 bytes `00`.

use lateen_index_format::*;

use crate::sample;

/// `bytes` in hexadecimal, runs of four equal bytes and more shortened.
fn hex(bytes: &[u8]) -> String {
    let groups = bytes.chunk_by(|a, b| a == b).map(|run| match run.len() {
        1..4 => vec![format!("{:02x}", run[0]); run.len()].join(" "),
        len => format!("{:02x}*{len}", run[0]),
    });
    groups.collect::<Vec<_>>().join(" ")
}

fn assert_golden(bytes: &[u8], golden: &str) {
    let golden = golden.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(hex(bytes), golden);
}

#[test]
fn empty_segment() {
    let (file, identity) = sample::segment_of(&[]);
    assert_golden(
        &file,
        "
        8b 4c 49 58 0d 0a 1a 0a 01 00 01 00*45 31 dd 29 4e db dc 6d e5 40 00*15 c2 94 d3 38 05 80 06 2d
        80 00*7 31 dd 29 4e db dc 6d e5 00*16 87 ab de b9 da da e6 13
        ",
    );
    assert_eq!(identity, 0x13e6_dada_b9de_ab87);
}

#[test]
fn segment_of_one_section() {
    let (file, _) = sample::segment_of(&[(SectionKind::Scales, Flags::REQUIRED, vec![1, 2, 3])]);
    assert_golden(
        &file,
        "
        8b 4c 49 58 0d 0a 1a 0a 01 00 01 00*45 31 dd 29 4e db dc 6d e5 01 02 03 00*61 3b 73 ae 32 76 9b
        ce eb 00*56 06 00 00 00 01 00 00 00 40 00*7 03 00*7 80 00*7 94 68 4b 58 63 7c 9a 04 00*24 c0
        00*7 30 00*7 70 7a e5 45 4d d6 4e 5b 40 01 00*6 31 dd 29 4e db dc 6d e5 00*16 36 60 64 4b bf 30
        21 8d
        ",
    );
}

#[test]
fn manifest() {
    assert_golden(
        &sample::manifest().encode().unwrap(),
        "
        8b 4c 49 58 0d 0a 1a 0a 01 00 02 00*5 64 01 00*6 9a 6d 05 ea 0e 08 2e bc 00*24 a8 ef 98 67 7e
        a4 12 68 07 00*7 0c 00*7 03 00 00 00 02 02 00 00 00 03 01 2a 00*7 01 04 00*7 74 69 6e 79 0b
        00*7 6d 6f 64 65 6c 73 2f 74 69 6e 79 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 17 00*7
        6c 61 74 65 20 69 6e 74 65 72 61 63 74 69 6f 6e 2c 20 64 69 6d 20 33 02 00 00 00 03 00*7 03 00
        00 00 05 00*8 10 00*6 63 00*8 09 00*7 0a 00 00 00 50 00*8 20 00*6 64 00*7 01 0b 00*7 02 00 00
        00 65 00*7 01 0b 00*7 55 00*7 40 00 00 00 01 05 00*7 02 00 00 00 0a 00 00 00 f0 7e 0e 00 a0 32
        0f 00 18 1f 0f 00 02 00 00 00 0a 00*7 63 61 6e 64 69 64 61 74 65 73 40 00*7 06 00*7 6e 70 72 6f
        62 65 08 00*7 0a 00 00 00 30 1b 0f 00 a0 32 0f 00 18 1f 0f 00 01 00 00 00 06 00*7 6e 70 72 6f
        62 65 10 00*7
        ",
    );
}

#[test]
fn tombstones() {
    assert_golden(
        &sample::tombstones().encode().unwrap(),
        "
        8b 4c 49 58 0d 0a 1a 0a 01 00 03 00*5 24 00*7 77 51 34 8b e7 08 03 91 00*24 aa 76 be 3b a2 00 70
        27 09 00*7 0a 00 00 00 02 00 00 00 3a 30 00 00 01 00*5 01 00 10 00 00 00 01 00 08 00
        ",
    );
}

#[test]
fn tombstones_of_a_run() {
    let run = Tombstones { segment: 1, documents: 100_000, deleted: (0..100_000).collect() };
    assert_golden(
        &run.encode().unwrap(),
        "
        8b 4c 49 58 0d 0a 1a 0a 01 00 03 00*5 29 00*7 0f 8b 98 a8 f1 b0 f8 89 00*24 c7 78 38 da 4a d1 28
        28 01 00*7 a0 86 01 00 a0 86 01 00 3b 30 01 00 03 00 00 ff ff 01 00 9f 86 01 00 00 00 ff ff 01
        00 00 00 9f 86
        ",
    );
}

#[test]
fn meta() {
    assert_golden(
        &sample::section(SectionKind::Meta),
        "
        03 00 00 00 05 00*7 03 00 00 00 04 02 00 00 00 0c 00*7 6c 61 74 65 65 6e 20 30 2e 31 2e 30 03 00
        00 00 02 02 00 00 00 03 01 2a 00*7 01 01 00 00 00 02 00*7 65 66 03 00*7 32 30 30
        ",
    );
}

#[test]
fn token_offsets() {
    assert_golden(&sample::section(SectionKind::TokenOffsets), "00*4 02 00 00 00 02 00 00 00 05 00 00 00");
}

#[test]
fn codec() {
    assert_golden(
        &sample::section(SectionKind::Codec),
        "
        03 00 00 00 04 00 00 00 08 07 06 05 04 03 02 01 f8 f9 fa fb fc fd fe ff 01 02 03 04 05 06 07 08
        00 00 10 c1 00 00 00 3d 02 00*26 3f 00 00 80 3e 00*56 01 fe 03 fc 05 fa
        ",
    );
}

#[test]
fn codec_of_ternary_codes() {
    let mut bytes = Vec::new();
    write_codec(&mut bytes, &sample::codec_of(CodeWidth::Ternary)).unwrap();
    assert_golden(
        &bytes,
        "
        03 00 00 00 03 00 00 00 08 07 06 05 04 03 02 01 81 00 7f 00*15 10 c1 00 00 00 3d 02 00*26 3f 00
        00 80 3e 00*56 01 fe 03 fc 05 fa
        ",
    );
}

#[test]
fn codes_of_every_width() {
    let codes: [u8; 11] = [1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1];
    for (width, golden) in [
        (CodeWidth::One, "8d 06"),
        (CodeWidth::Ternary, "25 5a 01"),
        (CodeWidth::Two, "51 40 14"),
        (CodeWidth::Four, "01 11 00 10 10 01"),
    ] {
        let top = width.levels() as u8 - 1;
        let mut row = vec![0xff; width.row_bytes(codes.len())];
        width.pack(&codes, &mut row);
        assert_golden(&row, golden);
        width.pack(&[top; 11], &mut row);
        CodesView::new(&row, 11, width).unwrap().check().unwrap();
        // A digit of a component that there is not.
        *row.last_mut().unwrap() = 0xff;
        assert!(CodesView::new(&row, 11, width).unwrap().check().is_err(), "{width:?}");
        let first = CodesView::new(&[243, 0, 0], 11, CodeWidth::Ternary).unwrap().check();
        assert!(matches!(first, Err(FormatError::Inconsistent { expected: 242, found: 243, .. })));
    }
}

#[test]
fn centroid_ids() {
    assert_golden(&sample::section(SectionKind::CentroidIds), "05 00*7 02 00*57 01 00 00 00 01 00 01 00");
    let mut wide = Vec::new();
    write_centroid_ids(&mut wide, 0x1_0001, 2, [0x1_0000, 2]).unwrap();
    assert_golden(&wide, "02 00*7 03 00*57 01 02 00 00");
    let mut wider = Vec::new();
    write_centroid_ids(&mut wider, u32::MAX, 1, [0x0102_0304]).unwrap();
    assert_golden(&wider, "01 00*7 04 00*55 04 03 02 01");
}

#[test]
fn inverted_lists() {
    assert_golden(
        &sample::section(SectionKind::InvertedLists),
        "02 00 00 00 03 00 00 00 03 00*7 04 00*51 02 00 00 00 03 00*56 01 02",
    );
    let mut long = Vec::new();
    write_inverted_lists(&mut long, u32::MAX, [&[127, 256, 16_641, u32::MAX - 1][..]].into_iter()).unwrap();
    assert_golden(
        &long,
        "
        01 00 00 00 ff*4 0b 00*7 04 00*51 0b 00*59 7f 80 01 80 80 01 fc fd fe ff 0f
        ",
    );
}

#[test]
fn terms() {
    assert_golden(
        &sample::section(SectionKind::Terms),
        "
        03 00 00 00 02 00 00 00 04 00*7 08 00*7 04 00*7 04 04 00*30 01 00*7 03 00*59 04 00 00 00 08
        00*59 01 00 00 00 04 00*55 01 00 00 00 02 00*59 6d 61 73 74 73 61 69 6c 00*56 05 01 02 00
        ",
    );
}

#[test]
fn raw_tokens() {
    assert_golden(
        &sample::section(SectionKind::RawTokens),
        "
        05 00*7 03 00 00 00 02 00*54 3c 00 40 00 42 00 44 00 45 00 46 00 47 00 48 80 48 00 49 80 49 00
        4a 80 4a 00 4b
        ",
    );
    let mut single = Vec::new();
    write_matrix(&mut single, 2, MatrixData::F32(&[1.0, -2.5])).unwrap();
    assert_golden(&single, "01 00*7 02 00 00 00 01 00*53 80 3f 00 00 20 c0");
}

#[test]
fn dense_vectors() {
    assert_golden(
        &sample::section(SectionKind::DenseVectors),
        "
        03 00*7 02 00 00 00 03 00*53 80 3f 00 00 00 3f 00 00 80 3e 00*52 01 ff 02 fe 03 fd
        ",
    );
}

#[test]
fn graph_links() {
    assert_golden(
        &sample::section(SectionKind::GraphLinks),
        "
        03 00 00 00 02 00 00 00 03 00 00 00 01 00 00 00 01 00 00 00 01 00*43 02 00 00 00 01 00 00 00 02
        00*7 02 00*7 02 00*7 01 00*39 01 00 00 00 01 00*63
        ",
    );
}

#[test]
fn external_ids() {
    assert_golden(
        &sample::section(SectionKind::ExternalIds),
        "
        03 00 00 00 04 00 00 00 04 00*59 01 00 00 00 03 00 00 00 04 00*51 02 00*7 01 00*55 62 c3 a4 61
        ",
    );
}

#[test]
fn content_hashes() {
    assert_golden(&sample::section(SectionKind::ContentHashes), "11 11 00*6 22 22 00*6 33 33 00*6");
}

/// Written by zstd 1.5.7 at level 3; other releases of zstd may write other blocks, and must read these.
#[test]
fn stored_fields() {
    let bytes = sample::section(SectionKind::StoredFields);
    let golden = "
        28 b5 2f fd 20 63 a5 02 00 82 05 13 1a 70 6b 5a 0c 55 8f d2 c8 3e 55 45 4d 8d 4a 91 8e 71 7d 87
        e4 79 54 1c 6a 38 05 0d 83 24 9a d6 29 5b 9a c8 85 52 6b 58 b5 c3 7f fc 81 ff dc 24 c9 80 80 92
        5d 03 31 48 b2 64 28 16 c3 b4 a5 58 cb dd 5a 56 21 d1 10 3f e0 17 fc 27 01 00 64 00 28 00*39 63
        00*11 03 00 00 00 01 00 00 00 5d 00*55
        ";
    let written = golden_bytes(golden);
    let view = StoredFieldsView::new(&written).unwrap();
    for (number, document) in (0..).zip(sample::stored()) {
        assert_eq!(view.get(number).unwrap(), document);
    }
    // Whatever the block, the table and the foot around it are pinned.
    assert_eq!(hex(&bytes[bytes.len() - 60..]), hex(&written[written.len() - 60..]));
}

fn golden_bytes(golden: &str) -> Vec<u8> {
    let bytes = golden.split_whitespace().flat_map(|group| {
        let (byte, count) = group.split_once('*').unwrap_or((group, "1"));
        vec![u8::from_str_radix(byte, 16).unwrap(); count.parse().unwrap()]
    });
    bytes.collect()
}
