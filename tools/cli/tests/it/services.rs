//! The hub, and models that answer over HTTP, all of them on this machine.

use crate::workspace::{DOCUMENTS, Workspace};
use serde_json::{Value, json};

#[allow(dead_code, reason = "the library's own tests use all of it")]
#[path = "../../../../src/encode/http_stub.rs"]
mod http_stub;
use http_stub::{Answer, Asked, Stub};

#[cfg(feature = "hub")]
mod hub {
    use super::*;
    use crate::models::{Model, write_model};
    use sha2::{Digest, Sha256};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    const FILES: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

    /// A hub with one model, `org/tides`, whose files are those of `source`; `wrong` comes with other bytes than its checksum says.
    fn serve(space: &Workspace, wrong: Option<&'static str>) -> Stub {
        write_model(space, "source", Model::Sound);
        let files = FILES.map(|name| (name, std::fs::read(space.path(&format!("source/{name}"))).unwrap()));
        Stub::start(move |asked| {
            if asked.path.starts_with("/api/models/org/tides/revision/main") {
                let siblings = files.iter().map(|(name, bytes)| {
                    let sum: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                    json!({"rfilename": name, "size": bytes.len(), "lfs": {"sha256": sum, "size": bytes.len()}})
                });
                let listing = json!({"sha": COMMIT, "siblings": siblings.collect::<Vec<_>>()});
                return Some(Answer::new(200, listing.to_string()));
            }
            let found = files.iter().find(|(name, _)| asked.path.ends_with(&format!("/{name}")));
            Some(found.map_or_else(
                || Answer::new(404, "no such model"),
                |(name, bytes)| {
                    let mut bytes = bytes.clone();
                    if wrong == Some(*name) {
                        bytes[0] ^= 1;
                    }
                    Answer::new(200, bytes)
                },
            ))
        })
    }

    fn pull(space: &Workspace, stub: &Stub, model: &str, offline: bool) -> std::process::Output {
        let mut command = space.command();
        command.args(["model", "pull", model, "--json"]).env("HF_HUB_CACHE", space.path("hub"));
        command.env("HF_ENDPOINT", &stub.url).env("HF_TOKEN", "hf_secret").env_remove("HF_HUB_OFFLINE");
        if offline {
            command.env("HF_HUB_OFFLINE", "1");
        }
        command.output().unwrap()
    }

    #[test]
    fn a_model_is_pulled_and_then_named_offline() {
        let space = Workspace::new();
        let stub = serve(&space, None);
        let told = pull(&space, &stub, "org/tides", false);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!((&told["kind"], &told["commit"]), (&"pulled".into(), &COMMIT.into()));
        assert_eq!(told["files"], 3);
        assert!(stub.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer hf_secret")));
        let asked = stub.asked().len();
        let again: Value = serde_json::from_slice(&pull(&space, &stub, "org/tides", false).stdout).unwrap();
        assert_eq!(again["fetched"], 0, "what is there is not fetched again");
        assert!(stub.asked().len() > asked);
        // From here on nothing is asked.
        let asked = stub.asked().len();
        space.write("docs.jsonl", DOCUMENTS);
        for arguments in [
            &["index", "docs.jsonl", "--out", "ix", "--model", "org/tides"][..],
            &["search", "ix", "tides", "--model", "org/tides"],
            &["model", "inspect", "org/tides"],
        ] {
            let mut command = space.command();
            command.args(arguments).env("HF_HUB_CACHE", space.path("hub")).env("HF_HUB_OFFLINE", "1");
            command.env("HF_ENDPOINT", &stub.url);
            command.assert().success();
        }
        assert_eq!(stub.asked().len(), asked);
    }

    #[test]
    fn what_cannot_be_pulled_is_said() {
        let space = Workspace::new();
        let stub = serve(&space, Some("model.safetensors"));
        let fails = |model: &str, offline: bool, code: i32, words: &str| {
            let told = pull(&space, &stub, model, offline);
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            assert_eq!(told.status.code(), Some(code), "{said}");
            assert!(said.contains(words) && !said.contains("hf_secret"), "{words}: {said}");
        };
        fails("org/tides", false, 3, "model.safetensors");
        fails("org/none", false, 2, "404");
        fails("org/tides", true, 2, "HF_HUB_OFFLINE");
        fails("tides/", false, 2, "org/name");
        assert!(
            !space.path("hub/models--org--tides/refs/main").exists(),
            "a model that is not whole has no name"
        );
    }
}

#[cfg(feature = "remote")]
mod remote {
    use super::*;

    /// Embeds texts as the counts of a few letters, and reranks by length.
    fn answer(asked: &Asked) -> Answer {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        if asked.path.ends_with("/embeddings") {
            let vector = |text: &str| {
                let count = |letter| text.matches(letter).count() as f64 + 0.1;
                json!(["t", "b", "d", "e"].map(count))
            };
            let texts = body["input"].as_array().unwrap().iter().enumerate();
            let data: Vec<Value> = texts
                .map(|(at, text)| json!({"index": at, "embedding": vector(text.as_str().unwrap())}))
                .collect();
            return Answer::new(200, json!({"data": data}).to_string());
        }
        let texts = body["documents"].as_array().unwrap().iter().enumerate();
        let results: Vec<Value> = texts
            .map(|(at, text)| json!({"index": at, "relevance_score": 1.0 / text.as_str().unwrap().len() as f64}))
            .collect();
        Answer::new(200, json!({"results": results}).to_string())
    }

    fn describe(space: &Workspace, name: &str, dialect: &str, endpoint: &str) {
        let description = json!({
            "dialect": dialect, "endpoint": endpoint, "model": "m", "key": {"env": "SERVICE_KEY"},
            "attempts": 2, "backoff_seconds": 0.01, "timeout_seconds": 5
        });
        space.write(name, description.to_string());
    }

    fn run(space: &Workspace, arguments: &[&str], key: Option<&str>) -> (i32, String, String) {
        let mut command = space.command();
        command.args(arguments).env_remove("SERVICE_KEY");
        if let Some(key) = key {
            command.env("SERVICE_KEY", key);
        }
        let told = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (told.status.code().unwrap(), text(told.stdout), text(told.stderr))
    }

    #[test]
    fn documents_are_embedded_searched_and_judged_by_services() {
        let space = Workspace::new();
        space.write("docs.jsonl", DOCUMENTS);
        let stub = Stub::start(|asked| Some(answer(asked)));
        describe(&space, "encoder.json", "openai", &format!("{}/v1", stub.url));
        describe(&space, "judge.json", "cohere", &stub.url);
        for arguments in [
            &["index", "docs.jsonl", "--out", "ix", "--remote", "encoder.json"][..],
            &["search", "ix", "tttt", "--remote", "encoder.json", "--json"],
            &["encode", "tides", "--remote", "encoder.json"],
            &["rerank", "--remote", "judge.json", "--documents", "docs.jsonl", "--query", "x", "--json"],
        ] {
            let (code, out, err) = run(&space, arguments, Some("sk-secret"));
            assert_eq!(code, 0, "{arguments:?}: {err}");
            assert!(!out.contains("sk-secret") && !err.contains("sk-secret"));
            if arguments[0] == "rerank" {
                let told: Value = serde_json::from_str(&out).unwrap();
                assert_eq!(told["hits"].as_array().unwrap().len(), 3, "{told}");
            }
        }
        assert!(stub.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer sk-secret")));
    }

    #[test]
    fn trouble_with_services_is_told_with_its_code() {
        let space = Workspace::new();
        space.write("docs.jsonl", DOCUMENTS);
        let stub = Stub::start(|asked| {
            Some(match asked.path.as_str() {
                path if path.starts_with("/busy") => Answer::new(503, "later"),
                path if path.starts_with("/closed") => Answer::new(401, "no such key"),
                _ => answer(asked),
            })
        });
        for (place, key, code, words) in [
            ("v1", None, 2, "SERVICE_KEY"),
            ("closed", Some("sk-wrong"), 2, "401"),
            ("busy", Some("sk-right"), 3, "503"),
        ] {
            describe(&space, "encoder.json", "openai", &format!("{}/{place}", stub.url));
            let (found, _, err) = run(&space, &["encode", "tides", "--remote", "encoder.json"], key);
            assert_eq!(found, code, "{err}");
            assert!(err.contains(words) && !err.contains("sk-"), "{words}: {err}");
        }
        space.write("encoder.json", "{\"dialect\": \"smtp\"}");
        let (code, _, err) = run(&space, &["encode", "tides", "--remote", "encoder.json"], None);
        assert!(code == 2 && err.contains("encoder.json"), "{code}: {err}");
    }
}
