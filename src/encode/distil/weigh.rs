//! Weights of tokens for a late-interaction model.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};

use super::DistilError;
use super::table::rarities;
use super::vocabulary::{Kind, Vocabulary};
use crate::encode::directory::ModelDirectory;
use crate::encode::export::{ExportError, file};
use crate::encode::layout::{self, Layout};
use crate::encode::token_weights::FILE;

/// What was written by [`weigh`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weighed {
    /// The file.
    pub path: PathBuf,
    /// Texts that were counted.
    pub texts: u64,
    /// Tokens of the vocabulary that stand in one of them.
    pub seen: u64,
    /// Pieces of words, which have a weight.
    pub pieces: u64,
}

/// Writes `token_weights.safetensors` into the directory of a late-interaction model: what each token of a query counts.
///
/// `w(t) = (ln(1 + N / (n(t) + 5)) / ln(1 + N / 5)) ^ power`, with `N` texts of which `n(t)` hold the token (inverse document
/// frequency, Spärck Jones 1972); 0 for special tokens (those that fill a query up, too) and punctuation, which a query then leaves out. The texts should be
/// like those that will be searched; a large general corpus does for most. The model's fingerprint changes: indexes made
/// before have to be made again.
///
/// Cost: the tokenizer over all texts; memory 8 bytes a token of the vocabulary.
///
/// # Errors
/// [`DistilError`], and whatever the corpus ends with; nothing is written then.
pub fn weigh<E: From<DistilError>>(
    model: &Path,
    corpus: impl IntoIterator<Item = Result<String, E>>,
    power: f32,
) -> Result<Weighed, E> {
    if !(power.is_finite() && power >= 0.0) {
        return Err(DistilError::Option { option: "power", expected: "0 or a positive number" }.into());
    }
    if is_table(model) {
        let expected = "a transformer: a static table has weights of its own";
        return Err(DistilError::Option { option: "model", expected }.into());
    }
    let vocabulary = Vocabulary::read(&model.join("tokenizer.json"))?;
    let (mut holding, mut texts) = (vec![0_u64; vocabulary.len()], 0);
    for text in corpus {
        let encoding = vocabulary.tokenizer.encode_fast(text?, false);
        let encoding = encoding.map_err(|source| DistilError::Text { text: texts, source })?;
        texts += 1;
        let mut distinct = encoding.get_ids().to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.iter().for_each(|&id| holding[id as usize] += 1);
    }
    let weights = rarities(&vocabulary, &holding, texts, power);
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let written = TensorView::new(Dtype::F32, vec![weights.len()], &bytes)
        .and_then(|view| safetensors::serialize([("weights", view)], None));
    let written = written.map_err(|source| DistilError::Model { source: source.into() })?;
    let path = model.join(FILE);
    file::whole(&path, |out, fail| out.write_all(&written).map_err(fail)).map_err(|error| match error {
        ExportError::Io { path, source } => DistilError::Io { path, source },
        other => DistilError::Model { source: other.into() },
    })?;
    Ok(Weighed {
        path,
        texts,
        seen: holding.iter().filter(|holding| **holding > 0).count() as u64,
        pieces: (0..vocabulary.len()).filter(|id| vocabulary.kind(*id) == Kind::Piece).count() as u64,
    })
}

/// Whether the folder holds a static table. What is no model yet (a checkpoint) is none.
fn is_table(model: &Path) -> bool {
    let layout = ModelDirectory::open(model).and_then(|directory| layout::detect(&directory));
    matches!(layout, Ok(Layout::LateenStatic | Layout::Model2Vec))
}
