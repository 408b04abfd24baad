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
const CORPUS: &str = "{\"_id\":\"1\",\"title\":\"c\",\"text\":\"a b\"}\n";
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
        (Task::Colbert, "{\"query\":\"a\"}\n", "seed=1", "a teacher's vectors of tokens"),
        (Task::Colbert, "{\"query\":\"a\"}\n", "loss.name=info_nce", "documents to learn from"),
        (Task::Colbert, TRIPLET, "loss.name=token_cosine", "texts for a teacher's vectors of tokens"),
        // A row of a corpus is a text; without an id it might be anything.
        (Task::Colbert, CORPUS, "seed=1", "a teacher's vectors of tokens"),
    ] {
        let error = Run::new(rows).feed(task, &[given]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("cannot give {wanted}")), "{error}");
    }
    let unknown = Run::new(&CORPUS.replace("_id", "id")).feed(Task::Colbert, &[]).unwrap_err();
    assert!(matches!(unknown, DataError::UnknownFormat { .. }), "{unknown}");
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

#[test]
fn vectors_of_tokens_stand_where_the_tokens_are() {
    let run = Run::new("{\"query\":\"a . b\"}\n{\"query\":\"c\"}\n");
    let write = |ids: [u32; 3]| {
        let one = half::f16::from_f32(1.0).to_le_bytes();
        let tokens: Vec<u8> =
            ids.iter().flat_map(|id| [&id.to_le_bytes()[..], &one, &[0, 0]].concat()).collect();
        std::fs::write(run.folder.path().join("tokens.bin"), tokens).unwrap();
        let ends: Vec<u8> = [2_u64, 3].iter().flat_map(|end| end.to_le_bytes()).collect();
        std::fs::write(run.folder.path().join("tokens.ends"), ends).unwrap();
    };
    let folder = run.folder.path().display().to_string();
    let file = format!(
        "data.train=[{{path='{folder}/data.jsonl', token_vectors='{folder}/tokens.bin', token_dim=2}}]"
    );
    let skip =
        ["model.dim=2", "model.skip_punctuation=true", "data.shuffle=false", "training.batch_size=2", &file];
    write([2, 3, 4]);
    let feed = run.feed(Task::Colbert, &skip).unwrap();
    assert_eq!(feed.loss(), LossName::TokenCosine);
    let Batch::Tokens(batch) = feed.batch(&feed.plan(0).unwrap(), 0).unwrap() else { panic!() };
    let (long, short) = if batch.texts.ids[0] == 2 { (0, 1) } else { (1, 0) };
    assert_eq!(batch.texts.ids[long * 3..][..3], [2, 5, 3]);
    // Punctuation is read and does not count: the teacher has no vector of it.
    assert_eq!(batch.teacher[long * 6..][..6], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(batch.teacher[short * 6..][..6], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    for other in [[2, 4, 4], [2, 3, 3]] {
        write(other);
        let feed = run.feed(Task::Colbert, &skip).unwrap();
        let error = feed.batch(&feed.plan(0).unwrap(), 0).unwrap_err();
        assert!(matches!(error, DataError::OtherTokens { .. }), "{error}");
    }
    // With punctuation counted, a vector is missing.
    write([2, 3, 4]);
    let feed = run.feed(Task::Colbert, &["model.dim=2", "training.batch_size=2", &file]).unwrap();
    assert!(matches!(feed.batch(&feed.plan(0).unwrap(), 0), Err(DataError::OtherTokens { .. })));
    let mut refused = Settings::of(Task::Colbert);
    for given in [file.as_str(), "model.dim=3"] {
        refused.set(given).unwrap();
    }
    assert!(refused.finish().unwrap_err().to_string().contains("model.dim"));
    refused.set("model.dim=2").unwrap();
    refused.set("loss.name=info_nce").unwrap();
    assert!(refused.finish().unwrap_err().to_string().contains("loss.name"));
}
