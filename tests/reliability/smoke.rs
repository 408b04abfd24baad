//! Thousands of mutations of sound files, through the entry functions of the fuzzers.
//!
//! `LATEEN_SEED` chooses other mutations; a failing run prints its seed.

use std::fs;
use std::path::Path;

use crate::sample::Random;

#[path = "../../fuzz/src/engine.rs"]
mod engine;
#[allow(dead_code, reason = "the fuzzers use all of it")]
#[path = "../../fuzz/src/format.rs"]
mod format;

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(4) {
        let len = bytes.len();
        if len == 0 {
            bytes.push(random.next() as u8);
            continue;
        }
        let (at, from) = (random.below(len), random.below(len));
        let count = random.below(16).min(len - at).min(len - from);
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at..at + count].fill(random.next() as u8),
            3 => bytes.copy_within(from..from + count, at),
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..at + count)),
            6 => bytes.extend_from_within(from..from + count),
            _ => bytes.insert(at, random.next() as u8),
        }
    }
}

fn smoke(target: &str, rounds: usize, run: fn(&[u8])) {
    let seed = std::env::var("LATEEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_125);
    println!("LATEEN_SEED={seed}");
    let mut random = Random(seed);
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| run(seed));
    for _ in 0..rounds {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        mutate(&mut random, &mut bytes);
        run(&bytes);
    }
}

#[test]
fn whole_indexes() {
    smoke("index", 3_000, engine::index);
}

#[test]
fn corpora() {
    smoke("corpus", 20_000, engine::corpus);
}

#[test]
fn queries() {
    smoke("queries", 20_000, engine::queries);
}

#[test]
fn tables_of_columns() {
    smoke("parquet", 20_000, engine::parquet);
}

#[test]
fn judgements_and_runs() {
    smoke("qrels", 20_000, engine::qrels);
    smoke("run", 20_000, engine::run);
}

#[test]
fn models() {
    smoke("model", 2_000, engine::model);
}

/// Damage that checksums hide still reaches the readers, so the tests above are worth their time.
#[test]
fn resealed_damage_is_read() {
    let mut files = engine::sound_index(0).clone();
    let name = files.keys().find(|name| name.ends_with(".lts")).unwrap().clone();
    let before = files.clone();
    engine::reseal(&mut files);
    assert!(files == before, "resealing changes nothing in sound files");
    let layout = lateen::format::SegmentLayout::parse(&files[&name]).unwrap();
    let hashes = layout.require(lateen::format::SectionKind::ContentHashes).unwrap().range();
    files.get_mut(&name).unwrap()[hashes.start] ^= 1;
    engine::reseal(&mut files);
    let snapshot = crate::sample::open(&files).unwrap().snapshot();
    let whole = crate::sample::open(&before).unwrap().snapshot();
    let doc = lateen::types::DocId(0);
    assert_eq!(snapshot.content_hash(doc).unwrap(), whole.content_hash(doc).unwrap() ^ 1);
}
