//! The exported dense model on the STS benchmark (Cer et al., SemEval 2017 task 1).

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::*;

/// The folder with public collections, if this machine has it.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("LATEEN_DATA").map_or(beside, PathBuf::from);
    if !data.join("pairs/stsb-en/test.jsonl.gz").exists() {
        eprintln!("skipped: set LATEEN_DATA to a folder with pairs/stsb-en");
        return None;
    }
    Some(data)
}

/// Ranks from 0, equal values sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let first = order.iter().position(|at| *at == group[0]).unwrap() as f64;
        group.iter().for_each(|&at| ranks[at] = first + (group.len() - 1) as f64 / 2.0);
    }
    ranks
}

/// Spearman's rank correlation.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let centred = |values: &[f64]| {
        let ranks = ranks(values);
        let mean = ranks.iter().sum::<f64>() / ranks.len() as f64;
        ranks.into_iter().map(|rank| rank - mean).collect::<Vec<_>>()
    };
    let (a, b) = (centred(a), centred(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn rank_correlation_is_that_of_the_textbook() {
    assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    // With d = rank differences and no ties: 1 − 6·Σd² / (n·(n² − 1)).
    let rho = spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]);
    assert!((rho - (1.0 - 6.0 * 2.0 / 60.0)).abs() < 1e-12);
}

#[test]
fn minilm_dense_reaches_its_published_sts_score() {
    let (Some(source), Some(data)) = (minilm(), data()) else { return };
    let target = tempfile::tempdir().unwrap();
    let made = convert(&source, target.path(), &ConvertOptions::new(Head::Dense)).unwrap();
    let tokenizer = minilm_tokenizer(&source, made.max_tokens);
    let file = File::open(data.join("pairs/stsb-en/test.jsonl.gz")).unwrap();
    let (mut texts, mut scores) = (Vec::new(), Vec::new());
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let pair: Value = serde_json::from_str(&line.unwrap()).unwrap();
        for side in ["sentence1", "sentence2"] {
            texts.push(tokenizer.encode(pair[side].as_str().unwrap(), true).unwrap().get_ids().to_vec());
        }
        scores.push(pair["score"].as_f64().unwrap());
    }
    assert_eq!(scores.len(), 1379);
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&at| texts[at].len());
    // The last one is ONNX Runtime where it is there; rten gives the same vectors.
    let mut runner = runners(&made.onnx, "sentence_embedding").pop().unwrap();
    let mut vectors = vec![Vec::new(); texts.len()];
    for batch in order.chunks(64) {
        let rows: Vec<_> = batch.iter().map(|&at| (texts[at].clone(), vec![0; texts[at].len()])).collect();
        let output = runner.run(&Batch::new(&rows));
        for (&at, vector) in batch.iter().zip(output.chunks_exact(made.dim)) {
            vectors[at] = vector.to_vec();
        }
    }
    let cosine = |pair: &[Vec<f32>]| {
        pair[0].iter().zip(&pair[1]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let similarities: Vec<f64> = vectors.chunks_exact(2).map(cosine).collect();
    let rho = spearman(&similarities, &scores);
    assert!((rho - 0.820).abs() <= 0.001, "{}: {rho}", runner.name());
    eprintln!("{}: Spearman {rho:.4}", runner.name());
}
