//! Every value against `trec_eval`'s and ranx's; the cases are made by `tests/fixtures/eval/make.py` and `make_ranx.py`.

use super::*;
use serde_json::Value;

const CASES: &str = include_str!("../../tests/fixtures/eval/trec_eval.json");
const RANX: &str = include_str!("../../tests/fixtures/eval/ranx.json");

fn object(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value))
}

fn read_case(case: &Value) -> (Qrels, Run, EvalOptions) {
    let (mut qrels, mut run) = (Qrels::new(), Run::new());
    for (query, grades) in object(&case["qrels"]) {
        for (document, grade) in object(grades) {
            qrels.insert(query, document, grade.as_i64().unwrap() as i32);
        }
    }
    for (query, scores) in object(&case["run"]) {
        let hits =
            object(scores).map(|(document, score)| (document.to_owned(), score.as_f64().unwrap() as f32));
        run.insert(query, hits).unwrap();
    }
    let relevance_level = case["level"].as_i64().unwrap_or(1) as i32;
    (qrels, run, EvalOptions { relevance_level, ..EvalOptions::default() })
}

#[test]
fn values_equal_those_of_trec_eval() {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    let (mut runs, mut ties, mut compared) = (0, 0, 0);
    for case in cases.as_array().unwrap() {
        let (qrels, run, options) = read_case(case);
        let expected: Vec<_> = object(&case["expected"]).collect();
        let Some((_, first)) = expected.first() else { continue };
        let metrics: Vec<Metric> = object(first).map(|(name, _)| name.parse().unwrap()).collect();
        let report = evaluate_with(&run, &qrels, &metrics, &options);
        assert_eq!(report.counts.evaluated, expected.len());
        assert_eq!(report.queries.len(), expected.len());
        for (query, values) in &expected {
            for (name, value) in object(values) {
                let ours = report.value(query, name.parse().unwrap()).unwrap();
                let theirs = value.as_f64().unwrap();
                assert!(
                    (ours - theirs).abs() < 1e-6,
                    "seed {} {query} {name}: {ours} {theirs}",
                    case["seed"]
                );
                compared += 1;
            }
            ties += usize::from(run.ranking(query).windows(2).any(|pair| pair[0].score == pair[1].score));
        }
        runs += 1;
    }
    assert!(runs >= 20 && ties >= 20 && compared > 2000, "{runs} runs, {ties} with ties, {compared} values");
}

#[test]
fn values_equal_those_of_ranx() {
    let cases: Value = serde_json::from_str(RANX).unwrap();
    let (mut runs, mut graded, mut compared) = (0, 0, 0);
    for case in cases.as_array().unwrap() {
        let (qrels, run, _) = read_case(case);
        for (query, values) in object(&case["expected"]) {
            for (name, value) in object(values) {
                let metric: Metric = name.parse().unwrap();
                let ours = evaluate(&run, &qrels, &[metric]).value(query, metric).unwrap();
                let theirs = value.as_f64().unwrap();
                assert!(
                    (ours - theirs).abs() < 1e-6,
                    "seed {} {query} {name}: {ours} {theirs}",
                    case["seed"]
                );
                compared += 1;
            }
            graded += usize::from(qrels.judgements(query).any(|(_, grade)| grade > 1));
        }
        runs += 1;
    }
    assert!(runs >= 20 && graded >= 20 && compared > 1000, "{runs} runs, {graded} graded, {compared} values");
}

#[test]
fn reading_files_gives_the_same_values() {
    let cases: Value = serde_json::from_str(CASES).unwrap();
    for case in cases.as_array().unwrap() {
        let (qrels, run, options) = read_case(case);
        let (mut run_file, mut qrels_file) = (Vec::new(), Vec::new());
        run.write_trec(&mut run_file, "t").unwrap();
        qrels.write_trec(&mut qrels_file).unwrap();
        if !run_file.is_empty() && !qrels_file.is_empty() {
            let again = (
                Run::read_trec(&run_file[..], "run").unwrap(),
                Qrels::read(&qrels_file[..], "qrels").unwrap(),
            );
            let report = |run, qrels| evaluate_with(run, qrels, &Metric::USUAL, &options);
            assert_eq!(report(&run, &qrels), report(&again.0, &again.1));
        }
    }
}

#[test]
fn queries_are_counted_by_kind() {
    let qrels = Qrels::read(&b"both 0 a 1\nnegative 0 a 0\nmissing 0 a 1\n"[..], "qrels").unwrap();
    let mut run = Run::new();
    for query in ["both", "negative", "unjudged"] {
        run.insert(query, [("a".to_owned(), 1.0), ("b".to_owned(), 0.5)]).unwrap();
    }
    let (mrr, judged): (Metric, Metric) = ("mrr".parse().unwrap(), "judged@10".parse().unwrap());
    let report = evaluate(&run, &qrels, &[mrr, judged]);
    let counts = Counts { evaluated: 2, missing_from_run: 1, without_judgements: 1, without_relevant: 1 };
    assert_eq!(report.counts, counts);
    assert_eq!((report.mean(mrr), report.mean(judged)), (Some(0.5), Some(0.5)));
    let complete = EvalOptions { complete: true, ..EvalOptions::default() };
    let report = evaluate_with(&run, &qrels, &[mrr], &complete);
    assert_eq!(report.counts, Counts { evaluated: 3, ..counts });
    assert_eq!((report.mean(mrr), report.value("missing", mrr)), (Some(1.0 / 3.0), Some(0.0)));
    assert_eq!((report.mean(judged), report.value("unjudged", mrr)), (None, None));
    assert_eq!(evaluate(&Run::new(), &qrels, &[mrr]).mean(mrr), None);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(text in "([a-c0-9.\t \n-]|Q0|NaN|\u{feff}|é){0,80}") {
        if let Ok(run) = Run::read_trec(text.as_bytes(), "run") {
            for query in run.queries() {
                assert!(run.ranking(query).windows(2).all(|pair| pair[0].score >= pair[1].score));
            }
        }
        if let Ok(qrels) = Qrels::read(text.as_bytes(), "qrels") {
            assert!(!qrels.is_empty());
        }
    }
}
