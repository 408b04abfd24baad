//! From a saved model to one that Lateen loads.

use std::path::Path;

use lateen::encode::export::{ConvertOptions, Converted, ExportError, Head as Answer, convert};

use crate::model::{Classifier, Form, Head, TextSettings};

/// Writes the model that was saved in `source` as an ONNX model directory into `target`.
///
/// # Errors
/// [`ExportError`], for families and settings that have no graph yet among others.
pub fn export(
    source: &Path,
    target: &Path,
    head: &Head,
    texts: &TextSettings,
) -> Result<Converted, ExportError> {
    let mut options = ConvertOptions::new(match head {
        Head::Embedding { .. } => Answer::Dense,
        Head::ColBert(_) => Answer::Tokens,
        Head::Reranker(Classifier { form: Form::YesNo { .. }, .. }) => Answer::NextToken,
        Head::Reranker(_) => Answer::CrossEncoder,
    });
    if matches!(head, Head::ColBert(_)) {
        options.max_tokens = Some(texts.document_tokens);
        options.max_query_tokens = texts.query_tokens;
        options.query_prefix.clone_from(&texts.query_prompt);
        options.document_prefix.clone_from(&texts.document_prompt);
        options.skip_words.clone_from(&texts.skip_words);
    }
    convert(source, target, &options)
}
