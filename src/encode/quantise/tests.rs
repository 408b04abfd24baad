//! Codes against sentence-transformers; `tests/fixtures/layouts/make.py` made them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::encode::layout_tests::reference;
use crate::types::{TokenMatrix, TokenMatrixBuf};

#[derive(Deserialize)]
struct Codes {
    own: Vec<Vec<i16>>,
    calibrated: Vec<Vec<i16>>,
}

#[derive(Deserialize)]
struct Reference {
    rows: Vec<Vec<f32>>,
    low: Vec<f32>,
    high: Vec<f32>,
    codes: BTreeMap<String, Codes>,
    query: Vec<f32>,
    rescored: Vec<f32>,
    hamming: Vec<f32>,
}

fn made() -> (Reference, TokenMatrixBuf) {
    let wanted: Reference = reference("quantise.json");
    let rows = TokenMatrixBuf::new(wanted.rows.concat(), 20).unwrap();
    (wanted, rows)
}

const ALL: [(&str, Precision); 4] = [
    ("int8", Precision::Int8),
    ("uint8", Precision::Uint8),
    ("binary", Precision::Binary),
    ("ubinary", Precision::Ubinary),
];

#[test]
fn codes_are_those_of_sentence_transformers() {
    let (wanted, rows) = made();
    let ranges = Ranges::new(wanted.low.clone(), wanted.high.clone()).unwrap();
    for (name, precision) in ALL {
        let signed = matches!(precision, Precision::Int8 | Precision::Binary);
        let numbers = |codes: &Quantised| -> Vec<i16> {
            let number = |&byte: &u8| if signed { i16::from(byte as i8) } else { i16::from(byte) };
            codes.as_bytes().iter().map(number).collect()
        };
        let own = Quantised::new(rows.view(), precision, None).unwrap();
        let calibrated = Quantised::new(rows.view(), precision, Some(&ranges)).unwrap();
        assert_eq!(numbers(&own), wanted.codes[name].own.concat(), "{name}");
        assert_eq!(numbers(&calibrated), wanted.codes[name].calibrated.concat(), "{name}");
        assert_eq!((own.rows(), own.dim(), own.as_bytes().len()), (60, 20, 60 * precision.bytes(20)));
    }
}

#[test]
fn bits_are_searched_by_hamming_distance_and_rescored_as_by_sentence_transformers() {
    let (wanted, rows) = made();
    for precision in [Precision::Binary, Precision::Ubinary] {
        let codes = Quantised::new(rows.view(), precision, None).unwrap();
        let found = codes.nearest(&wanted.query, 60).unwrap();
        for near in &found {
            assert_eq!(-near.score, wanted.hamming[near.row]);
        }
        assert!(found.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.row < b.row)));
        let candidates: Vec<usize> = found.iter().take(20).map(|near| near.row).collect();
        let better = codes.rescore(&wanted.query, &candidates, 5).unwrap();
        assert_eq!(better.len(), 5);
        for near in &better {
            assert!((near.score - wanted.rescored[near.row]).abs() < 1e-5);
            assert!(candidates.contains(&near.row));
        }
        let left = candidates.iter().filter(|row| !better.iter().any(|near| near.row == **row));
        assert!(left.into_iter().all(|&row| wanted.rescored[row] <= better[4].score + 1e-6));
    }
}

#[test]
fn bytes_find_what_floats_find() {
    let (wanted, rows) = made();
    let exact = rescore(&wanted.query, rows.view(), &(0..60).collect::<Vec<_>>(), 10).unwrap();
    for precision in [Precision::Int8, Precision::Uint8, Precision::Float32] {
        let codes = Quantised::new(rows.view(), precision, None).unwrap();
        let found = codes.nearest(&wanted.query, 10).unwrap();
        let shared = found.iter().filter(|near| exact.iter().any(|other| other.row == near.row)).count();
        assert!(shared >= 9, "{precision:?}: {shared} of 10");
        for near in &found {
            let own: f32 = rows.view().row(near.row).iter().zip(&wanted.query).map(|(a, b)| a * b).sum();
            assert!((near.score - own).abs() < 0.2, "{precision:?}: {} {own}", near.score);
        }
    }
}

#[test]
fn shorter_vectors_have_length_1() {
    let (_, rows) = made();
    let short = truncate(rows.view(), 8).unwrap();
    for (short, long) in short.view().iter().zip(rows.view().iter()) {
        let norm = long[..8].iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!(short.iter().zip(long).all(|(a, b)| (a - b / norm).abs() < 1e-6));
    }
    for wanted in [0, 21] {
        assert_eq!(truncate(rows.view(), wanted), Err(QuantiseError::Truncate { dim: 20, wanted }));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (wanted, rows) = made();
    let codes = Quantised::new(rows.view(), Precision::Ubinary, None).unwrap();
    let dimension = |what, found| Err(QuantiseError::Dimension { what, found, expected: 20 });
    assert_eq!(codes.nearest(&[1.0], 1), dimension("the query", 1));
    assert_eq!(codes.rescore(&[1.0], &[], 1), dimension("the query", 1));
    assert_eq!(rescore(&[1.0], rows.view(), &[], 1), dimension("the query", 1));
    assert_eq!(codes.rescore(&wanted.query, &[60], 1), Err(QuantiseError::Row { row: 60, rows: 60 }));
    assert_eq!(
        codes.rescore(&wanted.query, &[usize::MAX], 1),
        Err(QuantiseError::Row { row: usize::MAX, rows: 60 })
    );
    let few = Ranges::new(vec![0.0], vec![1.0]).unwrap();
    let refused = Quantised::new(rows.view(), Precision::Int8, Some(&few)).map(drop);
    assert_eq!(refused, Err(QuantiseError::Dimension { what: "the ranges", found: 1, expected: 20 }));
    let none = TokenMatrix::new(&[], 20).unwrap();
    assert_eq!(Quantised::new(none, Precision::Int8, None).map(drop), Err(QuantiseError::NoRows));
    assert_eq!(Quantised::new(none, Precision::Binary, None).unwrap().rows(), 0);
    assert!(matches!(Ranges::new(vec![1.0], vec![0.0]), Err(QuantiseError::Range { component: 0, .. })));
    assert!(Ranges::new(vec![f32::NAN], vec![0.0]).is_err() && Ranges::new(vec![], vec![]).is_err());
    assert!(codes.nearest(&wanted.query, 0).unwrap().is_empty());
}
