//! Services on this machine: sound ones, slow ones and broken ones.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::http_stub::{Answer, Asked, Stub};
use super::super::{EncodeError, Model};
use super::*;

fn options(stub: &Stub) -> RemoteOptions {
    RemoteOptions {
        backoff_seconds: 0.001,
        timeout_seconds: 5.0,
        ..RemoteOptions::new(Dialect::OpenAi, &format!("{}/v1", stub.url), "embedder")
    }
}

/// Embeds a text as its length and the number 1, in an order of its own.
fn embed(asked: &Asked) -> Answer {
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let texts = body["input"].as_array().unwrap();
    let item = |(at, text): (usize, &Value)| json!({"object": "embedding", "index": at, "embedding": [text.as_str().unwrap().len(), 1]});
    let data: Vec<Value> = texts.iter().enumerate().rev().map(item).collect();
    Answer::new(200, json!({"object": "list", "data": data}).to_string())
}

#[test]
fn embeddings_come_in_order_in_batches_with_prompts_and_key() {
    let made = tempfile::tempdir().unwrap();
    let key = made.path().join("key");
    std::fs::write(&key, " sk-secret\n").unwrap();
    let stub = Stub::start(|asked| Some(embed(asked)));
    let options = RemoteOptions {
        batch: 2,
        key: KeySource::File(key),
        query_prompt: "q: ".to_owned(),
        dimensions: Some(2),
        ..options(&stub)
    };
    let model = Model::remote(RemoteEncoder::connect(options).unwrap());
    assert_eq!((model.name(), model.dense_dim(), model.runtime().name), ("embedder", Some(2), "remote"));
    let documents = model.encode_documents_dense(&["a", "bbb", "cc"]).unwrap();
    assert_eq!(documents, [[1.0, 1.0], [3.0, 1.0], [2.0, 1.0]]);
    assert_eq!(model.encode_queries_dense(&["a"]).unwrap(), [[4.0, 1.0]]);
    let asked = stub.asked();
    assert_eq!(asked.len(), 4, "one to connect, two batches, one query");
    assert!(asked.iter().all(|asked| asked.path == "/v1/embeddings"));
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("Bearer sk-secret")));
    let body: Value = serde_json::from_slice(&asked[1].body).unwrap();
    assert_eq!(
        body,
        json!({"model": "embedder", "input": ["a", "bbb"], "encoding_format": "float", "dimensions": 2})
    );
    assert!(!format!("{model:?}").contains("sk-secret"));
    assert!(model.encode_query_tokens("a").is_err());
}

#[test]
fn passing_trouble_is_tried_again_and_lasting_trouble_is_told() {
    let tried = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&tried);
    let stub = Stub::start(move |asked| {
        Some(match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::new(503, "later"),
            1 => Answer::new(429, "slow down").with("retry-after", "1"),
            _ => embed(asked),
        })
    });
    let start = Instant::now();
    assert!(RemoteEncoder::connect(options(&stub)).is_ok());
    assert!(start.elapsed() >= Duration::from_secs(1), "the service asked for a second");
    assert_eq!(tried.load(Ordering::SeqCst), 3);
    for (status, attempts) in [(401, 1), (400, 1), (429, 3), (500, 3)] {
        let stub = Stub::start(move |_| Some(Answer::new(status, "no: ".repeat(1000))));
        let refused = RemoteEncoder::connect(RemoteOptions { attempts: 3, ..options(&stub) }).unwrap_err();
        let told = matches!(&refused, RemoteError::Status { status: found, attempts: often, message, .. }
            if (*found, *often) == (status, attempts) && message.len() <= 300);
        assert!(told, "{refused}");
        assert_eq!(stub.asked().len(), attempts as usize);
    }
}

#[test]
fn silence_ends_with_the_time_limit_and_no_redirect_is_followed() {
    let stub = Stub::start(|_| None);
    let options = RemoteOptions { attempts: 2, timeout_seconds: 0.2, ..options(&stub) };
    let refused = RemoteEncoder::connect(options).unwrap_err();
    assert!(matches!(refused, RemoteError::Unreachable { attempts: 2, .. }), "{refused}");
    let elsewhere = Stub::start(|asked| Some(embed(asked)));
    let there = elsewhere.url.clone();
    let stub = Stub::start(move |_| Some(Answer::new(307, "").with("location", there.clone())));
    let refused = RemoteEncoder::connect(self::options(&stub)).unwrap_err();
    assert!(matches!(refused, RemoteError::Status { status: 307, .. }), "{refused}");
    assert!(elsewhere.asked().is_empty(), "a key would have gone elsewhere");
}

#[test]
fn answers_that_are_no_vectors_are_refused() {
    for answer in [
        "",
        "<html>",
        "{}",
        r#"{"data": []}"#,
        r#"{"data": [{"index": 3, "embedding": [1]}]}"#,
        r#"{"data": [{"index": 0, "embedding": []}]}"#,
        r#"{"data": [{"index": 0, "embedding": "AAAA"}]}"#,
        r#"{"data": [{"index": 0, "embedding": [1e999]}]}"#,
    ] {
        let stub = Stub::start(move |_| Some(Answer::new(200, answer)));
        let refused = RemoteEncoder::connect(options(&stub)).unwrap_err();
        assert!(matches!(refused, RemoteError::Answer { .. }), "{answer}: {refused}");
    }
    let count = AtomicUsize::new(0);
    let stub = Stub::start(move |asked| {
        Some(match count.fetch_add(1, Ordering::SeqCst) {
            0 => embed(asked),
            _ => Answer::new(200, r#"{"data": [{"index": 0, "embedding": [1, 2, 3]}]}"#),
        })
    });
    let model = Model::remote(RemoteEncoder::connect(options(&stub)).unwrap());
    let refused = model.encode_documents_dense(&["a"]).unwrap_err();
    assert!(matches!(refused, EncodeError::Remote(RemoteError::Answer { .. })), "{refused}");
}

#[test]
fn requests_wait_for_their_turn() {
    let stub = Stub::start(|asked| Some(embed(asked)));
    let options = RemoteOptions { requests_per_minute: Some(600), batch: 1, ..options(&stub) };
    let start = Instant::now();
    let model = Model::remote(RemoteEncoder::connect(options).unwrap());
    model.encode_documents_dense(&["a", "b", "c"]).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "four requests at ten a second");
}

#[test]
fn descriptions_and_keys_are_checked() {
    let made = tempfile::tempdir().unwrap();
    let path = made.path().join("service.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        RemoteOptions::read(&path)
    };
    let full = r#"{"dialect": "cohere", "endpoint": "https://api.cohere.com", "model": "rerank-v3.5",
        "key": {"env": "LATEEN_TEST_NO_SUCH_KEY"}, "requests_per_minute": 100, "batch": 500}"#;
    let options = read(full).unwrap();
    assert_eq!((options.dialect, options.batch, options.attempts), (Dialect::Cohere, 500, 4));
    assert!(
        matches!(Client::new(options), Err(RemoteError::NoKey { place }) if place.contains("LATEEN_TEST"))
    );
    let missing = RemoteOptions { key: KeySource::File(made.path().join("none")), ..read(full).unwrap() };
    assert!(matches!(Client::new(missing), Err(RemoteError::NoKey { .. })));
    for broken in ["{}", r#"{"dialect": "x", "endpoint": ""}"#, &full.replace("batch", "bunch")] {
        assert!(matches!(read(broken), Err(RemoteError::Description { .. })), "{broken}");
    }
}
