//! Merging changes nothing that can be read, and makes many segments few.

use super::*;
use crate::quant::ResidualCodec;

fn full() -> CompactOptions {
    CompactOptions { full: true, ..CompactOptions::default() }
}

/// Adds `documents` in commits of `step`, deletes every fifth and replaces every seventh.
fn fill(writer: &mut Writer, settings: &IndexSettings, documents: usize, step: usize) {
    for n in 0..documents {
        writer.add(document(settings, &format!("{n}"), 0)).unwrap();
        if n % 5 == 4 {
            assert!(writer.delete(&format!("{}", n - 2)).unwrap());
        }
        if n % 7 == 6 {
            writer.add(document(settings, &format!("{}", n - 4), 1)).unwrap();
        }
        if n % step == step - 1 {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
}

/// The tokens of every live document, decoded.
fn tokens(snapshot: &Snapshot) -> BTreeMap<String, Vec<f32>> {
    let mut all = BTreeMap::new();
    for segment in snapshot.segments() {
        for local in (0..segment.documents()).filter(|&local| segment.is_live(local)) {
            let id = segment.reader().external_id(local).unwrap().to_owned();
            all.insert(id, decoded(segment.reader(), local));
        }
    }
    all
}

fn decoded(reader: &SegmentReader, local: u32) -> Vec<f32> {
    if let Some(raw) = reader.raw().unwrap() {
        return match raw.document(local).unwrap() {
            RawRows::F16(rows) => rows.iter().map(|value| value.to_f32()).collect(),
            RawRows::F32(rows) => rows.to_vec(),
        };
    }
    let residual = reader.residual().unwrap().unwrap();
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
    let codes = residual.document(local).unwrap();
    let mut rows = Vec::new();
    let mut row = vec![0.0; codec.dim];
    for token in 0..codes.len() {
        let code = &codes.codes[token * codec.row_bytes()..][..codec.row_bytes()];
        codec.decode(codes.centroid(token), codes.scales[token], code, &mut row).unwrap();
        codec.rotation().apply_inverse(&mut row);
        rows.extend_from_slice(&row);
    }
    rows
}

#[test]
fn every_storage_survives_being_merged() {
    for (token_storage, dense_storage) in [
        (TokenStorage::F32, DenseStorage::F32),
        (TokenStorage::F16, DenseStorage::F16),
        (TokenStorage::None, DenseStorage::I8),
        (TokenStorage::F32, DenseStorage::None),
    ] {
        let settings = settings(token_storage, dense_storage);
        let (directory, index) = memory_index(&settings);
        let mut writer = index.writer(WriterOptions { graph_min_documents: 20, ..small_writer() }).unwrap();
        fill(&mut writer, &settings, 120, 9);
        let (before, segments) = (read_all(&index.snapshot()).unwrap(), index.snapshot().segments().len());
        assert!(segments > 10);
        let old = index.snapshot();
        let info = writer.compact(&full(), &mut |_| {}).unwrap();
        assert_eq!((info.segments, info.merges), ((segments, 1), 1));
        assert!(info.dropped > 10 && info.bytes.1 < info.bytes.0);
        let snapshot = index.snapshot();
        assert_eq!(read_all(&snapshot).unwrap(), before);
        assert_eq!(snapshot.documents(), u64::from(snapshot.bound()));
        if dense_storage != DenseStorage::None {
            assert!(snapshot.segments()[0].reader().graph().unwrap().is_some());
        }
        // What was open stays as it was; what is opened now is the same.
        assert_eq!(read_all(&old).unwrap(), before);
        assert_eq!(read_all(&open(&directory).unwrap().snapshot()).unwrap(), before);
        assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
        // There is nothing left to do.
        assert_eq!(writer.compact(&full(), &mut |_| {}).unwrap().merges, 0);
        assert_eq!(writer.compact(&CompactOptions::default(), &mut |_| {}).unwrap().merges, 0);
    }
}

#[test]
fn codes_are_copied_however_often_they_are_merged() {
    for storage in [TokenStorage::Residual4, TokenStorage::Residual2] {
        let settings = settings(storage, DenseStorage::None);
        let (directory, index) = memory_index(&settings);
        let mut writer = index.writer(small_writer()).unwrap();
        fill(&mut writer, &settings, 300, 60);
        let before = tokens(&index.snapshot());
        for round in 0..4 {
            writer.compact(&full(), &mut |_| {}).unwrap();
            let after = tokens(&index.snapshot());
            for (id, tokens) in &before {
                let error =
                    tokens.iter().zip(&after[id]).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(error < 0.01, "{storage:?}, round {round}, {id}: {error}");
            }
            writer.add(document(&settings, &format!("new {round}"), 0)).unwrap();
            writer.commit().unwrap();
        }
        let report = verify_in(&directory, VerifyLevel::Full).unwrap();
        assert!(report.is_whole(), "{:?}", report.findings);
    }
}

#[test]
fn few_tokens_stay_rows_until_they_are_many() {
    let settings = settings(TokenStorage::Residual4, DenseStorage::None);
    let (directory, index) = memory_index(&settings);
    let options = WriterOptions { code_from_tokens: 400, merge: MergePolicy::default(), ..small_writer() };
    let mut writer = index.writer(options).unwrap();
    let mut most = 0;
    for n in 0..900 {
        writer.add(document(&settings, &format!("{n}"), 0)).unwrap();
        writer.commit().unwrap();
        let snapshot = index.snapshot();
        let raw = snapshot.segments().iter().filter(|segment| !segment.reader().is_coded());
        assert!(raw.map(|segment| segment.reader().tokens()).sum::<u64>() < 400);
        most = most.max(snapshot.segments().len());
    }
    assert!(most < 20, "{most} segments");
    let snapshot = index.snapshot();
    assert_eq!(snapshot.documents(), 900);
    assert!(snapshot.segments().iter().any(|segment| segment.reader().is_coded()));
    for (id, found) in tokens(&snapshot) {
        let mut matrix = document(&settings, &id, 0).tokens.unwrap().matrix;
        matrix.normalize_rows();
        let rows = matrix.view();
        let cosine = |(row, found): (&[f32], &[f32])| row.iter().zip(found).map(|(a, b)| a * b).sum::<f32>();
        let worst = rows.iter().zip(found.chunks(TOKEN_DIM)).map(cosine).fold(1.0, f32::min);
        assert!(worst > 0.9, "{id}: {worst}");
    }
    assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
    writer.compact(&CompactOptions::default(), &mut |_| {}).unwrap();
    assert!(index.snapshot().segments().iter().all(|segment| segment.reader().is_coded()));
    writer.compact(&CompactOptions { retrain: true, ..CompactOptions::default() }, &mut |_| {}).unwrap();
    assert_eq!(index.snapshot().segments().len(), 1);
    assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
}

#[test]
fn merging_in_the_background_loses_no_deletion() {
    let settings = settings(TokenStorage::F32, DenseStorage::F32);
    let (directory, index) = memory_index(&settings);
    let merge = MergePolicy { mode: MergeMode::Background, segments_per_tier: 3, ..MergePolicy::default() };
    let mut writer = index.writer(WriterOptions { merge, ..small_writer() }).unwrap();
    fill(&mut writer, &settings, 400, 3);
    let before = read_all(&index.snapshot()).unwrap();
    writer.finish_merges().unwrap();
    assert_eq!(read_all(&index.snapshot()).unwrap(), before);
    assert!(index.snapshot().segments().len() < 20);
    drop(writer);
    // A writer that goes away in the middle of a merge leaves nothing that the next one trips over.
    let mut writer = index.writer(WriterOptions { merge, ..small_writer() }).unwrap();
    for n in 0..30 {
        writer.add(document(&settings, &format!("x{n}"), 0)).unwrap();
        writer.commit().unwrap();
    }
    drop(writer);
    drop(index.writer(small_writer()).unwrap());
    assert_eq!(open(&directory).unwrap().snapshot().documents(), before.len() as u64 + 30);
    assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
}

#[test]
fn a_cancelled_merge_leaves_the_index_as_it_was() {
    let settings = settings(TokenStorage::Residual4, DenseStorage::F32);
    let (directory, index) = memory_index(&settings);
    let mut writer = index.writer(small_writer()).unwrap();
    fill(&mut writer, &settings, 60, 10);
    let before = read_all(&index.snapshot()).unwrap();
    let token = writer.cancel_token();
    token.cancel();
    assert!(matches!(writer.compact(&full(), &mut |_| {}), Err(IndexError::Cancelled)));
    assert_eq!(read_all(&index.snapshot()).unwrap(), before);
    writer.add(document(&settings, "later", 0)).unwrap();
    writer.commit().unwrap();
    token.reset();
    writer.compact(&full(), &mut |_| {}).unwrap();
    assert_eq!(open(&directory).unwrap().snapshot().documents(), before.len() as u64 + 1);
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let settings = settings(TokenStorage::Residual4, DenseStorage::I8);
    let build = |threads| {
        let (directory, index) = memory_index(&settings);
        let merge = MergePolicy { segments_per_tier: 3, ..MergePolicy::default() };
        let options = WriterOptions { threads, code_from_tokens: 200, merge, ..small_writer() };
        let mut writer = index.writer(options).unwrap();
        fill(&mut writer, &settings, 300, 8);
        writer.compact(&CompactOptions::default(), &mut |_| {}).unwrap();
        files(&directory)
    };
    let expected = build(1);
    assert!(build(2) == expected && build(5) == expected);
}
