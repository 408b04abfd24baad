use super::*;
use crate::types::{EncodedTokens, TokenMatrixBuf};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

fn encoding(seed: u32) -> Encoding {
    if seed.is_multiple_of(3) {
        return Encoding::Vector((0..8).map(|x| (x * seed) as f32 / 7.0).collect());
    }
    let rows = (seed % 5) as usize;
    let matrix = TokenMatrixBuf::new((0..rows * 4).map(|x| x as f32 - seed as f32).collect(), 4).unwrap();
    let token_ids = (0..rows as u32).map(|row| row + seed).collect();
    let spans = (0..rows as u32).map(|row| (row, row + 1)).collect();
    Encoding::Tokens(EncodedTokens { matrix, token_ids, spans })
}

fn shards(folder: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut shards: Vec<PathBuf> = names.filter(|path| path.extension().is_some()).collect();
    shards.sort();
    shards
}

fn flip(path: &Path, at: u64) {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    let mut byte = [0];
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x10]).unwrap();
}

#[test]
fn what_was_kept_comes_back_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let cache = EncodingCache::open(folder.path(), 1 << 20).unwrap();
        for seed in 0..40 {
            assert_eq!(cache.get(u128::from(seed)).is_some(), round > 0, "{seed}");
            cache.put(u128::from(seed), &encoding(seed)).unwrap();
            assert_eq!(cache.get(u128::from(seed)), Some(encoding(seed)));
        }
        let statistics = cache.statistics();
        assert_eq!((statistics.records, statistics.damaged), (40, 0));
        let locked = EncodingCache::open(folder.path(), 1 << 20).unwrap_err();
        assert!(matches!(locked, CacheError::Locked { .. }));
    }
}

#[test]
fn every_flipped_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = EncodingCache::open(folder.path(), 1 << 20).unwrap();
    for seed in 1..4 {
        cache.put(u128::from(seed), &encoding(seed)).unwrap();
    }
    drop(cache);
    let path = shards(folder.path()).remove(0);
    let length = fs::metadata(&path).unwrap().len();
    for at in 0..length {
        flip(&path, at);
        let cache = EncodingCache::open(folder.path(), 1 << 20).unwrap();
        let mut lost = 0;
        for seed in 1..4 {
            match cache.get(u128::from(seed)) {
                Some(found) => assert_eq!(found, encoding(seed), "byte {at}"),
                None => lost += 1,
            }
        }
        assert!(lost > 0, "byte {at} changed and nothing was missed");
        drop(cache);
        flip(&path, at);
    }
}

#[test]
fn torn_ends_lose_only_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let cache = EncodingCache::open(folder.path(), 1 << 20).unwrap();
    cache.put(1, &encoding(1)).unwrap();
    let whole = cache.statistics().bytes;
    cache.put(2, &encoding(2)).unwrap();
    drop(cache);
    let path = shards(folder.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let cache = EncodingCache::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(cache.get(1).is_some(), length as u64 >= whole, "{length}");
        assert_eq!(cache.get(2), None, "{length}");
        // It goes on in a new shard.
        cache.put(2, &encoding(2)).unwrap();
        assert_eq!(cache.get(2), Some(encoding(2)));
        drop(cache);
        fs::remove_file(shards(folder.path()).remove(1)).unwrap();
    }
}

#[test]
fn the_oldest_go_when_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 300_000;
    let cache = EncodingCache::open(folder.path(), limit).unwrap();
    let large = Encoding::Vector(vec![0.5; 1000]);
    for key in 0..200 {
        cache.put(key, &large).unwrap();
        assert!(cache.statistics().bytes <= limit);
    }
    assert_eq!(cache.get(0), None);
    assert_eq!(cache.get(199), Some(large.clone()));
    cache.put(500, &Encoding::Vector(vec![0.0; 1 << 20])).unwrap();
    assert_eq!(cache.get(500), None, "larger than the whole cache");
    assert_eq!(cache.get(199), Some(large));
    drop(cache);
    let smaller = EncodingCache::open(folder.path(), limit / 3).unwrap();
    assert!(smaller.statistics().bytes <= limit / 3);
}

#[test]
fn payloads_of_any_bytes_are_read_or_refused() {
    for seed in 0..12 {
        let bytes = encoding(seed).encode();
        assert_eq!(Encoding::decode(&bytes), Some(encoding(seed)));
        for length in 0..bytes.len() {
            assert_eq!(Encoding::decode(&bytes[..length]), None);
        }
    }
    let mut huge = encoding(1).encode();
    huge[1..9].fill(0xff);
    assert_eq!(Encoding::decode(&huge), None);
}

#[cfg(feature = "bundled-model")]
#[test]
fn a_cached_model_gives_what_the_model_gives() {
    let folder = tempfile::tempdir().unwrap();
    let model = std::sync::Arc::new(crate::encode::Model::bundled().unwrap());
    let texts = ["tides of the sea", "", "yeast in dough", "tides of the sea"];
    for round in 0..2 {
        let cache = std::sync::Arc::new(EncodingCache::open(folder.path(), 1 << 20).unwrap());
        let cached = CachedModel::new(model.clone(), Some(cache.clone()));
        for _ in 0..2 {
            let tokens = cached.encode_document_tokens(&texts).unwrap();
            assert_eq!(tokens, model.encode_document_tokens(&texts).unwrap());
            let query = cached.encode_query_tokens(texts[0]).unwrap();
            assert_eq!(query, model.encode_query_tokens(texts[0]).unwrap());
            let dense = cached.encode_documents_dense(&texts).unwrap();
            assert_eq!(dense, model.encode_documents_dense(&texts).unwrap());
            let dense = cached.encode_queries_dense(&texts).unwrap();
            assert_eq!(dense, model.encode_queries_dense(&texts).unwrap());
        }
        let statistics = cache.statistics();
        assert_eq!(statistics.records, 10, "three texts three times, and a query");
        assert_eq!(statistics.misses > 0, round == 0);
    }
}
