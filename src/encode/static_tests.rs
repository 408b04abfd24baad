//! Static encoders against the vectors that Model2Vec gives, and the bundled table's own rules.

use std::path::{Path, PathBuf};

use super::testing::data;
use super::{Model, ModelKind, ModelOptions};

fn expected(name: &str) -> Option<(PathBuf, Vec<f32>)> {
    let root = data("models/model2vec-fixtures")?;
    let text = std::fs::read_to_string(root.join(name)).unwrap();
    let rows: Vec<Vec<f32>> = serde_json::from_str(&text).unwrap();
    Some((root, rows.into_iter().next().unwrap()))
}

fn close(found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1e-2), "{found} is not {wanted}");
    }
}

fn encode(directory: &Path, text: &str) -> Vec<f32> {
    let model = Model::load(directory, &ModelOptions::default()).unwrap();
    assert_eq!(model.kind(), ModelKind::StaticDense);
    model.encode_documents_dense(&[text]).unwrap().remove(0)
}

#[test]
fn model2vec_vectors_are_reproduced() {
    let long = ["hello"; 1000].join(" ");
    let Some((root, short)) = expected("embeddings_short.json") else { return };
    close(&encode(&root.join("float32"), "hello world"), &short, 1e-5);
    close(&encode(&root.join("float32"), &long), &expected("embeddings_long.json").unwrap().1, 1e-5);
    close(&encode(&root.join("float16"), "hello world"), &short, 5e-3);
    close(&encode(&root.join("int8"), "hello world"), &short, 0.1);
    let quantised = expected("embeddings_vocab_quantized.json").unwrap().1;
    close(&encode(&root.join("vocab-quantized"), &long), &quantised, 1e-5);
}

#[test]
fn model2vec_gives_zeros_for_no_text_and_no_token_vectors() {
    let Some(root) = data("models/model2vec-fixtures") else { return };
    let model = Model::load(&root.join("float32"), &ModelOptions::default()).unwrap();
    assert_eq!(model.encode_documents_dense(&[""]).unwrap(), [vec![0.0, 0.0]]);
    let error = model.encode_query_tokens("x").unwrap_err().to_string();
    assert!(error.contains("a static dense model and cannot give token vectors"), "{error}");
}

#[cfg(feature = "bundled-model")]
mod bundled {
    use super::*;

    fn norms(matrix: crate::types::TokenMatrix<'_>) -> Vec<f32> {
        matrix.iter().map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt()).collect()
    }

    #[test]
    fn rows_are_unit_vectors_with_their_words() {
        let model = Model::bundled().unwrap();
        assert_eq!(model.kind(), ModelKind::StaticTokens);
        assert_eq!(model.runtime().name, "native");
        let text = "Whales eat krill, and krill eat algae.";
        let tokens = model.encode_document_tokens(&[text]).unwrap().remove(0);
        assert!(norms(tokens.matrix.view()).iter().all(|norm| (norm - 1.0).abs() < 1e-5));
        assert_eq!(tokens.spans, model.document_spans(text).unwrap());
        let words: Vec<&str> =
            tokens.spans.iter().map(|&(start, end)| &text[start as usize..end as usize]).collect();
        assert!(words.starts_with(&["Whales", "eat"]), "{words:?}");
        assert_eq!(words.iter().filter(|word| **word == "eat").count(), 1, "equal rows are kept once");
        assert_eq!(tokens.token_ids.len(), tokens.matrix.view().rows());
    }

    #[test]
    fn a_repeated_document_token_changes_no_score() {
        let model = Model::bundled().unwrap();
        let query = model.encode_query_tokens("krill").unwrap();
        let best = |text: &str| {
            let document = model.encode_document_tokens(&[text]).unwrap().remove(0);
            let dot =
                |row: &[f32]| -> f32 { row.iter().zip(query.matrix.view().row(0)).map(|(a, b)| a * b).sum() };
            document.matrix.view().iter().map(dot).fold(f32::MIN, f32::max)
        };
        assert_eq!(best("krill eat krill"), best("krill eat"));
    }

    #[test]
    fn texts_do_not_depend_on_their_company_and_limits_hold() {
        let options = ModelOptions {
            max_document_tokens: Some(3),
            search: super::super::RuntimeSearch::nowhere(),
            ..ModelOptions::default()
        };
        let model = Model::inside_static(&options).unwrap();
        let texts = ["", "one two three four five", "six"];
        let together = model.encode_document_tokens(&texts).unwrap();
        for (text, found) in texts.iter().zip(&together) {
            assert_eq!(model.encode_document_tokens(&[text]).unwrap().remove(0), *found);
        }
        assert_eq!(together[1].matrix.view().rows(), 3);
        assert_eq!(model.statistics().truncated, 2);
        assert_ne!(model.fingerprint(), Model::bundled().unwrap().fingerprint(), "lengths are part of it");
        assert_eq!(Model::bundled().unwrap().fingerprint(), Model::bundled().unwrap().fingerprint());
    }

    #[test]
    fn the_dense_vector_is_a_unit_mean() {
        let model = Model::bundled().unwrap();
        let vectors = model.encode_documents_dense(&["whale", ""]).unwrap();
        let norm: f32 = vectors[0].iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-5);
        assert!(vectors[1].iter().all(|&x| x == 0.0));
    }
}
