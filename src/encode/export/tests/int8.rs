//! Models in 8 bits: near those in f32, and the same whatever shares their batch.

use super::*;

fn engine() -> crate::encode::ModelOptions {
    crate::encode::ModelOptions {
        runtime: crate::encode::RuntimeChoice::Rten,
        ..crate::encode::ModelOptions::default()
    }
}

fn options(head: Head) -> ConvertOptions {
    let int8 = Int8Options { texts: Vec::new(), engine: engine() };
    ConvertOptions { int8: Some(int8), ..ConvertOptions::new(head) }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
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
