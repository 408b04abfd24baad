//! Models in 8 bits: near those in f32, and the same whatever shares their batch.

use super::*;
use crate::encode::RuntimeChoice;

fn engine() -> ModelOptions {
    ModelOptions { runtime: RuntimeChoice::Rten, ..ModelOptions::default() }
}

fn options(head: Head) -> ConvertOptions {
    let int8 = Int8Options { engine: engine(), ..Int8Options::default() };
    ConvertOptions { int8: Some(int8), ..ConvertOptions::new(head) }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn families_in_8_bits_are_near_themselves() {
    for name in ["roberta", "distilbert", "modernbert", "qwen3", "llama"] {
        let source = fixtures().join("families").join(name);
        let target = tempfile::tempdir().unwrap();
        let made = convert(&source, target.path(), &options(Head::Dense)).unwrap();
        let parity = made.parity.unwrap();
        assert!(parity.texts >= 20 && parity.mean_cosine > 0.97, "{name}: {parity:?}");
        let stored: Value = read_json(&target.path().join("parity.json")).unwrap();
        assert_eq!(stored["int8"]["texts"], parity.texts);
        let left: Vec<_> = fs::read_dir(target.path().join("onnx")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing of the measuring stays");
    }
}

#[test]
fn tables_alone_are_coded_on_request() {
    let source = fixtures().join("families").join("roberta");
    let with = |tables_only| {
        let target = tempfile::tempdir().unwrap();
        let mut options = options(Head::Dense);
        options.int8.as_mut().unwrap().tables_only = tables_only;
        let made = convert(&source, target.path(), &options).unwrap();
        let graph = String::from_utf8_lossy(&fs::read(&made.onnx).unwrap()).into_owned();
        (made.parity.unwrap(), graph.contains("MatMulInteger"), graph.contains("_codes"))
    };
    let (all, tables) = (with(false), with(true));
    assert_eq!((all.1, all.2), (true, true));
    assert_eq!((tables.1, tables.2), (false, true));
    assert!(tables.0.mean_cosine > 0.999 && tables.0.mean_cosine >= all.0.mean_cosine, "{tables:?}");
}

#[test]
fn minilm_in_8_bits_is_near_and_small_and_alone() {
    let Some(source) = minilm() else { return };
    let (dim, expected) = read_npy(&fixtures().join("minilm-dense.npy"));
    let cases = fixture::<Cases<Case>>("minilm.json").cases;
    let target = tempfile::tempdir().unwrap();
    let made = convert(&source, target.path(), &options(Head::Dense)).unwrap();
    assert!(made.parity.unwrap().min_cosine >= 0.99, "{:?}", made.parity);
    assert!(made.bytes < 25_000_000, "{}", made.bytes);
    for mut runner in runners(&made.onnx, "sentence_embedding") {
        let rows: Vec<_> = cases.iter().map(|case| (case.ids.clone(), vec![0; case.ids.len()])).collect();
        let alone: Vec<Vec<f32>> =
            rows.iter().map(|row| runner.run(&Batch::new(std::slice::from_ref(row)))).collect();
        for (at, (alone, expected)) in alone.iter().zip(expected.chunks_exact(dim)).enumerate() {
            let cosine = cosine(alone, expected);
            assert!(cosine >= 0.99, "{} text {at}: {cosine}", runner.name());
        }
        for (rows, alone) in rows.chunks(4).zip(alone.chunks(4)) {
            for (together, alone) in runner.run(&Batch::new(rows)).chunks_exact(dim).zip(alone) {
                let cosine = cosine(together, alone);
                assert!(cosine > 0.9999, "{}: batch mates change a vector: {cosine}", runner.name());
            }
        }
    }
}
