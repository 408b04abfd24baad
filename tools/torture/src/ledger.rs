//! What an index holds after commit `n`, computed from `n` alone: nobody has to remember what was written.
//!
//! Commit `n` upserts some documents and deletes some, chosen by a generator seeded with `n`. One document, the
//! clock, is part of every commit, and its content hash is `n`: whoever opens an index knows which commit it is, and
//! so everything that has to be in it.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, StoredDocument, TokenStorage};
use lateen::index::{NewDocument, SegmentReader, Snapshot, Writer};
use lateen::types::{DocId, EncodedTokens, TokenMatrixBuf};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Ids are drawn from so many.
const IDS: u32 = 150;
const CLOCK: &str = "clock";
const TOKEN_DIM: usize = 16;
const DENSE_DIM: usize = 8;

/// Which version of each document is there; the version is the commit that wrote it.
pub type State = BTreeMap<String, u64>;

/// Settings of all indexes here: codes, lists, vectors and texts.
pub fn settings() -> IndexSettings {
    IndexSettings {
        token_dim: TOKEN_DIM as u32,
        token_storage: TokenStorage::Residual4,
        dense_dim: DENSE_DIM as u32,
        dense_storage: DenseStorage::F32,
        store_documents: true,
        seed: 11,
        ..IndexSettings::default()
    }
}

pub fn model() -> ModelIdentity {
    ModelIdentity { name: "torture".to_owned(), ..ModelIdentity::default() }
}

fn operations(commit: u64) -> (Vec<String>, Vec<String>) {
    let mut random = StdRng::seed_from_u64(commit);
    let mut ids = |most| -> Vec<String> {
        (0..random.random_range(1..=most)).map(|_| format!("doc-{}", random.random_range(0..IDS))).collect()
    };
    (ids(12), ids(4))
}

/// The state after `commit`; after commit 0 there is nothing.
pub fn state(commit: u64) -> State {
    let mut state = State::new();
    for commit in 1..=commit {
        let (added, deleted) = operations(commit);
        state.extend(added.into_iter().map(|id| (id, commit)));
        state.retain(|id, _| !deleted.contains(id));
        state.insert(CLOCK.to_owned(), commit);
    }
    state
}

/// Everything about a document follows from its id and version.
pub fn document(id: &str, version: u64) -> NewDocument {
    let seed = id.bytes().fold(version, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    let mut random = StdRng::seed_from_u64(seed);
    let rows = random.random_range(1..8);
    let mut numbers =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    let (tokens, dense) = (numbers(rows * TOKEN_DIM), numbers(DENSE_DIM));
    NewDocument {
        id: id.to_owned(),
        tokens: Some(EncodedTokens {
            matrix: TokenMatrixBuf::new(tokens, TOKEN_DIM).expect("finite rows of one length"),
            token_ids: (0..rows as u32).map(|row| (row * 7 + version as u32) % 30).collect(),
            spans: Vec::new(),
        }),
        dense: Some(dense),
        stored: Some(stored(id, version)),
        content_hash: version,
    }
}

fn stored(id: &str, version: u64) -> StoredDocument {
    StoredDocument {
        title: id.to_owned(),
        text: format!("version {version} of {id}, ").repeat(1 + (version % 40) as usize),
        metadata: format!("{{\"version\":{version}}}"),
    }
}

/// Makes commit `commit` of an index whose newest is the one before.
pub fn commit(writer: &mut Writer, commit: u64) -> Result<(), lateen::index::IndexError> {
    let (added, deleted) = operations(commit);
    for id in added {
        writer.add(document(&id, commit))?;
    }
    for id in deleted {
        writer.delete(&id)?;
    }
    writer.add(document(CLOCK, commit))?;
    writer.commit().map(drop)
}

/// How many tokens a document has, coded or waiting to be; their blocks are checked on the way.
fn rows(reader: &SegmentReader, local: u32) -> anyhow::Result<usize> {
    if let Some(residual) = reader.residual()? {
        return Ok(residual.document(local)?.len());
    }
    let raw = reader.raw()?.context("neither codes nor vectors")?;
    raw.document(local)?;
    Ok(raw.rows(local..local + 1)?.len())
}

/// Reads every live document, and says which commit this is.
///
/// # Errors
/// If anything is not as that commit left it.
pub fn check(snapshot: &Snapshot) -> anyhow::Result<u64> {
    let commit = snapshot.find(CLOCK)?.map_or(Ok(0), |doc| snapshot.content_hash(doc))?;
    let mut found = State::new();
    for doc in (0..snapshot.bound()).map(DocId).filter(|&doc| snapshot.is_live(doc)) {
        let id = snapshot.external_id(doc)?.to_owned();
        let version = snapshot.content_hash(doc)?;
        let (at, local) = snapshot.segment_of(doc)?;
        let reader = snapshot.segments()[at].reader();
        let rows = rows(reader, local)?;
        let expected = document(&id, version);
        ensure!(
            rows == expected.tokens.map_or(0, |tokens| tokens.matrix.view().rows()),
            "{id} has {rows} tokens"
        );
        ensure!(
            snapshot.stored(doc)? == expected.stored,
            "{id} has the text of another version than {version}"
        );
        ensure!(found.insert(id.clone(), version).is_none(), "{id} is live twice");
    }
    let expected = state(commit);
    if found != expected {
        let differs = |(id, version): (&String, &u64)| format!("{id}: {version}");
        let (lost, extra): (Vec<_>, Vec<_>) = (
            expected.iter().filter(|(id, version)| found.get(*id) != Some(*version)).map(differs).collect(),
            found.iter().filter(|(id, version)| expected.get(*id) != Some(*version)).map(differs).collect(),
        );
        anyhow::bail!("commit {commit} is not what it was: lost {lost:?}, there {extra:?}");
    }
    Ok(commit)
}
