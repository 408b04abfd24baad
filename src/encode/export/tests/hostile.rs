//! Settings no sound checkpoint has, of every family: an error that names file and field, soon.

use super::*;

/// Converts a family's checkpoint with one setting changed, and returns the error with the folder left out.
fn refusal(family: &str, key: &str, value: Value) -> String {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixtures().join("families").join(family).join(file), source.path().join(file)).unwrap();
    }
    let file = source.path().join("config.json");
    let mut config: Value = read_json(&file).unwrap();
    config[key] = value;
    fs::write(&file, config.to_string()).unwrap();
    let error = convert(source.path(), target.path(), &ConvertOptions::new(Head::Dense)).unwrap_err();
    assert!(!target.path().join("onnx").exists(), "{family} {key}");
    error.to_string().replace(&format!("{}/", source.path().display()), "")
}

#[test]
fn sizes_out_of_bounds_are_named() {
    let huge = u64::from(u32::MAX);
    for family in ["roberta", "modernbert", "qwen2", "qwen3", "mistral", "llama"] {
        for (key, value) in [
            ("hidden_size", 0),
            ("hidden_size", huge),
            ("num_attention_heads", 0),
            ("num_hidden_layers", huge),
            ("intermediate_size", 0),
            ("intermediate_size", huge),
            ("vocab_size", 0),
            ("vocab_size", huge),
            ("max_position_embeddings", 0),
            ("max_position_embeddings", huge),
        ] {
            let message = refusal(family, key, value.into());
            let field =
                message.strip_prefix("config.json: ").unwrap_or_else(|| panic!("{family}: {message}"));
            // Without heads there is no width of a head either.
            let named = [key, "num_key_value_heads"].iter().any(|key| field.starts_with(key));
            assert!(named, "{family}, {key} = {value}: {message}");
        }
    }
}

#[test]
fn settings_of_one_family_are_named() {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for (family, key, value, expected) in [
        ("roberta", "pad_token_id", json("126"), "config.json: pad_token_id is 126; "),
        (
            "modernbert",
            "num_attention_heads",
            json("16"),
            "config.json: num_attention_heads is 16; heads of an even",
        ),
        (
            "modernbert",
            "layer_types",
            json("[]"),
            "config.json: layer_types is 0; as many as num_hidden_layers",
        ),
        ("modernbert", "local_attention", json("0"), "config.json: local_attention is 0; "),
        ("modernbert", "classifier_pooling", json("\"max\""), "config.json: classifier_pooling is max; "),
        ("modernbert", "hidden_activation", json("\"celu\""), "config.json: hidden_activation is celu; "),
        ("qwen2", "num_key_value_heads", json("3"), "config.json: num_key_value_heads is 3; "),
        ("qwen2", "num_key_value_heads", json("0"), "config.json: num_key_value_heads is 0; "),
        ("qwen2", "sliding_window", json("null"), "config.json: sliding_window is missing; "),
        ("qwen2", "sliding_window", json("0"), "config.json: sliding_window is 0; "),
        ("qwen2", "is_causal", json("false"), "config.json: is_causal is false; "),
        ("qwen3", "head_dim", json("7"), "config.json: head_dim is 7; an even number is expected"),
        ("qwen3", "rms_norm_eps", json("-1"), "config.json: rms_norm_eps is -1; "),
        (
            "llama",
            "rope_parameters",
            json(r#"{"rope_type": "yarn"}"#),
            "config.json: rope_scaling.rope_type is \"yarn\"",
        ),
        ("llama", "rope_parameters", json(r#"{"rope_theta": 0}"#), "config.json: rope_theta is 0; "),
        ("distilbert", "n_heads", json("0"), "config.json: n_heads is 0; "),
        ("distilbert", "dim", json("9000"), "config.json: dim is 9000; "),
        // Sound by itself, but not what the weights are.
        (
            "qwen3",
            "head_dim",
            json("8"),
            "tensor \"model.layers.0.self_attn.q_proj.weight\" of model.safetensors has shape",
        ),
        (
            "mistral",
            "num_hidden_layers",
            json("9"),
            "model.safetensors has no tensor \"layers.2.input_layernorm.weight\"",
        ),
        (
            "roberta",
            "type_vocab_size",
            json("9"),
            "tensor \"roberta.embeddings.token_type_embeddings.weight\" of",
        ),
    ] {
        let message = refusal(family, key, value);
        assert!(message.starts_with(expected), "{family}, {key}: {message}");
    }
}
