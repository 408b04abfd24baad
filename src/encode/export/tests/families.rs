//! Each family against transformers (`tests/fixtures/encode/families.py`): tiny checkpoints with odd settings.

use super::*;

const FAMILIES: [&str; 10] = [
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "modernbert",
    "modernbert-mean",
    "qwen2",
    "qwen3",
    "mistral",
    "llama",
];
const DECODERS: [&str; 4] = ["qwen2", "qwen3", "mistral", "llama"];

#[derive(Deserialize)]
struct Expected {
    ids: Vec<Vec<u32>>,
    dense: Vec<Vec<f32>>,
    hidden: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    next: Vec<Vec<f32>>,
}

fn expected(name: &str) -> Expected {
    let expected: Expected = fixture(&format!("families/{name}.json"));
    assert!(expected.ids.len() >= 50);
    expected
}

fn folder(name: &str) -> PathBuf {
    fixtures().join("families").join(name)
}

fn padding(name: &str) -> i64 {
    let config: Value = read_json(&folder(name).join("config.json")).unwrap();
    config["pad_token_id"].as_i64().unwrap()
}

/// Converts a family's checkpoint and runs `ids` in batches of short and long texts, padded on either side.
/// `check` gets a text's number, its columns in the batch, and its numbers.
fn run(
    name: &str,
    (head, output): (Head, &str),
    expected: &Expected,
    mut check: impl FnMut(usize, std::ops::Range<usize>, usize, &[f32], &str),
) {
    let target = tempfile::tempdir().unwrap();
    let made = convert(&folder(name), target.path(), &ConvertOptions::new(head)).unwrap();
    let rows: Vec<_> = expected.ids.iter().map(|ids| (ids.clone(), vec![0; ids.len()])).collect();
    let sides: &[bool] = if DECODERS.contains(&name) { &[false, true] } else { &[false] };
    for mut runner in runners(&made.onnx, output) {
        for &left in sides {
            for (first, rows) in rows.chunks(5).enumerate() {
                // Texts without a token are never run: see `TextTokenizer`.
                let rows: Vec<_> = rows.to_vec();
                let batch = Batch::padded(&rows, padding(name), left);
                let found = runner.run(&batch);
                let length = found.len() / rows.len();
                for (at, (numbers, row)) in found.chunks_exact(length).zip(&rows).enumerate() {
                    let start = if left { batch.columns - row.0.len() } else { 0 };
                    let place = format!("{name}, {}, text {}, left {left}", runner.name(), first * 5 + at);
                    check(first * 5 + at, start..start + row.0.len(), batch.columns, numbers, &place);
                }
            }
        }
    }
}

fn near(found: &[f32], expected: &[f32], place: &str) {
    let scale = expected.iter().fold(1.0_f32, |largest, x| largest.max(x.abs()));
    let difference = largest_difference(found, expected);
    assert!(difference < TOLERANCE * scale, "{place}: off by {difference} of {scale}");
}

#[test]
fn token_ids_of_families_are_those_of_the_reference() {
    for name in FAMILIES {
        let mut tokenizer = Tokenizer::from_file(folder(name).join("tokenizer.json")).unwrap();
        let truncation = TruncationParams { max_length: 96, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).unwrap();
        for (text, ids) in texts().iter().zip(&expected(name).ids) {
            assert_eq!(tokenizer.encode(text.as_str(), true).unwrap().get_ids(), ids, "{name}: {text:?}");
        }
    }
}

#[test]
fn hidden_states_of_families_equal_transformers() {
    for name in FAMILIES {
        let expected = expected(name);
        run(name, (Head::Tokens, "token_embeddings"), &expected, |at, columns, all, numbers, place| {
            let width = numbers.len() / all;
            if let Some(hidden) = expected.hidden.get(at) {
                near(&numbers[columns.start * width..columns.end * width], hidden, place);
            }
        });
    }
}

#[test]
fn dense_vectors_of_families_equal_transformers() {
    for name in FAMILIES {
        let expected = expected(name);
        run(name, (Head::Dense, "sentence_embedding"), &expected, |at, _, _, numbers, place| {
            near(numbers, &expected.dense[at], place);
            let cosine: f32 = numbers.iter().zip(&expected.dense[at]).map(|(a, b)| a * b).sum();
            assert!(cosine >= 0.9999, "{place}: cosine {cosine}");
        });
    }
}

#[test]
fn labels_of_families_equal_transformers() {
    for name in FAMILIES {
        let expected = expected(name);
        run(name, (Head::CrossEncoder, "logits"), &expected, |at, _, _, numbers, place| {
            near(numbers, &expected.logits[at], place);
        });
    }
}

#[test]
fn next_tokens_of_decoders_equal_transformers() {
    for name in DECODERS {
        let expected = expected(name);
        run(name, (Head::NextToken, "logits"), &expected, |at, _, _, numbers, place| {
            if let Some(next) = expected.next.get(at) {
                near(numbers, next, place);
            }
        });
    }
    let target = tempfile::tempdir().unwrap();
    let error =
        convert(&folder("roberta"), target.path(), &ConvertOptions::new(Head::NextToken)).unwrap_err();
    assert_eq!(error.to_string(), "RoBERTa has no next-token head");
}
