use std::borrow::Cow;
use std::path::Path;

use super::static_tokens::{Files, StaticTokens};
use super::{EncodeError, ModelOptions};

const CONFIG: &[u8] = include_bytes!("../../models/lateen-static-en/config.json");
const WEIGHTS: &[u8] = include_bytes!("../../models/lateen-static-en/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../../models/lateen-static-en/tokenizer.json");

/// The static late-interaction model that is compiled into the library.
pub(super) fn load(options: &ModelOptions) -> Result<StaticTokens, EncodeError> {
    let files = Files {
        directory: Path::new("bundled"),
        config: Cow::Borrowed(CONFIG),
        weights: Cow::Borrowed(WEIGHTS),
        tokenizer: Cow::Borrowed(TOKENIZER),
    };
    StaticTokens::new(files, "lateen-static-en", options)
}
