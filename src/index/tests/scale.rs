//! What must not grow with the number of documents. Run by hand: `cargo test --release -- --ignored --nocapture scale`.

use std::time::Instant;

use super::*;

/// Resident memory that is not a mapped file, in KiB.
fn anonymous_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "some minutes of building"]
fn opening_and_small_commits_do_not_depend_on_the_size() {
    let settings = IndexSettings { token_dim: 32, ..settings(TokenStorage::Residual4, DenseStorage::None) };
    for documents in [1_000, 100_000] {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::create(dir.path(), &settings, &model()).unwrap();
        let mut writer = index.writer(WriterOptions::default()).unwrap();
        for n in 0..documents {
            writer.add(document(&settings, &format!("doc {n}"), 0)).unwrap();
        }
        writer.commit().unwrap();
        drop((writer, index));
        let (before, start) = (anonymous_memory(), Instant::now());
        let index = Index::open(dir.path()).unwrap();
        let (opened, after) = (start.elapsed(), anonymous_memory());
        let stats = index.stats();
        println!(
            "{documents} documents, {} tokens, {} bytes: opened in {opened:?}",
            stats.tokens, stats.bytes
        );
        if let (Some(before), Some(after)) = (before, after) {
            println!("  heap {before} KiB before opening, {after} KiB after");
            assert!(after.saturating_sub(before) < 512);
        }
        let mut writer = index.writer(WriterOptions::default()).unwrap();
        let (mut adds, mut deletes) = (Vec::new(), Vec::new());
        for n in 0..25 {
            let start = Instant::now();
            writer.add(document(&settings, &format!("one {n}"), 0)).unwrap();
            writer.commit().unwrap();
            adds.push(start.elapsed());
            let start = Instant::now();
            assert!(writer.delete(&format!("doc {}", n * 7)).unwrap());
            writer.commit().unwrap();
            deletes.push(start.elapsed());
        }
        adds.sort();
        deletes.sort();
        println!("  one document durably added in {:?}, deleted in {:?} (medians)", adds[12], deletes[12]);
    }
}
