//! More bytes keep more, and the order of the advice says so.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const DIM: usize = 32;

fn matrix(random: &mut StdRng, rows: usize) -> TokenMatrixBuf {
    let data = (0..rows * DIM).map(|_| random.random_range(-1.0_f32..1.0)).collect();
    let mut matrix = TokenMatrixBuf::new(data, DIM).unwrap();
    matrix.normalize_rows();
    matrix
}

fn world() -> (Vec<EncodedTokens>, Vec<TokenMatrixBuf>) {
    let mut random = StdRng::seed_from_u64(1);
    let documents = (0..150).map(|_| {
        let token_ids = (0..12).map(|_| random.random_range(0..30)).collect();
        EncodedTokens { matrix: matrix(&mut random, 12), token_ids, spans: Vec::new() }
    });
    let documents = documents.collect();
    (documents, (0..30).map(|_| matrix(&mut random, 6)).collect())
}

#[test]
fn every_variant_is_measured_and_more_bytes_keep_more() {
    let (documents, queries) = world();
    let options = AdviseOptions { poolings: vec![1, 3], dims: vec![16, 64], ..AdviseOptions::default() };
    let mut told = Vec::new();
    let advice = advise(&documents, &queries, &options, &mut |done, total| {
        told.push((done, total));
        true
    });
    let advice = advice.unwrap().unwrap();
    // Five storages, pooled or not, and four widths of codes of 16 dimensions; 64 are more than there are.
    assert_eq!(advice.len(), 14);
    assert_eq!(told, (1..=15).map(|done| (done, 15)).collect::<Vec<_>>());
    assert!(advice.windows(2).all(|pair| pair[0].bytes_per_document <= pair[1].bytes_per_document));
    let of = |storage, pooling, dim| {
        let variant = Variant { storage, pooling, dim };
        advice.iter().find(|advice| advice.variant == variant).unwrap()
    };
    let halves = of(TokenStorage::F16, 1, DIM);
    assert!(halves.recall_10.mean > 0.99 && halves.overlap_10 > 0.99, "{halves:?}");
    let widths = [TokenStorage::Residual1, TokenStorage::Residual2, TokenStorage::Residual4];
    let kept = widths.map(|storage| of(storage, 1, DIM).recall_10.mean);
    assert!(kept[0] < kept[1] && kept[1] < kept[2], "{kept:?}");
    let four = of(TokenStorage::Residual4, 1, DIM);
    for less in [of(TokenStorage::Residual4, 3, DIM), of(TokenStorage::Residual4, 1, 16)] {
        assert!(less.bytes_per_document < four.bytes_per_document);
        assert!(less.recall_10.mean < four.recall_10.mean, "{less:?}");
    }
    assert!((of(TokenStorage::Residual4, 3, DIM).vectors_per_document - 5.0).abs() < 0.5);
    let recommended = recommend(&advice, DIM, 0.6).unwrap();
    assert!(recommended.variant.dim == DIM && recommended.recall_10.lower >= 0.6);
    assert_eq!(recommend(&advice, DIM, 1.1), None);
}

#[test]
fn advice_needs_queries_and_can_be_stopped() {
    let (documents, queries) = world();
    let options = AdviseOptions::default();
    let none = advise(&documents, &[], &options, &mut |_, _| true);
    assert!(matches!(none, Err(SearchError::EmptyQuery)));
    assert_eq!(advise(&documents, &queries[..2], &options, &mut |_, _| false).unwrap(), None);
}
