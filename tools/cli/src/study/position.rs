//! Buckets of answer positions, and thirds of texts.

use super::collection::Collection;
use lateen::encode::cache::CachedModel;
use lateen::eval::position::{sensitivity_index, thirds};
use lateen::eval::{EvalOptions, Interval, Measure, Metric, Qrels, Run, evaluate_with};
use lateen::types::normalize;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde::Serialize;
use std::collections::BTreeMap;

/// The cut-offs of the Myopic Trap's tables.
const CUTOFFS: [u32; 6] = [5, 10, 20, 30, 50, 100];
const MAIN: Metric = Metric::at(Measure::Ndcg, 10);
const RESAMPLES: usize = 2000;
/// Texts encoded together.
const BATCH: usize = 64;

/// One system on one collection, bucket by bucket.
#[derive(Debug, Clone, Serialize)]
pub struct PositionResult {
    pub collection: String,
    pub system: String,
    /// `1 − min / max` of the buckets' nDCG@10.
    pub sensitivity: Option<f64>,
    /// Recall and nDCG of all queries together.
    pub all: BTreeMap<String, f64>,
    pub buckets: Vec<BucketResult>,
}

/// The queries of one bucket.
#[derive(Debug, Clone, Serialize)]
pub struct BucketResult {
    pub name: String,
    pub queries: usize,
    /// nDCG@10 with its interval.
    pub mean: f64,
    pub lower: f64,
    pub upper: f64,
    /// Recall and nDCG at 5, 10, 20, 30, 50 and 100.
    pub metrics: BTreeMap<String, f64>,
}

fn metrics() -> Vec<Metric> {
    let at = |measure| CUTOFFS.map(|cutoff| Metric::at(measure, cutoff));
    [at(Measure::Ndcg), at(Measure::Recall)].concat()
}

/// Measures a run by buckets; `None` for a collection without.
pub fn measure(collection: &Collection, system: &str, run: &Run, seed: u64) -> Option<PositionResult> {
    if collection.buckets.is_empty() {
        return None;
    }
    let asked = collection.asked_qrels();
    let mut buckets = Vec::new();
    for bucket in &collection.buckets {
        let mut qrels = Qrels::new();
        for query in &bucket.queries {
            asked.judgements(query).for_each(|(document, grade)| {
                qrels.insert(query, document, grade);
            });
        }
        let (values, means) = of(run, &qrels);
        let Some(Interval { mean, lower, upper }) = Interval::bootstrap(&values, RESAMPLES, seed) else {
            continue;
        };
        let (name, queries) = (bucket.name.clone(), values.len());
        buckets.push(BucketResult { name, queries, mean, lower, upper, metrics: means });
    }
    let (_, all) = of(run, &asked);
    let sensitivity = sensitivity_index(buckets.iter().map(|bucket| bucket.mean));
    let (collection, system) = (collection.name.clone(), system.to_owned());
    Some(PositionResult { collection, system, sensitivity, all, buckets })
}

/// nDCG@10 of each query, and all means.
fn of(run: &Run, qrels: &Qrels) -> (Vec<f64>, BTreeMap<String, f64>) {
    let metrics = metrics();
    let report =
        evaluate_with(run, qrels, &metrics, &EvalOptions { complete: true, ..EvalOptions::default() });
    let main = metrics.iter().position(|metric| *metric == MAIN).unwrap_or(0);
    let values = report.queries.iter().map(|query| query.values[main]).collect();
    let means = metrics.iter().map(|metric| (metric.to_string(), report.mean(*metric).unwrap_or(0.0)));
    (values, means.collect())
}

/// How alike the vectors of texts and of their thirds are, by a dense model.
#[derive(Debug, Clone, Serialize)]
pub struct ThirdsResult {
    pub collection: String,
    pub system: String,
    pub texts: usize,
    /// Mean cosines of a text's vector with those of its beginning, middle and end.
    pub beginning: f64,
    pub middle: f64,
    pub end: f64,
}

/// Measures `count` texts of `words` words each, drawn with `seed`; `None` if there is none.
pub fn measure_thirds(
    collection: &Collection,
    (system, model): (&str, &CachedModel),
    (count, words): (usize, [usize; 2]),
    seed: u64,
) -> anyhow::Result<Option<ThirdsResult>> {
    let fits = |text: &&str| (words[0]..=words[1]).contains(&count_words(text));
    let mut texts: Vec<&str> =
        collection.documents.iter().map(|document| document.text.as_str()).filter(fits).collect();
    texts.sort_unstable();
    texts.shuffle(&mut StdRng::seed_from_u64(seed));
    texts.truncate(count);
    let mut sums = [0.0; 3];
    for batch in texts.chunks(BATCH) {
        let pieces: Vec<&str> =
            batch.iter().flat_map(|text| std::iter::once(*text).chain(thirds(text))).collect();
        let vectors = model.encode_documents_dense(&pieces)?;
        for vectors in vectors.chunks_exact(4) {
            for (sum, third) in sums.iter_mut().zip(&vectors[1..]) {
                *sum += cosine(&vectors[0], third);
            }
        }
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let [beginning, middle, end] = sums.map(|sum| sum / texts.len() as f64);
    let (collection, system, texts) = (collection.name.clone(), system.to_owned(), texts.len());
    Ok(Some(ThirdsResult { collection, system, texts, beginning, middle, end }))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    if !normalize(&mut a) || !normalize(&mut b) {
        return 0.0;
    }
    a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Words between spaces; where there are none between words, characters.
fn count_words(text: &str) -> usize {
    let unspaced =
        |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}');
    let characters = text.chars().filter(|c| unspaced(*c)).count();
    characters
        + text.split(|c: char| c.is_whitespace() || unspaced(c)).filter(|word| !word.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::collection::Query;
    use lateen::eval::position::Bucket;

    #[test]
    fn buckets_are_measured_by_themselves() {
        let mut collection = Collection { name: "c".into(), ..Collection::default() };
        let mut run = Run::new();
        for (query, document, found) in
            [("a", "d1", "d1"), ("b", "d2", "d9"), ("c", "d3", "d3"), ("x", "d4", "d4")]
        {
            collection.queries.push(Query { id: query.into(), text: query.into() });
            collection.qrels.insert(query, document, 1);
            run.insert(query, [(found.to_owned(), 1.0)]).unwrap();
        }
        assert!(measure(&collection, "s", &run, 1).is_none());
        let bucket = |name: &str, queries: &[&str]| Bucket {
            name: name.into(),
            queries: queries.iter().map(|query| (*query).to_owned()).collect(),
        };
        collection.buckets =
            vec![bucket("0-100", &["a", "c"]), bucket("100-200", &["a", "b"]), bucket("none", &["z"])];
        let result = measure(&collection, "s", &run, 1).unwrap();
        let means: Vec<(usize, f64)> =
            result.buckets.iter().map(|bucket| (bucket.queries, bucket.mean)).collect();
        assert_eq!(means, [(2, 1.0), (2, 0.5)]);
        assert_eq!((result.sensitivity, result.all["recall@10"]), (Some(0.5), 0.75));
    }

    #[test]
    fn words_are_counted_with_and_without_spaces() {
        assert_eq!(count_words("The moon, twice a day."), 5);
        assert_eq!(count_words("月亮 and 潮汐"), 5);
    }
}
