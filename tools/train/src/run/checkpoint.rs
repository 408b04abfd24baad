//! All of a run that is not in its settings, on disk.
//!
//! ```text
//! checkpoints/step-00000120/state.json            place in the data, best judgement, digest
//!                           weights.safetensors   trainable weights
//!                           moments.safetensors   AdamW: `first.NAME`, `second.NAME`
//!                           means.safetensors     running mean of weights, where one is kept
//!                           codec.json            what documents' vectors go through, where they do
//! ```
//!
//! A checkpoint is written beside its place, made durable and then renamed, so that a folder called `step-…` is whole.
//! Randomness has no state of its own: it is a function of seed and step.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lateen::quant::ResidualCodec;
use serde::{Deserialize, Serialize};

use super::codes::StoredCodec;
use super::error::RunError;
use crate::model::{ModelError, Params, Stored, sync_directory, write, write_whole};
use crate::optim::{AdamW, AdamWOptions, Ema, Moments};

const CODEC: &str = "codec.json";

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// The epoch of the next batch.
    pub epoch: u64,
    /// The next batch of the epoch.
    pub batch: u64,
    /// The best judgement, and the step it was made at.
    pub best: Option<(f64, u64)>,
    /// Judgements since.
    pub since_best: u64,
    /// Digest of configuration and data.
    pub digest: String,
}

/// The folder of all checkpoints of a run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Checkpoints in `output`, of which the newest `keep` are kept.
    #[must_use]
    pub fn new(output: &Path, keep: usize) -> Self {
        Self { folder: output.join("checkpoints"), keep: keep.max(1) }
    }

    /// The newest checkpoint, if there is one.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn newest(&self) -> Result<Option<PathBuf>, RunError> {
        Ok(self.list()?.pop())
    }

    /// Writes one and removes those that are too many.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Model`].
    pub fn save(
        &self,
        state: &State,
        params: &Params,
        optimiser: &AdamW,
        ema: Option<&Ema>,
        codec: Option<&ResidualCodec>,
    ) -> Result<PathBuf, RunError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| RunError::Io { path, source }
        };
        let place = self.folder.join(format!("step-{:08}", state.step));
        let part = self.folder.join(format!("part-{:08}", state.step));
        if part.exists() {
            fs::remove_dir_all(&part).map_err(io(&part))?;
        }
        fs::create_dir_all(&part).map_err(io(&part))?;
        let trainable: Vec<_> = params.iter().filter(|(_, parameter)| parameter.trainable()).collect();
        let weights: Vec<_> = trainable.iter().map(|(name, p)| (*name, p.shape(), p.values())).collect();
        write(&part.join("weights.safetensors"), weights.iter().map(|(n, s, v)| (*n, *s, v.as_slice())))?;
        let names: Vec<_> =
            optimiser.moments().keys().map(|n| [format!("first.{n}"), format!("second.{n}")]).collect();
        let lengths: Vec<_> = optimiser.moments().values().map(|m| [m.first.len()]).collect();
        let moments =
            optimiser.moments().values().zip(&names).zip(&lengths).flat_map(|((m, [a, b]), shape)| {
                [
                    (a.as_str(), shape.as_slice(), m.first.as_slice()),
                    (b.as_str(), shape.as_slice(), m.second.as_slice()),
                ]
            });
        write(&part.join("moments.safetensors"), moments)?;
        if let Some(ema) = ema {
            let lengths: Vec<_> = ema.means().values().map(|mean| [mean.len()]).collect();
            let means = ema.means().iter().zip(&lengths);
            let means = means.map(|((name, mean), shape)| (name.as_str(), shape.as_slice(), mean.as_slice()));
            write(&part.join("means.safetensors"), means)?;
        }
        if let Some(codec) = codec {
            let path = part.join(CODEC);
            let text = serde_json::to_vec(&StoredCodec::of(codec));
            let text = text.map_err(|source| RunError::Json { path: path.clone(), source })?;
            write_whole(&path, &text).map_err(io(&path))?;
        }
        let text = serde_json::to_vec_pretty(state)
            .map_err(|source| RunError::Json { path: part.join("state.json"), source })?;
        write_whole(&part.join("state.json"), &text).map_err(io(&part))?;
        if place.exists() {
            fs::remove_dir_all(&place).map_err(io(&place))?;
        }
        fs::rename(&part, &place).map_err(io(&place))?;
        sync_directory(&self.folder).map_err(io(&self.folder))?;
        self.rotate()?;
        Ok(place)
    }

    /// Puts the weights of `checkpoint` into `params` and returns the rest.
    ///
    /// # Errors
    /// [`RunError::Changed`] if it was made with another digest; what is said there of damaged files.
    pub fn load(
        checkpoint: &Path,
        digest: &str,
        params: &mut Params,
        options: AdamWOptions,
        ema: Option<f64>,
    ) -> Result<(State, AdamW, Option<Ema>), RunError> {
        let path = checkpoint.join("state.json");
        let text = fs::read(&path).map_err(|source| RunError::Io { path: path.clone(), source })?;
        let state: State = serde_json::from_slice(&text).map_err(|source| RunError::Json { path, source })?;
        if state.digest != digest {
            return Err(RunError::Changed { path: checkpoint.to_owned(), what: "settings or data" });
        }
        let shapes: Vec<_> = params
            .iter()
            .filter(|(_, parameter)| parameter.trainable())
            .map(|(name, parameter)| (name.to_owned(), parameter.shape().to_vec()))
            .collect();
        let mut weights = read(&checkpoint.join("weights.safetensors"))?;
        let mut moments = read(&checkpoint.join("moments.safetensors"))?;
        let means = checkpoint.join("means.safetensors");
        let mut means = if ema.is_some() { read(&means)? } else { BTreeMap::new() };
        let (mut held, mut mean) = (BTreeMap::new(), BTreeMap::new());
        for (name, shape) in shapes {
            let length: usize = shape.iter().product();
            params.set(&name, take(&mut weights, checkpoint, &name, length)?);
            // A weight that no loss has reached yet has no moments.
            if moments.contains_key(&format!("first.{name}")) {
                let first = take(&mut moments, checkpoint, &format!("first.{name}"), length)?;
                let second = take(&mut moments, checkpoint, &format!("second.{name}"), length)?;
                held.insert(name.clone(), Moments { first, second });
            }
            if ema.is_some() {
                mean.insert(name.clone(), take(&mut means, checkpoint, &name, length)?);
            }
        }
        let optimiser = AdamW::resume(options, state.step, held);
        Ok((state, optimiser, ema.map(|decay| Ema::resume(decay, mean))))
    }

    /// The codec of `checkpoint`, if documents went through one.
    ///
    /// # Errors
    /// [`RunError::Io`], [`RunError::Json`], and [`RunError::Checkpoint`] for one that cannot be.
    pub fn codec(checkpoint: &Path) -> Result<Option<ResidualCodec>, RunError> {
        let path = checkpoint.join(CODEC);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read(&path).map_err(|source| RunError::Io { path: path.clone(), source })?;
        let stored: StoredCodec =
            serde_json::from_slice(&text).map_err(|source| RunError::Json { path: path.clone(), source })?;
        let odd = || RunError::Checkpoint { path, tensor: "codec".to_owned() };
        stored.codec().ok_or_else(odd).map(Some)
    }

    fn list(&self) -> Result<Vec<PathBuf>, RunError> {
        let fail = |source| RunError::Io { path: self.folder.clone(), source };
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name().to_string_lossy().starts_with("step-") {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    fn rotate(&self) -> Result<(), RunError> {
        let all = self.list()?;
        let surplus = all.len().saturating_sub(self.keep);
        for old in &all[..surplus] {
            // Under another name first: a folder that is half removed must not look like a checkpoint.
            let gone =
                old.with_file_name(format!("old-{}", old.file_name().unwrap_or_default().to_string_lossy()));
            fs::rename(old, &gone).map_err(|source| RunError::Io { path: old.clone(), source })?;
            fs::remove_dir_all(&gone).map_err(|source| RunError::Io { path: gone, source })?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    Stored::read_file(path).map(Stored::into_values)
}

fn take(
    from: &mut BTreeMap<String, Vec<f32>>,
    checkpoint: &Path,
    name: &str,
    length: usize,
) -> Result<Vec<f32>, RunError> {
    let missing = || RunError::Checkpoint { path: checkpoint.to_owned(), tensor: name.to_owned() };
    from.remove(name).filter(|values| values.len() == length).ok_or_else(missing)
}
