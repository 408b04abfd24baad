use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::states::Contexts;
use super::vocabulary::{Kind, Vocabulary};
use super::{DistilError, DistilOptions};
use crate::encode::export::Pca;
use crate::types::{TokenMatrix, normalize};

/// A distilled model in memory: a vector of int8 and a weight per vocabulary token.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticTable {
    dim: usize,
    rows: Vec<i8>,
    scales: Vec<f32>,
    weights: Vec<f32>,
    max_query_tokens: usize,
    max_document_tokens: usize,
    tokenizer: PathBuf,
}

impl StaticTable {
    /// How many tokens there are, usable or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Dimensions of a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// What `token` counts in a query, in `0..=1`.
    #[must_use]
    pub fn weight(&self, token: u32) -> Option<f32> {
        self.weights.get(token as usize).copied()
    }

    /// The vector of `token`: of length 1 but for rounding, or zeros for tokens that no text holds.
    #[must_use]
    pub fn vector(&self, token: u32) -> Option<Vec<f32>> {
        let scale = *self.scales.get(token as usize)?;
        let rows = self.rows.chunks_exact(self.dim).nth(token as usize)?;
        Some(rows.iter().map(|&x| f32::from(x) * scale).collect())
    }

    /// Writes `config.json`, `model.safetensors` and `tokenizer.json` into `target`, which is made if need be.
    ///
    /// # Errors
    /// [`DistilError::Io`], or [`DistilError::Tokenizer`] if the tokenizer cannot be read a second time.
    pub fn write(&self, target: &Path) -> Result<(), DistilError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| DistilError::Io { path, source }
        };
        fs::create_dir_all(target).map_err(fail(target))?;
        let config = json!({
            "model_type": "lateen-static",
            "version": 1,
            "dim": self.dim,
            "max_query_tokens": self.max_query_tokens,
            "max_document_tokens": self.max_document_tokens,
        });
        let path = target.join("config.json");
        fs::write(&path, format!("{config:#}\n")).map_err(fail(&path))?;
        let path = target.join("model.safetensors");
        fs::write(&path, self.to_safetensors()?).map_err(fail(&path))?;
        let path = target.join("tokenizer.json");
        fs::write(&path, self.tokenizer_json()?).map_err(fail(&path))
    }

    fn to_safetensors(&self) -> Result<Vec<u8>, DistilError> {
        let floats = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let rows: Vec<u8> = self.rows.iter().map(|&x| x as u8).collect();
        let (scales, weights) = (floats(&self.scales), floats(&self.weights));
        let view = |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data);
        let tensors = (|| {
            let len = self.len();
            let views = [
                ("embeddings", view(Dtype::I8, &[len, self.dim], &rows)?),
                ("scales", view(Dtype::F32, &[len], &scales)?),
                ("weights", view(Dtype::F32, &[len], &weights)?),
            ];
            safetensors::serialize(views, None)
        })();
        tensors.map_err(|source| DistilError::Model { source: source.into() })
    }

    /// The tokenizer on one line, without the truncation and padding that its source had.
    fn tokenizer_json(&self) -> Result<String, DistilError> {
        let path = || self.tokenizer.clone();
        let text =
            fs::read_to_string(&self.tokenizer).map_err(|source| DistilError::Io { path: path(), source })?;
        let damaged =
            |source: serde_json::Error| DistilError::Tokenizer { path: path(), source: source.into() };
        let mut tokenizer: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        if let Some(settings) = tokenizer.as_object_mut() {
            settings.insert("truncation".into(), serde_json::Value::Null);
            settings.insert("padding".into(), serde_json::Value::Null);
        }
        Ok(format!("{tokenizer}\n"))
    }
}

/// Puts the two views, the random directions and the counts together.
pub(super) fn build(
    vocabulary: &Vocabulary,
    alone: &[f32],
    contexts: &Contexts<'_>,
    options: &DistilOptions,
) -> Result<StaticTable, DistilError> {
    let usable: Vec<u32> = vocabulary.usable().collect();
    let mixed = mix(vocabulary, &usable, alone, contexts, options);
    let reduced = reduce(&mixed, alone.len() / vocabulary.len().max(1), options.dim)?;
    let dim = options.dim;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut rows = vec![0_i8; vocabulary.len() * dim];
    let mut scales = vec![0.0; vocabulary.len()];
    let own = (options.identity_share / dim as f32).sqrt();
    let meaning = (1.0 - options.identity_share).sqrt();
    for (&id, vector) in usable.iter().zip(reduced.chunks_exact(dim)) {
        let mut vector: Vec<f32> =
            vector.iter().map(|x| meaning * x + if rng.random() { own } else { -own }).collect();
        if !normalize(&mut vector) {
            continue;
        }
        let scale = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs())) / 127.0;
        let row = &mut rows[id as usize * dim..][..dim];
        row.iter_mut().zip(&vector).for_each(|(code, x)| *code = (x / scale).round() as i8);
        scales[id as usize] = scale;
    }
    Ok(StaticTable {
        dim,
        rows,
        scales,
        weights: rarities(vocabulary, &contexts.holding, contexts.texts, options.weight_power),
        max_query_tokens: options.max_query_tokens,
        max_document_tokens: options.max_document_tokens,
        tokenizer: vocabulary.path().to_owned(),
    })
}

/// For each usable token its two views, each centred over the vocabulary and of length 1, mixed and of length 1.
///
/// A token seen `n` times takes `n / (n + 2)` of the in-context share: few contexts say little.
fn mix(
    vocabulary: &Vocabulary,
    usable: &[u32],
    alone: &[f32],
    contexts: &Contexts<'_>,
    options: &DistilOptions,
) -> Vec<f32> {
    let dim = alone.len() / vocabulary.len().max(1);
    let row = |of: &[f32], id: u32| of[id as usize * dim..][..dim].to_vec();
    let alone_mean = mean(usable.iter().map(|&id| row(alone, id)), usable.len() as u64, dim);
    let seen: u64 = usable.iter().map(|&id| u64::from(contexts.seen[id as usize])).sum();
    let context_mean = mean(usable.iter().map(|&id| row(&contexts.sums, id)), seen, dim);
    let mut mixed = Vec::with_capacity(usable.len() * dim);
    for &id in usable {
        let mut vector: Vec<f32> = row(alone, id).iter().zip(&alone_mean).map(|(x, mean)| x - mean).collect();
        normalize(&mut vector);
        let count = contexts.seen[id as usize] as f32;
        if count > 0.0 {
            let sums = row(&contexts.sums, id);
            let mut context: Vec<f32> =
                sums.iter().zip(&context_mean).map(|(x, mean)| x / count - mean).collect();
            normalize(&mut context);
            let share = options.context_share * count / (count + 2.0);
            vector.iter_mut().zip(&context).for_each(|(x, c)| *x = (1.0 - share) * *x + share * c);
        }
        normalize(&mut vector);
        mixed.extend(vector);
    }
    mixed
}

fn mean(rows: impl Iterator<Item = Vec<f32>>, count: u64, dim: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f64; dim];
    rows.for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x)));
    sum.into_iter().map(|sum| (sum / count.max(1) as f64) as f32).collect()
}

/// Centred principal components of unit rows, each row again of length 1.
fn reduce(rows: &[f32], from: usize, to: usize) -> Result<Vec<f32>, DistilError> {
    let centre = mean(rows.chunks_exact(from).map(<[f32]>::to_vec), (rows.len() / from) as u64, from);
    let centred: Vec<f32> =
        rows.chunks_exact(from).flat_map(|row| row.iter().zip(&centre).map(|(x, mean)| x - mean)).collect();
    let mut pca = Pca::new(from);
    pca.add(TokenMatrix::new(&centred, from)?)?;
    let projection = pca.fit(to)?.projection;
    let mut reduced = Vec::with_capacity(rows.len() / from * to);
    for row in centred.chunks_exact(from) {
        let mut row = projection.apply(row);
        normalize(&mut row);
        reduced.extend(row);
    }
    Ok(reduced)
}

/// Texts that a token is taken to have been in beside those it was in: a token seen once is hardly rarer than one never
/// seen.
const SMOOTHING: f64 = 5.0;

/// Inverse document frequency `ln(1 + texts / (holding + 5))` (after Spärck Jones 1972), scaled so that a token never
/// seen has 1, and raised to `power`; 0 for what is no piece of a word.
pub(super) fn rarities(vocabulary: &Vocabulary, holding: &[u64], texts: u64, power: f32) -> Vec<f32> {
    let texts = texts as f64;
    let rarity = |holding: u64| (texts / (holding as f64 + SMOOTHING)).ln_1p();
    let weight = |(id, &holding): (usize, &u64)| match vocabulary.kind(id) {
        Kind::Piece if texts > 0.0 => ((rarity(holding) / rarity(0)) as f32).powf(power),
        Kind::Piece => 1.0,
        Kind::Punctuation | Kind::Special => 0.0,
    };
    holding.iter().enumerate().map(weight).collect()
}
