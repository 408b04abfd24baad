//! Token ids and offsets against those of the reference tokenizers.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::testing::data;
use super::text::TextTokenizer;

#[derive(Deserialize)]
struct Golden {
    #[serde(alias = "text_a", alias = "a")]
    text: Value,
    #[serde(default, alias = "text_b", alias = "b", alias = "text_pair")]
    pair: Option<Value>,
    ids: Vec<u32>,
    #[serde(default)]
    offsets: Vec<(usize, usize)>,
}

fn load(directory: &Path) -> TextTokenizer {
    let path = directory.join("tokenizer.json");
    TextTokenizer::new(&path, &std::fs::read(&path).unwrap(), false).unwrap()
}

/// The character before which byte `at` of `text` lies.
fn character(text: &str, at: u32) -> usize {
    text[..at as usize].chars().count()
}

#[test]
fn golden_encodings_are_reproduced() {
    let Some(root) = data("tokenizers") else { return };
    let mut checked = 0;
    let mut directories: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    for directory in directories {
        let (golden, tokenizer) = (directory.join("golden.jsonl"), directory.join("tokenizer.json"));
        if !golden.exists() || !tokenizer.exists() {
            eprintln!("skipped: {} has no tokenizer.json with golden encodings", directory.display());
            continue;
        }
        let tokenizer = load(&directory);
        for line in std::fs::read_to_string(golden).unwrap().lines() {
            checked += 1;
            check(&tokenizer, &serde_json::from_str(line).unwrap(), &directory);
        }
    }
    assert!(checked > 200, "only {checked} encodings were there");
}

/// A pair put together from the tokens of each text and the tokenizer's marks.
fn pair_ids(tokenizer: &TextTokenizer, first: &str, second: &str) -> Vec<u32> {
    let marks = tokenizer.pair_marks().unwrap();
    let ids = |marks: &[(u32, u32)]| marks.iter().map(|&(id, _)| id).collect::<Vec<_>>();
    let text = |text| tokenizer.tokens("", text, 1 << 20, false).unwrap().ids;
    [ids(&marks.before), text(first), ids(&marks.between), text(second), ids(&marks.after)].concat()
}

fn check(tokenizer: &TextTokenizer, golden: &Golden, directory: &Path) {
    let pair = match (&golden.text, &golden.pair) {
        (Value::Array(both), _) => Some((both[0].as_str().unwrap(), both[1].as_str().unwrap())),
        (first, Some(second)) => Some((first.as_str().unwrap(), second.as_str().unwrap())),
        _ => None,
    };
    if let Some((first, second)) = pair {
        let found = pair_ids(tokenizer, first, second);
        assert_eq!(found, golden.ids, "{}: {first:?} {second:?}", directory.display());
        return;
    }
    let text = golden.text.as_str().unwrap();
    let found = tokenizer.tokens("", text, 1 << 20, true).unwrap();
    assert_eq!(found.ids, golden.ids, "{}: {text:?}", directory.display());
    assert!(!found.truncated);
    for (&(start, end), &wanted) in found.spans.iter().zip(&golden.offsets) {
        if end > 0 {
            assert_eq!(
                (character(text, start), character(text, end)),
                wanted,
                "{}: {text:?}",
                directory.display()
            );
        }
    }
}

#[test]
fn truncation_keeps_the_marks_and_says_so() {
    let Some(root) = data("tokenizers/all-MiniLM-L6-v2") else { return };
    let tokenizer = load(&root);
    let cut = tokenizer.tokens("", "one two three four", 4, true).unwrap();
    assert_eq!((cut.ids.as_slice(), cut.truncated), (&[101, 2028, 2048, 102][..], true));
    let whole = tokenizer.tokens("", "one two", 4, true).unwrap();
    assert_eq!((whole.ids, whole.truncated), (cut.ids.clone(), false));
    let prompted = tokenizer.tokens("query: ", "one", 64, true).unwrap();
    assert_eq!(prompted.spans, [(0, 0), (0, 0), (0, 0), (0, 3), (0, 0)], "prompts have no span");
    let marks = tokenizer.pair_marks().unwrap();
    assert_eq!((marks.before, marks.between, marks.after), (vec![(101, 0)], vec![(102, 0)], vec![(102, 1)]));
    assert_eq!((marks.first_type, marks.second_type), (0, 1));
}

#[test]
fn hostile_texts_are_cut_before_they_are_tokenised() {
    let Some(root) = data("tokenizers") else { return };
    let texts =
        ["a".repeat(1_000_000), "北".repeat(600_000), "\u{301}".repeat(300_000), " ".repeat(1_000_000)];
    for name in ["all-MiniLM-L6-v2", "modernbert-base", "flan-t5-unigram"] {
        let tokenizer = load(&root.join(name));
        let started = std::time::Instant::now();
        for text in &texts {
            let tokens = tokenizer.tokens("", text, 300, true).unwrap();
            assert!(tokens.truncated && tokens.ids.len() <= 300);
        }
        assert!(started.elapsed().as_secs() < 5, "{name} took {:?}", started.elapsed());
    }
}
