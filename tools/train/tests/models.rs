//! Models and their gradients against PyTorch's: fixtures of `fixtures/make_models.py`.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use burn_tensor::{Device, Tensor};
use lateen_train::data::{Groups, Tokens};
use lateen_train::loss::{self, InfoNce, MaxSim};
use lateen_train::model::{
    Gradients, Head, Model, Params, Pass, Pooling, Stored, Task, TextSettings, floats, write,
};
use lateen_train::optim::{AdamW, AdamWOptions, Schedule, Shape, clip};
use serde_json::Value;

const FAMILIES: [&str; 6] = ["bert", "xlm-roberta", "modernbert", "qwen2", "qwen3", "mistral"];

fn folder(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(family)
}

fn expected(family: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder(family).join("expected.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn tokens(value: &Value) -> Tokens {
    let ids = |key: &str| numbers(&value[key]).into_iter().map(|id| id as u32).collect::<Vec<_>>();
    Tokens {
        ids: ids("ids"),
        counted: ids("mask").into_iter().map(|mask| mask as u8).collect(),
        mask: ids("mask").into_iter().map(|mask| mask as u8).collect(),
        types: ids("types"),
        rows: value["rows"].as_u64().unwrap() as usize,
        width: value["width"].as_u64().unwrap() as usize,
    }
}

fn pooling(expected: &Value) -> Pooling {
    match expected["pooling"].as_str().unwrap() {
        "cls" => Pooling::Cls,
        "last" => Pooling::Last,
        _ => Pooling::Mean,
    }
}

fn embedding(family: &str, expected: &Value) -> Model {
    let task = Task::Embedding { pooling: Some(pooling(expected)), dense: None, normalize: true };
    Model::read(&folder(family), &task, Device::flex(), 1).unwrap()
}

/// One document a query, each its own positive.
fn pairs(queries: usize) -> Groups {
    Groups { ranges: (0..queries).map(|i| i..i + 1).collect(), labels: vec![1.0; queries] }
}

fn contrast(model: &Model, expected: &Value) -> Tensor<1> {
    let pass = Pass::training(&model.params, None);
    let queries = model.embed(&pass, &tokens(&expected["queries"])).unwrap();
    let documents = model.embed(&pass, &tokens(&expected["documents"])).unwrap();
    let groups = pairs(queries.dims()[0]);
    loss::info_nce(loss::cosines(queries, documents), &groups, &[], &InfoNce::default())
}

fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Every gradient of the file, and no other, within 1e-5 of its largest entry or of 1; none all zero.
fn check_gradients(family: &str, file: &str, found: &Gradients, params: &Params) {
    let stored = Stored::read_file(&folder(family).join(file)).unwrap();
    let mut reference = Params::default();
    let declared: Vec<_> = params
        .iter()
        .map(|(name, parameter)| lateen_train::model::Declared::new(name, parameter.shape()))
        .collect();
    stored.fill(&declared, &mut reference, 0).unwrap();
    for (name, parameter) in reference.iter() {
        let right = parameter.values();
        let scale = right.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let Some(values) = found.get(name) else { panic!("{family}: {name} has no gradient") };
        let worst = values.iter().zip(&right).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(worst <= 1e-5 * scale.max(1.0), "{family}, {file}: {name} is off by {worst} of {scale}");
        // A key's bias shifts all scores of a softmax alike.
        let free = name.ends_with("key.bias") || name.ends_with("k_proj.bias");
        assert!(free || scale > 1e-7, "{family}, {file}: {name} gets no gradient");
    }
}

#[test]
fn embedding_gradients_are_pytorchs() {
    for family in FAMILIES {
        let expected = expected(family);
        let model = embedding(family, &expected);
        let loss = contrast(&model, &expected);
        let gradients = model.params.gradients(&loss);
        let value = f64::from(floats(loss)[0]);
        close(family, value, expected["embedding_loss"].as_f64().unwrap(), 1e-5);
        check_gradients(family, "embedding.safetensors", &gradients, &model.params);
    }
}

#[test]
fn colbert_gradients_are_pytorchs() {
    for family in FAMILIES {
        let expected = expected(family);
        let task = Task::ColBert { dim: 6, bias: true, drop_first: false };
        let mut model = Model::read(&folder(family), &task, Device::flex(), 1).unwrap();
        assert_eq!(model.fresh, ["1_Dense.linear.weight", "1_Dense.linear.bias"]);
        let start = |key: &str| numbers(&expected[key]).into_iter().map(|x| x as f32).collect();
        model.params.set("1_Dense.linear.weight", start("linear_weight"));
        model.params.set("1_Dense.linear.bias", start("linear_bias"));
        let pass = Pass::training(&model.params, None);
        let queries = model.token_vectors(&pass, &tokens(&expected["queries"])).unwrap();
        let documents = model.token_vectors(&pass, &tokens(&expected["documents"])).unwrap();
        let scores = loss::max_sim(&queries, &documents, MaxSim::default());
        let options = InfoNce { temperature: 1.0, ..InfoNce::default() };
        let loss = loss::info_nce(scores, &pairs(4), &[], &options);
        let gradients = model.params.gradients(&loss);
        close(family, f64::from(floats(loss)[0]), expected["colbert_loss"].as_f64().unwrap(), 1e-5);
        check_gradients(family, "colbert.safetensors", &gradients, &model.params);
    }
}

#[test]
fn weights_of_tokens_count_in_queries_and_are_saved() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(folder("bert").join(name), source.path().join(name)).unwrap();
    }
    let task = Task::ColBert { dim: 6, bias: false, drop_first: false };
    let read = || Model::read(source.path(), &task, Device::flex(), 1);
    let plain = read().unwrap();
    let vocabulary = plain.backbone.vocabulary();
    let file = source.path().join("token_weights.safetensors");
    let with = |weights: &[f32]| {
        write(&file, [("weights", &[weights.len()][..], weights)]).unwrap();
        read()
    };
    let expected = expected("bert");
    let (queries, documents) = (tokens(&expected["queries"]), tokens(&expected["documents"]));
    let scores = |model: &Model| {
        let pass = Pass::inference(&model.params);
        let Head::ColBert(colbert) = &model.head else { panic!("not a ColBERT model") };
        let made = model.token_vectors(&pass, &queries).unwrap();
        let made = colbert.queries(made.vectors, &queries);
        let documents = model.token_vectors(&pass, &documents).unwrap();
        floats(loss::max_sim(&made, &documents, MaxSim::default()))
    };
    // Weights of one half halve every score; all at zero leave queries as they are.
    let half = scores(&with(&vec![0.5; vocabulary]).unwrap());
    assert!(scores(&plain).iter().zip(&half).all(|(whole, half)| (whole - 2.0 * half).abs() < 1e-5));
    assert_eq!(scores(&with(&vec![0.0; vocabulary]).unwrap()), scores(&plain));
    // One token alone counts: the first query's first.
    let mut weights = vec![0.0; vocabulary];
    weights[queries.ids[0] as usize] = 2.0;
    let model = with(&weights).unwrap();
    let Head::ColBert(colbert) = &model.head else { panic!("not a ColBERT model") };
    let pass = Pass::inference(&model.params);
    let made = colbert.queries(model.token_vectors(&pass, &queries).unwrap().vectors, &queries);
    let first = &made.kept[..queries.width];
    assert!(first[0] && first.iter().zip(&queries.ids).all(|(kept, id)| !kept || *id == queries.ids[0]));
    assert!((floats(made.vectors)[..6].iter().map(|x| x * x).sum::<f32>() - 4.0).abs() < 1e-5);
    model.save(target.path(), &TextSettings::default()).unwrap();
    assert_eq!(Model::read(target.path(), &task, Device::flex(), 1).unwrap().head, model.head);

    let refusal = |weights: &[f32]| with(weights).unwrap_err().to_string();
    assert!(refusal(&weights[1..]).contains("token_weights.safetensors"));
    weights[3] = -1.0;
    assert!(refusal(&weights).contains("-1 for token 3"));
}

#[test]
fn reranker_gradients_are_pytorchs() {
    for family in FAMILIES {
        let expected = expected(family);
        let model = Model::read(&folder(family), &Task::Reranker { words: None }, Device::flex(), 1).unwrap();
        assert!(model.fresh.is_empty(), "{family}: {:?}", model.fresh);
        let logits = model.score(&Pass::training(&model.params, None), &tokens(&expected["pairs"])).unwrap();
        for (found, right) in floats(logits.clone()).iter().zip(numbers(&expected["logits"])) {
            close(family, f64::from(*found), right, 1e-5);
        }
        let labels: Vec<f32> = numbers(&expected["labels"]).into_iter().map(|x| x as f32).collect();
        let loss = loss::bce(logits, &labels);
        let gradients = model.params.gradients(&loss);
        close(family, f64::from(floats(loss)[0]), expected["reranker_loss"].as_f64().unwrap(), 1e-5);
        check_gradients(family, "reranker.safetensors", &gradients, &model.params);
    }
}

#[test]
fn two_words_of_a_decoder_are_compared_as_pytorch_does() {
    let (family, expected) = ("qwen3", expected("qwen3"));
    let task = Task::Reranker { words: Some((9, 4)) };
    let model = Model::read(&folder(family), &task, Device::flex(), 1).unwrap();
    let logits = model.score(&Pass::training(&model.params, None), &tokens(&expected["pairs"])).unwrap();
    for (found, right) in floats(logits.clone()).iter().zip(numbers(&expected["yes_no_logits"])) {
        close(family, f64::from(*found), right, 1e-5);
    }
    let labels: Vec<f32> = numbers(&expected["labels"]).into_iter().map(|x| x as f32).collect();
    let loss = loss::bce(logits, &labels);
    let gradients = model.params.gradients(&loss);
    close(family, f64::from(floats(loss)[0]), expected["yes_no_loss"].as_f64().unwrap(), 1e-5);
    check_gradients(family, "yes_no.safetensors", &gradients, &model.params);
}

#[test]
fn low_rank_changes_start_at_nothing_learn_and_are_saved_added_in() {
    let expected = expected("qwen2");
    let mut model = embedding("qwen2", &expected);
    let plain = floats(contrast(&model, &expected));
    model.add_lora(4, 8.0, 5);
    assert_eq!(floats(contrast(&model, &expected)), plain);
    let mut optimiser = AdamW::new(AdamWOptions::default());
    for _ in 0..3 {
        let gradients = model.params.gradients(&contrast(&model, &expected));
        assert!(gradients.keys().all(|name| name.contains("lora_")), "frozen weights get no gradient");
        optimiser.step(&mut model.params, &gradients, 1e-2);
    }
    let learnt = floats(contrast(&model, &expected))[0];
    assert!(learnt < plain[0]);
    let target = tempfile::tempdir().unwrap();
    model.save(target.path(), &TextSettings::default()).unwrap();
    let task = Task::Embedding { pooling: Some(pooling(&expected)), dense: None, normalize: true };
    let merged = Model::read(target.path(), &task, Device::flex(), 1).unwrap();
    assert!(merged.params.iter().all(|(name, _)| !name.contains("lora_")));
    let again = floats(contrast(&merged, &expected))[0];
    assert!((again - learnt).abs() < 1e-4, "{again} and {learnt}");
}

#[test]
fn a_saved_model_is_read_back_to_the_bit() {
    for family in FAMILIES {
        let target = tempfile::tempdir().unwrap();
        let tasks = [
            Task::Embedding { pooling: Some(Pooling::Mean), dense: Some(7), normalize: true },
            Task::ColBert { dim: 6, bias: true, drop_first: false },
            Task::Reranker { words: None },
        ];
        for (at, task) in tasks.iter().enumerate() {
            let model = Model::read(&folder(family), task, Device::flex(), 1).unwrap();
            let target = target.path().join(at.to_string());
            model.save(&target, &TextSettings::default()).unwrap();
            let again = Model::read(&target, task, Device::flex(), 99).unwrap();
            assert!(again.fresh.is_empty(), "{family}: {:?}", again.fresh);
            assert_eq!(model.head, again.head);
            for ((name, a), (other, b)) in model.params.iter().zip(again.params.iter()) {
                assert_eq!((name, a.values()), (other, b.values()));
            }
        }
    }
}

#[test]
fn twenty_steps_follow_pytorchs_losses() {
    for family in FAMILIES {
        let expected = expected(family);
        let mut model = embedding(family, &expected);
        let mut optimiser = AdamW::new(AdamWOptions::default());
        let schedule = Schedule { peak: 3e-3, shape: Shape::Linear, total: 20, warmup: 0.2, stable: 0.0 };
        for (step, right) in numbers(&expected["curve"]).into_iter().enumerate() {
            let loss = contrast(&model, &expected);
            let mut gradients = model.params.gradients(&loss);
            close(&format!("{family}, step {step}"), f64::from(floats(loss)[0]), right, 1e-4);
            clip(&mut gradients, 1.0);
            optimiser.step(&mut model.params, &gradients, schedule.rate(step as u64));
        }
    }
}

#[test]
fn tokens_of_another_model_are_refused() {
    let expected = expected("bert");
    let model = embedding("bert", &expected);
    let pass = Pass::inference(&model.params);
    let good = tokens(&expected["queries"]);
    let mut foreign = good.clone();
    foreign.ids[3] = 48;
    assert!(model.embed(&pass, &foreign).is_err());
    let mut empty = good.clone();
    empty.mask[..empty.width].fill(0);
    assert!(model.embed(&pass, &empty).is_err());
    let (ones, zeros) = (vec![1; 25], vec![0; 25]);
    let long =
        Tokens { ids: vec![2; 25], mask: ones.clone(), counted: ones, types: zeros, rows: 1, width: 25 };
    assert!(model.embed(&pass, &long).is_err());
    assert!(model.embed(&pass, &good).is_ok());
}
