//! Small indexes made of numbers alone, and their files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, StoredDocument, TokenStorage, Words};
use lateen::index::directory::Directory;
use lateen::index::{
    Index, IndexOptions, MemoryDirectory, MergePolicy, NewDocument, ReadMode, WriterOptions,
};
use lateen::types::{EncodedTokens, TokenMatrixBuf};

/// The files of an index by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// SplitMix64: numbers that stay the same in every release.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// In [−1, 1), a multiple of 2⁻²³.
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// How an index of numbers is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    pub tokens: TokenStorage,
    pub dense: DenseStorage,
    pub token_dim: u32,
    pub dense_dim: u32,
    pub store_documents: bool,
    /// Letters of a text, at most.
    pub text: usize,
    /// Fewer tokens than this wait in half precision.
    pub code_from_tokens: usize,
}

impl Recipe {
    pub fn new(tokens: TokenStorage, dense: DenseStorage) -> Self {
        Self {
            tokens,
            dense,
            token_dim: 8,
            dense_dim: 4,
            store_documents: true,
            text: 60,
            code_from_tokens: 0,
        }
    }

    pub fn settings(&self) -> IndexSettings {
        IndexSettings {
            token_dim: if self.tokens == TokenStorage::None { 0 } else { self.token_dim },
            token_storage: self.tokens,
            dense_dim: if self.dense == DenseStorage::None { 0 } else { self.dense_dim },
            dense_storage: self.dense,
            store_documents: self.store_documents,
            seed: 7,
            words: if self.store_documents { Words::English } else { Words::None },
        }
    }

    /// The document of this number; `version` changes all of it but the id.
    pub fn document(&self, number: u64, version: u64) -> NewDocument {
        let mut random = Random(number << 8 | version);
        let rows = 1 + random.below(8);
        let dim = self.token_dim as usize;
        let tokens = (self.tokens != TokenStorage::None).then(|| EncodedTokens {
            matrix: TokenMatrixBuf::new((0..rows * dim).map(|_| random.signed()).collect(), dim).unwrap(),
            token_ids: (0..rows).map(|_| random.below(12) as u32).collect(),
            spans: Vec::new(),
        });
        let dense = (self.dense != DenseStorage::None)
            .then(|| (0..self.dense_dim).map(|_| random.signed()).collect());
        let stored = self.store_documents.then(|| {
            let mut text = String::new();
            for _ in 0..random.below(self.text + 1) {
                text.push(char::from(b'a' + random.below(26) as u8));
            }
            let mut metadata = String::new();
            write!(metadata, "{{\"version\":{version}}}").unwrap();
            StoredDocument { title: format!("Title {number} – ü"), text, metadata }
        });
        NewDocument { id: format!("doc-{number}"), tokens, dense, stored, content_hash: random.next() }
    }

    /// An empty index in memory.
    pub fn index(&self) -> (MemoryDirectory, Index) {
        let directory = MemoryDirectory::new();
        let model = ModelIdentity {
            name: "numbers".to_owned(),
            location: "nowhere".to_owned(),
            fingerprint: [5; 16],
            description: "SplitMix64".to_owned(),
        };
        let (shared, options) = (Arc::new(directory.clone()), IndexOptions::default());
        let index = Index::create_in(shared, &self.settings(), &model, options).unwrap();
        (directory, index)
    }

    /// The files of an index with one commit per batch: its documents, then its deletions.
    pub fn files(&self, batches: &[Batch<'_>]) -> Files {
        let (directory, index) = self.index();
        let options = WriterOptions { code_from_tokens: self.code_from_tokens, ..writer_options() };
        let mut writer = index.writer(options).unwrap();
        for (version, batch) in (0..).zip(batches) {
            for &number in batch.add {
                writer.add(self.document(number, version)).unwrap();
            }
            for &number in batch.delete {
                assert!(writer.delete(&format!("doc-{number}")).unwrap());
            }
            writer.commit().unwrap();
        }
        files(&directory)
    }
}

/// One commit.
pub struct Batch<'a> {
    pub add: &'a [u64],
    pub delete: &'a [u64],
}

/// One thread, graphs and codes even of a few documents, and no merging, so that a commit stays a segment.
pub fn writer_options() -> WriterOptions {
    WriterOptions {
        threads: 1,
        graph_min_documents: 4,
        code_from_tokens: 0,
        merge: MergePolicy::manual(),
        ..WriterOptions::default()
    }
}

/// What a directory holds, but for the lock.
pub fn files(directory: &dyn Directory) -> Files {
    let names = directory.names().unwrap().into_iter().filter(|name| name != "lock");
    let read = |name: &String| directory.read(name, ReadMode::InMemory, u64::MAX).unwrap().to_vec();
    names.map(|name| (name.clone(), read(&name))).collect()
}

/// A directory in memory with these files.
pub fn directory(files: &Files) -> MemoryDirectory {
    let directory = MemoryDirectory::new();
    files.iter().for_each(|(name, bytes)| directory.put(name, bytes));
    directory
}

/// Opens these files as an index.
pub fn open(files: &Files) -> Result<Index, lateen::index::IndexError> {
    Index::open_in(Arc::new(directory(files)), IndexOptions::default())
}
