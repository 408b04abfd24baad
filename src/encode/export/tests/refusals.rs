use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

use super::*;

/// Converts a tiny checkpoint that `damage` has changed, and returns the error with the folder left out.
fn refusal(head: Head, damage: impl FnOnce(&Path)) -> String {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tiny_checkpoint(source.path(), "gelu");
    damage(source.path());
    let error = convert(source.path(), target.path(), &ConvertOptions::new(head)).unwrap_err();
    assert!(!target.path().join("onnx/model.onnx").exists());
    error.to_string().replace(&format!("{}/", source.path().display()), "")
}

fn set(key: &'static str, value: impl Into<Value>) -> impl FnOnce(&Path) {
    let value = value.into();
    move |directory| {
        let file = directory.join("config.json");
        let mut config: Value = read_json(&file).unwrap();
        config[key] = value;
        fs::write(file, config.to_string()).unwrap();
    }
}

/// Writes the weights again, each tensor as `change` says, or not at all.
fn weights(change: impl Fn(&str, Vec<f32>) -> Option<(Dtype, Vec<u8>)>) -> impl FnOnce(&Path) {
    move |directory| {
        let file = directory.join("model.safetensors");
        let checkpoint = Checkpoint::open(directory).unwrap();
        let bytes = fs::read(&file).unwrap();
        let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let changed: Vec<_> = stored
            .iter()
            .filter_map(|(name, view)| {
                let values = initializer::WeightSource::read(&checkpoint, name).unwrap();
                change(name, values)
                    .map(|(dtype, data)| (name.to_owned(), dtype, view.shape().to_vec(), data))
            })
            .collect();
        let views = changed
            .iter()
            .map(|(name, dtype, shape, data)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        serialize_to_file(views, None, &file).unwrap();
    }
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn what_is_missing_is_named() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let message = refusal(Head::Tokens, |directory| fs::remove_file(directory.join(name)).unwrap());
        assert_eq!(message, format!("{name} is missing; a checkpoint needs it"));
    }
    let gone = "bert.encoder.layer.1.output.dense.bias";
    let without = weights(|name, values| (name != gone).then(|| (Dtype::F32, f32_bytes(&values))));
    assert_eq!(
        refusal(Head::Tokens, without),
        "model.safetensors has no tensor \"encoder.layer.1.output.dense.bias\""
    );
    let without =
        weights(|name, values| (!name.starts_with("class")).then(|| (Dtype::F32, f32_bytes(&values))));
    assert_eq!(refusal(Head::CrossEncoder, without), "model.safetensors has no tensor \"classifier.weight\"");
}

#[test]
fn settings_that_do_not_fit_are_named() {
    let cases = [
        (
            refusal(Head::Dense, set("model_type", "t5")),
            "config.json: model_type is \"t5\"; bert, roberta, xlm-roberta, camembert, distilbert, modernbert, qwen2, \
             qwen3, mistral and llama can be written",
        ),
        (
            refusal(Head::Dense, set("num_attention_heads", 5)),
            "config.json: num_attention_heads is 5; a divisor of hidden_size is expected",
        ),
        (
            refusal(Head::Dense, set("position_embedding_type", "relative_key")),
            "config.json: position_embedding_type is relative_key; \"absolute\" can be written",
        ),
        (
            refusal(Head::Dense, set("vocab_size", 71)),
            "tensor \"bert.embeddings.word_embeddings.weight\" of model.safetensors has shape [70, 12], expected [71, 12]",
        ),
        (
            refusal(Head::Dense, set("num_hidden_layers", u32::MAX)),
            "config.json: num_hidden_layers is 4294967295; at most 1024 are possible",
        ),
        (
            refusal(Head::Dense, set("num_hidden_layers", 3)),
            "model.safetensors has no tensor \"encoder.layer.2.attention.self.query.weight\"",
        ),
        (
            refusal(Head::Dense, set("hidden_size", 0)),
            "config.json: hidden_size is 0; 1 to 8192 are possible",
        ),
        (
            refusal(Head::Dense, set("hidden_act", "selu")),
            "config.json: hidden_act is selu; \"gelu\", \"gelu_new\", \"gelu_pytorch_tanh\", \"relu\" and \"silu\" can be written",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
}

#[test]
fn damaged_weights_are_named() {
    let file = "model.safetensors";
    let bytes = fs::read(fixtures().join("tiny").join(file)).unwrap();
    for len in [0, 7, 8, 100, bytes.len() - 1] {
        let message =
            refusal(Head::Tokens, |directory| fs::write(directory.join(file), &bytes[..len]).unwrap());
        assert!(
            message.starts_with("model.safetensors is no readable safetensors file: "),
            "{len}: {message}"
        );
    }
    let huge =
        refusal(Head::Tokens, |directory| fs::write(directory.join(file), u64::MAX.to_le_bytes()).unwrap());
    assert!(huge.starts_with("model.safetensors is no readable safetensors file: "), "{huge}");
    let nan = weights(|name, mut values| {
        if name.ends_with("layer.0.output.dense.bias") {
            values[4] = f32::NAN;
        }
        Some((Dtype::F32, f32_bytes(&values)))
    });
    let message = refusal(Head::Tokens, nan);
    assert_eq!(
        message,
        "tensor \"bert.encoder.layer.0.output.dense.bias\" of model.safetensors holds a number that is not finite at 4"
    );
    let whole = weights(|_, values| Some((Dtype::I32, f32_bytes(&values))));
    assert!(
        refusal(Head::Tokens, whole)
            .ends_with("of model.safetensors holds I32; f32, f16 and bf16 can be read")
    );
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let target = tempfile::tempdir().unwrap();
    let tiny = fixtures().join("tiny");
    let error = |options: ConvertOptions| convert(&tiny, target.path(), &options).unwrap_err().to_string();
    let projection = Projection::new(3, 2, vec![1.0; 6], None);
    let options = ConvertOptions { projection: projection.clone(), ..ConvertOptions::new(Head::Tokens) };
    assert_eq!(error(options), "the projection takes vectors of 3 dimensions, the model makes 12");
    let options = ConvertOptions { projection, ..ConvertOptions::new(Head::Dense) };
    assert_eq!(error(options), "projection does not apply to dense");
    let options = ConvertOptions { pooling: Some(Pooling::Cls), ..ConvertOptions::new(Head::CrossEncoder) };
    assert_eq!(error(options), "pooling does not apply to cross-encoder");
    let options = ConvertOptions { max_tokens: Some(25), ..ConvertOptions::new(Head::Dense) };
    assert!(error(options).ends_with("max_position_embeddings is 24; max_tokens must lie between 2 and it"));
    let same = convert(&tiny, &tiny, &ConvertOptions::new(Head::Dense)).unwrap_err();
    assert!(matches!(same, ExportError::SameDirectory { .. }));
}

#[test]
fn half_precision_and_old_names_are_read() {
    let target = tempfile::tempdir().unwrap();
    let expected = {
        let made =
            convert(&fixtures().join("tiny"), target.path(), &ConvertOptions::new(Head::Tokens)).unwrap();
        fs::read(made.onnx).unwrap().len()
    };
    for dtype in [Dtype::F16, Dtype::BF16] {
        let source = tempfile::tempdir().unwrap();
        tiny_checkpoint(source.path(), "gelu");
        let halves = |value: f32| match dtype {
            Dtype::F16 => half::f16::from_f32(value).to_le_bytes(),
            _ => half::bf16::from_f32(value).to_le_bytes(),
        };
        weights(|_, values| Some((dtype, values.into_iter().flat_map(halves).collect())))(source.path());
        let made = convert(source.path(), target.path(), &ConvertOptions::new(Head::Tokens)).unwrap();
        assert_eq!(fs::read(made.onnx).unwrap().len(), expected);
    }
}
