//! What goes in comes out, in every storage.

use super::*;
use crate::format::CodeWidth;
use crate::quant::ResidualCodec;

const TOKENS: [TokenStorage; 7] = [
    TokenStorage::None,
    TokenStorage::Residual1,
    TokenStorage::ResidualTernary,
    TokenStorage::Residual2,
    TokenStorage::Residual4,
    TokenStorage::F16,
    TokenStorage::F32,
];
const DENSE: [DenseStorage; 4] = [DenseStorage::None, DenseStorage::F32, DenseStorage::F16, DenseStorage::I8];

fn filled(settings: &IndexSettings, documents: u64, options: WriterOptions) -> (MemoryDirectory, Index) {
    let (directory, index) = memory_index(settings);
    let mut writer = index.writer(options).unwrap();
    for n in 0..documents {
        assert!(!writer.add(document(settings, &format!("doc {n}"), 0)).unwrap());
    }
    writer.commit().unwrap();
    (directory, index)
}

#[test]
fn every_storage_keeps_every_document() {
    for tokens in TOKENS {
        for dense in DENSE {
            if tokens == TokenStorage::None && dense == DenseStorage::None {
                continue;
            }
            let settings = settings(tokens, dense);
            let (directory, _) = filled(&settings, 60, small_writer());
            let snapshot = open(&directory).unwrap().snapshot();
            assert_eq!(read_all(&snapshot).unwrap().len(), 60);
            let segment = &snapshot.segments()[0];
            let expected: Vec<_> = (0..60).map(|n| document(&settings, &format!("doc {n}"), 0)).collect();
            check_tokens(segment.reader(), &expected);
            check_dense(segment.reader(), &expected);
            let report = verify_in(&directory, VerifyLevel::Full).unwrap();
            assert!(report.is_whole(), "{tokens:?} {dense:?}: {:?}", report.findings);
            assert_eq!((report.files, report.bytes), (2, segment.reader().bytes()));
        }
    }
}

fn check_tokens(reader: &SegmentReader, expected: &[NewDocument]) {
    let rows = |document: &NewDocument| {
        let mut matrix = document.tokens.clone()?.matrix;
        matrix.normalize_rows();
        Some(matrix)
    };
    let mut ends = Vec::new();
    if let Some(raw) = reader.raw().unwrap() {
        let all = raw.ends(0..raw.documents(), &mut ends).unwrap();
        assert_eq!(all, 0..reader.tokens() as usize);
        for (local, document) in (0..).zip(expected) {
            let found: Vec<f32> = match raw.document(local).unwrap() {
                RawRows::F16(values) => values.iter().map(|value| value.to_f32()).collect(),
                RawRows::F32(values) => values.to_vec(),
            };
            let matrix = rows(document).unwrap();
            let close = found.iter().zip(matrix.view().as_slice()).all(|(a, b)| (a - b).abs() < 5e-4);
            assert!(close && found.len() == matrix.view().as_slice().len());
        }
    }
    let Some(residual) = reader.residual().unwrap() else { return };
    residual.ends(0..residual.documents(), &mut ends).unwrap();
    let view = residual.codec();
    let codec = ResidualCodec {
        dim: view.dim as usize,
        width: view.width,
        rotation_seed: view.rotation_seed,
        levels: view.levels,
        scale_log2_min: view.scale_log2_min,
        scale_log2_step: view.scale_log2_step,
        centroids: view.centroids.to_vec(),
        centroid_scales: view.centroid_scales.to_vec(),
    };
    let (mut similarity, mut count) = (0.0, 0);
    for (local, document) in (0..).zip(expected) {
        let found = residual.document(local).unwrap();
        let matrix = rows(document).unwrap();
        assert_eq!(found.len(), matrix.view().rows());
        for (token, row) in matrix.view().iter().enumerate() {
            let mut decoded = vec![0.0; codec.dim];
            let codes = &found.codes[token * codec.row_bytes()..][..codec.row_bytes()];
            codec.decode(found.centroid(token), found.scales[token], codes, &mut decoded).unwrap();
            codec.rotation().apply_inverse(&mut decoded);
            similarity += row.iter().zip(&decoded).map(|(a, b)| a * b).sum::<f32>();
            count += 1;
        }
    }
    let mean = similarity / count as f32;
    let least = match codec.width {
        CodeWidth::One => 0.75,
        CodeWidth::Ternary => 0.85,
        CodeWidth::Two => 0.9,
        CodeWidth::Four => 0.98,
    };
    assert!(mean > least, "{mean}");
    assert_eq!(ends.last().copied().map(u64::from), Some(reader.tokens()));
}

fn check_dense(reader: &SegmentReader, expected: &[NewDocument]) {
    let Some(dense) = reader.dense().unwrap() else { return };
    for (local, document) in (0..).zip(expected) {
        let found: Vec<f32> = match dense.vector(local).unwrap() {
            DenseRows::F32(row) => row.to_vec(),
            DenseRows::F16(row) => row.iter().map(|value| value.to_f32()).collect(),
            DenseRows::I8 { codes, scales } => {
                codes.iter().map(|&code| scales[0] * f32::from(code)).collect()
            }
        };
        let close = found.iter().zip(document.dense.as_ref().unwrap()).all(|(a, b)| (a - b).abs() < 5e-3);
        assert!(close && found.len() == dense.dim());
    }
}

#[test]
fn many_segments_make_one_snapshot() {
    let settings = settings(TokenStorage::Residual4, DenseStorage::F32);
    let options = WriterOptions { memory_budget_bytes: 8000, ..small_writer() };
    let (directory, index) = filled(&settings, 50, options);
    let snapshot = index.snapshot();
    assert!(snapshot.segments().len() > 3);
    assert_eq!((snapshot.documents(), snapshot.bound()), (50, 50));
    for n in 0..50 {
        let id = format!("doc {n}");
        let doc = snapshot.find(&id).unwrap().unwrap();
        assert_eq!(doc, DocId(n));
        assert_eq!(snapshot.external_id(doc).unwrap(), id);
        assert_eq!(snapshot.stored(doc).unwrap().unwrap().title, format!("Title of {id}"));
        assert!(snapshot.is_live(doc));
        let (segment, local) = snapshot.segment_of(doc).unwrap();
        assert_eq!(snapshot.segments()[segment].doc_id(local), doc);
    }
    assert!(matches!(snapshot.stored(DocId(50)), Err(IndexError::NoSuchDocument { .. })));
    assert!(!snapshot.is_live(DocId(50)));
    let stats = index.stats();
    let on_disk: usize =
        files(&directory).iter().filter(|(name, _)| name.ends_with(".lts")).map(|(_, b)| b.len()).sum();
    assert_eq!(stats.bytes, on_disk as u64);
    assert_eq!((stats.documents, stats.deleted, stats.tokens), (50, 0, snapshot.tokens()));
    assert!(stats.sections.iter().map(|section| section.bytes).sum::<u64>() < stats.bytes);
    assert!(stats.bytes_per_token().unwrap() > 1.0);
}

#[test]
fn large_segments_get_a_graph_that_finds_neighbours() {
    let settings = settings(TokenStorage::None, DenseStorage::F32);
    let options = WriterOptions { graph_min_documents: 300, ..small_writer() };
    let (directory, _) = filled(&settings, 400, options.clone());
    let snapshot = open(&directory).unwrap().snapshot();
    let graph = snapshot.segments()[0].reader().graph().unwrap().unwrap();
    assert_eq!(graph.documents(), 400);
    let mut reached = vec![false; 400];
    let mut waiting = vec![graph.entry()];
    while let Some(node) = waiting.pop() {
        if !std::mem::replace(&mut reached[node as usize], true) {
            waiting.extend_from_slice(graph.links(0, node).unwrap());
        }
    }
    assert!(reached.iter().filter(|&&node| node).count() >= 396, "most documents can be reached");
    assert!(!graph.links(graph.max_level(), graph.entry()).unwrap().is_empty() || graph.max_level() > 0);
    assert!(graph.links(graph.max_level() + 1, 0).is_err());
    assert!(graph.links(0, 400).is_err());
    assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
    let (_, small) = filled(&settings, 299, options);
    assert!(small.snapshot().segments()[0].reader().graph().unwrap().is_none());
}

#[test]
fn documents_without_tokens_are_documents() {
    for storage in [TokenStorage::Residual2, TokenStorage::F16] {
        let settings = settings(storage, DenseStorage::None);
        let (directory, index) = memory_index(&settings);
        let mut writer = index.writer(small_writer()).unwrap();
        let empty = |id: &str| NewDocument {
            tokens: Some(EncodedTokens {
                matrix: TokenMatrixBuf::new(Vec::new(), TOKEN_DIM).unwrap(),
                token_ids: Vec::new(),
                spans: Vec::new(),
            }),
            ..document(&settings, id, 0)
        };
        writer.add(empty("a")).unwrap();
        writer.commit().unwrap();
        assert_eq!(index.snapshot().tokens(), 0);
        writer.add(document(&settings, "b", 1)).unwrap();
        writer.add(empty("c")).unwrap();
        writer.commit().unwrap();
        assert_eq!(read_all(&open(&directory).unwrap().snapshot()).unwrap().len(), 3);
        assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
    }
}

#[test]
fn large_documents_and_many_blocks_are_read_back() {
    let settings = IndexSettings { token_dim: 64, ..settings(TokenStorage::F32, DenseStorage::None) };
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    let mut expected = Vec::new();
    for n in 0..40 {
        let mut document = document(&settings, &format!("{n}"), 0);
        let rows = random.random_range(50..150);
        let data = (0..rows * 64).map(|_| random.random_range(-1.0..1.0)).collect();
        document.tokens.as_mut().unwrap().matrix = TokenMatrixBuf::new(data, 64).unwrap();
        document.tokens.as_mut().unwrap().token_ids = Vec::new();
        let text: String = (0..20_000).map(|_| random.random_range('a'..='z')).collect();
        document.stored.as_mut().unwrap().text = text;
        expected.push(document.clone());
        writer.add(document).unwrap();
    }
    writer.commit().unwrap();
    let snapshot = open(&directory).unwrap().snapshot();
    let reader = snapshot.segments()[0].reader();
    let raw = reader.raw().unwrap().unwrap();
    // In an order that touches blocks in no order.
    for n in (0..40).map(|n| n * 7 % 40) {
        let mut matrix = expected[n].tokens.clone().unwrap().matrix;
        matrix.normalize_rows();
        assert_eq!(raw.document(n as u32).unwrap(), RawRows::F32(matrix.view().as_slice()));
        assert_eq!(reader.stored(n as u32).unwrap(), expected[n].stored);
    }
    assert!(reader.entries().any(|entry| entry.block_count() > 5));
}
