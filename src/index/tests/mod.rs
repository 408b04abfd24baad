//! The promises of the room, each shown on whole indexes.

mod crash;
mod damage;
mod determinism;
mod faulty;
mod isolation;
mod life;
mod merging;
mod pinning;
mod pooling;
mod refusals;
mod repairing;
mod scale;
mod storages;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::directory::Directory;
use super::*;
use crate::format::StoredDocument;
use crate::types::{DocId, EncodedTokens, TokenMatrixBuf};

const TOKEN_DIM: usize = 8;
const DENSE_DIM: usize = 4;

fn settings(token_storage: TokenStorage, dense_storage: DenseStorage) -> IndexSettings {
    IndexSettings {
        token_dim: if token_storage == TokenStorage::None { 0 } else { TOKEN_DIM as u32 },
        token_storage,
        dense_dim: if dense_storage == DenseStorage::None { 0 } else { DENSE_DIM as u32 },
        dense_storage,
        store_documents: true,
        seed: 7,
        ..IndexSettings::default()
    }
}

fn model() -> ModelIdentity {
    ModelIdentity {
        name: "test".to_owned(),
        location: "nowhere".to_owned(),
        fingerprint: [3; 16],
        description: "random vectors".to_owned(),
    }
}

fn small_writer() -> WriterOptions {
    WriterOptions {
        threads: 1,
        code_from_tokens: 0,
        merge: MergePolicy::manual(),
        ..WriterOptions::default()
    }
}

/// A document made of its id and version alone.
fn document(settings: &IndexSettings, id: &str, version: u64) -> NewDocument {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), version);
    let mut random = StdRng::seed_from_u64(hash);
    let tokens = (settings.token_storage != TokenStorage::None).then(|| {
        let dim = settings.token_dim as usize;
        let rows = random.random_range(0..6);
        let data = (0..rows * dim).map(|_| random.random_range(-1.0..1.0)).collect();
        let token_ids = (0..rows).map(|_| random.random_range(0..20)).collect();
        EncodedTokens { matrix: TokenMatrixBuf::new(data, dim).unwrap(), token_ids, spans: Vec::new() }
    });
    let dense = (settings.dense_storage != DenseStorage::None)
        .then(|| (0..settings.dense_dim).map(|_| random.random_range(-1.0..1.0)).collect());
    let stored = settings.store_documents.then(|| StoredDocument {
        title: format!("Title of {id}"),
        text: format!("version {version} of {id}"),
        metadata: format!("{{\"version\":{version}}}"),
    });
    NewDocument { id: id.to_owned(), tokens, dense, stored, content_hash: hash }
}

/// All that an index answers about one document, bit by bit.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    content_hash: u64,
    stored: Option<StoredDocument>,
    tokens: Vec<u8>,
    dense: Vec<u8>,
}

type Contents = BTreeMap<String, Seen>;

/// Reads everything that a snapshot holds, lists and graphs too.
fn read_all(snapshot: &Snapshot) -> Result<Contents, IndexError> {
    let mut contents = Contents::new();
    for segment in snapshot.segments() {
        let reader = segment.reader();
        read_structures(reader)?;
        for local in 0..reader.documents() {
            // Deleted documents are read too: their bytes must be as good.
            let seen = see(reader, local)?;
            let id = reader.external_id(local)?.to_owned();
            assert_eq!(reader.find(&id)?, Some(local));
            if segment.is_live(local) {
                assert_eq!(snapshot.find(&id)?, Some(segment.doc_id(local)));
                assert!(contents.insert(id, seen).is_none(), "an id is live twice");
            }
        }
    }
    assert_eq!(contents.len() as u64, snapshot.documents());
    Ok(contents)
}

fn see(reader: &SegmentReader, local: u32) -> Result<Seen, IndexError> {
    let mut tokens = Vec::new();
    if let Some(residual) = reader.residual()? {
        let codes = residual.document(local)?;
        for part in [codes.codes, codes.scales, codes.centroid_ids] {
            tokens.extend_from_slice(part);
        }
    }
    if let Some(raw) = reader.raw()? {
        match raw.document(local)? {
            RawRows::F16(rows) => tokens.extend_from_slice(bytemuck::cast_slice(rows)),
            RawRows::F32(rows) => tokens.extend_from_slice(bytemuck::cast_slice(rows)),
        }
    }
    let mut dense = Vec::new();
    if let Some(vectors) = reader.dense()? {
        match vectors.vector(local)? {
            DenseRows::F32(row) => dense.extend_from_slice(bytemuck::cast_slice(row)),
            DenseRows::F16(row) => dense.extend_from_slice(bytemuck::cast_slice(row)),
            DenseRows::I8 { codes, scales } => {
                dense.extend_from_slice(bytemuck::cast_slice(codes));
                dense.extend_from_slice(bytemuck::cast_slice(scales));
            }
        }
    }
    Ok(Seen { content_hash: reader.content_hash(local)?, stored: reader.stored(local)?, tokens, dense })
}

/// Walks lists, codec and graph; returns a number that depends on every entry.
fn read_structures(reader: &SegmentReader) -> Result<u64, IndexError> {
    let mut sum = 0_u64;
    let mut mix = |value: u32| sum = sum.rotate_left(5) ^ u64::from(value);
    if let Some(lists) = reader.lists()? {
        for centroid in 0..lists.centroids() {
            lists.for_each(centroid, &mut mix)?;
        }
    }
    if let Some(residual) = reader.residual()? {
        residual.codec().centroids.iter().for_each(|&value| mix(value as u32));
        residual.codec().centroid_scales.iter().for_each(|value| mix(value.to_bits()));
        residual.codec().levels.iter().for_each(|&value| mix(value as u32));
    }
    if let Some(graph) = reader.graph()? {
        for node in 0..graph.documents() {
            graph.links(0, node)?.iter().for_each(|&link| mix(link));
        }
    }
    Ok(sum)
}

fn memory_index(settings: &IndexSettings) -> (MemoryDirectory, Index) {
    let directory = MemoryDirectory::new();
    let index =
        Index::create_in(Arc::new(directory.clone()), settings, &model(), IndexOptions::default()).unwrap();
    (directory, index)
}

fn open(directory: &MemoryDirectory) -> Result<Index, IndexError> {
    Index::open_in(Arc::new(directory.clone()), IndexOptions::default())
}

/// The files of a directory, by name.
fn files(directory: &dyn Directory) -> BTreeMap<String, Vec<u8>> {
    let mut names = directory.names().unwrap();
    names.sort();
    let read = |name: &String| directory.read(name, ReadMode::InMemory, u64::MAX).unwrap().to_vec();
    names.iter().map(|name| (name.clone(), read(name))).collect()
}
