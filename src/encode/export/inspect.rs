use std::path::Path;

use super::checkpoint::Checkpoint;
use super::{ExportError, Head, family};

/// What a checkpoint holds, told by its configuration and the headers of its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointSummary {
    /// The family, for people.
    pub family: &'static str,
    /// The length of a token's vector.
    pub hidden_size: usize,
    /// Layers.
    pub layers: usize,
    /// The most tokens of a text, special tokens included.
    pub max_tokens: usize,
    /// How many tensors the weights have.
    pub tensors: usize,
    /// How many numbers they hold.
    pub parameters: u64,
    /// The heads that can be written of it.
    pub heads: Vec<Head>,
}

/// Looks at the checkpoint in `directory`; reads no weights.
///
/// # Errors
/// [`ExportError`] if there is none, if its family cannot be written, or if its files are damaged.
pub fn inspect(directory: &Path) -> Result<CheckpointSummary, ExportError> {
    let family = family::read(directory)?;
    let checkpoint = Checkpoint::open(directory)?.with_prefix(family.prefix());
    let has = |names: &[&str]| names.iter().any(|name| checkpoint.find(name).is_some());
    let mut heads = vec![Head::Dense, Head::Tokens, Head::Hidden];
    if has(&["classifier.weight", "classifier.out_proj.weight", "score.weight"]) {
        heads.push(Head::CrossEncoder);
    }
    if family.gives_next_token() {
        heads.push(Head::NextToken);
    }
    let several = ["sparse_linear.safetensors", "colbert_linear.safetensors"];
    if several.iter().any(|name| directory.join(name).is_file()) {
        heads.push(Head::Several);
    }
    let (tensors, parameters) = checkpoint.size();
    Ok(CheckpointSummary {
        family: family.name(),
        hidden_size: family.hidden_size(),
        layers: family.layers(),
        max_tokens: family.max_tokens(),
        tensors,
        parameters,
        heads,
    })
}
