//! The files a run writes its numbers to.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::events::EventFile;

/// Why a log cannot be written: make room, or choose another folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", .path.display())]
pub struct LogError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Numbers of a step, or their means since the line before.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct StepRecord {
    /// Steps done.
    pub step: u64,
    /// Passes through the data, with the fraction of the present one.
    pub epoch: f64,
    /// The loss.
    pub loss: f64,
    /// Share of queries whose best document is a positive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The learning rate.
    pub learning_rate: f64,
    /// Length of the gradient before it was clipped.
    pub grad_norm: f64,
    /// Tokens a second, padding not counted.
    pub tokens_per_second: f64,
    /// Time to the end of the run.
    pub seconds_left: f64,
    /// Anything else, such as the parts of a loss.
    #[serde(flatten)]
    pub more: BTreeMap<String, f64>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'a str,
    time: f64,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Evaluation<'a> {
    step: u64,
    name: &'a str,
    metrics: &'a BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Head {
    step: u64,
}

/// `log.jsonl` and event files of a run.
#[derive(Debug, Default)]
pub struct RunLog {
    jsonl: Option<(File, PathBuf)>,
    events: Option<EventFile>,
}

impl RunLog {
    /// Opens the logs in `folder`. Lines of steps after `step` go: the run that wrote them did not get further than its
    /// last checkpoint.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(folder: &Path, step: u64, jsonl: bool, tensorboard: bool) -> Result<Self, LogError> {
        let mut log = Self::default();
        if jsonl {
            let path = folder.join("log.jsonl");
            let file = keep_until(&path, step).map_err(|source| LogError { path: path.clone(), source })?;
            log.jsonl = Some((file, path));
        }
        if tensorboard {
            let fail = |source| LogError { path: folder.to_owned(), source };
            log.events = Some(EventFile::create(folder, now()).map_err(fail)?);
        }
        Ok(log)
    }

    /// Writes the numbers of training.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn step(&mut self, record: &StepRecord) -> Result<(), LogError> {
        let mut scalars = vec![
            ("train/loss".to_owned(), record.loss),
            ("train/learning_rate".to_owned(), record.learning_rate),
            ("train/grad_norm".to_owned(), record.grad_norm),
            ("train/tokens_per_second".to_owned(), record.tokens_per_second),
            ("train/epoch".to_owned(), record.epoch),
        ];
        scalars.extend(record.accuracy.map(|accuracy| ("train/accuracy".to_owned(), accuracy)));
        scalars.extend(record.more.iter().map(|(name, value)| (format!("train/{name}"), *value)));
        self.write("step", record.step, record, &scalars)
    }

    /// Writes the numbers of an evaluation: a validation set's loss, or metrics of retrieval.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn evaluation(
        &mut self,
        step: u64,
        name: &str,
        metrics: &BTreeMap<String, f64>,
    ) -> Result<(), LogError> {
        let scalars: Vec<_> =
            metrics.iter().map(|(metric, value)| (format!("{name}/{metric}"), *value)).collect();
        self.write("evaluation", step, &Evaluation { step, name, metrics }, &scalars)
    }

    fn write<T: Serialize>(
        &mut self,
        kind: &str,
        step: u64,
        body: &T,
        scalars: &[(String, f64)],
    ) -> Result<(), LogError> {
        let time = now();
        if let Some((file, path)) = &mut self.jsonl {
            let fail = |source| LogError { path: path.clone(), source };
            let mut line = serde_json::to_vec(&Line { kind, time, body }).map_err(|e| fail(e.into()))?;
            line.push(b'\n');
            // One write a line: a run that is killed leaves whole lines.
            file.write_all(&line).map_err(fail)?;
        }
        if let Some(events) = &mut self.events {
            let scalars: Vec<_> = scalars.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let written = events.scalars(time, step, &scalars);
            written.map_err(|source| LogError { path: events.path().to_owned(), source })?;
        }
        Ok(())
    }
}

/// Opens a log for appending, without the lines of steps after `step` and without a last half line.
fn keep_until(path: &Path, step: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let (mut kept, mut line) = (0u64, Vec::new());
    let mut reader = BufReader::new(&mut file);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        let whole = line.last() == Some(&b'\n');
        let head = serde_json::from_slice::<Head>(&line);
        if read == 0 || !whole || head.is_ok_and(|head| head.step > step) {
            break;
        }
        kept += read;
    }
    drop(reader);
    file.set_len(kept)?;
    Ok(file)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_log_has_every_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let record = |step| StepRecord { step, loss: 1.0 / step as f64, ..StepRecord::default() };
        let mut log = RunLog::open(folder.path(), 0, true, true).unwrap();
        (1..=5).for_each(|step| log.step(&record(step)).unwrap());
        let metrics = BTreeMap::from([("ndcg@10".to_owned(), 0.5)]);
        log.evaluation(5, "scifact", &metrics).unwrap();
        std::fs::write(&path, [std::fs::read(&path).unwrap(), b"{\"kind\":\"st".to_vec()].concat()).unwrap();
        let mut log = RunLog::open(folder.path(), 3, true, false).unwrap();
        (4..=6).for_each(|step| log.step(&record(step)).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        let steps: Vec<u64> =
            text.lines().map(|line| serde_json::from_str::<Head>(line).unwrap().step).collect();
        assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
        assert!(text.contains("\"kind\":\"step\"") && text.contains("\"loss\":0.25"));
    }

    #[test]
    fn what_is_no_number_is_null() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::open(folder.path(), 0, true, false).unwrap();
        log.step(&StepRecord { step: 1, loss: f64::NAN, accuracy: Some(0.5), ..StepRecord::default() })
            .unwrap();
        let text = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
        assert!(text.contains("\"loss\":null,\"accuracy\":0.5"), "{text}");
    }
}
