//! A reader in another language, written from `FORMAT.md` alone, finds what ours finds.

use std::path::{Path, PathBuf};
use std::process::Command;

use lateen::index::{Index, RawRows, SegmentReader, Snapshot};
use lateen::quant::ResidualCodec;
use serde_json::{Value, json};

use crate::{answers, fixtures};

/// How far scores may be apart: theirs are computed in double precision, from codes decoded by the specification.
const TOLERANCE: f64 = 1e-4;

fn python() -> Option<Command> {
    let name = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    match Command::new(&name).arg("--version").output() {
        Ok(output) if output.status.success() => Some(Command::new(name)),
        _ => {
            println!("skipped: no Python 3 here, so the independent reader cannot run");
            None
        }
    }
}

fn reader() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reader/read_index.py")
}

#[test]
fn an_independent_reader_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for path in fixtures::stored() {
        let Some(mut python) = python() else { return };
        let index = Index::open(&path).unwrap();
        let snapshot = index.snapshot();
        let (token_dim, dense_dim) =
            (snapshot.settings().token_dim as usize, snapshot.settings().dense_dim as usize);
        let tokens: Vec<Vec<f32>> = (0..answers::QUERIES)
            .filter(|_| token_dim > 0)
            .map(|number| answers::token_query(token_dim, number))
            .collect();
        let dense: Vec<Vec<f32>> = (0..answers::QUERIES)
            .filter(|_| dense_dim > 0)
            .map(|number| answers::dense_query(dense_dim, number))
            .collect();
        let rows = |query: &Vec<f32>| query.chunks(token_dim).map(<[f32]>::to_vec).collect::<Vec<_>>();
        let queries = folder.path().join("queries.json");
        let text = json!({ "tokens": tokens.iter().map(rows).collect::<Vec<_>>(), "dense": dense });
        std::fs::write(&queries, text.to_string()).unwrap();
        let output = python.arg(reader()).arg(&path).arg(&queries).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        compare(&snapshot, &found, &tokens, &dense, &path);
    }
}

fn compare(snapshot: &Snapshot, found: &Value, tokens: &[Vec<f32>], dense: &[Vec<f32>], path: &Path) {
    let place = path.display();
    assert_eq!(found["generation"], snapshot.generation(), "{place}");
    assert_eq!(found["settings"]["seed"], snapshot.settings().seed, "{place}");
    let documents = found["documents"].as_array().unwrap();
    assert_eq!(documents.len() as u64, snapshot.documents(), "{place}");
    for document in documents {
        let id = document["id"].as_str().unwrap();
        let doc = snapshot.find(id).unwrap().unwrap_or_else(|| panic!("{place}: {id}"));
        assert_eq!(document["content_hash"], snapshot.content_hash(doc).unwrap(), "{place}: {id}");
        if let [title, text, metadata] = document["stored"].as_array().map_or(&[][..], Vec::as_slice) {
            let stored = snapshot.stored(doc).unwrap().unwrap();
            assert_eq!((title, text), (&json!(stored.title), &json!(stored.text)), "{place}: {id}");
            assert_eq!(metadata, &json!(stored.metadata), "{place}: {id}");
        }
        let (at, local) = snapshot.segment_of(doc).unwrap();
        let reader = snapshot.segments()[at].reader();
        if snapshot.settings().token_dim > 0 {
            let rows = token_rows(reader, local, snapshot.settings().token_dim as usize);
            for (query, score) in tokens.iter().zip(document["max_sim"].as_array().unwrap()) {
                let ours = max_sim(query, &rows, snapshot.settings().token_dim as usize);
                assert!((ours - score.as_f64().unwrap()).abs() < TOLERANCE, "{place}: {id}: {ours} {score}");
            }
        }
    }
    compare_hits(snapshot, documents, tokens.len(), dense.len(), path);
}

/// The scores that a search gives: of raw tokens and vectors within rounding, of codes within what eight bits of a
/// query component lose.
fn compare_hits(snapshot: &Snapshot, documents: &[Value], tokens: usize, dense: usize, path: &Path) {
    let hits = answers::hits(snapshot, snapshot.bound() as usize).unwrap();
    let mut compared = 0;
    for (query, hits) in hits.iter().filter(|(query, _)| !query.contains("TwoStage")) {
        let (kind, rest) = query.split_once(' ').unwrap();
        let number: usize = rest.split([' ', ':']).next().unwrap().parse().unwrap();
        let field = match kind {
            "tokens" => "max_sim",
            "words" => "bm25",
            _ => "dense",
        };
        let raw = snapshot.segments().iter().all(|segment| segment.reader().raw().unwrap().is_some());
        let tolerance = if field == "max_sim" && !raw { 0.05 } else { 2e-3 };
        for hit in hits {
            let id = snapshot.external_id(hit.doc).unwrap();
            let theirs =
                documents.iter().find(|document| document["id"] == id).unwrap()[field][number].as_f64();
            let (ours, theirs) = (f64::from(hit.score.get()), theirs.unwrap());
            assert!((ours - theirs).abs() < tolerance, "{}: {query}: {id}: {ours} {theirs}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 0 || snapshot.documents() == 0 || tokens + dense == 0);
}

fn max_sim(query: &[f32], rows: &[f32], dim: usize) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let best = |row: &[f32]| rows.chunks(dim).map(|token| dot(row, token)).fold(f64::NEG_INFINITY, f64::max);
    if rows.is_empty() { 0.0 } else { query.chunks(dim).map(best).sum() }
}

/// The vectors of a document in the model's space, by our own code.
fn token_rows(reader: &SegmentReader, local: u32, dim: usize) -> Vec<f32> {
    if let Some(raw) = reader.raw().unwrap() {
        return match raw.document(local).unwrap() {
            RawRows::F16(rows) => rows.iter().map(|value| value.to_f32()).collect(),
            RawRows::F32(rows) => rows.to_vec(),
        };
    }
    let residual = reader.residual().unwrap().unwrap();
    let view = residual.codec();
    let codec = ResidualCodec {
        dim,
        width: view.width,
        rotation_seed: view.rotation_seed,
        levels: view.levels,
        scale_log2_min: view.scale_log2_min,
        scale_log2_step: view.scale_log2_step,
        centroids: view.centroids.to_vec(),
        centroid_scales: view.centroid_scales.to_vec(),
    };
    let found = residual.document(local).unwrap();
    let mut rows = vec![0.0; found.len() * dim];
    for (token, row) in rows.chunks_mut(dim).enumerate() {
        let codes = &found.codes[token * codec.row_bytes()..][..codec.row_bytes()];
        codec.decode(found.centroid(token), found.scales[token], codes, row).unwrap();
        codec.rotation().apply_inverse(row);
    }
    rows
}

/// The reader is no rubber stamp: a changed byte is an error there too.
#[test]
fn the_independent_reader_finds_damage() {
    let whole = fixtures::read(&fixtures::folder().join("v1/residual4-dense-i8-graph-segments"));
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &whole {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let newest = whole.keys().filter(|name| name.ends_with(".ltm")).max().unwrap();
    for name in whole.keys().filter(|name| !name.ends_with(".ltm") || *name == newest) {
        let manifest = lateen::format::Manifest::decode(&whole[newest]).unwrap();
        let named = manifest.segments.iter().any(|segment| {
            let tombstones = segment.tombstones.map(|record| lateen::format::tombstones_name(record.number));
            *name == lateen::format::segment_name(segment.number) || Some(name) == tombstones.as_ref()
        });
        for at in [9, 40, 70, whole[name].len() / 2, whole[name].len() - 3] {
            let Some(mut python) = python() else { return };
            let mut bytes = whole[name].clone();
            bytes[at] ^= 0x41;
            std::fs::write(folder.path().join(name), &bytes).unwrap();
            let ran = python.arg(reader()).arg(folder.path()).output().unwrap();
            let told = String::from_utf8_lossy(&ran.stderr);
            let expected = named || name == newest;
            assert_eq!(!ran.status.success(), expected, "byte {at} of {name}: {told}");
            assert!(!told.contains("Traceback"), "byte {at} of {name}: {told}");
        }
        std::fs::write(folder.path().join(name), &whole[name]).unwrap();
    }
}
