//! Which encoder a checkpoint holds, told by its `config.json`.

use std::path::Path;

use super::bert::Bert;
use super::config::{ConfigFile, Identity};
use super::decoder::Decoder;
use super::distilbert::DistilBert;
use super::modernbert::ModernBert;
use super::net::Net;
use super::roberta::Roberta;
use super::{ExportError, Pooling};

/// An encoder's settings, from which its graph is written.
pub(super) trait Family {
    /// The name for people.
    fn name(&self) -> &'static str;

    /// What the checkpoint's tensors may be called by in front of their names.
    fn prefix(&self) -> &'static str;

    /// The length of a token's vector.
    fn hidden_size(&self) -> usize;

    fn layers(&self) -> usize;

    /// The most tokens of a text, special tokens included.
    fn max_tokens(&self) -> usize;

    /// The graph's inputs.
    fn inputs(&self) -> &'static [&'static str] {
        &["input_ids", "attention_mask"]
    }

    /// How token vectors become one where nothing says it.
    fn pooling(&self) -> Pooling {
        Pooling::Mean
    }

    /// Adds the encoder; returns the last hidden states, `[batch, sequence, hidden]`.
    fn encode(&self, net: &mut Net<'_>) -> Result<String, ExportError>;

    /// Adds the head of the family's `…ForSequenceClassification`: `[batch, labels]`, and how many labels there are.
    fn classify(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError>;

    /// Adds the logits of the token after the last, `[batch, 1, vocabulary]`.
    fn next_token(&self, net: &mut Net<'_>, hidden: &str) -> Result<(String, usize), ExportError> {
        let _ = (net, hidden);
        Err(ExportError::Head { family: self.name(), head: "next-token" })
    }
}

/// Reads the settings of the checkpoint in `directory`.
pub(super) fn read(directory: &Path) -> Result<Box<dyn Family>, ExportError> {
    let file = ConfigFile::of(directory);
    let identity: Identity = file.read()?;
    Ok(match identity.model_type.as_str() {
        "bert" => Box::new(Bert::read(&file)?),
        "roberta" | "xlm-roberta" | "camembert" => Box::new(Roberta::read(&file)?),
        "distilbert" => Box::new(DistilBert::read(&file)?),
        "modernbert" => Box::new(ModernBert::read(&file)?),
        "qwen2" | "qwen3" | "mistral" | "llama" => Box::new(Decoder::read(&file)?),
        other => {
            let expected = "bert, roberta, xlm-roberta, camembert, distilbert, modernbert, qwen2, qwen3, mistral and \
                            llama can be written";
            return Err(file.refusal("model_type", format!("{other:?}"), expected));
        }
    })
}

/// How many labels the classifier's weights called `name` have; what is missing or misshapen is said when they are
/// asked for.
pub(super) fn labels(net: &Net<'_>, name: &str) -> usize {
    match net.checkpoint.find(name) {
        Some((_, [labels, _])) => *labels,
        _ => 1,
    }
}
