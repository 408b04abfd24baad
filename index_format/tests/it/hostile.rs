//! Headers that lie cost no memory and no time, and cross no bound.

use std::time::{Duration, Instant};

use lateen_index_format::*;

use crate::entry;
use crate::sample;

/// Opens a section in which a field says `value`.
fn lying(kind: SectionKind, at: usize, value: &[u8]) -> Result<(), FormatError> {
    let mut bytes = AlignedBytes::from_slice(&sample::section(kind));
    bytes[at..at + value.len()].copy_from_slice(value);
    let start = Instant::now();
    let result = entry::read_section(kind, &bytes);
    assert!(start.elapsed() < Duration::from_millis(50), "{kind} took {:?}", start.elapsed());
    result
}

#[test]
fn counts_beyond_the_file_are_refused_at_once() {
    let (huge, most) = ((1_u64 << 60).to_le_bytes(), u64::MAX.to_le_bytes());
    for count in [huge, most] {
        for (kind, at) in [
            (SectionKind::CentroidIds, 0),
            (SectionKind::InvertedLists, 8),
            (SectionKind::RawTokens, 0),
            (SectionKind::DenseVectors, 0),
            (SectionKind::ExternalIds, 8),
            (SectionKind::Terms, 16),
            (SectionKind::Terms, 24),
        ] {
            assert!(lying(kind, at, &count).is_err(), "{kind}");
        }
    }
    let stored_foot = sample::section(SectionKind::StoredFields).len() - 64;
    for (kind, at) in [
        (SectionKind::Codec, 0),
        (SectionKind::Codec, 40),
        (SectionKind::InvertedLists, 0),
        (SectionKind::RawTokens, 8),
        (SectionKind::GraphLinks, 0),
        (SectionKind::GraphLinks, 4),
        (SectionKind::GraphLinks, 8),
        (SectionKind::GraphLinks, 12),
        (SectionKind::GraphLinks, 16),
        (SectionKind::GraphLinks, 20),
        (SectionKind::ExternalIds, 0),
        (SectionKind::Terms, 0),
        (SectionKind::Terms, 4),
        (SectionKind::StoredFields, stored_foot),
        (SectionKind::StoredFields, stored_foot + 4),
        (SectionKind::StoredFields, stored_foot + 8),
        (SectionKind::StoredFields, stored_foot - 12),
        (SectionKind::Meta, 0x15),
    ] {
        for count in [u32::MAX, 1 << 31, u32::MAX / 2, 0xffff] {
            assert!(lying(kind, at, &count.to_le_bytes()).is_err(), "{kind} at {at}: {count}");
        }
    }
}

#[test]
fn lists_beyond_the_manifest_are_refused_at_once() {
    let body = sample::manifest().encode().unwrap()[HEAD_LEN..].to_vec();
    let start = Instant::now();
    for at in 0..body.len() - 8 {
        for count in [u64::MAX, 1 << 60, 1 << 40, 0xffff_ffff] {
            let mut body = body.clone();
            body[at..at + 8].copy_from_slice(&count.to_le_bytes());
            entry::manifest(&entry::sealed(2, &body));
        }
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn settings_that_contradict_themselves_are_refused_in_both_directions() {
    let body = sample::manifest().encode().unwrap()[HEAD_LEN..].to_vec();
    // token_dim, token_storage, dense_dim, dense_storage, store_documents
    for (at, value) in [(16, 0), (20, 0), (20, 7), (21, 0), (25, 0), (25, 4), (26, 2), (18, 1)] {
        let mut body = body.clone();
        body[at] = value;
        assert!(Manifest::decode(&entry::sealed(2, &body)).is_err(), "byte {at} = {value}");
    }
    let mut manifest = sample::manifest();
    manifest.settings.dense_dim = 0;
    assert!(matches!(manifest.encode(), Err(FormatError::Inconsistent { .. })));
    manifest.settings = IndexSettings { token_dim: MAX_DIM + 1, ..sample::settings() };
    assert!(matches!(manifest.encode(), Err(FormatError::TooLarge { .. })));
}

#[test]
fn manifests_name_each_file_once_and_below_the_next_number() {
    let mut manifest = sample::manifest();
    manifest.segments[0].number = 11;
    assert!(matches!(manifest.encode(), Err(FormatError::Inconsistent { .. })));
    manifest.segments[0].number = 12;
    assert!(matches!(manifest.encode(), Err(FormatError::OutOfRange { index: 12, len: 12, .. })));
    manifest = sample::manifest();
    manifest.segments[1].documents = 1;
    assert!(matches!(manifest.encode(), Err(FormatError::TooLarge { limit: 1, found: 2, .. })));
}

#[test]
fn tunings_that_contradict_themselves_are_refused() {
    let refused = |change: &dyn Fn(&mut Tuning)| {
        let mut tuning = sample::tuning();
        change(&mut tuning);
        let manifest = Manifest { tuning: Some(tuning), ..sample::manifest() };
        manifest.encode().unwrap_err()
    };
    let inconsistent = |error| assert!(matches!(error, FormatError::Inconsistent { .. }), "{error}");
    let too_large = |error| assert!(matches!(error, FormatError::TooLarge { .. }), "{error}");
    inconsistent(refused(&|tuning| tuning.targets[0].k = 0));
    inconsistent(refused(&|tuning| tuning.targets.reverse()));
    inconsistent(refused(&|tuning| tuning.targets[1].recall = tuning.targets[0].recall));
    inconsistent(refused(&|tuning| tuning.targets[0].knobs.reverse()));
    too_large(refused(&|tuning| tuning.targets[0].lower = tuning.targets[0].measured + 1));
    too_large(refused(&|tuning| tuning.targets[1].recall = WHOLE + 1));
    too_large(refused(&|tuning| {
        tuning.targets =
            (1..=MAX_TARGETS as u32 + 1).map(|k| TunedTarget { k, ..TunedTarget::default() }).collect();
    }));
    // Whether there is a tuning, and where its queries came from, are bytes of few values.
    let body = sample::manifest().encode().unwrap()[HEAD_LEN..].to_vec();
    let tail = Manifest { tuning: None, ..sample::manifest() }.encode().unwrap().len() - HEAD_LEN - 1;
    for (at, value) in [(tail, 2), (tail, 0), (tail + 21, 2)] {
        let mut body = body.clone();
        body[at] = value;
        assert!(Manifest::decode(&entry::sealed(2, &body)).is_err(), "byte {at} = {value}");
    }
}

#[test]
fn a_decompression_bomb_is_bounded_by_its_header() {
    // 65 MiB of zeros, said to be 64 documents: over the limit of a shared block.
    let zeros = zstd::bulk::compress(&vec![0; 65 << 20], 1).unwrap();
    let mut section = zeros.clone();
    section.resize(section.len().next_multiple_of(64), 0);
    section.extend_from_slice(&[0; 4]);
    section.extend_from_slice(&(65_u32 << 20).to_le_bytes());
    section.extend_from_slice(&[0; 8]);
    section.extend_from_slice(&64_u32.to_le_bytes());
    section.extend_from_slice(&1_u32.to_le_bytes());
    section.extend_from_slice(&(zeros.len() as u64).to_le_bytes());
    section.extend_from_slice(&[0; 48]);
    let view = StoredFieldsView::new(&section).unwrap();
    assert!(matches!(view.get(0), Err(FormatError::TooLarge { limit, .. }) if limit == 64 << 20));
    // Saying less than the frame holds does not help.
    let entry = section.len() - 64 - 12;
    section[entry..entry + 4].copy_from_slice(&4096_u32.to_le_bytes());
    assert!(matches!(StoredFieldsView::new(&section).unwrap().get(0), Err(FormatError::Inconsistent { .. })));
}

#[test]
fn lists_that_leave_the_documents_end_with_an_error() {
    let mut lists = Vec::new();
    write_inverted_lists(&mut lists, 10, [&[1, 9][..]].into_iter()).unwrap();
    let payload = lists.len() - 2;
    for (bytes, yielded) in [([1, 8], 1), ([1, 0x80], 1), ([0x80, 0x00], 0), ([10, 0], 0)] {
        lists[payload..].copy_from_slice(&bytes);
        let lists = AlignedBytes::from_slice(&lists);
        let mut list = InvertedListsView::new(&lists).unwrap().list(0).unwrap();
        assert_eq!(list.by_ref().count(), yielded, "{bytes:?}");
        assert!(list.finish().is_err(), "{bytes:?}");
        assert_eq!(list.next(), None);
        let mut read = Vec::new();
        assert!(InvertedListsView::new(&lists).unwrap().list(0).unwrap().read_into(&mut read).is_err());
        assert_eq!(read.len(), yielded, "{bytes:?}");
    }
}

#[test]
fn leb128_beyond_u32_is_refused() {
    for bytes in
        [[0xff, 0xff, 0xff, 0xff, 0x1f], [0xff, 0xff, 0xff, 0xff, 0xff], [0x80, 0x80, 0x80, 0x80, 0x00]]
    {
        let mut lists = Vec::new();
        write_inverted_lists(&mut lists, u32::MAX, [&[u32::MAX - 1][..]].into_iter()).unwrap();
        let payload = lists.len() - 5;
        lists[payload..].copy_from_slice(&bytes);
        let lists = AlignedBytes::from_slice(&lists);
        let mut list = InvertedListsView::new(&lists).unwrap().list(0).unwrap();
        assert_eq!(list.next(), None);
        assert!(list.finish().is_err());
        let list = InvertedListsView::new(&lists).unwrap().list(0).unwrap();
        assert!(list.read_into(&mut Vec::new()).is_err());
    }
}

#[test]
fn postings_that_do_not_decode_end_with_an_error() {
    let mut builder = TermsBuilder::new();
    (0..6).for_each(|_| builder.push_document().unwrap());
    builder.push("sail", 0, 1).unwrap();
    builder.push("sail", 5, 3).unwrap();
    let mut section = Vec::new();
    builder.write(&mut section).unwrap();
    let payload = section.len() - 3;
    assert_eq!(section[payload..], [0x01, 0x08, 0x01]);
    // One beyond the last, a number without an end, a number too long, a count without an end, one posting too few.
    for bytes in
        [[0x01, 0x0b, 0x01], [0x01, 0x80, 0x80], [0x81, 0x00, 0x01], [0x01, 0x08, 0x81], [0x01, 0x09, 0x01]]
    {
        section[payload..].copy_from_slice(&bytes);
        let section = AlignedBytes::from_slice(&section);
        let view = TermsView::new(&section).unwrap();
        let mut postings = view.postings(0).unwrap();
        assert!(postings.by_ref().all(|(document, count)| document < 6 && count > 0), "{bytes:?}");
        assert!(postings.finish().is_err(), "{bytes:?}");
        assert_eq!(postings.next(), None);
        assert!(view.check().is_err(), "{bytes:?}");
    }
    // A frequency and a length that lie are found by reading everything.
    section[payload..].copy_from_slice(&[0x01, 0x08, 0x01]);
    assert!(TermsView::new(&AlignedBytes::from_slice(&section)).unwrap().check().is_ok());
    section[64] = 2;
    assert!(TermsView::new(&AlignedBytes::from_slice(&section)).unwrap().check().is_err());
}

#[test]
fn terms_are_pushed_in_the_order_of_documents() {
    let mut builder = TermsBuilder::new();
    assert!(matches!(builder.push("a", 0, 1), Err(FormatError::OutOfRange { .. })));
    builder.push_document().unwrap();
    builder.push_document().unwrap();
    builder.push("a", 1, 1).unwrap();
    for document in [0, 1] {
        assert!(matches!(builder.push("a", document, 1), Err(FormatError::Inconsistent { .. })));
    }
    assert!(matches!(builder.push("b", 0, 0), Err(FormatError::Inconsistent { .. })));
    assert!(matches!(builder.push("", 0, 1), Err(FormatError::BadTerm { length: 0, .. })));
    assert!(matches!(builder.push(&"x".repeat(513), 0, 1), Err(FormatError::BadTerm { length: 513, .. })));
    assert!(matches!(builder.push("a", 1, u32::MAX), Err(FormatError::Inconsistent { .. })));
    builder.push("c", 1, u32::MAX - 1).unwrap();
    assert!(matches!(builder.push("d", 1, 1), Err(FormatError::TooLarge { .. })));
}

#[test]
fn arrays_at_odd_addresses_are_an_error() {
    for kind in
        [SectionKind::Codec, SectionKind::RawTokens, SectionKind::GraphLinks, SectionKind::ExternalIds]
    {
        let bytes = sample::section(kind);
        let mut shifted = AlignedBytes::zeroed(bytes.len() + 1);
        shifted[1..].copy_from_slice(&bytes);
        let result = entry::read_section(kind, &shifted[1..]);
        assert!(matches!(result, Err(FormatError::Misaligned { .. })), "{kind}");
    }
}

#[test]
fn writers_refuse_what_readers_refuse() {
    let out = &mut Vec::new();
    assert!(matches!(write_token_offsets(out, [u32::MAX, 1]), Err(FormatError::TooLarge { .. })));
    assert!(matches!(write_centroid_ids(out, 2, 1, [2]), Err(FormatError::OutOfRange { .. })));
    assert!(matches!(write_centroid_ids(out, 2, 2, [1]), Err(FormatError::Inconsistent { .. })));
    for list in [&[1, 1][..], &[2, 1], &[0, 1, 2, 3]] {
        assert!(write_inverted_lists(out, 3, [list].into_iter()).is_err(), "{list:?}");
    }
    let long = "x".repeat(MAX_ID_LEN + 1);
    assert!(matches!(
        write_external_ids(out, &["a", ""]),
        Err(FormatError::BadId { document: 1, length: 0 })
    ));
    assert!(matches!(write_external_ids(out, &[&long]), Err(FormatError::BadId { length: 513, .. })));
    assert!(matches!(
        write_external_ids(out, &["b", "a", "b"]),
        Err(FormatError::DuplicateId { first: 0, second: 2 })
    ));
    for codec in [
        CodecView { width: CodeWidth::One, ..sample::codec() },
        CodecView { width: CodeWidth::Ternary, ..sample::codec() },
        CodecView { width: CodeWidth::Two, ..sample::codec() },
        CodecView { dim: 4, ..sample::codec() },
        CodecView { dim: 0, ..sample::codec() },
        CodecView { scale_log2_min: f32::NAN, ..sample::codec() },
        CodecView { scale_log2_step: 1.0, ..sample::codec() },
        CodecView { centroid_scales: &[1.0, f32::INFINITY], ..sample::codec() },
    ] {
        assert!(write_codec(out, &codec).is_err(), "{codec:?}");
    }
    assert!(write_matrix(out, 2, MatrixData::F32(&[0.0; 3])).is_err());
    assert!(write_matrix(out, 2, MatrixData::I8 { scales: &[], values: &[0; 2] }).is_err());
    let shape = GraphShape { m0: 1, ..sample::Triangle::SHAPE };
    assert!(matches!(write_graph_links(out, &shape, &sample::Triangle), Err(FormatError::TooLarge { .. })));
    let shape = GraphShape { nodes: 2, ..sample::Triangle::SHAPE };
    assert!(matches!(write_graph_links(out, &shape, &sample::Triangle), Err(FormatError::OutOfRange { .. })));
    let shape = GraphShape { entry: Some(0), ..sample::Triangle::SHAPE };
    assert!(matches!(
        write_graph_links(out, &shape, &sample::Triangle),
        Err(FormatError::Inconsistent { .. })
    ));
    let beyond = Tombstones { segment: 0, documents: 3, deleted: [3].into_iter().collect() };
    assert!(matches!(beyond.encode(), Err(FormatError::OutOfRange { index: 3, len: 3, .. })));
}
