//! An index grown by a long history of changes is as good, as small and as whole as one built at once.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
use lateen::index::{
    CompactOptions, Index, IndexOptions, MemoryDirectory, MergePolicy, NewDocument, VerifyLevel,
    WriterOptions, verify,
};
use lateen::search::{PlanChoice, SearchOptions, search_tokens};
use lateen::types::{EncodedTokens, TokenMatrixBuf};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const DIM: usize = 64;
const WORDS: usize = 400;

/// Documents of tokens around the directions of words, as encoders make them; a query is a few noisy tokens of one.
struct Collection {
    documents: Vec<EncodedTokens>,
    queries: Vec<(usize, TokenMatrixBuf)>,
}

impl Collection {
    fn new(documents: usize, queries: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let words: Vec<f32> = (0..WORDS * DIM).map(|_| random.random_range(-1.0..1.0)).collect();
        let noisy = |row: &[f32], noise: f32, random: &mut StdRng| -> Vec<f32> {
            row.iter().map(|x| x + noise * random.random_range(-1.0..1.0_f32)).collect()
        };
        let documents: Vec<EncodedTokens> = (0..documents)
            .map(|_| {
                let topic = random.random_range(0..WORDS);
                let length = random.random_range(10..30);
                let token_ids: Vec<u32> = (0..length)
                    .map(|_| {
                        ((topic + random.random_range(0..40) * random.random_range(0..3)) % WORDS) as u32
                    })
                    .collect();
                let rows = token_ids
                    .iter()
                    .flat_map(|&word| noisy(&words[word as usize * DIM..][..DIM], 0.6, &mut random));
                let mut matrix = TokenMatrixBuf::new(rows.collect(), DIM).unwrap();
                matrix.normalize_rows();
                EncodedTokens { matrix, token_ids, spans: Vec::new() }
            })
            .collect();
        let queries = (0..queries)
            .map(|_| {
                let at = random.random_range(0..documents.len());
                let matrix = documents[at].matrix.view();
                let rows = (0..8).flat_map(|_| {
                    let row = random.random_range(0..matrix.rows());
                    noisy(matrix.row(row), 0.12, &mut random)
                });
                (at, TokenMatrixBuf::new(rows.collect(), DIM).unwrap())
            })
            .collect();
        Self { documents, queries }
    }

    fn document(&self, at: usize, version: u64) -> NewDocument {
        NewDocument {
            id: format!("{at:06}"),
            tokens: Some(self.documents[at].clone()),
            dense: None,
            stored: None,
            content_hash: version,
        }
    }

    fn index(&self, storage: TokenStorage) -> Index {
        let settings = IndexSettings {
            token_dim: DIM as u32,
            token_storage: storage,
            dense_dim: 0,
            dense_storage: DenseStorage::None,
            store_documents: false,
            seed: 3,
            ..IndexSettings::default()
        };
        let directory = std::sync::Arc::new(MemoryDirectory::new());
        Index::create_in(directory, &settings, &ModelIdentity::default(), IndexOptions::default()).unwrap()
    }

    fn at_once(&self, storage: TokenStorage) -> Index {
        let index = self.index(storage);
        let mut writer = index.writer(WriterOptions::default()).unwrap();
        for at in 0..self.documents.len() {
            writer.add(self.document(at, 0)).unwrap();
        }
        writer.commit().unwrap();
        index
    }

    /// Ends with every document, after additions, replacements and deletions in commits of up to `most`.
    fn grown(&self, storage: TokenStorage, most: usize, seed: u64) -> Index {
        let index = self.index(storage);
        let mut random = StdRng::seed_from_u64(seed);
        // Smaller than by default in the proportion of the collection to a real one.
        let options = WriterOptions { code_from_tokens: 4096, ..WriterOptions::default() };
        let mut writer = index.writer(options).unwrap();
        let mut absent: Vec<usize> = (0..self.documents.len()).collect();
        let mut present: Vec<usize> = Vec::new();
        let mut changes = self.documents.len() / 2;
        while !absent.is_empty() || changes > 0 {
            for _ in 0..random.random_range(1..=most) {
                if changes > 0 && !present.is_empty() && random.random_bool(0.3) {
                    changes -= 1;
                    let at = random.random_range(0..present.len());
                    if random.random_bool(0.5) {
                        writer.add(self.document(present[at], changes as u64)).unwrap();
                    } else {
                        let gone = present.swap_remove(at);
                        assert!(writer.delete(&format!("{gone:06}")).unwrap());
                        absent.push(gone);
                    }
                } else if !absent.is_empty() {
                    let at = random.random_range(0..absent.len());
                    let new = absent.swap_remove(at);
                    writer.add(self.document(new, 0)).unwrap();
                    present.push(new);
                } else if changes == 0 {
                    break;
                }
            }
            assert_eq!(writer.commit().unwrap().merge_failure, None);
        }
        index
    }

    fn search(&self, index: &Index, plan: PlanChoice) -> Vec<Vec<String>> {
        let snapshot = index.snapshot();
        let options = SearchOptions { plan, ..SearchOptions::top(10) };
        let ids = |query: &TokenMatrixBuf| -> Vec<String> {
            let hits = search_tokens(&snapshot, query.view(), &options).unwrap().hits;
            hits.iter().map(|hit| snapshot.external_id(hit.doc).unwrap().to_owned()).collect()
        };
        self.queries.iter().map(|(_, query)| ids(query)).collect()
    }

    /// Recall@10 against exact scores on float vectors, and nDCG@10 of finding the document that a query was made of.
    fn quality(&self, index: &Index, exact: &[Vec<String>]) -> (f64, f64) {
        let found = self.search(index, PlanChoice::Auto);
        let (mut kept, mut ndcg) = (0, 0.0);
        for ((hits, exact), (wanted, _)) in found.iter().zip(exact).zip(&self.queries) {
            let exact: HashSet<&String> = exact.iter().collect();
            kept += hits.iter().filter(|hit| exact.contains(hit)).count();
            if let Some(rank) = hits.iter().position(|hit| *hit == format!("{wanted:06}")) {
                ndcg += 1.0 / (rank as f64 + 2.0).log2();
            }
        }
        (kept as f64 / (10 * found.len()) as f64, ndcg / found.len() as f64)
    }
}

/// By how much an index with a history may fall short.
struct Allowance {
    /// Recall@10 at 4 and at 2 bits.
    recall: [f64; 2],
    ndcg: f64,
    /// Bytes, as a factor.
    bytes: f64,
}

/// Grows an index, compacts it, and holds it against one built at once.
fn compare(documents: usize, queries: usize, most: usize, allowed: &Allowance) {
    let collection = Collection::new(documents, queries, 11);
    let exact = collection.search(&collection.at_once(TokenStorage::F32), PlanChoice::Exact);
    for (storage, recall) in
        [TokenStorage::Residual4, TokenStorage::Residual2].into_iter().zip(allowed.recall)
    {
        let once = collection.at_once(storage);
        let grown = collection.grown(storage, most, 5);
        let generation = grown.snapshot().generation();
        let expected = collection.quality(&once, &exact);
        let before = collection.quality(&grown, &exact);
        let mut writer = grown.writer(WriterOptions::default()).unwrap();
        writer.compact(&CompactOptions { full: true, ..CompactOptions::default() }, &mut |_| {}).unwrap();
        drop(writer);
        let after = collection.quality(&grown, &exact);
        let bytes = [&once, &grown].map(|index| index.stats().bytes as f64);
        println!(
            "{storage:?}, {generation} commits: recall@10 {:.4} at once, {:.4} grown, {:.4} compacted; nDCG@10 {:.4}, {:.4}, \
             {:.4}; bytes {:.0}, {:.0}; drift {:?}",
            expected.0,
            before.0,
            after.0,
            expected.1,
            before.1,
            after.1,
            bytes[0],
            bytes[1],
            grown.stats().drift
        );
        assert_eq!(grown.snapshot().documents(), documents as u64);
        // More is no fault.
        for found in [before, after] {
            assert!(found.0 > expected.0 - recall, "recall@10 {} after {}", found.0, expected.0);
            assert!(found.1 > expected.1 - allowed.ndcg, "nDCG@10 {} after {}", found.1, expected.1);
        }
        assert!(bytes[1] < allowed.bytes * bytes[0], "{} bytes, {} at once", bytes[1], bytes[0]);
    }
}

/// Wide enough for a collection of 60,000 synthetic tokens, of which the first few thousand are coded by a codec of as
/// few: it finds what is broken, not what is a little worse.
#[test]
fn an_index_with_a_history_is_nearly_as_good_as_one_built_at_once() {
    compare(3_000, 150, 40, &Allowance { recall: [0.05, 0.08], ndcg: 0.02, bytes: 1.15 });
}

/// `cargo nextest run --release -E 'test(a_long_history)' --run-ignored only`: some minutes.
#[test]
#[ignore = "long; the aim, not yet shown to be reached"]
fn a_long_history() {
    compare(40_000, 500, 60, &Allowance { recall: [0.003; 2], ndcg: 0.003, bytes: 1.1 });
}

fn small_settings() -> IndexSettings {
    IndexSettings {
        token_dim: DIM as u32,
        token_storage: TokenStorage::F16,
        dense_dim: 0,
        dense_storage: DenseStorage::None,
        store_documents: false,
        seed: 3,
        ..IndexSettings::default()
    }
}

const CHILD: &str = "LATEEN_TEST_READER";

/// Not a test of its own: what [`a_reader_in_another_process_keeps_its_files`] runs as another process.
#[test]
fn reader_process() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let index = Index::open(Path::new(&path)).unwrap();
    let snapshot = index.snapshot();
    println!("\nopened {}", snapshot.generation());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    // Everything is read only now, long after the writer has left this commit behind.
    let read = snapshot.live().filter(|&doc| snapshot.document(doc).is_ok()).count();
    // The files are there under their names, too.
    let named = snapshot.segments().iter().all(|segment| segment.reader().path().is_file());
    assert!(index.refresh().unwrap());
    println!("\nread {read} {named} {}", index.snapshot().documents());
}

#[test]
fn a_reader_in_another_process_keeps_its_files() {
    use std::io::{BufRead, BufReader, Write};
    let collection = Collection::new(60, 1, 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = Index::create(&path, &small_settings(), &ModelIdentity::default()).unwrap();
    let options = WriterOptions { merge: MergePolicy::manual(), ..WriterOptions::default() };
    let mut writer = index.writer(options).unwrap();
    for at in 0..50 {
        writer.add(collection.document(at, 0)).unwrap();
        if at % 5 == 4 {
            writer.commit().unwrap();
        }
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::reader_process", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut wait_for = |word: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.starts_with(word))
            .unwrap_or_else(|| panic!("no {word}"))
    };
    wait_for("opened");
    let full = CompactOptions { full: true, ..CompactOptions::default() };
    for round in 0..5 {
        writer.delete(&format!("{:06}", round * 7)).unwrap();
        writer.commit().unwrap();
        writer.compact(&full, &mut |_| {}).unwrap();
    }
    // No second writer while this one lives.
    assert!(Index::open(&path).unwrap().writer(WriterOptions::default()).is_err());
    writeln!(child.stdin.take().unwrap(), "go on").unwrap();
    assert_eq!(wait_for("read"), "read 50 true 45");
    assert!(child.wait().unwrap().success());
    // With the reader gone its files go.
    let segments = || {
        let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".lts")).count()
    };
    assert!(segments() > 10);
    writer.delete("000001").unwrap();
    writer.commit().unwrap();
    writer.compact(&full, &mut |_| {}).unwrap();
    assert_eq!(segments(), 1);
    assert!(verify(&path, VerifyLevel::Full).unwrap().is_whole());
}

#[test]
fn fifty_writers_one_after_the_other() {
    let collection = Collection::new(60, 1, 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = Index::create(&path, &small_settings(), &ModelIdentity::default()).unwrap();
    for at in 0..50 {
        let mut writer = index.writer(WriterOptions::default()).unwrap();
        assert!(Index::open(&path).unwrap().writer(WriterOptions::default()).is_err(), "two writers");
        writer.add(collection.document(at, 0)).unwrap();
        if at % 3 != 2 {
            writer.commit().unwrap();
        }
        // Dropped without a commit, every third document is not there.
    }
    let other = Index::open(&path).unwrap();
    assert_eq!(other.snapshot().documents(), 34);
    assert!(verify(&path, VerifyLevel::Full).unwrap().is_whole());
}
