use serde::Deserialize;
use serde_json::Value;

use super::EncodeError;
use super::directory::ModelDirectory;
use super::text::TextTokenizer;

/// What the files beside `tokenizer.json` and `config.json` say about special tokens and lengths.
#[derive(Debug, Default)]
pub(super) struct Special {
    mask: Option<String>,
    pad: Option<String>,
    eos: Option<String>,
    bos: Option<String>,
    /// The longest input the position embeddings or the tokenizer's configuration allow.
    pub(super) positions: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenNames {
    mask_token: Option<Value>,
    pad_token: Option<Value>,
    eos_token: Option<Value>,
    bos_token: Option<Value>,
    model_max_length: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    max_position_embeddings: Option<Value>,
    pad_token_id: Option<Value>,
    model_type: Option<String>,
}

impl Special {
    pub(super) fn load(directory: &ModelDirectory) -> Result<Self, EncodeError> {
        let config: Config = directory.optional_json("config.json")?.unwrap_or_default();
        let mut this = Self::default();
        let mut lengths = Vec::new();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let names: TokenNames = directory.optional_json(name)?.unwrap_or_default();
            this.mask = this.mask.or(text(names.mask_token));
            this.pad = this.pad.or(text(names.pad_token));
            this.eos = this.eos.or(text(names.eos_token));
            this.bos = this.bos.or(text(names.bos_token));
            lengths.extend(length(names.model_max_length.as_ref()));
        }
        // RoBERTa counts positions from the padding token's id + 1.
        let offset = match config.model_type.as_deref() {
            Some("roberta" | "xlm-roberta" | "camembert" | "mpnet") => {
                config.pad_token_id.as_ref().and_then(Value::as_u64).map_or(0, |id| id as usize + 1)
            }
            _ => 0,
        };
        let positions = length(config.max_position_embeddings.as_ref());
        lengths.extend(positions.map(|positions| positions.saturating_sub(offset).max(1)));
        this.positions = lengths.into_iter().min();
        Ok(this)
    }

    /// The token that fills queries up: the mask token, else the end of text.
    pub(super) fn expansion(&self, tokenizer: &TextTokenizer) -> Option<u32> {
        let named = self.mask.as_deref().and_then(|token| tokenizer.id(token));
        named
            .or_else(|| tokenizer.id("[MASK]"))
            .or_else(|| tokenizer.id("<mask>"))
            .or_else(|| self.eos.as_deref().and_then(|token| tokenizer.id(token)))
    }

    /// The token that begins a text, if there is one.
    pub(super) fn begin(&self, tokenizer: &TextTokenizer) -> Option<u32> {
        self.bos.as_deref().and_then(|token| tokenizer.id(token))
    }

    /// The token that ends a text, if there is one.
    pub(super) fn end(&self, tokenizer: &TextTokenizer) -> Option<u32> {
        self.eos.as_deref().and_then(|token| tokenizer.id(token))
    }

    /// The token that fills batches up; nothing attends to it, so any will do.
    pub(super) fn padding(&self, tokenizer: &TextTokenizer) -> u32 {
        let named = self.pad.as_deref().and_then(|token| tokenizer.id(token));
        named.or_else(|| tokenizer.id("[PAD]")).or_else(|| tokenizer.id("<pad>")).unwrap_or(0)
    }
}

/// A token's text, given plainly or as an object with `content`.
fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        Value::Object(object) => object.get("content")?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// A length that means something: configurations write 10³⁰ for "none".
fn length(value: Option<&Value>) -> Option<usize> {
    let number = value?.as_f64()?;
    (1.0..=1_048_576.0).contains(&number).then_some(number as usize)
}
