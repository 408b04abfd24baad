//! Models that are compiled into the library.

use std::borrow::Cow;
use std::path::Path;

use super::directory::{Embedded, ModelDirectory};
use super::model::{Encoder, encoder};
use super::static_tokens::{Files, StaticTokens};
use super::{EncodeError, Model, ModelOptions, RuntimeReport, RuntimeSearch};

const CONFIG: &[u8] = include_bytes!("../../models/lateen-static-en/config.json");
const WEIGHTS: &[u8] = include_bytes!("../../models/lateen-static-en/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../../models/lateen-static-en/tokenizer.json");

/// The small transformer that is compiled into the library. Its tokenizer is the static model's, to the byte.
#[cfg(any(feature = "onnxruntime", feature = "rten"))]
pub(super) const NANO: Embedded = &[
    ("config.json", include_bytes!("../../models/lateen-nano-en/config.json")),
    (
        "config_sentence_transformers.json",
        include_bytes!("../../models/lateen-nano-en/config_sentence_transformers.json"),
    ),
    ("modules.json", include_bytes!("../../models/lateen-nano-en/modules.json")),
    ("sentence_bert_config.json", include_bytes!("../../models/lateen-nano-en/sentence_bert_config.json")),
    ("onnx/model.onnx", include_bytes!("../../models/lateen-nano-en/onnx/model.onnx")),
    ("token_weights.safetensors", include_bytes!("../../models/lateen-nano-en/token_weights.safetensors")),
    ("tokenizer.json", TOKENIZER),
];

/// Nothing could run it.
#[cfg(not(any(feature = "onnxruntime", feature = "rten")))]
pub(super) const NANO: Embedded = &[];

impl Model {
    /// The static late-interaction model that is compiled into the library.
    ///
    /// Each call builds the tokenizer and reads the table again: load once, share by reference.
    ///
    /// # Errors
    /// Only if the library was built with damaged model files.
    pub fn bundled() -> Result<Self, EncodeError> {
        let options = ModelOptions { search: RuntimeSearch::nowhere(), ..ModelOptions::default() };
        Self::inside_static(&options)
    }

    /// The small late-interaction transformer that is compiled into the library: its tokens know their context, which those of
    /// [`Model::bundled`] do not. In return a runtime has to run it, and encoding takes many times as long.
    ///
    /// ```no_run
    /// use lateen::encode::{Model, ModelOptions};
    /// let model = Model::nano(&ModelOptions::default())?;
    /// assert_eq!(model.token_dim(), Some(128));
    /// # Ok::<(), lateen::encode::EncodeError>(())
    /// ```
    ///
    /// # Errors
    /// [`EncodeError::RuntimeNotCompiled`] in builds without a runtime, [`EncodeError::RuntimeNotFound`] if the one that
    /// `options` choose cannot be had, [`EncodeError::NoVariant`] if they name a variant: there is one graph.
    pub fn nano(options: &ModelOptions) -> Result<Self, EncodeError> {
        if cfg!(not(any(feature = "onnxruntime", feature = "rten"))) {
            return Err(EncodeError::RuntimeNotCompiled { runtime: "rten", feature: "rten" });
        }
        let directory = ModelDirectory::embedded("lateen-nano-en", NANO);
        let (encoder, runtime) = encoder(&directory, None, options)?;
        Ok(Self::inside(Self::NANO, encoder, runtime))
    }

    /// The compiled-in model of this name, one of [`Model::COMPILED_IN`]; `None` for other names.
    ///
    /// # Errors
    /// As [`Model::nano`] and [`Model::bundled`].
    pub fn by_name(name: &str, options: &ModelOptions) -> Option<Result<Self, EncodeError>> {
        match name {
            Self::NANO => Some(Self::nano(options)),
            Self::BUNDLED => Some(Self::inside_static(options)),
            _ => None,
        }
    }

    /// The static model with these options, of which it has lengths and batches.
    pub(super) fn inside_static(options: &ModelOptions) -> Result<Self, EncodeError> {
        let files = Files {
            directory: Path::new("bundled"),
            config: Cow::Borrowed(CONFIG),
            weights: Cow::Borrowed(WEIGHTS),
            tokenizer: Cow::Borrowed(TOKENIZER),
        };
        let table = StaticTokens::new(files, "lateen-static-en", options)?;
        Ok(Self::inside(Self::BUNDLED, Encoder::StaticTokens(table), RuntimeReport::native()))
    }
}
