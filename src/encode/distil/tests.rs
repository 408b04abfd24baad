use std::error::Error;
use std::path::PathBuf;

use super::*;
use crate::types::TokenMatrixBuf;

/// A model whose rows depend on a token and, a little, on the text's length.
struct Fake {
    dim: usize,
    missing: usize,
}

impl TokenStates for Fake {
    fn dim(&self) -> usize {
        self.dim
    }

    fn states(&mut self, batch: &[Vec<u32>]) -> Result<Vec<TokenMatrixBuf>, Box<dyn Error + Send + Sync>> {
        let row = |id: u32, len: usize| {
            (0..self.dim).map(move |k| (id as f32 * (k + 1) as f32).sin() + len as f32 * 0.01)
        };
        let rows = |ids: &Vec<u32>| {
            ids[..ids.len() - self.missing].iter().flat_map(|&id| row(id, ids.len())).collect::<Vec<_>>()
        };
        Ok(batch.iter().map(|ids| TokenMatrixBuf::new(rows(ids), self.dim)).collect::<Result<_, _>>()?)
    }
}

fn tokenizer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encode/tiny/tokenizer.json")
}

fn corpus() -> Vec<String> {
    ["The ship sails.", "the mast, the keel", "the wind is on the ship - sailing", "a b c"]
        .map(str::to_owned)
        .into()
}

fn options() -> DistilOptions {
    DistilOptions { dim: 6, ..DistilOptions::default() }
}

fn id(word: &str) -> u32 {
    tokenizers::Tokenizer::from_file(tokenizer()).unwrap().token_to_id(word).unwrap()
}

#[test]
fn rows_are_unit_and_rare_words_weigh_more() {
    let table = distil(&tokenizer(), &mut Fake { dim: 12, missing: 0 }, corpus(), &options()).unwrap();
    let weight = |word| table.weight(id(word)).unwrap();
    assert!(weight("keel") > weight("the") && weight("the") > 0.0 && weight("keel") <= 1.0);
    assert_eq!([weight("[CLS]"), weight("[PAD]"), weight(","), weight("-")], [0.0; 4]);
    for word in ["keel", "the", "##s", "z", ","] {
        let norm = table.vector(id(word)).unwrap().iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 0.02, "{word}: {norm}");
    }
    assert_eq!(table.vector(id("[SEP]")), Some(vec![0.0; 6]));
    assert_eq!((table.len(), table.dim(), table.vector(70), table.weight(70)), (70, 6, None, None));
}

#[test]
fn identity_sets_alike_tokens_apart() {
    let similarities = |identity_share| {
        let options = DistilOptions { identity_share, ..options() };
        let table = distil(&tokenizer(), &mut Fake { dim: 12, missing: 0 }, corpus(), &options).unwrap();
        let vectors: Vec<_> = (5..70).map(|id| table.vector(id).unwrap()).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let pairs =
            vectors.iter().enumerate().flat_map(|(at, a)| vectors[..at].iter().map(move |b| dot(a, b)));
        pairs.collect::<Vec<_>>()
    };
    let (meant, apart) = (similarities(0.0), similarities(0.8));
    let alike: Vec<usize> = (0..meant.len()).filter(|&pair| meant[pair] > 0.9).collect();
    assert!(alike.len() > 10);
    let mean = |of: &[f32]| alike.iter().map(|&pair| of[pair]).sum::<f32>() / alike.len() as f32;
    assert!(mean(&apart) < mean(&meant) - 0.3, "{} {}", mean(&apart), mean(&meant));
}

#[test]
fn the_same_input_gives_the_same_files() {
    let files = || {
        let target = tempfile::tempdir().unwrap();
        let table = distil(&tokenizer(), &mut Fake { dim: 12, missing: 0 }, corpus(), &options()).unwrap();
        table.write(target.path()).unwrap();
        ["config.json", "model.safetensors", "tokenizer.json"]
            .map(|name| std::fs::read(target.path().join(name)).unwrap())
    };
    let [config, weights, tokenizer] = files();
    assert_eq!([config.clone(), weights.clone(), tokenizer.clone()], files());
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(
        (&config["model_type"], &config["version"], &config["dim"]),
        (&"lateen-static".into(), &1.into(), &6.into())
    );
    let weights = safetensors::SafeTensors::deserialize(&weights).unwrap();
    assert_eq!(weights.tensor("embeddings").unwrap().shape(), [70, 6]);
    assert_eq!(weights.tensor("scales").unwrap().shape(), [70]);
    assert_eq!(weights.tensor("weights").unwrap().shape(), [70]);
    let tokenizer: tokenizers::Tokenizer = std::str::from_utf8(&tokenizer).unwrap().parse().unwrap();
    assert!(tokenizer.get_truncation().is_none() && tokenizer.get_padding().is_none());
}

#[test]
fn contexts_stop_when_every_token_was_seen_and_at_the_budget() {
    let vocabulary = Vocabulary::read(&tokenizer()).unwrap();
    let mut model = Fake { dim: 12, missing: 0 };
    let options = DistilOptions { contexts_per_token: 1, ..options() };
    let mut contexts = Contexts::new(&vocabulary, 12, &options);
    for _ in 0..3 {
        contexts.add(&mut model, "the ship").unwrap();
    }
    contexts.finish(&mut model).unwrap();
    let the = id("the") as usize;
    assert_eq!((contexts.seen[the], contexts.holding[the]), (1, 3));
    let options = DistilOptions { context_budget: 3, ..options };
    let mut contexts = Contexts::new(&vocabulary, 12, &options);
    contexts.add(&mut model, "the ship").unwrap();
    assert_eq!((contexts.seen[the], contexts.holding[the]), (0, 1));
}

#[test]
fn what_cannot_be_distilled_is_refused() {
    let message = |model: &mut Fake, options: &DistilOptions| {
        distil(&tokenizer(), model, corpus(), options).unwrap_err().to_string()
    };
    let mut model = Fake { dim: 12, missing: 0 };
    let wide = DistilOptions { dim: 13, ..options() };
    assert_eq!(message(&mut model, &wide), "dim must be 1 to the model's own dimensions");
    let all = DistilOptions { identity_share: 1.0, ..options() };
    assert_eq!(message(&mut model, &all), "identity_share must be 0 to less than 1");
    let short = DistilOptions { max_context_tokens: 2, ..options() };
    assert_eq!(message(&mut model, &short), "max_context_tokens must be at least 3");
    let error = message(&mut Fake { dim: 12, missing: 1 }, &options());
    assert!(error.starts_with("the model gave ") && error.contains(" rows for a text of "), "{error}");
    let missing = distil(Path::new("no such tokenizer"), &mut model, corpus(), &options()).unwrap_err();
    assert!(matches!(missing, DistilError::Io { .. }));
}
