//! A model of several kinds of vectors as a judge.

use rayon::prelude::*;

use super::late_interaction::{ranges, seen};
use super::{Judge, RerankError};
use crate::encode::{Activation, DocumentScores, EncodeError, Model, TextVectors, WindowScore, Windows};
use crate::kernel::{Isa, QueryF32};

/// How much each kind of vectors counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// The cosine of the dense vectors.
    pub dense: f32,
    /// `Σ w₁ · w₂` over common tokens.
    pub sparse: f32,
    /// The mean over the query's tokens of the closest document token's cosine.
    pub tokens: f32,
}

impl Default for Weights {
    /// All alike, as FlagEmbedding has it; the card of bge-m3 shows 0.4, 0.2 and 0.4.
    fn default() -> Self {
        Self { dense: 1.0, sparse: 1.0, tokens: 1.0 }
    }
}

/// Scores by the weighted mean of what a model's kinds of vectors say:
/// `(w₁ · dense + w₂ · sparse + w₃ · late interaction) / (w₁ + w₂ + w₃)` over the kinds that the model gives (Chen et al.,
/// "M3-Embedding", arXiv:2402.03216).
///
/// Unbounded, because sparse scores are; larger is better. All kinds come from one pass.
#[derive(Debug)]
pub struct Combined {
    model: Model,
    weights: Weights,
}

impl Combined {
    /// A judge of `model`'s vectors.
    ///
    /// # Errors
    /// [`RerankError::Weights`] if the weights of the kinds that the model gives are not finite, or not above 0 together;
    /// [`RerankError::Model`] for a model that gives no vector at all.
    pub fn new(model: Model, weights: Weights) -> Result<Self, RerankError> {
        let kinds = [
            (weights.dense, model.dense_dim().is_some()),
            (weights.sparse, model.gives_sparse()),
            (weights.tokens, model.token_dim().is_some()),
        ];
        if kinds.iter().all(|(_, given)| !given) {
            let (kind, wanted) = (model.kind().name(), "scores of pairs");
            return Err(EncodeError::Unsupported { model: model.name().to_owned(), kind, wanted }.into());
        }
        let given = || kinds.iter().filter(|(_, given)| *given).map(|(weight, _)| *weight);
        if given().any(|weight| !weight.is_finite() || weight < 0.0) || given().sum::<f32>() <= 0.0 {
            return Err(RerankError::Weights { weights });
        }
        Ok(Self { model, weights })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The score of a document, or of a part of one.
    fn score(&self, query: &Query<'_>, document: &TextVectors) -> f32 {
        let dense = query.vectors.dense.as_ref().zip(document.dense.as_ref());
        let dense = dense.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
        let sparse = query.vectors.sparse.as_ref().zip(document.sparse.as_ref()).map(|(a, b)| a.dot(b));
        let late = query.packed.as_ref().zip(document.tokens.as_ref()).map(|((packed, length), tokens)| {
            let rows = tokens.matrix.view();
            let known = rows.rows() > 0 && *length > 0.0;
            if known { packed.maxsim(rows.as_slice()) / length } else { 0.0 }
        });
        let Weights { dense: first, sparse: second, tokens: third } = self.weights;
        let kinds = [(first, dense), (second, sparse), (third, late)];
        let given = kinds.iter().filter_map(|(weight, score)| Some((weight, (*score)?)));
        let (sum, weights) =
            given.fold((0.0, 0.0), |(sum, all), (weight, score)| (sum + weight * score, all + weight));
        sum / weights
    }
}

/// A query, made ready once for all documents.
struct Query<'a> {
    vectors: &'a TextVectors,
    packed: Option<(QueryF32, f32)>,
}

impl Judge for Combined {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let all = self.windows(query, documents, Windows::Cut)?;
        Ok(all.iter().map(|document| document.windows[0].score).collect())
    }

    fn windows(
        &self,
        query: &str,
        documents: &[&str],
        plan: Windows,
    ) -> Result<Vec<DocumentScores>, RerankError> {
        let vectors = self.model.encode_queries_all(&[query])?.remove(0);
        let packed = vectors.tokens.as_ref().map(|tokens| {
            let rows = tokens.matrix.view();
            let length = rows.iter().map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt()).sum();
            (QueryF32::pack(Isa::detect(), rows), length)
        });
        let query = Query { vectors: &vectors, packed };
        // Only token vectors say which part of a text was read.
        let plan = if self.model.token_dim().is_some() { plan } else { Windows::Cut };
        let all_ranges = documents
            .par_iter()
            .map(|document| ranges(&self.model, document, plan))
            .collect::<Result<Vec<_>, RerankError>>()?;
        let texts: Vec<&str> = all_ranges
            .iter()
            .zip(documents)
            .flat_map(|(ranges, document)| ranges.iter().map(|range| &document[range.clone()]))
            .collect();
        let mut encoded = self.model.encode_documents_all(&texts)?.into_iter();
        let one = |(ranges, document): (Vec<std::ops::Range<usize>>, &&str)| {
            let mut scores = DocumentScores::default();
            for (range, vectors) in ranges.into_iter().zip(encoded.by_ref()) {
                let spans = vectors.tokens.as_ref().map_or(&[][..], |tokens| &tokens.spans[..]);
                let bytes = seen(range, spans);
                scores.windows.push(WindowScore { bytes, score: self.score(&query, &vectors) });
            }
            let end = scores.windows.last().map_or(0, |window| window.bytes.end);
            scores.cut = end < document.trim_end().len();
            scores
        };
        Ok(all_ranges.into_iter().zip(documents).map(one).collect())
    }

    fn activation(&self) -> Activation {
        Activation::Identity
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::Deserialize;

    use super::*;
    use crate::encode::{ModelOptions, RuntimeChoice};
    use crate::rerank::{LateInteraction, Reranker};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Plain(String),
        Repeated(String, usize),
    }

    /// Scores as `[dense, sparse, tokens]` of text `at` as query and text `at · 7 + 3` as document.
    #[derive(Deserialize)]
    struct Reference {
        texts: Vec<Text>,
        scores: Vec<[f32; 3]>,
    }

    fn load() -> (tempfile::TempDir, Model) {
        let made = tempfile::tempdir().unwrap();
        for folder in ["bert", "m3"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layouts").join(folder);
            for entry in std::fs::read_dir(from).unwrap().flatten() {
                std::fs::write(made.path().join(entry.file_name()), std::fs::read(entry.path()).unwrap())
                    .unwrap();
            }
        }
        let options = ModelOptions { runtime: RuntimeChoice::Rten, ..ModelOptions::default() };
        let model = Model::load(made.path(), &options).unwrap();
        (made, model)
    }

    #[test]
    #[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
    fn the_weighted_mean_is_flag_embeddings() {
        let text = include_str!("../../tests/fixtures/layouts/m3.json");
        let wanted: Reference = serde_json::from_str(text).unwrap();
        let texts: Vec<String> = wanted
            .texts
            .iter()
            .map(|text| match text {
                Text::Plain(text) => text.clone(),
                Text::Repeated(part, times) => part.repeat(*times),
            })
            .collect();
        for weights in [
            Weights::default(),
            Weights { dense: 0.4, sparse: 0.2, tokens: 0.4 },
            Weights { dense: 0.0, sparse: 1.0, tokens: 0.0 },
        ] {
            let judge = Combined::new(load().1, weights).unwrap();
            for (at, [dense, sparse, tokens]) in wanted.scores.iter().enumerate() {
                let (query, document) = (&texts[at], &texts[(at * 7 + 3) % texts.len()]);
                let found = judge.scores(query, &[document]).unwrap()[0];
                let sum = weights.dense * dense + weights.sparse * sparse + weights.tokens * tokens;
                let mean = sum / (weights.dense + weights.sparse + weights.tokens);
                assert!((found - mean).abs() < 3e-3, "{weights:?} {query:?} {document:?}: {found} {mean}");
            }
        }
    }

    #[test]
    #[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
    fn token_vectors_alone_are_late_interaction() {
        let weights = Weights { dense: 0.0, sparse: 0.0, tokens: 1.0 };
        let combined = Reranker::new(Combined::new(load().1, weights).unwrap());
        let late = Reranker::new(LateInteraction::new(load().1).unwrap());
        let long = "the ship sails against the wind and the keel holds it ".repeat(12);
        let documents = ["a sail", &long, "How many people live in the capital?"];
        let options = super::super::RerankOptions::default();
        let (a, b) = (
            combined.rerank("ship and wind", documents, &options).unwrap(),
            late.rerank("ship and wind", documents, &options).unwrap(),
        );
        for (a, b) in a.documents.iter().zip(&b.documents) {
            assert_eq!((&a.id, &a.passage, a.cut), (&b.id, &b.passage, b.cut));
            assert!((a.score.unwrap() - b.score.unwrap()).abs() < 1e-5);
        }
        assert!(
            a.documents.iter().any(|ranked| ranked.passage.clone().unwrap().start > 0 || ranked.id != "1")
        );
    }

    #[test]
    #[cfg_attr(not(any(feature = "rten", feature = "onnxruntime")), ignore = "needs a runtime")]
    fn senseless_weights_are_refused() {
        for weights in [
            Weights { dense: 0.0, sparse: 0.0, tokens: 0.0 },
            Weights { dense: -1.0, ..Weights::default() },
            Weights { sparse: f32::NAN, ..Weights::default() },
        ] {
            assert!(matches!(Combined::new(load().1, weights), Err(RerankError::Weights { .. })));
        }
    }
}
