//! From settings to batches.

use std::path::PathBuf;

use super::*;
use crate::config::Settings;

const TOKENIZER: &str = r#"{"version":"1.0","truncation":null,"padding":null,"normalizer":null,"decoder":null,
"added_tokens":[],"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,
"model":{"type":"WordLevel","vocab":{"[PAD]":0,"[UNK]":1,"a":2,"b":3,"c":4,".":5,"[Q]":6,"[MASK]":7},"unk_token":"[UNK]"}}"#;

struct Run {
    folder: tempfile::TempDir,
    tokenizer: PathBuf,
}

impl Run {
    fn new(rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = folder.path().join("tokenizer.json");
        std::fs::write(&tokenizer, TOKENIZER).unwrap();
        std::fs::write(folder.path().join("data.jsonl"), rows).unwrap();
        Self { folder, tokenizer }
    }

    fn feed(&self, task: Task, sets: &[&str]) -> Result<Feed, DataError> {
        let mut settings = Settings::of(task);
        settings.set(&format!("data.train={}", self.folder.path().join("data.jsonl").display())).unwrap();
        settings.set("data.drop_last=false").unwrap();
        sets.iter().for_each(|given| settings.set(given).unwrap());
        Feed::train(&settings.finish().unwrap(), task, &self.tokenizer)
    }
}

const TRIPLET: &str = "{\"query\":\"a\",\"pos\":[\"b\",\"a b\"],\"neg\":[\"c\",\"c c\"]}\n";
const GROUPED: &str =
    "{\"query\":\"a\",\"hits\":[{\"content\":\"b\",\"label\":1},{\"content\":\"c\",\"label\":0}]}\n";
const SCORED: &str = "{\"query\":\"a\",\"pos\":[\"b\",\"c\"],\"pos_scores\":[0.9,0.1]}\n";

#[test]
fn the_loss_fits_task_and_data() {
    for (task, rows, loss) in [
        (Task::Embedding, TRIPLET, LossName::InfoNce),
        (Task::Embedding, SCORED, LossName::Kl),
        (Task::Embedding, "{\"sentence1\":\"a\",\"sentence2\":\"b\",\"score\":1}\n", LossName::Cosent),
        (Task::Colbert, TRIPLET, LossName::InfoNce),
        (Task::Colbert, SCORED, LossName::Kl),
        (Task::Reranker, GROUPED, LossName::RankNet),
        (Task::Reranker, SCORED, LossName::Bce),
        (Task::Reranker, TRIPLET, LossName::Listwise),
        (Task::Reranker, "{\"query\":\"a\",\"content\":\"b\",\"label\":1}\n", LossName::Bce),
    ] {
        let feed = Run::new(rows).feed(task, &[]).unwrap();
        assert_eq!(feed.loss(), loss, "{task:?} {rows}");
        feed.batch(&feed.plan(0).unwrap(), 0).unwrap();
    }
}

#[test]
fn losses_that_the_data_cannot_feed_are_refused() {
    for (task, rows, given, wanted) in [
        (Task::Embedding, TRIPLET, "loss.name=kl", "a teacher's scores"),
        (Task::Embedding, TRIPLET, "loss.name=cosent", "scored pairs"),
        (Task::Embedding, GROUPED, "loss.name=info_nce", "positives and negatives"),
        (Task::Reranker, "{\"query\":\"a\",\"pos\":\"b\"}\n", "loss.name=rank_net", "negatives"),
        (Task::Colbert, "{\"query\":\"a\"}\n", "seed=1", "documents to learn from"),
    ] {
        let error = Run::new(rows).feed(task, &[given]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("cannot give {wanted}")), "{error}");
    }
}

#[test]
fn rerankers_see_pairs_and_colbert_sees_marks() {
    let feed = Run::new(SCORED).feed(Task::Reranker, &["model.query_format=c {}"]).unwrap();
    let Batch::Pairs(batch) = feed.batch(&feed.plan(0).unwrap(), 0).unwrap() else { panic!() };
    assert_eq!((batch.pairs.rows, batch.groups.ranges.len()), (2, 2));
    assert_eq!(batch.pairs.ids[..2], [4, 2]);
    let sets = ["model.query_prefix=[Q]", "model.query_expansion=true", "model.query_max_tokens=4"];
    let feed = Run::new(TRIPLET).feed(Task::Colbert, &sets).unwrap();
    let Batch::Texts(batch) = feed.batch(&feed.plan(0).unwrap(), 0).unwrap() else { panic!() };
    // Both positives ask the same, so each is in a batch of its own.
    assert_eq!(feed.plan(0).unwrap().steps(), 2);
    assert_eq!(batch.queries.ids, [6, 2, 7, 7]);
    let missing = Run::new(TRIPLET).feed(Task::Colbert, &["model.query_prefix=[X]"]).unwrap_err().to_string();
    assert_eq!(missing, "the vocabulary has no token \"[X]\", which model.query_prefix needs");
}
