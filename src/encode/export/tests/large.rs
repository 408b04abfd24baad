//! Weights in several files, and several kinds of vectors.

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize_to_file};

use super::*;

/// Splits a family's weights into two files with an index, as large checkpoints have them.
fn sharded(family: &str, directory: &Path) {
    let folder = fixtures().join("families").join(family);
    for file in ["config.json", "tokenizer.json"] {
        fs::copy(folder.join(file), directory.join(file)).unwrap();
    }
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for shard in 0..2 {
        let name = format!("model-0000{}-of-00002.safetensors", shard + 1);
        let part: Vec<_> =
            all.iter().enumerate().filter(|(at, _)| at % 2 == shard).map(|(_, one)| one).collect();
        part.iter().for_each(|(tensor, _)| drop(map.insert((*tensor).to_owned(), name.clone().into())));
        serialize_to_file(part, None, &directory.join(name)).unwrap();
    }
    let index = serde_json::json!({ "metadata": {}, "weight_map": map });
    fs::write(directory.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn shards_give_the_bytes_of_one_file() {
    let (source, whole, split) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sharded("qwen3", source.path());
    let options = ConvertOptions::new(Head::NextToken);
    let one = convert(&fixtures().join("families/qwen3"), whole.path(), &options).unwrap();
    let two = convert(source.path(), split.path(), &options).unwrap();
    assert_eq!(fs::read(one.onnx).unwrap(), fs::read(two.onnx).unwrap());
    fs::remove_file(source.path().join("model-00002-of-00002.safetensors")).unwrap();
    let error = convert(source.path(), split.path(), &options).unwrap_err().to_string();
    assert!(error.ends_with("model-00002-of-00002.safetensors is missing; a checkpoint needs it"), "{error}");
}

#[test]
fn external_weights_give_the_numbers_of_one_file() {
    let Some(source) = minilm() else { return };
    let case = &fixture::<Cases<Case>>("minilm.json").cases[0];
    let batch = Batch::new(&[(case.ids.clone(), vec![0; case.ids.len()])]);
    let (whole, split) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = ConvertOptions::new(Head::Dense);
    let one = convert(&source, whole.path(), &options).unwrap();
    let outside = ConvertOptions { external_above: 1 << 20, ..options };
    let two = convert(&source, split.path(), &outside).unwrap();
    let data = split.path().join("onnx/model.onnx_data");
    assert_eq!((one.external, two.external.as_ref()), (None, Some(&data)));
    let (graph, data) = (fs::metadata(&two.onnx).unwrap().len(), fs::metadata(&data).unwrap().len());
    assert!(graph < 1 << 20 && two.bytes == graph + data, "{graph} {data} {}", two.bytes);
    let run = |onnx: &Path| -> Vec<_> {
        runners(onnx, "sentence_embedding").iter_mut().map(|runner| runner.run(&batch)).collect()
    };
    assert_eq!(run(&one.onnx), run(&two.onnx));
}

/// A linear head of `outputs` rows, `sin` of their places.
fn head(directory: &Path, name: &str, outputs: usize) -> Projection {
    let weight: Vec<f32> = (0..outputs * 16).map(|at| ((at + 1) as f32).sin()).collect();
    let bias: Vec<f32> = (0..outputs).map(|at| (at as f32).cos()).collect();
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (weights, biases) = (bytes(&weight), bytes(&bias));
    let views = [
        ("weight", TensorView::new(Dtype::F32, vec![outputs, 16], &weights).unwrap()),
        ("bias", TensorView::new(Dtype::F32, vec![outputs], &biases).unwrap()),
    ];
    serialize_to_file(views, None, &directory.join(format!("{name}.safetensors"))).unwrap();
    Projection::new(16, outputs, weight, Some(bias)).unwrap()
}

#[test]
#[cfg(feature = "rten")]
fn several_kinds_of_vectors_come_from_one_graph() {
    #[derive(Deserialize)]
    struct Expected {
        ids: Vec<Vec<u32>>,
        hidden: Vec<Vec<f32>>,
    }
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixtures().join("families/xlm-roberta").join(file), source.path().join(file)).unwrap();
    }
    let options = ConvertOptions::new(Head::Several);
    let error = convert(source.path(), target.path(), &options).unwrap_err().to_string();
    assert!(error.ends_with("colbert_linear.safetensors is missing; a checkpoint needs it"), "{error}");
    fs::write(source.path().join("sparse_linear.pt"), "a pickle").unwrap();
    let error = convert(source.path(), target.path(), &options).unwrap_err();
    assert!(matches!(error, ExportError::Pickle { .. }), "{error}");

    let (sparse, tokens) =
        (head(source.path(), "sparse_linear", 1), head(source.path(), "colbert_linear", 5));
    let made = convert(source.path(), target.path(), &options).unwrap();
    let expected: Expected = fixture("families/xlm-roberta.json");
    let (ids, hidden) = (&expected.ids[0], &expected.hidden[0]);
    let model = rten::Model::load_file(&made.onnx).unwrap();
    let value = |numbers: Vec<i32>| rten::Value::from_shape([1, ids.len()], numbers).unwrap();
    let inputs = [
        ("input_ids", value(ids.iter().map(|&id| id as i32).collect())),
        ("attention_mask", value(vec![1; ids.len()])),
    ];
    let inputs = inputs.map(|(name, value)| (model.node_id(name).unwrap(), value.into())).into();
    let names = ["dense_vecs", "sparse_vecs", "colbert_vecs"].map(|name| model.node_id(name).unwrap());
    let found = model.run_n(inputs, names, None).unwrap().map(|output| match output {
        rten::Value::FloatTensor(tensor) => tensor.into_data(),
        other => panic!("{other:?}"),
    });
    let rows: Vec<&[f32]> = hidden.chunks_exact(16).collect();
    let mut first = rows[0].to_vec();
    assert!(crate::types::normalize(&mut first));
    let weights: Vec<f32> = rows.iter().map(|row| sparse.apply(row)[0].max(0.0)).collect();
    let vectors: Vec<f32> = rows.iter().flat_map(|row| tokens.apply(row)).collect();
    for (found, expected) in found.iter().zip([first, weights, vectors]) {
        assert!(largest_difference(found, &expected) < TOLERANCE);
    }
}
