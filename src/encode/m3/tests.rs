//! Several kinds of vectors by FlagEmbedding's rules; `tests/fixtures/layouts/late_interaction.py` made the numbers.

use serde::Deserialize;

use super::*;
use crate::encode::layout_tests::{Text, assert_rows, model_with, reference};
use crate::encode::testing::{assert_close, in_both, write};
use crate::encode::{Model, ModelKind};

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Given {
    dense: Vec<f32>,
    ids: Vec<u32>,
    weights: Vec<f32>,
    tokens: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Reference {
    texts: Vec<Text>,
    given: Vec<Given>,
}

fn texts(wanted: &Reference) -> Vec<String> {
    wanted.texts.iter().map(Text::whole).collect()
}

#[test]
fn one_pass_gives_all_three_kinds() {
    let wanted: Reference = reference("m3.json");
    let texts = texts(&wanted);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert!(texts.len() >= 50);
    let directory = model_with(Some("m3"));
    for model in in_both(|options| Model::load(directory.path(), options)) {
        assert_eq!(model.kind(), ModelKind::Several);
        assert_eq!((model.dense_dim(), model.token_dim(), model.gives_sparse()), (Some(12), Some(4), true));
        let all = model.encode_documents_all(&texts).unwrap();
        assert_eq!(all, model.encode_queries_all(&texts).unwrap(), "both sides are read alike");
        for ((found, wanted), text) in all.iter().zip(&wanted.given).zip(&texts) {
            assert_close(found.dense.as_deref().unwrap(), &wanted.dense, TOLERANCE);
            let sparse = found.sparse.as_ref().unwrap();
            assert_eq!(sparse.ids, wanted.ids, "{text:?}");
            assert_close(&sparse.weights, &wanted.weights, TOLERANCE);
            let tokens = found.tokens.as_ref().unwrap();
            assert_rows(tokens, &wanted.tokens, text);
            assert_eq!(
                (tokens.token_ids.len(), tokens.spans.len()),
                (wanted.tokens.len(), wanted.tokens.len())
            );
        }
        let dense = model.encode_documents_dense(&texts).unwrap();
        assert_close(&dense[0], &wanted.given[0].dense, TOLERANCE);
        let tokens = model.encode_document_tokens(&texts).unwrap();
        assert_eq!(
            Some(&tokens[3]),
            all[3].tokens.as_ref(),
            "company does not matter to what is the same batch"
        );
        assert_eq!(model.document_spans(texts[0]).unwrap(), tokens[0].spans);
        let query = model.encode_query_tokens(texts[0]).unwrap();
        assert_rows(&query, &wanted.given[0].tokens, texts[0]);
    }
}

/// RAG-Retrieval's ColBERT models have a head for tokens and nothing else.
#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn a_head_for_tokens_alone_makes_a_late_interaction_model() {
    let wanted: Reference = reference("m3.json");
    let directory = model_with(Some("m3"));
    std::fs::remove_file(directory.path().join("sparse_linear.safetensors")).unwrap();
    let model = in_both(|options| Model::load(directory.path(), options)).remove(0);
    assert_eq!(
        (model.kind(), model.dense_dim(), model.gives_sparse()),
        (ModelKind::LateInteraction, None, false)
    );
    let text = wanted.texts[0].whole();
    assert_rows(&model.encode_query_tokens(&text).unwrap(), &wanted.given[0].tokens, &text);
    assert!(model.encode_queries_dense(&["x"]).is_err());
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn pickled_heads_are_told_and_never_read() {
    let directory = model_with(None);
    write(directory.path(), "colbert_linear.pt", b"\x80\x02}q\x00.");
    let refused = Model::load(directory.path(), &ModelOptions::default()).unwrap_err();
    assert!(
        matches!(&refused, EncodeError::PickledHead { path } if path.ends_with("colbert_linear.pt")),
        "{refused}"
    );
    assert!(refused.to_string().contains("save_file") && refused.to_string().contains("weights_only=True"));
    // With modules.json there is a dense model beside the heads.
    let modules = r#"[{"path":"","type":"x.Transformer"},{"path":"1_Pooling","type":"x.Pooling"}]"#;
    write(directory.path(), "modules.json", modules);
    write(directory.path(), "1_Pooling/config.json", r#"{"pooling_mode": "cls"}"#);
    let model = in_both(|options| Model::load(directory.path(), options)).remove(0);
    assert_eq!((model.kind(), model.notes().len()), (ModelKind::Dense, 1));
    assert!(model.notes()[0].contains("colbert_linear.pt"), "{:?}", model.notes());
}

#[test]
#[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
fn heads_of_other_widths_are_refused() {
    let directory = model_with(Some("m3"));
    let weight = [0.5_f32; 10];
    let tensors = crate::encode::testing::tensors(&[("weight", &[2, 5], &weight)]);
    write(directory.path(), "colbert_linear.safetensors", &tensors);
    let refused = Model::load(directory.path(), &ModelOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::OutputShape { .. }), "{refused}");
    write(directory.path(), "colbert_linear.safetensors", b"PK\x03\x04");
    let refused = Model::load(directory.path(), &ModelOptions::default()).unwrap_err();
    assert!(matches!(refused, EncodeError::Weights { .. }), "{refused}");
}
