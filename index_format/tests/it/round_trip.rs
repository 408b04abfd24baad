//! What is written is what is read.

use std::collections::{BTreeMap, BTreeSet};

use half::f16;
use lateen_index_format::*;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::{entry, sample};

fn aligned(write: impl FnOnce(&mut Vec<u8>) -> Result<(), FormatError>) -> AlignedBytes {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    AlignedBytes::from_slice(&bytes)
}

fn storage() -> impl Strategy<Value = IndexSettings> {
    use {DenseStorage as D, TokenStorage as T};
    let tokens = prop_oneof![
        Just((0, T::None)),
        (
            1..=MAX_DIM,
            select(vec![T::Residual1, T::ResidualTernary, T::Residual2, T::Residual4, T::F16, T::F32])
        )
    ];
    let dense =
        prop_oneof![Just((0, D::None)), (1..=MAX_DIM, prop_oneof![Just(D::F32), Just(D::F16), Just(D::I8)])];
    (tokens, dense, any::<bool>(), any::<u64>()).prop_map(|(tokens, dense, store_documents, seed)| {
        IndexSettings {
            token_dim: tokens.0,
            token_storage: tokens.1,
            dense_dim: dense.0,
            dense_storage: dense.1,
            store_documents,
            seed,
            ..IndexSettings::default()
        }
    })
}

fn segment_record() -> impl Strategy<Value = SegmentRecord> {
    (any::<(u32, u64, u64, u64)>(), proptest::option::of(any::<(u32, u64)>())).prop_map(
        |(record, tombstones)| {
            let (documents, tokens, bytes, identity) = record;
            SegmentRecord {
                number: 0,
                documents,
                tokens,
                bytes,
                identity,
                tombstones: tombstones.map(|(deleted, checksum)| TombstoneRecord {
                    number: 0,
                    deleted: deleted.min(documents),
                    checksum,
                }),
            }
        },
    )
}

fn tuning() -> impl Strategy<Value = Tuning> {
    let knobs = btree_map(any::<String>(), any::<u64>(), 0..4)
        .prop_map(|knobs| knobs.into_iter().map(|(name, value)| Knob { name, value }).collect());
    let target = (0..=WHOLE, 0..=WHOLE, knobs).prop_map(|(a, b, knobs)| (a.max(b), a.min(b), knobs));
    let places = btree_map((1..=u32::MAX, 0..=WHOLE), target, 0..6);
    (any::<(u64, u64, u32, u64)>(), any::<bool>(), places).prop_map(|(counts, given, places)| {
        let (documents, tokens, queries, seed) = counts;
        let source = if given { QuerySource::Given } else { QuerySource::Sampled };
        let target =
            |((k, recall), (measured, lower, knobs))| TunedTarget { k, recall, measured, lower, knobs };
        let targets = places.into_iter().map(target).collect();
        Tuning { documents, tokens, queries, source, seed, targets }
    })
}

/// Counts tokens per document, then tokens; levels of nodes, then lists.
struct Levels {
    levels: Vec<u32>,
    lists: Vec<Vec<u32>>,
}

impl GraphSource for Levels {
    fn level(&self, node: u32) -> u32 {
        self.levels[node as usize]
    }

    fn links(&self, level: u32, node: u32) -> &[u32] {
        &self.lists[(node as usize * 7 + level as usize * 3) % self.lists.len()]
    }
}

proptest! {
    #[test]
    fn manifests(
        settings in storage(),
        strings in any::<(String, String, String)>(),
        fingerprint in any::<[u8; 16]>(),
        generation in any::<u64>(),
        mut segments in vec(segment_record(), 0..20),
        tuning in proptest::option::of(tuning()),
    ) {
        for (index, segment) in (0..).zip(&mut segments) {
            segment.number = 2 * index;
            if let Some(tombstones) = &mut segment.tombstones {
                tombstones.number = 2 * index + 1;
            }
        }
        let (name, location, description) = strings;
        let model = ModelIdentity { name, location, fingerprint, description };
        let manifest = Manifest { generation, next_number: 40, settings, model, segments, tuning };
        prop_assert_eq!(Manifest::decode(&manifest.encode().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn meta_records(
        settings in storage(),
        documents in any::<u32>(),
        tokens in any::<u32>(),
        writer in any::<String>(),
        build in vec(any::<(String, String)>(), 0..5),
    ) {
        let (dim, dense_dim) = (settings.token_dim, settings.dense_dim);
        let record = MetaRecord {
            documents, tokens: tokens.into(), dim, bits: 4, dense_dim, writer, settings, build,
        };
        prop_assert_eq!(MetaRecord::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn tombstones(segment in any::<u64>(), deleted in btree_set(0_u32..200_000, 0..500), run in 0_u32..100_000) {
        let deleted: RoaringBitmap = deleted.into_iter().chain(0..run).collect();
        let tombstones = Tombstones { segment, documents: 200_000, deleted };
        let file = tombstones.encode().unwrap();
        prop_assert_eq!(&Tombstones::decode(&file).unwrap(), &tombstones);
        // The same set by another way has the same bytes.
        let mut other: RoaringBitmap = (0..200_000).collect();
        other.optimize();
        other &= &tombstones.deleted;
        prop_assert_eq!(Tombstones { deleted: other, ..tombstones }.encode().unwrap(), file);
    }

    #[test]
    fn token_offsets(lengths in vec(0_u32..1000, 0..50)) {
        let bytes = aligned(|out| write_token_offsets(out, lengths.iter().copied()));
        let view = TokenOffsetsView::new(&bytes).unwrap();
        view.check().unwrap();
        prop_assert_eq!(view.documents(), lengths.len());
        let read: Vec<u32> = (0..lengths.len()).map(|doc| view.range(doc).unwrap().len() as u32).collect();
        prop_assert_eq!(view.tokens(), u64::from(lengths.iter().sum::<u32>()));
        prop_assert_eq!(view.ends().last().copied().unwrap_or(0), lengths.iter().sum::<u32>());
        prop_assert_eq!(read, lengths);
    }

    #[test]
    fn codecs(
        dim in 1_u32..40,
        count in 0_usize..20,
        rotation_seed in any::<u64>(),
        mut levels in any::<[i8; 16]>(),
        width in select(&CodeWidth::ALL[..]),
        scale_log2_min in -126.0_f32..0.0,
        scale_log2_step in 0.0_f32..0.4,
    ) {
        levels[width.levels()..].fill(0);
        let centroid_scales: Vec<f32> = (0..count).map(|index| index as f32 - 3.5).collect();
        let centroids: Vec<i8> = (0..count * dim as usize).map(|index| index as i8).collect();
        let codec = CodecView {
            dim, width, rotation_seed, levels, scale_log2_min, scale_log2_step,
            centroid_scales: &centroid_scales, centroids: &centroids,
        };
        let bytes = aligned(|out| write_codec(out, &codec));
        prop_assert_eq!(CodecView::new(&bytes).unwrap(), codec);
    }

    #[test]
    fn centroid_ids(centroids in 1_u32.., seeds in vec(any::<u32>(), 0..50)) {
        let ids: Vec<u32> = seeds.iter().map(|seed| seed % centroids).collect();
        let bytes = aligned(|out| write_centroid_ids(out, centroids, ids.len() as u64, ids.iter().copied()));
        let view = CentroidIdsView::new(&bytes).unwrap();
        view.check(centroids).unwrap();
        prop_assert_eq!(view.width(), centroid_id_width(centroids));
        prop_assert_eq!(view.bytes().len(), ids.len() * usize::from(view.width()));
        let one_by_one: Vec<u32> = (0..ids.len()).map(|token| view.get(token).unwrap()).collect();
        prop_assert_eq!(view.iter().collect::<Vec<_>>(), one_by_one);
        prop_assert_eq!(view.iter().collect::<Vec<_>>(), ids);
    }

    #[test]
    fn codes(dim in 1_u32..20, width in select(&CodeWidth::ALL[..]), seeds in vec(any::<u8>(), 0..200)) {
        let codes: Vec<u8> = seeds.iter().map(|seed| seed % width.levels() as u8).collect();
        let rows: Vec<&[u8]> = codes.chunks_exact(dim as usize).collect();
        let mut packed = Vec::new();
        for row in &rows {
            let start = packed.len();
            packed.resize(start + width.row_bytes(dim as usize), 0xaa);
            width.pack(row, &mut packed[start..]);
        }
        let view = CodesView::new(&packed, dim, width).unwrap();
        view.check().unwrap();
        prop_assert_eq!(view.tokens(), rows.len());
        for (token, row) in rows.iter().enumerate() {
            for (component, code) in (0..dim).zip(*row) {
                prop_assert_eq!(view.code(token, component).unwrap(), *code);
            }
        }
    }

    #[test]
    fn inverted_lists(
        documents in prop_oneof![1_u32..300, Just(u32::MAX)],
        sets in vec(btree_set(any::<u32>(), 0..40), 0..20),
    ) {
        let lists: Vec<Vec<u32>> = sets
            .into_iter()
            .map(|set| set.into_iter().map(|doc| doc % documents).collect::<BTreeSet<_>>().into_iter().collect())
            .collect();
        let bytes = aligned(|out| write_inverted_lists(out, documents, lists.iter().map(Vec::as_slice)));
        let view = InvertedListsView::new(&bytes).unwrap();
        view.check().unwrap();
        prop_assert_eq!((view.centroids() as usize, view.documents()), (lists.len(), documents));
        for (centroid, list) in (0..).zip(&lists) {
            prop_assert_eq!(&view.list(centroid).unwrap().collect::<Vec<_>>(), list);
            let mut read = Vec::new();
            view.list(centroid).unwrap().read_into(&mut read).unwrap();
            prop_assert_eq!(&read, list);
        }
    }

    #[test]
    fn terms(documents in vec(btree_map("[a-zé]{1,3}", prop_oneof![1_u32..4, 1_u32..1_000_000], 0..6), 0..30)) {
        let mut builder = TermsBuilder::new();
        let mut expected: BTreeMap<String, Vec<(u32, u32)>> = BTreeMap::new();
        for (number, counts) in (0..).zip(&documents) {
            builder.push_document().unwrap();
            for (term, &count) in counts {
                builder.push(term, number, count).unwrap();
                expected.entry(term.clone()).or_default().push((number, count));
            }
        }
        let bytes = aligned(|out| builder.write(out));
        let view = TermsView::new(&bytes).unwrap();
        view.check().unwrap();
        prop_assert_eq!((view.documents() as usize, view.terms() as usize), (documents.len(), expected.len()));
        for (at, (term, postings)) in (0..).zip(&expected) {
            prop_assert_eq!((view.term(at).unwrap(), view.find(term).unwrap()), (term.as_str(), Some(at)));
            prop_assert_eq!(&view.postings(at).unwrap().collect::<Vec<_>>(), postings);
            prop_assert_eq!(view.frequencies()[at as usize] as usize, postings.len());
        }
        prop_assert_eq!(view.find("zzzz").unwrap(), None);
        let lengths: Vec<u32> = documents.iter().map(|counts| counts.values().sum()).collect();
        prop_assert_eq!(view.lengths(), &lengths);
        prop_assert_eq!(view.total_length(), lengths.iter().map(|&length| u64::from(length)).sum::<u64>());
    }

    #[test]
    fn matrices(dim in 1_u32..20, rows in 0_usize..20) {
        let count = rows * dim as usize;
        let singles: Vec<f32> = (0..count).map(|index| index as f32 * 0.5).collect();
        let halves: Vec<f16> = singles.iter().map(|&value| f16::from_f32(value)).collect();
        let values: Vec<i8> = (0..count).map(|index| index as i8).collect();
        let scales = vec![0.5_f32; rows];
        for data in [
            MatrixData::F32(&singles),
            MatrixData::F16(&halves),
            MatrixData::I8 { scales: &scales, values: &values },
        ] {
            let bytes = aligned(|out| write_matrix(out, dim, data));
            let view = RawTokensView::new(&bytes).unwrap();
            prop_assert_eq!((view.rows(), view.dim(), view.data()), (rows, dim, data));
            prop_assert_eq!(view.rows_f32().is_ok(), data.dtype() == Dtype::F32);
            prop_assert_eq!(view.rows_f16().is_ok(), data.dtype() == Dtype::F16);
            prop_assert_eq!(view.rows_i8().is_ok(), data.dtype() == Dtype::I8);
        }
        let mut streamed = Vec::new();
        begin_matrix(&mut streamed, Dtype::F32, dim, rows as u64).unwrap();
        streamed.extend(singles.iter().flat_map(|value| value.to_le_bytes()));
        let at_once = aligned(|out| write_matrix(out, dim, MatrixData::F32(&singles)));
        prop_assert_eq!(&streamed[..], &at_once[..]);
    }

    #[test]
    fn graphs(levels in vec(0_u32..4, 0..30), lists in vec(vec(any::<u32>(), 0..8), 1..10)) {
        let nodes = levels.len() as u32;
        let lists = lists.into_iter().map(|list| list.into_iter().map(|node| node % nodes.max(1)).collect());
        let graph = Levels { lists: lists.collect(), levels };
        let max_level = graph.levels.iter().copied().max().unwrap_or(0);
        let entry = graph.levels.iter().position(|&level| level == max_level).map(|entry| entry as u32);
        let shape = GraphShape { nodes, m: 8, m0: 9, entry, max_level };
        let bytes = aligned(|out| write_graph_links(out, &shape, &graph));
        let view = GraphLinksView::new(&bytes).unwrap();
        prop_assert_eq!(view.shape(), shape);
        for node in 0..nodes {
            prop_assert_eq!(view.level(node).unwrap(), graph.level(node));
            for level in 0..=graph.level(node) {
                prop_assert_eq!(view.links(level, node).unwrap(), graph.links(level, node));
            }
            prop_assert!(view.links(graph.level(node) + 1, node).is_err());
        }
    }

    #[test]
    fn external_ids(ids in btree_set(".{1,20}", 0..40), seed in any::<usize>()) {
        let mut ids: Vec<String> = ids.into_iter().collect();
        let middle = seed % (ids.len() + 1);
        ids.rotate_left(middle);
        let bytes = aligned(|out| write_external_ids(out, &ids));
        let view = ExternalIdsView::new(&bytes).unwrap();
        view.check().unwrap();
        for (document, id) in (0..).zip(&ids) {
            prop_assert_eq!(view.get(document).unwrap(), id);
            prop_assert_eq!(view.find(id).unwrap(), Some(document));
            let longer = format!("{id}\u{0}");
            prop_assert_eq!(view.find(&longer).unwrap().is_some(), ids.contains(&longer));
        }
        prop_assert_eq!(view.find("").unwrap(), None);
    }

    #[test]
    fn stored_fields(texts in vec((any::<String>(), 0_usize..3, any::<String>()), 0..30), level in -5..20) {
        let documents: Vec<StoredDocument> = texts
            .into_iter()
            .map(|(title, size, metadata)| {
                // Empty, a third of a block, more than a block.
                let text = "All hands to the sheets. ".repeat([0, 900, 4000][size]);
                StoredDocument { title, text, metadata }
            })
            .collect();
        let mut bytes = Vec::new();
        let mut writer = StoredFieldsWriter::new(&mut bytes, level).unwrap();
        documents.iter().for_each(|document| writer.push(document).unwrap());
        prop_assert_eq!(writer.finish().unwrap() as usize, documents.len());
        let view = StoredFieldsView::new(&bytes).unwrap();
        view.check().unwrap();
        for (number, document) in (0..).zip(&documents) {
            prop_assert_eq!(&view.get(number).unwrap(), document);
        }
        let mut walked = Vec::new();
        for block in 0..view.blocks() {
            let block = view.block(block).unwrap();
            walked.extend(block.documents().map(|document| block.get(document).unwrap()));
        }
        prop_assert_eq!(walked, documents);
    }
}

#[test]
fn the_sample_segment_reads_in_full() {
    let file = AlignedBytes::from_slice(&sample::segment());
    let layout = SegmentLayout::parse(&file).unwrap();
    layout.verify(&file).unwrap();
    for kind in SectionKind::KNOWN {
        let bytes = layout.require(kind).unwrap().bytes(&file).unwrap();
        assert_eq!(bytes, sample::section(kind));
        let read = entry::read_section(kind, bytes);
        // The entry function asks hash and scale sections for what they do not have.
        assert!(read.is_ok() || matches!(read, Err(FormatError::OutOfRange { .. })), "{kind}: {read:?}");
    }
}

#[test]
fn hashes_and_scales() {
    let bytes = AlignedBytes::from_slice(&sample::section(SectionKind::ContentHashes));
    let view = ContentHashesView::new(&bytes).unwrap();
    assert_eq!((view.documents(), view.hashes(), view.get(2).unwrap()), (3, &sample::HASHES[..], 0x3333));
    assert!(view.get(3).is_err());
    let view = ScalesView::new(&[1, 2, 3]).unwrap();
    assert_eq!(
        (view.tokens(), view.rows(1..3).unwrap(), view.rows(3..3).unwrap()),
        (3, &[2, 3][..], &[][..])
    );
    assert!(view.rows(2..4).is_err());
}

#[test]
fn nothing_at_all() {
    let offsets = aligned(|out| write_token_offsets(out, []));
    let view = TokenOffsetsView::new(&offsets).unwrap();
    assert_eq!((view.documents(), view.tokens(), view.ends()), (0, 0, &[][..]));
    assert!(view.range(0).is_err());
    let ids = aligned(|out| write_external_ids(out, &[] as &[&str]));
    assert_eq!(ExternalIdsView::new(&ids).unwrap().find("a").unwrap(), None);
    let lists = aligned(|out| write_inverted_lists(out, 0, [].into_iter()));
    assert!(InvertedListsView::new(&lists).unwrap().list(0).is_err());
    let empty = GraphShape { nodes: 0, m: 16, m0: 32, entry: None, max_level: 0 };
    let graph = aligned(|out| write_graph_links(out, &empty, &sample::Triangle));
    assert!(GraphLinksView::new(&graph).unwrap().links(0, 0).is_err());
    let mut stored = Vec::new();
    StoredFieldsWriter::new(&mut stored, 3).unwrap().finish().unwrap();
    assert!(StoredFieldsView::new(&stored).unwrap().get(0).is_err());
    assert_eq!(ContentHashesView::new(&[]).unwrap().documents(), 0);
    assert_eq!(CodesView::new(&[], 128, CodeWidth::Four).unwrap().tokens(), 0);
    let manifest = Manifest::default();
    assert_eq!(Manifest::decode(&manifest.encode().unwrap()).unwrap(), manifest);
}
