//! Judges that answer over HTTP.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Judge, RerankError};
use crate::encode::remote::{Client, Dialect, RemoteError, RemoteOptions};
use crate::encode::{Activation, EncodeError};

/// A judge behind a rerank API ([dialects](crate::encode::remote)).
///
/// Scores are what the service gives: larger is better, mostly between 0 and 1. Documents are sent whole; the service cuts
/// them. Nothing is asked before the first score.
#[derive(Debug)]
pub struct RemoteJudge {
    client: Client,
    name: String,
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    #[serde(alias = "relevance_score")]
    score: f32,
}

impl RemoteJudge {
    /// A judge of the service that `options` describe.
    ///
    /// # Errors
    /// [`RerankError::Model`] if its key is missing, or the dialect is that of an encoder.
    pub fn new(options: RemoteOptions) -> Result<Self, RerankError> {
        let name = if options.model.is_empty() { options.endpoint.clone() } else { options.model.clone() };
        if options.dialect == Dialect::OpenAi {
            let (kind, wanted) = ("an encoder behind HTTP", "scores of pairs");
            return Err(EncodeError::Unsupported { model: name, kind, wanted }.into());
        }
        Ok(Self { client: Client::new(options).map_err(EncodeError::from)?, name })
    }

    fn request(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RemoteError> {
        let options = self.client.options();
        let model = &options.model;
        let query = format!("{}{query}", options.query_prompt);
        let texts: Vec<String> =
            documents.iter().map(|text| format!("{}{text}", options.document_prompt)).collect();
        let (path, body, list) = match options.dialect {
            Dialect::Tei => {
                ("rerank", json!({"query": query, "texts": texts, "raw_scores": false, "truncate": true}), "")
            }
            Dialect::Voyage => {
                let body = json!({"model": model, "query": query, "documents": texts, "truncation": true});
                ("v1/rerank", body, "data")
            }
            Dialect::Jina => {
                let body =
                    json!({"model": model, "query": query, "documents": texts, "return_documents": false});
                ("v1/rerank", body, "results")
            }
            _ => ("v2/rerank", json!({"model": model, "query": query, "documents": texts}), "results"),
        };
        let answer = self.client.post(path, &body)?;
        let wrong = |problem: String| RemoteError::Answer { url: self.client.url(path), problem };
        let found = if list.is_empty() { answer } else { answer.get(list).cloned().unwrap_or(Value::Null) };
        let found: Vec<Scored> = serde_json::from_value(found).map_err(|error| wrong(error.to_string()))?;
        let mut scores = vec![f32::NAN; documents.len()];
        for Scored { index, score } in found {
            let place = scores.get_mut(index);
            *place.ok_or_else(|| wrong(format!("a score for document {index} of {}", documents.len())))? =
                score;
        }
        match scores.iter().position(|score| score.is_nan()) {
            Some(at) => Err(wrong(format!("no score for document {at} of {}", documents.len()))),
            None => Ok(scores),
        }
    }
}

impl Judge for RemoteJudge {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        let batches = documents.chunks(self.client.options().batch.max(1));
        let all = batches.map(|batch| self.request(query, batch).map_err(EncodeError::from));
        Ok(all.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn activation(&self) -> Activation {
        Activation::Identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::http_stub::{Answer, Stub};
    use crate::rerank::{RerankOptions, Reranker};

    /// A service that scores a document by its length, in the dialect.
    fn service(dialect: Dialect) -> Stub {
        Stub::start(move |asked| {
            let body: Value = serde_json::from_slice(&asked.body).ok()?;
            let texts =
                body.get(if dialect == Dialect::Tei { "texts" } else { "documents" })?.as_array()?.clone();
            let scored = |name: &str| -> Vec<Value> {
                let all = texts.iter().enumerate().rev();
                all.map(|(at, text)| json!({"index": at, name: text.as_str().unwrap_or("").len()})).collect()
            };
            let answer = match dialect {
                Dialect::Tei => json!(scored("score")),
                Dialect::Voyage => json!({"object": "list", "data": scored("relevance_score")}),
                _ => json!({"id": "x", "results": scored("relevance_score")}),
            };
            Some(Answer::new(200, answer.to_string()))
        })
    }

    #[test]
    fn every_dialect_gives_scores_in_order_and_in_batches() {
        for (dialect, path) in [
            (Dialect::Cohere, "/v2/rerank"),
            (Dialect::Jina, "/v1/rerank"),
            (Dialect::Voyage, "/v1/rerank"),
            (Dialect::Tei, "/rerank"),
        ] {
            let stub = service(dialect);
            let options = RemoteOptions { batch: 2, ..RemoteOptions::new(dialect, &stub.url, "judge") };
            let judge = RemoteJudge::new(options).unwrap();
            assert_eq!(judge.scores("q", &["aaa", "a", "aa"]).unwrap(), [3.0, 1.0, 2.0], "{dialect:?}");
            let asked = stub.asked();
            assert_eq!(asked.len(), 2);
            assert!(asked.iter().all(|asked| asked.path == path && asked.header("authorization").is_none()));
            let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
            assert_eq!((&body["query"], body["model"] == "judge"), (&json!("q"), dialect != Dialect::Tei));
            let reranked = Reranker::new(judge).rerank("q", ["a", "aaa"], &RerankOptions::default()).unwrap();
            assert_eq!(reranked.documents[0].text, "aaa");
        }
    }

    #[test]
    fn answers_that_leave_documents_out_are_refused() {
        for answer in [
            r#"{"results": [{"index": 0, "relevance_score": 1.0}]}"#,
            r#"{"results": [{"index": 0, "relevance_score": 1.0}, {"index": 7, "relevance_score": 1.0}]}"#,
            r#"{"scores": [1, 2]}"#,
            "[]",
        ] {
            let stub = Stub::start(move |_| Some(Answer::new(200, answer)));
            let judge = RemoteJudge::new(RemoteOptions::new(Dialect::Cohere, &stub.url, "x")).unwrap();
            let refused = judge.scores("q", &["a", "b"]).unwrap_err();
            let told = matches!(refused, RerankError::Model(EncodeError::Remote(RemoteError::Answer { .. })));
            assert!(told, "{answer}: {refused}");
        }
        let refused = RemoteJudge::new(RemoteOptions::new(Dialect::OpenAi, "http://x", "x")).unwrap_err();
        assert!(matches!(refused, RerankError::Model(EncodeError::Unsupported { .. })), "{refused}");
    }
}
