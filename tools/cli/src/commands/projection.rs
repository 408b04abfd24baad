//! Fitting the projection of a token model on the user's own documents.

use super::model_choice::Engine;
use crate::exit::bad_data;
use crate::output::Output;
use crate::progress::Progress;
use anyhow::Context as _;
use lateen::corpus::{ReadOptions, Source};
use lateen::encode::Model;
use lateen::encode::export::{ConvertOptions, FittedPca, Pca, convert};
use std::path::Path;

/// Documents encoded together.
const BATCH: usize = 32;

/// Which documents to fit on.
pub struct Sample<'a> {
    pub documents: &'a Path,
    /// No more than these, the first ones.
    pub limit: usize,
}

/// Encodes the sample with the unprojected model and fits `dim` dimensions.
pub fn fit(
    output: &mut Output,
    checkpoint: &Path,
    options: &ConvertOptions,
    sample: &Sample<'_>,
    dim: usize,
    engine: &Engine,
) -> anyhow::Result<FittedPca> {
    let source = Source::open(sample.documents, ReadOptions::default())?;
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    convert(checkpoint, folder.path(), options)?;
    let model = Model::load(folder.path(), &engine.options()).context("loading the unprojected model")?;
    let Some(width) = model.token_dim() else { return bad_data("the checkpoint gives no token vectors") };
    let documents = source.take(sample.limit).collect::<Result<Vec<_>, _>>()?;
    let mut pca = Pca::new(width);
    let progress = Progress::start(output, Some(documents.len() as u64));
    for (at, batch) in documents.chunks(BATCH).enumerate() {
        let texts: Vec<_> = batch.iter().map(lateen::corpus::Document::full_text).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        for encoded in model.encode_document_tokens(&texts)? {
            pca.add(encoded.matrix.view())?;
        }
        let done = (at * BATCH + batch.len()) as u64;
        progress.set(done, done, "document");
    }
    Ok(pca.fit(dim)?)
}
