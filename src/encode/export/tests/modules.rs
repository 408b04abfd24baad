//! What a checkpoint's `modules.json` declares.

use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

use super::*;

/// A tiny checkpoint with `modules`, and a Dense module from 12 to 3 dimensions in `1_Dense`.
fn checkpoint(modules: &[(&str, &str)], activation: &str) -> tempfile::TempDir {
    let source = tempfile::tempdir().unwrap();
    tiny_checkpoint(source.path(), "gelu");
    let modules: Vec<_> =
        modules.iter().map(|(path, kind)| serde_json::json!({ "path": path, "type": kind })).collect();
    fs::write(source.path().join("modules.json"), serde_json::to_string(&modules).unwrap()).unwrap();
    let folder = source.path().join("1_Dense");
    fs::create_dir(&folder).unwrap();
    let config = serde_json::json!({
        "in_features": 12, "out_features": 3, "bias": false, "activation_function": activation,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let weight: Vec<u8> = (0..36).flat_map(|i| ((i % 5) as f32 - 2.0).to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![3, 12], &weight).unwrap();
    serialize_to_file([("linear.weight", view)], None, &folder.join("model.safetensors")).unwrap();
    source
}

const PYLATE: [(&str, &str); 2] =
    [("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense")];

#[test]
fn a_token_model_takes_its_own_dense_module() {
    let identity = "torch.nn.modules.linear.Identity";
    let source = checkpoint(&PYLATE, identity);
    let target = tempfile::tempdir().unwrap();
    let made = convert(source.path(), target.path(), &ConvertOptions::new(Head::Tokens)).unwrap();
    assert_eq!(made.dim, 3);
    let case = fixture::<Cases<TinyCase>>("tiny.json").cases.remove(0);
    let weight = (0..36).map(|i| (i % 5) as f32 - 2.0).collect();
    let projection = Projection::new(12, 3, weight, None).unwrap();
    let expected: Vec<f32> = case.hidden["gelu"].chunks_exact(12).flat_map(|x| projection.apply(x)).collect();
    for mut runner in runners(&made.onnx, "token_embeddings") {
        let output = runner.run(&Batch::new(&[(case.ids.clone(), case.types.clone())]));
        assert!(largest_difference(&output, &expected) < TOLERANCE, "{}", runner.name());
    }
    // The graph holds the projection: listing it again would apply it twice.
    let modules: Value = read_json(&target.path().join("modules.json")).unwrap();
    assert_eq!(modules.as_array().unwrap().len(), 1);
}

#[test]
fn modules_that_cannot_be_written_are_named() {
    let refusal = |source: &tempfile::TempDir, head| {
        let target = tempfile::tempdir().unwrap();
        let error = convert(source.path(), target.path(), &ConvertOptions::new(head)).unwrap_err();
        error.to_string().replace(&format!("{}/", source.path().display()), "")
    };
    let tanh = checkpoint(&PYLATE, "torch.nn.modules.activation.Tanh");
    assert_eq!(
        refusal(&tanh, Head::Tokens),
        "1_Dense/config.json: activation_function is torch.nn.modules.activation.Tanh; a projection without one can \
         be written"
    );
    assert_eq!(
        refusal(&tanh, Head::Dense),
        "modules.json: type is pylate.models.Dense.Dense; a Transformer in the folder itself, Pooling and Normalize \
         can be written"
    );
    let weighted = checkpoint(&[("1_Pooling", "sentence_transformers.models.Pooling")], "");
    fs::create_dir(weighted.path().join("1_Pooling")).unwrap();
    let modes = r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": false}"#;
    fs::write(weighted.path().join("1_Pooling/config.json"), modes).unwrap();
    assert_eq!(
        refusal(&weighted, Head::Dense),
        "1_Pooling/config.json: pooling_mode_* is pooling_mode_max_tokens; exactly one of pooling_mode_mean_tokens, \
         pooling_mode_cls_token and pooling_mode_lasttoken can be written"
    );
}
