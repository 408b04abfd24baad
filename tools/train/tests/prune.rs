//! Pruned checkpoints answer as their bases do.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use lateen_train::data::{PaddingSide, Side, TextTokenizer};
use lateen_train::model::{Model, Pass, Pooling, Stored, Task, floats, write};
use lateen_train::prune::{Counter, prune};

fn base() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/encode/tiny")
}

fn answers(folder: &Path, texts: &[&str]) -> Vec<f32> {
    let task = Task::Embedding { pooling: Some(Pooling::Mean), dense: None, normalize: true };
    let model = Model::read(folder, &task, burn_tensor::Device::flex(), 1).unwrap();
    let tokenizer = TextTokenizer::open(folder, PaddingSide::Right).unwrap();
    let texts: Vec<_> = texts.iter().map(|text| (None, *text)).collect();
    let tokens = tokenizer.texts(&texts, &Side::of(20)).unwrap();
    floats(model.embed(&Pass::inference(&model.params), &tokens).unwrap())
}

#[test]
fn texts_of_kept_tokens_are_answered_to_the_bit() {
    let target = tempfile::tempdir().unwrap();
    let texts = ["a b c", "b a ."];
    let mut counter = Counter::open(&base()).unwrap();
    texts.iter().for_each(|text| counter.add(text).unwrap());
    let kept = counter.kept(1).unwrap();
    let report = prune(&base(), target.path(), Some(&kept), None).unwrap();
    assert_eq!(report.tokens.1, kept.len());
    assert!(report.tokens.1 < report.tokens.0 && report.parameters.1 < report.parameters.0, "{report:?}");
    let (before, after) = (answers(&base(), &texts), answers(target.path(), &texts));
    assert!(before.iter().zip(&after).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(prune(target.path(), target.path(), Some(&kept), None).is_err());
}

#[test]
fn weights_of_kept_tokens_stay_theirs() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for entry in std::fs::read_dir(base()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, source.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let mut counter = Counter::open(source.path()).unwrap();
    counter.add("b a .").unwrap();
    let kept = counter.kept(1).unwrap();
    let ids = |folder: &Path| {
        let tokenizer = TextTokenizer::open(folder, PaddingSide::Right).unwrap();
        tokenizer.texts(&[(None, "b a .")], &Side::of(20)).unwrap().ids
    };
    // A token's weight is its number in the whole vocabulary.
    let weights: Vec<f32> = (0..1000).map(|id| id as f32).collect();
    let file = "token_weights.safetensors";
    write(&source.path().join(file), [("weights", &[1000][..], &weights[..])]).unwrap();
    prune(source.path(), target.path(), Some(&kept), None).unwrap();
    let pruned =
        Stored::read_file(&target.path().join(file)).unwrap().into_values().remove("weights").unwrap();
    assert_eq!(pruned.len(), kept.len());
    let found: Vec<f32> = ids(target.path()).into_iter().map(|id| pruned[id as usize]).collect();
    assert_eq!(found, ids(source.path()).into_iter().map(|id| id as f32).collect::<Vec<f32>>());
    prune(source.path(), target.path(), None, None).unwrap();
    assert_eq!(Stored::read_file(&target.path().join(file)).unwrap().into_values()["weights"], weights);
}

#[test]
fn all_tokens_and_all_layers_are_the_base() {
    let target = tempfile::tempdir().unwrap();
    prune(&base(), target.path(), None, Some(&[0, 1])).unwrap();
    let texts = ["a b c", "x y z ."];
    assert_eq!(answers(&base(), &texts), answers(target.path(), &texts));
}

#[test]
fn chosen_layers_make_a_smaller_model() {
    let target = tempfile::tempdir().unwrap();
    let report = prune(&base(), target.path(), None, Some(&[1])).unwrap();
    assert_eq!(report.layers, (2, 1));
    let texts = ["a b c"];
    let found = answers(target.path(), &texts);
    assert!(found.iter().all(|x| x.is_finite()) && found != answers(&base(), &texts));
    assert!(prune(&base(), target.path(), None, Some(&[2])).is_err());
}
