//! A small complete index: three documents, five tokens, every section.

use std::io::Write;

use half::f16;
use lateen_index_format::*;

/// Token numbers end here for each document.
pub const LENGTHS: [u32; 3] = [2, 0, 3];
/// Ids out of order, one beyond ASCII.
pub const IDS: [&str; 3] = ["b", "ä", "a"];
/// One hash per document.
pub const HASHES: [u64; 3] = [0x1111, 0x2222, 0x3333];
/// Documents near each of two centroids.
pub const LISTS: [&[u32]; 2] = [&[0, 2], &[2]];

pub fn settings() -> IndexSettings {
    IndexSettings {
        token_dim: 3,
        token_storage: TokenStorage::Residual4,
        dense_dim: 2,
        dense_storage: DenseStorage::I8,
        store_documents: true,
        seed: 42,
        words: Words::English,
    }
}

pub fn meta() -> MetaRecord {
    MetaRecord {
        documents: 3,
        tokens: 5,
        dim: 3,
        bits: 4,
        dense_dim: 2,
        writer: "lateen 0.1.0".into(),
        settings: settings(),
        build: vec![("ef".into(), "200".into())],
    }
}

pub fn codec() -> CodecView<'static> {
    CodecView {
        dim: 3,
        width: CodeWidth::Four,
        rotation_seed: 0x0102_0304_0506_0708,
        levels: [-8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8],
        scale_log2_min: -9.0,
        scale_log2_step: 0.03125,
        centroid_scales: &[0.5, 0.25],
        centroids: &[1, -2, 3, -4, 5, -6],
    }
}

/// The same with codes of another width.
pub fn codec_of(width: CodeWidth) -> CodecView<'static> {
    let mut levels = [0; 16];
    let count = width.levels();
    for (code, level) in levels[..count].iter_mut().enumerate() {
        *level = (254 * code as i32 / (count as i32 - 1) - 127) as i8;
    }
    CodecView { width, levels, ..codec() }
}

/// A graph of three nodes; node 1 reaches level 1.
pub struct Triangle;

impl Triangle {
    pub const SHAPE: GraphShape = GraphShape { nodes: 3, m: 2, m0: 3, entry: Some(1), max_level: 1 };
}

impl GraphSource for Triangle {
    fn level(&self, node: u32) -> u32 {
        u32::from(node == 1)
    }

    fn links(&self, level: u32, node: u32) -> &[u32] {
        match (level, node) {
            (0, 0) => &[1, 2],
            (0, 1) => &[0, 2],
            (0, 2) => &[0],
            _ => &[],
        }
    }
}

pub fn stored() -> Vec<StoredDocument> {
    [
        ("Sail", "A lateen is triangular.", r#"{"year":900}"#),
        ("", "", ""),
        ("Mast", "It holds the sail.", "{}"),
    ]
    .map(|(title, text, metadata)| StoredDocument {
        title: title.into(),
        text: text.into(),
        metadata: metadata.into(),
    })
    .to_vec()
}

/// Three documents: a sail; nothing; a mast, and twice a sail.
pub fn terms() -> TermsBuilder {
    let mut terms = TermsBuilder::new();
    (0..3).for_each(|_| terms.push_document().unwrap());
    for (term, document, count) in [("sail", 0, 1), ("mast", 2, 1), ("sail", 2, 2)] {
        terms.push(term, document, count).unwrap();
    }
    terms
}

/// The bytes of one section.
pub fn section(kind: SectionKind) -> Vec<u8> {
    let mut out = Vec::new();
    match kind {
        SectionKind::Meta => out = meta().encode().unwrap(),
        SectionKind::TokenOffsets => write_token_offsets(&mut out, LENGTHS).unwrap(),
        SectionKind::Codec => write_codec(&mut out, &codec()).unwrap(),
        SectionKind::CentroidIds => write_centroid_ids(&mut out, 2, 5, [0, 1, 0, 1, 1]).unwrap(),
        SectionKind::Codes => out = vec![0x21, 0x03, 0x54, 0x06, 0x87, 0x09, 0xba, 0x0c, 0xed, 0x0f],
        SectionKind::Scales => out = vec![0, 1, 127, 128, 255],
        SectionKind::InvertedLists => write_inverted_lists(&mut out, 3, LISTS.into_iter()).unwrap(),
        SectionKind::RawTokens => {
            let values: Vec<f16> = (0..15).map(|value| f16::from_f32(value as f32)).collect();
            write_matrix(&mut out, 3, MatrixData::F16(&values)).unwrap();
        }
        SectionKind::DenseVectors => {
            let data = MatrixData::I8 { scales: &[1.0, 0.5, 0.25], values: &[1, -1, 2, -2, 3, -3] };
            write_matrix(&mut out, 2, data).unwrap();
        }
        SectionKind::GraphLinks => write_graph_links(&mut out, &Triangle::SHAPE, &Triangle).unwrap(),
        SectionKind::ExternalIds => write_external_ids(&mut out, &IDS).unwrap(),
        SectionKind::ContentHashes => write_content_hashes(&mut out, HASHES).unwrap(),
        SectionKind::StoredFields => {
            let mut writer = StoredFieldsWriter::new(&mut out, 3).unwrap();
            stored().iter().for_each(|document| writer.push(document).unwrap());
            assert_eq!(writer.finish().unwrap(), 3);
        }
        SectionKind::Terms => terms().write(&mut out).unwrap(),
        other => panic!("no sample of {other}"),
    }
    out
}

/// A segment of these sections.
pub fn segment_of(sections: &[(SectionKind, Flags, Vec<u8>)]) -> (Vec<u8>, u64) {
    let mut writer = SegmentWriter::new(Vec::new()).unwrap();
    for (kind, flags, bytes) in sections {
        writer.begin(*kind, *flags).unwrap();
        writer.write_all(bytes).unwrap();
        writer.end().unwrap();
    }
    writer.finish().unwrap()
}

/// A segment with every section.
pub fn segment() -> Vec<u8> {
    segment_of(&SectionKind::KNOWN.map(|kind| (kind, Flags::REQUIRED, section(kind)))).0
}

pub fn manifest() -> Manifest {
    Manifest {
        generation: 7,
        next_number: 12,
        settings: settings(),
        model: ModelIdentity {
            name: "tiny".into(),
            location: "models/tiny".into(),
            fingerprint: *b"0123456789abcdef",
            description: "late interaction, dim 3".into(),
        },
        segments: vec![
            SegmentRecord { number: 3, documents: 3, tokens: 5, bytes: 4096, identity: 99, tombstones: None },
            SegmentRecord {
                number: 9,
                documents: 10,
                tokens: 80,
                bytes: 8192,
                identity: 100,
                tombstones: Some(TombstoneRecord { number: 11, deleted: 2, checksum: 101 }),
            },
        ],
        tuning: Some(tuning()),
    }
}

pub fn tuning() -> Tuning {
    let knob = |name: &str, value| Knob { name: name.into(), value };
    let target = |recall, knobs| TunedTarget { k: 10, recall, measured: 996_000, lower: 991_000, knobs };
    Tuning {
        documents: 11,
        tokens: 85,
        queries: 64,
        source: QuerySource::Given,
        seed: 5,
        targets: vec![
            target(950_000, vec![knob("candidates", 64), knob("nprobe", 8)]),
            target(990_000, vec![knob("nprobe", 16)]),
        ],
    }
}

pub fn tombstones() -> Tombstones {
    Tombstones { segment: 9, documents: 10, deleted: [1, 8].into_iter().collect() }
}
