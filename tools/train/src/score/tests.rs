//! With a judge that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lateen::rerank::Judge;

use super::*;
use crate::data::ReadOptions;

struct Brevity(Arc<AtomicUsize>);

impl Judge for Brevity {
    fn name(&self) -> &str {
        "brevity"
    }

    fn scores(&self, _query: &str, documents: &[&str]) -> Result<Vec<f32>, RerankError> {
        self.0.fetch_add(documents.len(), Ordering::Relaxed);
        Ok(documents.iter().map(|text| -(text.len() as f32)).collect())
    }
}

const ROWS: &str = "{\"query\":\"q\",\"pos\":[\"a\"],\"neg\":[\"bb\",\"ccc\"],\"prompt\":\"p\"}\n\
    {\"query\":\"q\",\"pos\":[\"a\"],\"neg\":[\"dddd\"]}\n";

#[test]
fn a_pair_is_scored_once_and_a_stopped_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (file, cache) = (folder.path().join("data.jsonl"), folder.path().join("scores"));
    std::fs::write(&file, ROWS).unwrap();
    let set = DataSet::open(&file, &ReadOptions::default()).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let teacher = Reranker::new(Brevity(Arc::clone(&asked)));
    let mut first = ScoreCache::open(&cache, 1).unwrap();
    let stopped = score(&set, &teacher, Scale::Raw, &mut first, 1, |_, _| false).unwrap();
    assert_eq!((stopped.scored, asked.load(Ordering::Relaxed)), (3, 3));
    drop(first);
    // A run that was killed left half an entry.
    let mut bytes = std::fs::read(&cache).unwrap();
    bytes.extend([1, 2, 3]);
    std::fs::write(&cache, bytes).unwrap();
    let mut again = ScoreCache::open(&cache, 1).unwrap();
    let report = score(&set, &teacher, Scale::Raw, &mut again, 1, |_, _| true).unwrap();
    assert_eq!((report.pairs, report.scored, asked.load(Ordering::Relaxed)), (5, 1, 4));
    let mut out = Vec::new();
    assert_eq!(write_scored(&set, &again, Shape::Lists, &mut out, &file).unwrap(), 0);
    let text = String::from_utf8(out).unwrap();
    let row: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let expected = json!({"query": "q", "prompt": "p", "pos": ["a"], "neg": ["bb", "ccc"],
        "pos_scores": [-1.0], "neg_scores": [-2.0, -3.0]});
    assert_eq!(row, expected);
    for (shape, count) in [(Shape::Lists, 2), (Shape::Pointwise, 5), (Shape::Grouped, 2)] {
        let scored = folder.path().join("scored.jsonl");
        let mut out = std::fs::File::create(&scored).unwrap();
        write_scored(&set, &again, shape, &mut out, &scored).unwrap();
        let read = DataSet::open(&scored, &ReadOptions::default()).unwrap();
        assert!(read.len() == count && read.scored(), "{shape:?}");
    }
    assert!(matches!(ScoreCache::open(&cache, 2), Err(ScoreError::OtherTeacher { .. })));
    assert!(matches!(ScoreCache::open(&file, 1), Err(ScoreError::NoCache { .. })));
}
