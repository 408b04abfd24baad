//! Tokens that are pooled on their way in.

use super::*;
use crate::quant::PoolingOptions;

fn pooling(factor: usize) -> WriterOptions {
    WriterOptions { pooling: PoolingOptions::with_factor(factor), ..small_writer() }
}

/// A document of `rows` tokens.
fn long_document(settings: &IndexSettings, id: &str, rows: usize) -> NewDocument {
    let mut document = document(settings, id, 0);
    let mut random = StdRng::seed_from_u64(document.content_hash);
    let data = (0..rows * TOKEN_DIM).map(|_| random.random_range(-1.0..1.0)).collect();
    let matrix = TokenMatrixBuf::new(data, TOKEN_DIM).unwrap();
    let token_ids = (0..rows as u32).map(|row| 1000 + row).collect();
    document.tokens = Some(EncodedTokens { matrix, token_ids, spans: Vec::new() });
    document
}

#[test]
fn rows_are_those_of_the_pooled_document() {
    for storage in [TokenStorage::F32, TokenStorage::F16] {
        let settings = settings(storage, DenseStorage::None);
        let (directory, index) = memory_index(&settings);
        let mut writer = index.writer(pooling(3)).unwrap();
        let documents: Vec<_> = (0..300).map(|n| long_document(&settings, &format!("{n}"), n % 23)).collect();
        for (n, document) in documents.iter().enumerate() {
            writer.add(document.clone()).unwrap();
            if n % 10 == 9 {
                writer.delete(&format!("{}", n - 5)).unwrap();
            }
        }
        writer.commit().unwrap();
        drop(writer);
        // Another writer, another factor: each segment knows its own.
        index.writer(small_writer()).unwrap().add(document(&settings, "dropped", 0)).unwrap();
        let mut writer = index.writer(pooling(2)).unwrap();
        writer.add(long_document(&settings, "more", 9)).unwrap();
        writer.commit().unwrap();
        let snapshot = open(&directory).unwrap().snapshot();
        let factors: Vec<_> =
            snapshot.segments().iter().map(|segment| segment.reader().pooling().factor).collect();
        assert_eq!(factors, [3, 2]);
        let reader = snapshot.segments()[0].reader();
        let raw = reader.raw().unwrap().unwrap();
        for local in 0..reader.documents() {
            let number: usize = reader.external_id(local).unwrap().parse().unwrap();
            assert_ne!(number % 10, 4);
            let matrix = documents[number].tokens.clone().unwrap().matrix;
            let (expected, clusters) = pool_document(matrix, &settings, &reader.pooling()).unwrap();
            assert_eq!(expected.view().rows(), reader.token_count(local).unwrap());
            assert_eq!(clusters.clusters().len(), number % 23);
            let found: Vec<f32> = match raw.document(local).unwrap() {
                RawRows::F32(rows) => rows.to_vec(),
                RawRows::F16(rows) => rows.iter().map(|x| x.to_f32()).collect(),
            };
            let close = expected.view().as_slice().iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(close && found.len() == expected.view().as_slice().len(), "document {number}");
        }
        assert!(verify_in(&directory, VerifyLevel::Full).unwrap().is_whole());
    }
}

#[test]
fn pooled_codes_are_the_same_bytes_on_any_number_of_threads() {
    let settings = settings(TokenStorage::Residual2, DenseStorage::None);
    let build = |threads| {
        let (directory, index) = memory_index(&settings);
        let mut writer = index.writer(WriterOptions { threads, ..pooling(2) }).unwrap();
        for n in 0..600 {
            writer.add(long_document(&settings, &format!("{n}"), n % 40)).unwrap();
        }
        writer.commit().unwrap();
        files(&directory)
    };
    let expected = build(1);
    assert!(build(2) == expected && build(5) == expected);
}

#[test]
fn a_commit_that_is_tried_again_pools_once() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let mut buffer = buffer::Buffer::new(&settings);
    let options = PoolingOptions::with_factor(2);
    let counts = |buffer: &buffer::Buffer| {
        let starts = std::iter::once(&0).chain(&buffer.ends);
        starts.zip(&buffer.ends).map(|(start, end)| end - start).collect::<Vec<_>>()
    };
    for n in 0..5 {
        buffer.push(long_document(&settings, &format!("{n}"), 8));
    }
    buffer.pool(&options).unwrap();
    assert_eq!(counts(&buffer), [5; 5], "one is protected");
    buffer.delete("1");
    buffer.push(long_document(&settings, "5", 4));
    buffer.drop_dead();
    buffer.pool(&options).unwrap();
    buffer.pool(&options).unwrap();
    assert_eq!(counts(&buffer), [5, 5, 5, 5, 3]);
    assert_eq!(buffer.token_ids.len(), 23);
}

#[test]
fn factors_out_of_range_are_refused() {
    let settings = settings(TokenStorage::F32, DenseStorage::None);
    let (_, index) = memory_index(&settings);
    for factor in [0, 65] {
        let error = index.writer(pooling(factor)).unwrap_err();
        assert!(matches!(error, IndexError::InvalidSettings { setting: "pool_factor", .. }), "{error}");
    }
}
