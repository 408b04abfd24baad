//! The loop.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoints, State};
use super::codes::fit;
use super::error::RunError;
use super::objective::Objective;
use super::peers::Peers;
use super::settings::Settings;
use super::source::{Source, batches};
use super::step::{Flow, Outcome, differentiate_with};
use super::sum::Sum;
use crate::feed::Batch;
use crate::model::{Model, write_whole};
use crate::optim::{AdamW, Ema, Schedule, clip, norm};

/// What is told of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Steps of the run.
    pub total: u64,
    /// Passes through the data so far, with the fraction of the present one.
    pub epochs: f64,
    /// Mean over its batches.
    pub loss: f64,
    /// Share of queries answered rightly, where that can be told.
    pub accuracy: Option<f64>,
    /// The learning rate.
    pub rate: f64,
    /// Length of the gradient before clipping.
    pub gradient: f64,
    /// Tokens, padding included.
    pub tokens: usize,
    /// How long it took.
    pub time: Duration,
}

/// Who looks on: logs, terminals, judges.
pub trait Watch {
    /// After each step.
    ///
    /// # Errors
    /// Whatever shall end the run: a log that cannot be written.
    fn stepped(&mut self, _report: &StepReport) -> Result<(), RunError> {
        Ok(())
    }

    /// Whether the run shall stop after this step. It can go on later.
    fn stop(&self) -> bool {
        false
    }

    /// A value of the model as it is, larger is better; `None`: nobody judges.
    ///
    /// # Errors
    /// [`RunError::Evaluation`].
    fn judge(&mut self, _model: &Model, _step: u64) -> Result<Option<f64>, RunError> {
        Ok(None)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// All steps are done, or no judgement got better for too long.
    Finished {
        /// Steps done.
        steps: u64,
        /// The best judgement and its step.
        best: Option<(f64, u64)>,
    },
    /// It was asked to stop, and a checkpoint was written.
    Stopped {
        /// Steps done.
        steps: u64,
    },
}

/// Trains `model` to the end, from the newest checkpoint in the output folder if there is one.
///
/// At the end the folder has `model` (the best by judgement, or the last) in the layout of its kind.
///
/// # Errors
/// [`RunError`]. Weights on disk are those of the last checkpoint then.
pub fn train(
    model: &mut Model,
    objective: &Objective,
    source: &mut dyn Source,
    watch: &mut dyn Watch,
    settings: &Settings,
) -> Result<End, RunError> {
    train_with(model, objective, source, watch, settings, None)
}

/// As [`train`], together with other processes, each of which calls this with the same settings and data.
///
/// The first process writes checkpoints and the model and judges; when one is asked to stop, all stop.
///
/// # Errors
/// As [`train`], and [`RunError::Peers`].
pub fn train_with(
    model: &mut Model,
    objective: &Objective,
    source: &mut dyn Source,
    watch: &mut dyn Watch,
    settings: &Settings,
    peers: Option<Peers>,
) -> Result<End, RunError> {
    let batches = batches(source, 0)?;
    let schedule = settings.schedule(batches);
    let mut trainer = Trainer::start(model, objective, settings, schedule)?;
    trainer.peers = peers;
    trainer.run(source, watch)
}

struct Trainer<'a> {
    model: &'a mut Model,
    objective: Objective,
    settings: &'a Settings,
    schedule: Schedule,
    checkpoints: Checkpoints,
    state: State,
    optimiser: AdamW,
    ema: Option<Ema>,
    peers: Option<Peers>,
}

impl<'a> Trainer<'a> {
    fn start(
        model: &'a mut Model,
        objective: &Objective,
        settings: &'a Settings,
        schedule: Schedule,
    ) -> Result<Self, RunError> {
        let mut objective = objective.clone();
        let checkpoints = Checkpoints::new(&settings.output, settings.keep);
        let mut state = State { digest: settings.digest.clone(), ..State::default() };
        let mut optimiser = AdamW::new(settings.optimiser);
        let mut ema = settings.ema.map(|decay| Ema::new(decay, &model.params));
        if let Some(newest) = checkpoints.newest()? {
            let loaded = Checkpoints::load(
                &newest,
                &settings.digest,
                &mut model.params,
                settings.optimiser,
                settings.ema,
            )?;
            (state, optimiser, ema) = loaded;
            if let Objective::ColBert { codec, .. } = &mut objective {
                *codec = Checkpoints::codec(&newest)?;
            }
        }
        Ok(Self { model, objective, settings, schedule, checkpoints, state, optimiser, ema, peers: None })
    }

    fn run(mut self, source: &mut dyn Source, watch: &mut dyn Watch) -> Result<End, RunError> {
        let settings = self.settings;
        let every = |interval: u64, step: u64| interval > 0 && step.is_multiple_of(interval);
        let mut saved = self.state.step;
        while self.state.step < self.schedule.total && !self.tired() {
            let report = self.step(source)?;
            watch.stepped(&report)?;
            let step = self.state.step;
            let new_epoch = self.state.batch == 0;
            if (every(settings.judge_every, step) || (settings.judge_epochs && new_epoch))
                && step < self.schedule.total
            {
                self.judge(watch)?;
            }
            if every(settings.save_every, step) || (settings.save_epochs && new_epoch) {
                self.save()?;
                saved = step;
            }
            if self.told(f32::from(u8::from(watch.stop())), f32::max)? > 0.0 && step < self.schedule.total {
                if saved != step {
                    self.save()?;
                }
                return Ok(End::Stopped { steps: step });
            }
        }
        if !self.tired() {
            self.judge(watch)?;
        }
        if saved != self.state.step {
            self.save()?;
        }
        self.finish()
    }

    /// Takes one step: the mean gradient of some batches, clipped, through AdamW.
    fn step(&mut self, source: &mut dyn Source) -> Result<StepReport, RunError> {
        let start = Instant::now();
        let settings = self.settings;
        let rate = self.schedule.rate(self.state.step);
        let mut sum = Sum::default();
        for micro in 0..settings.accumulate.max(1) {
            let (epoch, number) = (self.state.epoch, self.state.batch);
            let failed = |source| RunError::Data { epoch, batch: number, source };
            let batch = source.batch(epoch, number).map_err(failed)?;
            if micro == 0 {
                self.fit_codes(&batch)?;
            }
            let seed = settings.dropout.then(|| seed(settings.seed, self.state.step, micro));
            let flow = Flow { chunk: settings.chunk, recompute: settings.recompute, dropout: seed };
            let outcome = differentiate_with(self.model, &self.objective, &batch, flow, self.peers.as_mut())?;
            self.check(&outcome)?;
            sum.add(&batch, outcome);
            self.state.batch += 1;
            if self.state.batch >= batches(source, epoch)? {
                (self.state.epoch, self.state.batch) = (epoch + 1, 0);
                // A step does not reach into the next epoch, whose batches may be other ones.
                break;
            }
        }
        let (mut gradients, loss, accuracy) = sum.mean();
        let length = if settings.clip > 0.0 { clip(&mut gradients, settings.clip) } else { norm(&gradients) };
        self.optimiser.step(&mut self.model.params, &gradients, rate);
        if let Some(ema) = &mut self.ema {
            ema.add(&self.model.params);
        }
        self.state.step += 1;
        let State { epoch, batch, .. } = self.state;
        let share = if batch == 0 { 0.0 } else { batch as f64 / batches(source, epoch)? as f64 };
        let epochs = epoch as f64 + share;
        Ok(StepReport {
            step: self.state.step,
            total: self.schedule.total,
            epochs,
            loss,
            accuracy,
            rate,
            gradient: length,
            tokens: sum.tokens,
            time: start.elapsed(),
        })
    }

    /// Fits the codec that documents go through to those of `batch`, where it is time to. All processes have the same
    /// weights and batch, and so the same codec.
    fn fit_codes(&mut self, batch: &Batch) -> Result<(), RunError> {
        let (Objective::ColBert { codec, .. }, Some(coding), Batch::Texts(texts)) =
            (&mut self.objective, self.settings.coding, batch)
        else {
            return Ok(());
        };
        if codec.is_none() || self.state.step.is_multiple_of(coding.every) {
            *codec = fit(self.model, &texts.documents, coding, self.settings.chunk)?;
        }
        Ok(())
    }

    /// A number that is none would go into every weight and moment, and stay.
    fn check(&self, outcome: &Outcome) -> Result<(), RunError> {
        let odd = |values: &Vec<f32>| values.iter().any(|value| !value.is_finite());
        let what = match outcome.gradients.iter().find(|(_, values)| odd(values)) {
            _ if !outcome.loss.is_finite() => "the loss".to_owned(),
            Some((name, _)) => format!("the gradient of {name}"),
            None => return Ok(()),
        };
        let State { step, epoch, batch, .. } = self.state;
        Err(RunError::NotFinite { step: step + 1, epoch, batch, what })
    }

    fn judge(&mut self, watch: &mut dyn Watch) -> Result<(), RunError> {
        let first = self.first();
        let value = match first {
            true => self.with_means(|model, step| watch.judge(model, step))?,
            false => None,
        };
        // All processes hear the judgement of the first, so that all stop at the same step.
        let value = match self.peers {
            None => value,
            Some(_) => {
                let told = self.told(value.map_or(f32::NAN, |value| value as f32), |first, _| first)?;
                (!told.is_nan()).then_some(f64::from(told))
            }
        };
        let Some(value) = value else { return Ok(()) };
        if self.state.best.is_none_or(|(best, _)| value > best) {
            self.state.best = Some((value, self.state.step));
            self.state.since_best = 0;
            if !first {
                return Ok(());
            }
            let (target, texts) = (self.settings.output.join("best"), &self.settings.texts);
            return self.with_means(|model, _| Ok(model.save(&target, texts)?));
        }
        self.state.since_best += 1;
        Ok(())
    }

    /// Lets `look` see the running means in the place of the weights, where they are kept.
    fn with_means<T>(
        &mut self,
        look: impl FnOnce(&Model, u64) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        if let Some(ema) = &mut self.ema {
            ema.swap(&mut self.model.params);
        }
        let seen = look(self.model, self.state.step);
        if let Some(ema) = &mut self.ema {
            ema.swap(&mut self.model.params);
        }
        seen
    }

    fn tired(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.state.since_best >= patience.max(1))
    }

    /// Whether this process writes and judges.
    fn first(&self) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.rank() == 0)
    }

    /// What all processes say, brought together in the order of ranks.
    fn told(&mut self, own: f32, join: impl Fn(f32, f32) -> f32) -> Result<f32, RunError> {
        let Some(peers) = &mut self.peers else { return Ok(own) };
        let all = peers.share(&[own]).map_err(RunError::Peers)?;
        Ok(all.into_iter().flatten().reduce(join).unwrap_or(own))
    }

    fn save(&self) -> Result<(), RunError> {
        if !self.first() {
            return Ok(());
        }
        let codec = match &self.objective {
            Objective::ColBert { codec, .. } => codec.as_ref(),
            _ => None,
        };
        let (params, ema) = (&self.model.params, self.ema.as_ref());
        self.checkpoints.save(&self.state, params, &self.optimiser, ema, codec)?;
        Ok(())
    }

    fn finish(mut self) -> Result<End, RunError> {
        let (best, target) = (self.settings.output.join("best"), self.settings.output.join("model"));
        if !self.first() {
            return Ok(End::Finished { steps: self.state.step, best: self.state.best });
        }
        if self.state.best.is_some() && best.exists() {
            // The best weights go out, whatever came later.
            copy_folder(&best, &target).map_err(|source| RunError::Io { path: target, source })?;
        } else {
            if let Some(mut ema) = self.ema.take() {
                ema.swap(&mut self.model.params);
            }
            self.model.save(&target, &self.settings.texts)?;
        }
        Ok(End::Finished { steps: self.state.step, best: self.state.best })
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            write_whole(&target, &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// The dropout seed of a batch.
fn seed(seed: u64, step: u64, micro: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ step.wrapping_mul(0xd1b5_4a32_d192_ed03)
        ^ micro.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7)
}
