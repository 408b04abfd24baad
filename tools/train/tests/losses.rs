//! Losses and their gradients against PyTorch's: fixtures of `fixtures/make_losses.py`.

#![allow(clippy::unwrap_used)]

use burn_tensor::{Device, Tensor, TensorData};
use lateen_train::data::Groups;
use lateen_train::loss::{self, Grouped, InfoNce, MaxSim, Stella, TeacherError};
use lateen_train::model::{TokenVectors, floats, normalize};
use serde_json::Value;

struct Fixture {
    groups: Groups,
    masked: Vec<(usize, usize)>,
    teacher: Vec<f32>,
    kept: Vec<bool>,
    tokens: Vec<f32>,
    cases: Value,
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn two(value: &Value) -> Vec<(usize, usize)> {
    let pair = |value: &Value| (value[0].as_u64().unwrap() as usize, value[1].as_u64().unwrap() as usize);
    value.as_array().unwrap().iter().map(pair).collect()
}

fn fixture() -> Fixture {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/losses.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let ranges = two(&all["groups"]).into_iter().map(|(start, end)| start..end).collect();
    Fixture {
        groups: Groups { ranges, labels: numbers(&all["labels"]) },
        masked: two(&all["masked"]),
        teacher: numbers(&all["teacher"]),
        kept: numbers(&all["kept"]).into_iter().map(|kept| kept == 1.0).collect(),
        tokens: numbers(&all["tokens"]),
        cases: all["cases"].clone(),
    }
}

fn leaf<const D: usize>(case: &Value, input: usize) -> Tensor<D> {
    let shape: Vec<usize> = numbers(&case["shapes"][input]).into_iter().map(|x| x as usize).collect();
    let shape: [usize; D] = shape.try_into().unwrap();
    let data = TensorData::new(numbers(&case["inputs"][input]), shape);
    Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
}

fn near(what: &str, found: &[f32], right: &[f32]) {
    let scale = right.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
    assert_eq!(found.len(), right.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(right).enumerate() {
        assert!((a - b).abs() <= 1e-5 * scale, "{what}, {at}: {a}, expected {b}");
    }
}

impl Fixture {
    fn check<const D: usize>(&self, name: &str, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
        let case = &self.cases[name];
        let input = leaf::<D>(case, 0);
        let value = loss(input.clone());
        let gradients = value.backward();
        near(name, &floats(value), &[case["loss"].as_f64().unwrap() as f32]);
        near(name, &floats(input.grad(&gradients).unwrap()), &numbers(&case["gradients"][0]));
    }

    fn check_two<const D: usize>(&self, name: &str, loss: impl Fn(Tensor<D>, Tensor<D>) -> Tensor<1>) {
        let case = &self.cases[name];
        let (a, b) = (leaf::<D>(case, 0), leaf::<D>(case, 1));
        let value = loss(a.clone(), b.clone());
        let gradients = value.backward();
        near(name, &floats(value), &[case["loss"].as_f64().unwrap() as f32]);
        near(name, &floats(a.grad(&gradients).unwrap()), &numbers(&case["gradients"][0]));
        near(name, &floats(b.grad(&gradients).unwrap()), &numbers(&case["gradients"][1]));
    }
}

#[test]
fn contrast_is_pytorchs() {
    let f = fixture();
    let with =
        |both_directions, others_negatives| InfoNce { temperature: 0.05, both_directions, others_negatives };
    f.check("info_nce", |s| loss::info_nce(s, &f.groups, &f.masked, &with(false, true)));
    f.check("info_nce_own", |s| loss::info_nce(s, &f.groups, &f.masked, &with(false, false)));
    f.check("info_nce_both", |s| loss::info_nce(s, &f.groups, &f.masked, &with(true, true)));
    f.check("triplet", |s| loss::triplet_softmax(s, &f.groups, &f.masked, 0.1));
    f.check_two("matryoshka", |q, d| {
        loss::matryoshka(&q, &d, &[2, 4, 6, 99], |q, d| {
            loss::info_nce(loss::cosines(q, d), &f.groups, &f.masked, &with(false, true))
        })
    });
}

#[test]
fn distillation_is_pytorchs() {
    let f = fixture();
    f.check("grouped_kl", |s| loss::grouped_kl(&Grouped::from_table(s, &f.groups), 0.1, 0.5));
    f.check("batch_kl", |s| loss::batch_kl(s, &f.groups.labels, 0.7));
    f.check("margin_mse", |s| loss::margin_mse(&Grouped::from_table(s, &f.groups), 5.0));
    let stella = Stella { dims: vec![3, 6], ..Stella::default() };
    f.check("stella", |z| loss::stella(&z, &f.teacher, &stella).unwrap().0);
    f.check::<3>("token_cosine", |s| {
        let student = TokenVectors { vectors: normalize(s), kept: f.kept.clone() };
        loss::token_cosine(&student, &f.tokens).unwrap()
    });
}

#[test]
fn graded_pairs_are_pytorchs() {
    let f = fixture();
    let soft: Vec<f32> = f.groups.labels.iter().map(|label| label / 3.0).collect();
    f.check("cosent", |s| loss::cosent(s, &f.groups.labels, 0.05));
    f.check("bce", |s| loss::bce(s, &soft));
    f.check("mse", |s| loss::mse(s, &soft, true));
    f.check("mse_plain", |s| loss::mse(s, &soft, false));
}

#[test]
fn lists_are_pytorchs() {
    let f = fixture();
    let grouped = |s| Grouped::from_table(s, &f.groups);
    f.check("rank_net", |s| loss::rank_net(&grouped(s)));
    f.check("listwise_ce", |s| loss::listwise_ce(&grouped(s), 0.8));
    f.check("lambda_rank", |s| loss::lambda_loss(&grouped(s), 0.0));
    f.check("lambda_loss", |s| loss::lambda_loss(&grouped(s), 10.0));
}

#[test]
fn late_interaction_is_pytorchs() {
    let f = fixture();
    let queries = [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]].concat();
    let documents = [[1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0]].concat().repeat(4);
    let kept = |mask: &[i32]| mask.iter().map(|mask| *mask == 1).collect::<Vec<_>>();
    for (name, mean, zero_masked) in
        [("max_sim", false, false), ("max_sim_mean", true, false), ("max_sim_zero", true, true)]
    {
        f.check_two::<3>(name, |q, d| {
            let q = TokenVectors { vectors: normalize(q), kept: kept(&queries) };
            let d = TokenVectors { vectors: normalize(d), kept: kept(&documents) };
            let options = InfoNce { temperature: 0.3, ..InfoNce::default() };
            let scores = loss::max_sim(&q, &d, MaxSim { mean, zero_masked });
            loss::info_nce(scores, &f.groups, &f.masked, &options)
        });
    }
}

#[test]
fn batches_that_say_nothing_are_worth_zero_and_no_nan() {
    let scores = || Tensor::<1>::from_data([0.3, -0.2, 0.9], &Device::flex().autodiff()).require_grad();
    let groups = Groups { ranges: vec![0..2, 2..3], labels: vec![1.0; 3] };
    let grouped = || Grouped::from_pairs(scores(), &groups);
    for loss in [
        loss::cosent(scores(), &[1.0; 3], 0.05),
        loss::rank_net(&grouped()),
        loss::lambda_loss(&grouped(), 10.0),
    ] {
        assert_eq!(floats(loss), [0.0]);
    }
    let alone = Groups { ranges: vec![0..1, 1..2, 2..3], labels: vec![0.0; 3] };
    let alone = Grouped::from_pairs(scores(), &alone);
    assert_eq!(floats(loss::margin_mse(&alone, 1.0)), [0.0]);
    assert_eq!(floats(loss::listwise_ce(&alone, 1.0)), [0.0]);
}

#[test]
fn a_teacher_without_direction_is_named() {
    let student = Tensor::<2>::ones([2, 2], &Device::flex().autodiff()).require_grad();
    let options = Stella::default();
    let zero = loss::stella(&student, &[1.0, 0.0, 0.0, 0.0], &options);
    assert_eq!(zero.unwrap_err(), TeacherError::Row { row: 1 });
    let nan = loss::stella(&student, &[f32::NAN, 0.0, 1.0, 0.0], &options);
    assert_eq!(nan.unwrap_err(), TeacherError::Row { row: 0 });
    let wide = loss::stella(&student, &[1.0; 6], &options);
    assert_eq!(wide.unwrap_err(), TeacherError::Dimension { teacher: 3, student: 2 });
    let tokens = TokenVectors { vectors: Tensor::<3>::ones([1, 2, 2], &Device::flex()), kept: vec![true; 2] };
    let wide = loss::token_cosine(&tokens, &[1.0; 6]);
    assert_eq!(wide.unwrap_err(), TeacherError::Dimension { teacher: 3, student: 2 });
    // Two rows have one pair and no pair of pairs: the term is 0, not 0 / 0.
    let (sum, parts) = loss::stella(&student, &[1.0, 0.0, 0.0, 1.0], &options).unwrap();
    assert!(floats(sum)[0].is_finite());
    assert_eq!(floats(parts[2].clone()), [0.0]);
}

#[test]
fn a_guide_masks_what_it_finds_nearer() {
    let groups = Groups { ranges: vec![0..2, 2..3], labels: vec![1.0, 0.0, 1.0] };
    let guide = [0.5, 0.6, 0.1, 0.9, f32::NAN, 0.8];
    assert_eq!(loss::false_negatives(&guide, &groups, 0.0), [(0, 1), (1, 0)]);
    assert_eq!(loss::false_negatives(&guide, &groups, 0.45), [(0, 1), (0, 2), (1, 0)]);
}
