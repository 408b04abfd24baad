//! What the environment holds stays there: no message, report or file of an index says it.

use crate::workspace::Workspace;

const SECRET: &str = "hf_0123456789secretsecretsecret";
const HOME: &str = "/home/somebody-private";

/// Commands that succeed, fail early, and fail late; with and without JSON.
const COMMANDS: &[&[&str]] = &[
    &["index", "docs.jsonl", "--out", "new", "--json"],
    &["add", "ix", "docs.jsonl"],
    &["search", "ix", "tides", "--explain", "-v"],
    &["search", "ix", "tides", "--json"],
    &["search", "ix", "tides", "--model", "none"],
    &["search", "nowhere", "tides"],
    &["stats", "ix", "--json"],
    &["inspect", "ix", "--json"],
    &["verify", "ix", "--full", "--json"],
    &["index", "broken.jsonl", "--out", "other"],
    &["index", "docs.jsonl", "--out", "other", "--model", "none"],
    &["model", "inspect", "none"],
    &["delete", "ix", "none"],
    &["eval", "none"],
];

#[test]
fn no_output_and_no_file_tells_tokens_or_the_home_directory() {
    let space = Workspace::indexed();
    space.write("broken.jsonl", "{\"_id\": \"x\", \"text\": \n");
    for arguments in COMMANDS {
        let output = space
            .command()
            .args(*arguments)
            .env("HF_TOKEN", SECRET)
            .env("HUGGING_FACE_HUB_TOKEN", SECRET)
            .env("HTTPS_PROXY", format!("http://user:{SECRET}@localhost:1"))
            .env("PIP_INDEX_URL", format!("http://user:{SECRET}@localhost:1"))
            .env("HOME", HOME)
            .env("USER", "somebody-private")
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(!told.is_empty(), "{arguments:?} says nothing");
        assert!(!told.contains("secretsecret"), "{arguments:?}: {told}");
        assert!(!told.contains("somebody-private"), "{arguments:?}: {told}");
    }
    for path in space.files("ix").into_iter().chain(space.files("new")) {
        let bytes = std::fs::read(&path).unwrap();
        for words in ["secretsecret", "somebody-private"] {
            let found = bytes.windows(words.len()).any(|window| window == words.as_bytes());
            assert!(!found, "{} holds {words}", path.display());
        }
    }
}
