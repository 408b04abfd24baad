//! What fuzzers and the smoke test of `lateen` run on hostile files: whole indexes, corpora, queries, judgements,
//! runs, models.
//!
//! Every entry function takes any bytes and panics only if the library breaks a promise.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, OnceLock};

use lateen::corpus::{Format, Queries, ReadOptions, Source};
use lateen::encode::{Model, ModelOptions, RuntimeChoice, RuntimeSearch};
use lateen::eval::{Qrels, Run};
use lateen::format::{
    DenseStorage, FileName, IndexSettings, Manifest, ModelIdentity, StoredDocument, TokenStorage,
};
use lateen::index::directory::Directory;
use lateen::index::{
    Index, IndexOptions, MemoryDirectory, MergePolicy, NewDocument, ReadMode, VerifyLevel, WriterOptions,
    verify_in,
};
use lateen::search::{PlanChoice, SearchOptions, explain, search_dense, search_tokens};
use lateen::types::{DocId, EncodedTokens, TokenMatrix, TokenMatrixBuf};

use super::format::{reseal_segment, sealed};

/// The files of an index by name.
pub type Files = BTreeMap<String, Vec<u8>>;

const TOKEN_DIM: usize = 8;
const DENSE_DIM: usize = 4;

/// A sound index, then changes: a byte that chooses the index, then for each change which file (1 byte), where
/// (2 bytes), how (1 byte) and with what (1 byte). Checksums and identities are made to match.
pub fn index(data: &[u8]) {
    let Some((&which, changes)) = data.split_first() else { return };
    let sound = sound_index(usize::from(which));
    let mut files = sound.clone();
    for change in changes.chunks_exact(5).take(16) {
        apply(&mut files, change);
    }
    read_index(&files);
    reseal(&mut files);
    read_index(&files);
}

/// Opens an index and asks it everything; errors are fine.
pub fn read_index(files: &Files) {
    let directory = MemoryDirectory::new();
    files.iter().for_each(|(name, bytes)| directory.put(name, bytes));
    let _ = verify_in(&directory, VerifyLevel::Full);
    let Ok(index) = Index::open_in(Arc::new(directory), IndexOptions::default()) else { return };
    let snapshot = index.snapshot();
    for number in (0..snapshot.bound().min(64)).chain([snapshot.bound()]) {
        let doc = DocId(number);
        if let Ok(id) = snapshot.external_id(doc) {
            let _ = snapshot.find(id);
        }
        let _ = (snapshot.stored(doc), snapshot.content_hash(doc));
    }
    search(&snapshot);
}

fn search(snapshot: &lateen::index::Snapshot) {
    let settings = snapshot.settings();
    let row = |dim: u32| -> Vec<f32> { (0..dim).map(|at| (at as f32 + 1.0).sin()).collect() };
    if (1..=64).contains(&settings.token_dim) {
        let dim = settings.token_dim as usize;
        let rows = row(2 * settings.token_dim);
        let query = TokenMatrix::new(&rows, dim).expect("finite rows");
        for plan in [PlanChoice::Auto, PlanChoice::Exact, PlanChoice::TwoStage] {
            let options = SearchOptions { plan, ..SearchOptions::top(5) };
            if let Ok(outcome) = search_tokens(snapshot, query, &options) {
                assert!(
                    outcome.hits.iter().all(|hit| snapshot.is_live(hit.doc)),
                    "a deleted document is found"
                );
                for hit in outcome.hits.iter().take(1) {
                    let _ = explain(snapshot, query, hit.doc, options.isa);
                }
            }
        }
    }
    if (1..=64).contains(&settings.dense_dim)
        && let Ok(outcome) = search_dense(snapshot, &row(settings.dense_dim), &SearchOptions::top(5))
    {
        assert!(outcome.hits.iter().all(|hit| snapshot.is_live(hit.doc)), "a deleted document is found");
    }
}

fn apply(files: &mut Files, change: &[u8]) {
    let [file, low, high, how, value] = *change else { return };
    let count = files.len();
    let Some((_, bytes)) = files.iter_mut().nth(usize::from(file) % count) else { return };
    let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len().max(1);
    let Some(byte) = bytes.get_mut(at) else { return };
    match how % 5 {
        0 => *byte = value,
        1 => *byte ^= value,
        2 => *byte = byte.wrapping_add(value),
        3 => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = value),
        _ => bytes.truncate(at),
    }
}

/// Makes checksums match what is there, and the newest manifest name what is there.
pub fn reseal(files: &mut Files) {
    let mut identities = BTreeMap::new();
    for (name, bytes) in files.iter_mut() {
        match FileName::parse(name) {
            Some(FileName::Segment(number)) => {
                reseal_segment(bytes);
                identities.insert((1, number), (bytes.len() as u64, last_number(bytes)));
            }
            Some(FileName::Tombstones(number)) if bytes.len() >= 64 => {
                *bytes = sealed(3, &bytes[64..]);
                identities.insert((3, number), (bytes.len() as u64, head_number(bytes)));
            }
            Some(FileName::Manifest(_)) if bytes.len() >= 64 => *bytes = sealed(2, &bytes[64..]),
            _ => {}
        }
    }
    for (name, bytes) in files.iter_mut() {
        if let (Some(FileName::Manifest(_)), Ok(mut manifest)) =
            (FileName::parse(name), Manifest::decode(bytes))
        {
            for segment in &mut manifest.segments {
                if let Some(&found) = identities.get(&(1, segment.number)) {
                    (segment.bytes, segment.identity) = found;
                }
                if let Some(tombstones) = &mut segment.tombstones
                    && let Some(&(_, checksum)) = identities.get(&(3, tombstones.number))
                {
                    tombstones.checksum = checksum;
                }
            }
            if let Ok(encoded) = manifest.encode() {
                *bytes = encoded;
            }
        }
    }
}

fn last_number(bytes: &[u8]) -> u64 {
    bytes.last_chunk().map_or(0, |last| u64::from_le_bytes(*last))
}

fn head_number(bytes: &[u8]) -> u64 {
    bytes.get(56..64).and_then(|sum| sum.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// One small index of each kind, with two segments and a deleted document.
pub fn sound_index(which: usize) -> &'static Files {
    static INDEXES: OnceLock<Vec<Files>> = OnceLock::new();
    let kinds = [
        (TokenStorage::Residual4, DenseStorage::I8),
        (TokenStorage::Residual2, DenseStorage::None),
        (TokenStorage::F16, DenseStorage::F32),
        (TokenStorage::F32, DenseStorage::F16),
    ];
    let indexes = INDEXES.get_or_init(|| kinds.map(|(tokens, dense)| make_index(tokens, dense)).into());
    &indexes[which % indexes.len()]
}

fn make_index(token_storage: TokenStorage, dense_storage: DenseStorage) -> Files {
    let settings = IndexSettings {
        token_dim: TOKEN_DIM as u32,
        token_storage,
        dense_dim: if dense_storage == DenseStorage::None { 0 } else { DENSE_DIM as u32 },
        dense_storage,
        store_documents: true,
        seed: 7,
        ..IndexSettings::default()
    };
    let directory = MemoryDirectory::new();
    let (shared, model) = (Arc::new(directory.clone()), ModelIdentity::default());
    let index = Index::create_in(shared, &settings, &model, IndexOptions::default()).expect("an empty index");
    let options = WriterOptions {
        threads: 1,
        graph_min_documents: 4,
        // The second batch waits to be coded.
        code_from_tokens: 16,
        merge: MergePolicy::manual(),
        ..WriterOptions::default()
    };
    let mut writer = index.writer(options).expect("the only writer");
    for batch in [0..9_u32, 9..12] {
        for number in batch {
            writer.add(document(&settings, number)).expect("a sound document");
        }
        writer.delete("doc 3").expect("an id");
        writer.commit().expect("memory has room");
    }
    let names = directory.names().expect("memory has names");
    let read = |name: &String| directory.read(name, ReadMode::InMemory, u64::MAX).expect("a file").to_vec();
    names.iter().map(|name| (name.clone(), read(name))).collect()
}

fn document(settings: &IndexSettings, number: u32) -> NewDocument {
    let rows = 1 + number as usize % 4;
    let value = |at: usize| ((number as usize * 31 + at * 7 + 1) as f32).sin();
    let matrix = TokenMatrixBuf::new((0..rows * TOKEN_DIM).map(value).collect(), TOKEN_DIM);
    let dense = (settings.dense_dim > 0).then(|| (0..DENSE_DIM).map(value).collect());
    NewDocument {
        id: format!("doc {number}"),
        tokens: Some(EncodedTokens {
            matrix: matrix.expect("finite rows"),
            token_ids: (0..rows as u32).map(|row| (row + number) % 5).collect(),
            spans: Vec::new(),
        }),
        dense,
        stored: Some(StoredDocument {
            title: format!("Title {number}"),
            text: "a short text ".repeat(number as usize),
            metadata: format!("{{\"number\":{number}}}"),
        }),
        content_hash: number.into(),
    }
}

/// A byte of options, then a file of documents.
pub fn corpus(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let options = read_options(choice);
    let allow_repeated_ids = options.allow_repeated_ids;
    let Ok(source) = Source::from_reader(Cursor::new(data.to_vec()), "fuzz", options) else { return };
    let mut ids = std::collections::HashSet::new();
    for document in source.take(data.len() + 8).flatten() {
        assert!((1..=512).contains(&document.id.len()), "an id that no index takes");
        assert!(ids.insert(document.id.clone()) || allow_repeated_ids, "an id comes twice");
        assert!(document.text.len() <= data.len() * 1100, "text from nowhere");
        let _ = document.content_hash();
    }
}

/// A byte of options, then a file of queries.
pub fn queries(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let Ok(queries) = Queries::from_reader(Cursor::new(data.to_vec()), "fuzz", read_options(choice)) else {
        return;
    };
    queries.take(data.len() + 8).for_each(drop);
}

/// A byte of options, then a Parquet file, read as documents and as queries. It can be read from a path only.
pub fn parquet(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let options = ReadOptions { format: Some(Format::Parquet), ..read_options(choice) };
    let path = std::env::temp_dir().join(format!("lateen-fuzz-{}.parquet", std::process::id()));
    std::fs::write(&path, data).expect("the temporary folder takes files");
    // Few bytes can stand for many rows, each no larger than a line may be.
    let rows = data.len() + 8;
    if let Ok(source) = Source::open(&path, options.clone()) {
        for document in source.take(rows).flatten() {
            assert!((1..=512).contains(&document.id.len()), "an id that no index takes");
            assert!(document.text.len() <= options.max_line_bytes, "a row above the limit");
        }
    }
    if let Ok(queries) = Queries::open(&path, options) {
        queries.take(rows).for_each(drop);
    }
    let _ = std::fs::remove_file(&path);
}

fn read_options(choice: u8) -> ReadOptions {
    let formats = [None, Some(Format::Jsonl), Some(Format::Tsv), Some(Format::Text), Some(Format::Markdown)];
    ReadOptions {
        format: formats[usize::from(choice) % formats.len()],
        skip_bad: choice & 0x10 != 0,
        allow_repeated_ids: choice & 0x20 != 0,
        allow_empty: choice & 0x40 != 0,
        max_line_bytes: if choice & 0x80 != 0 { 64 } else { 1 << 20 },
        ..ReadOptions::default()
    }
}

/// A file of judgements; what can be read can be written and read again.
pub fn qrels(data: &[u8]) {
    let Ok(qrels) = Qrels::read(data, "fuzz") else { return };
    let mut written = Vec::new();
    if qrels.write_trec(&mut written).is_ok() {
        let again = Qrels::read(&written[..], "fuzz").expect("what was written can be read");
        assert_eq!(again.len(), qrels.len());
    }
}

/// A TREC run; what can be read can be written and read again.
pub fn run(data: &[u8]) {
    let Ok(run) = Run::read_trec(data, "fuzz") else { return };
    let mut written = Vec::new();
    if run.write_trec(&mut written, "tag").is_ok() {
        let again = Run::read_trec(&written[..], "fuzz").expect("what was written can be read");
        assert_eq!(again.queries().len(), run.queries().len());
    }
}

const TABLE: &[u8] = include_bytes!("table.safetensors");
const CONFIG: &str =
    r#"{"model_type":"lateen-static","version":1,"dim":2,"max_query_tokens":8,"max_document_tokens":8}"#;
const TOKENIZER: &str = r#"{"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
    "post_processor":null,"decoder":null,"truncation":null,"padding":null,
    "model":{"type":"WordLevel","vocab":{"[UNK]":0,"whale":1,"krill":2},"unk_token":"[UNK]"}}"#;

/// A byte that chooses a file of a model directory, then that file; the others are sound.
pub fn model(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else { return };
    let folder = model_folder();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a temporary file");
    let names = ["config.json", "tokenizer.json", "model.safetensors"];
    let sound = [CONFIG.as_bytes(), TOKENIZER.as_bytes(), TABLE];
    let extra =
        ["modules.json", "config_sentence_transformers.json", "artifact.metadata", "tokenizer_config.json"];
    extra.iter().for_each(|name| drop(std::fs::remove_file(folder.join(name))));
    names.iter().zip(sound).for_each(|(name, bytes)| put(name, bytes));
    let all: Vec<&str> = names.into_iter().chain(extra).collect();
    put(all[usize::from(which) % all.len()], data);
    let options = ModelOptions {
        runtime: RuntimeChoice::Rten,
        search: RuntimeSearch::nowhere(),
        threads: 1,
        ..ModelOptions::default()
    };
    if let Ok(model) = Model::load(&folder, &options) {
        for text in ["krill whale", "", "e\u{301} \u{202e}krill\0 whale \u{10ffff}"] {
            let _ = model.encode_query_tokens(text);
            let _ = model.encode_document_tokens(&[text]);
        }
    }
}

/// A folder of this process, made once.
fn model_folder() -> std::path::PathBuf {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    let make = || {
        let shared = std::path::Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("lateen-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        folder
    };
    FOLDER.get_or_init(make).clone()
}
