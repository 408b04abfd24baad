//! Every byte of an index of some 64 KiB is changed, cut off, zeroed or exchanged, one at a time: what comes back
//! is an error that names the file and the part, or the answers of the whole index.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use lateen::format::{DenseStorage, FileName, SegmentLayout, StoredDocument, TokenStorage};
use lateen::index::{Index, IndexOptions, MemoryDirectory, Snapshot};
use lateen::types::Hit;
use rayon::prelude::*;

use crate::answers;
use crate::sample::{self, Batch, Files, Recipe};

type Answers = (Vec<(String, Vec<Hit>)>, Vec<(String, u64)>, Vec<Option<StoredDocument>>, String);

/// Asks everything that touches each section: every id and hash, a search under every plan, two texts per segment.
fn ask(snapshot: &Snapshot) -> Result<Answers, Box<dyn Error>> {
    let (mut facts, mut texts) = (Vec::new(), Vec::new());
    for segment in snapshot.segments() {
        let reader = segment.reader();
        for local in 0..segment.documents() {
            facts.push((reader.external_id(local)?.to_owned(), reader.content_hash(local)?));
        }
        reader.find("doc-2")?;
        for local in [0, segment.documents() - 1] {
            texts.push(snapshot.stored(segment.doc_id(local))?);
        }
        // Deleted documents are no hits, so their vectors are asked for by themselves.
        if let Some(residual) = reader.residual()? {
            (0..segment.documents()).try_for_each(|local| residual.document(local).map(drop))?;
        }
        if let Some(raw) = reader.raw()? {
            (0..segment.documents()).try_for_each(|local| raw.document(local).map(drop))?;
        }
        if let Some(lists) = reader.lists()? {
            let mut sum = 0_u64;
            for centroid in 0..lists.centroids() {
                lists.for_each(centroid, |document| sum = sum.rotate_left(7) ^ u64::from(document))?;
            }
            facts.push(("lists".to_owned(), sum));
        }
        if let Some(graph) = reader.graph()? {
            for node in 0..graph.documents() {
                graph.links(0, node)?;
            }
        }
    }
    let hits = answers::hits(snapshot, 20)?;
    Ok((hits, facts, texts, format!("{:?} {:?}", snapshot.settings(), snapshot.model())))
}

fn open_and_ask(directory: &MemoryDirectory) -> Result<Answers, Box<dyn Error>> {
    ask(&Index::open_in(Arc::new(directory.clone()), IndexOptions::default())?.snapshot())
}

/// An index with every section that this storage of tokens allows, two segments, a deletion, and random texts.
fn large(tokens: TokenStorage) -> Files {
    let recipe = Recipe { token_dim: 32, dense_dim: 16, text: 520, ..Recipe::new(tokens, DenseStorage::I8) };
    let numbers: Vec<u64> = (0..140).collect();
    let count = if tokens == TokenStorage::F16 { 86 } else { 126 };
    let files = recipe.files(&[
        Batch { add: &numbers[..count], delete: &[] },
        Batch { add: &numbers[count..count + 6], delete: &[3, 4, 60] },
    ]);
    let newest = files.keys().filter(|name| name.ends_with(".ltm")).max().unwrap().clone();
    files.into_iter().filter(|(name, _)| !name.ends_with(".ltm") || *name == newest).collect()
}

fn chain(error: &dyn Error) -> String {
    let mut told = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        told += &format!("{error}; ");
        next = error.source();
    }
    told
}

/// The parts of a file that a message can name, with the words that name them.
fn parts(name: &str, bytes: &[u8]) -> Vec<(Range<usize>, String)> {
    match FileName::parse(name) {
        Some(FileName::Segment(_)) => SegmentLayout::parse(bytes)
            .unwrap()
            .entries()
            .iter()
            .map(|entry| (entry.range(), format!("section {}", entry.kind())))
            .collect(),
        Some(FileName::Manifest(_)) => vec![(64..bytes.len(), "body of the manifest".to_owned())],
        _ => vec![(64..bytes.len(), "body of the tombstones".to_owned())],
    }
}

/// Changes each byte by each mask; returns how many changes were made and how many changed nothing.
fn flip_all(files: &Files, masks: &[u8]) -> (usize, usize) {
    let expected = open_and_ask(&sample::directory(files)).unwrap();
    let mut harmless = 0;
    for (name, bytes) in files {
        let parts = parts(name, bytes);
        harmless += (0..bytes.len())
            .into_par_iter()
            .map_init(
                || sample::directory(files),
                |directory, at| {
                    let mut damaged = bytes.clone();
                    let mut harmless = 0;
                    for &mask in masks {
                        damaged[at] = bytes[at] ^ mask;
                        directory.put(name, &damaged);
                        match open_and_ask(directory) {
                            Ok(found) => {
                                assert!(found == expected, "byte {at} of {name} changes the answers");
                                harmless += 1;
                            }
                            Err(error) => {
                                let told = chain(&*error);
                                let part = parts.iter().find(|(range, _)| range.contains(&at));
                                let words = part.map_or("", |(_, words)| words);
                                assert!(
                                    told.contains(name) && told.contains(words),
                                    "byte {at} of {name}, in {words}: {told}"
                                );
                            }
                        }
                    }
                    directory.put(name, bytes);
                    harmless
                },
            )
            .sum::<usize>();
    }
    (files.values().map(Vec::len).sum::<usize>() * masks.len(), harmless)
}

fn assert_every_flip_is_found(tokens: TokenStorage, masks: &[u8]) {
    let files = large(tokens);
    let (flips, harmless) = flip_all(&files, masks);
    println!("{tokens:?}: {flips} changes in {} files, {harmless} of them harmless", files.len());
    assert!(flips >= 60_000 * masks.len(), "{flips} changes: the index is too small");
    assert!(harmless * 100 <= flips, "{harmless} of {flips} harmless");
}

#[test]
fn every_changed_byte_is_found_in_an_index_of_codes() {
    assert_every_flip_is_found(TokenStorage::Residual4, &[0xff]);
}

#[test]
fn every_changed_byte_is_found_in_an_index_of_raw_tokens() {
    assert_every_flip_is_found(TokenStorage::F16, &[0xff]);
}

#[test]
#[ignore = "half an hour: `cargo xtask long`"]
fn long_every_changed_bit_is_found() {
    for tokens in [TokenStorage::Residual4, TokenStorage::F16] {
        assert_every_flip_is_found(tokens, &[1, 2, 4, 8, 16, 32, 64, 128]);
    }
}

/// Every file cut to every length, and longer by one byte, a cache line, a page.
#[test]
fn every_other_length_is_found() {
    let files = large(TokenStorage::Residual4);
    for (name, bytes) in &files {
        let lengths: Vec<usize> =
            (0..bytes.len()).chain([1, 64, 4096].map(|more| bytes.len() + more)).collect();
        lengths.par_iter().for_each_init(
            || sample::directory(&files),
            |directory, &length| {
                let mut damaged = bytes.clone();
                damaged.resize(length, 0);
                directory.put(name, &damaged);
                let result = open_and_ask(directory);
                assert!(result.is_err(), "{name} of {} bytes as {length}", bytes.len());
                assert!(chain(&*result.unwrap_err()).contains(name.as_str()));
            },
        );
    }
}

#[test]
fn every_lost_page_is_found() {
    for tokens in [TokenStorage::Residual4, TokenStorage::F16] {
        let files = large(tokens);
        let expected = open_and_ask(&sample::directory(&files)).unwrap();
        for (name, bytes) in &files {
            // Pages of the device, at every place that a file system could have put them.
            for start in (0..bytes.len()).step_by(512) {
                let mut damaged = bytes.clone();
                damaged[start..bytes.len().min(start + 4096)].fill(0);
                let directory = sample::directory(&files);
                directory.put(name, &damaged);
                match open_and_ask(&directory) {
                    Ok(found) => assert!(found == expected && damaged == *bytes, "page at {start} of {name}"),
                    Err(error) => assert!(chain(&*error).contains(name.as_str())),
                }
            }
        }
    }
}

/// The same documents in the same order with other contents: files of the same names and lengths.
fn twin(recipe: Recipe, version: u64) -> Files {
    let (directory, index) = recipe.index();
    let mut writer = index.writer(sample::writer_options()).unwrap();
    for batch in 0..2 {
        for number in 0..6 {
            let mut document = recipe.document(10 * batch + number, 0);
            document.content_hash ^= version;
            if version > 0 {
                document.dense.as_mut().unwrap().reverse();
            }
            writer.add(document).unwrap();
        }
        if batch > 0 {
            assert!(writer.delete(&format!("doc-{version}")).unwrap());
        }
        writer.commit().unwrap();
    }
    sample::files(&directory)
}

#[test]
fn files_of_another_index_are_found() {
    let recipe = Recipe::new(TokenStorage::Residual4, DenseStorage::F32);
    let (ours, theirs) = (twin(recipe, 0), twin(recipe, 1));
    assert!(ours.keys().eq(theirs.keys()));
    let newest = ours.keys().filter(|name| name.ends_with(".ltm")).max().unwrap();
    let mut exchanged = 0;
    for name in ours.keys().filter(|name| !name.ends_with(".ltm")) {
        assert!(ours[name] != theirs[name], "{name}");
        let mut mixed = ours.clone();
        mixed.insert(name.clone(), theirs[name].clone());
        let named = lateen::format::Manifest::decode(&ours[newest]).unwrap().segments.iter().any(|segment| {
            *name == lateen::format::segment_name(segment.number)
                || segment.tombstones.is_some_and(|t| *name == lateen::format::tombstones_name(t.number))
        });
        let result = open_and_ask(&sample::directory(&mixed));
        // Files of the generation before are nobody's concern.
        assert_eq!(result.is_err(), named, "{name}");
        exchanged += usize::from(named);
    }
    assert!(exchanged >= 3, "{exchanged}");
    let mut mixed = ours.clone();
    mixed.insert(newest.clone(), theirs[newest].clone());
    assert!(open_and_ask(&sample::directory(&mixed)).is_err(), "a manifest of another index");
}

/// Sections of two sound segments exchanged, whole and with their own sums: the file's checksums differ.
#[test]
fn exchanged_sections_are_found() {
    let recipe = Recipe::new(TokenStorage::Residual4, DenseStorage::F32);
    let (ours, theirs) = (twin(recipe, 0), twin(recipe, 1));
    let mut exchanged = 0;
    for name in ours.keys().filter(|name| name.ends_with(".lts")) {
        let layouts = [&ours, &theirs].map(|files| SegmentLayout::parse(&files[name]).unwrap());
        for (mine, other) in layouts[0].entries().iter().zip(layouts[1].entries()) {
            let (from, to) = (&theirs[name][other.range()], mine.range());
            if mine.range() != other.range() || from == &ours[name][to.clone()] {
                continue;
            }
            let mut mixed = ours.clone();
            mixed.get_mut(name).unwrap()[to].copy_from_slice(from);
            let error = open_and_ask(&sample::directory(&mixed)).unwrap_err();
            let told = chain(&*error);
            assert!(told.contains(&format!("section {}", mine.kind())), "{name}: {}: {told}", mine.kind());
            exchanged += 1;
        }
    }
    assert!(exchanged >= 4, "{exchanged} sections differ");
}

/// A segment put back from an older copy of the directory: the manifest knows the other one.
#[test]
fn an_old_segment_under_a_new_manifest_is_found() {
    let recipe = Recipe::new(TokenStorage::F16, DenseStorage::F32);
    let before = twin(recipe, 1);
    let now = twin(recipe, 0);
    for (name, old) in before.iter().filter(|(name, _)| name.ends_with(".lts")) {
        let mut mixed = now.clone();
        mixed.insert(name.clone(), old.clone());
        let told = chain(&*open_and_ask(&sample::directory(&mixed)).unwrap_err());
        assert!(told.contains("identity") || told.contains("bytes"), "{told}");
    }
    // A manifest put back after its files were collected says which file is missing.
    let mut lost = now.clone();
    let gone = lost.keys().find(|name| name.ends_with(".lts")).unwrap().clone();
    lost.remove(&gone);
    let told = chain(&*open_and_ask(&sample::directory(&lost)).unwrap_err());
    assert!(told.contains(&gone), "{told}");
}

/// Ten thousand places in an index of many blocks, seeded; `LATEEN_SEED` chooses others.
#[test]
#[ignore = "minutes: `cargo xtask long`"]
fn long_random_flips_in_a_large_index_are_found() {
    let recipe =
        Recipe { token_dim: 128, text: 8000, ..Recipe::new(TokenStorage::Residual4, DenseStorage::F32) };
    let numbers: Vec<u64> = (0..10_000).collect();
    let files = recipe.files(&[Batch { add: &numbers, delete: &[4] }]);
    let seed = std::env::var("LATEEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("LATEEN_SEED={seed}, {} bytes", files.values().map(Vec::len).sum::<usize>());
    let mut random = sample::Random(seed);
    let (name, whole) = files.iter().find(|(name, _)| name.ends_with(".lts")).unwrap();
    let report = |bytes: &[u8]| {
        let directory = sample::directory(&files);
        directory.put(name, bytes);
        lateen::index::verify_in(&directory, lateen::index::VerifyLevel::Full)
    };
    let mut bytes = whole.clone();
    assert!(report(&bytes).unwrap().is_whole());
    for _ in 0..10_000 {
        let (at, bit) = (random.below(bytes.len()), 1 << random.below(8));
        bytes[at] ^= bit;
        assert!(!report(&bytes).is_ok_and(|report| report.is_whole()), "bit {bit} of byte {at}");
        bytes[at] ^= bit;
    }
}
