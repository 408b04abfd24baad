//! `lateen-train distil`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lateen::encode::{Model, ModelOptions};
use lateen_train::config::{DataFile, LossName, RunConfig, Task};
use lateen_train::data::{DataError, DataSet};
use lateen_train::distil::{DistilError, Teacher, teach, teach_tokens};
use lateen_train::feed::open_set;
use lateen_train::score::{ScoreCache, score, write_scored};

use super::data::count;
use super::score::{bar, replace, usual, with};
use super::teacher::Teaching;
use super::train::Train;
use crate::Global;
use crate::exit::{Outcome, usage};

const HELP: &str = "\
A teacher's answers are kept in OUTPUT/teacher, so what is stopped goes on where it was. Then a run like that of
`lateen-train embedding`, `colbert` or `reranker` follows, with all their settings; without --teacher the training
files must hold a teacher's scores or name its vectors.

Examples:
  lateen-train distil reranker --teacher big-reranker --base MiniLM --train triplets.jsonl --output out
  lateen-train distil embedding --teacher bge --teacher gte --base MiniLM --train pairs.jsonl --output out
  lateen-train distil colbert --teacher big-reranker --base MiniLM --train mined.jsonl --output out \\
      --set loss.code_bits=2
  lateen-train distil colbert --teacher large-colbert --base small --train texts.jsonl --output out \\
      --set loss.name=token_cosine";

/// Train a small model to answer as larger ones do
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Distil {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A judge's scores into a small reranker: kl, margin_mse, bce or mse (--set loss.name)
    #[command(after_help = HELP)]
    Reranker(Lesson),
    /// Encoders' vectors, side by side where there are several, into a small encoder: the losses of Stella
    #[command(after_help = HELP)]
    Embedding(Lesson),
    /// A judge's scores into a small late-interaction model, kl or margin_mse; or another such model's vectors of tokens, token_cosine
    #[command(after_help = HELP)]
    Colbert(Lesson),
}

/// What all three take.
#[derive(Debug, Args)]
struct Lesson {
    /// Directory of a teacher that Lateen loads: a judge, or an encoder for embeddings; may be repeated for these
    #[arg(long, value_name = "DIR")]
    teacher: Vec<PathBuf>,
    /// Texts or pairs that the teacher is asked about at once
    #[arg(long, default_value_t = 256, value_name = "N", help_heading = "Teacher")]
    teacher_batch: usize,
    #[command(flatten)]
    teaching: Teaching,
    #[command(flatten)]
    train: Train,
}

impl Distil {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Reranker(lesson) => lesson.run(Task::Reranker, global, out),
            Command::Embedding(lesson) => lesson.run(Task::Embedding, global, out),
            Command::Colbert(lesson) => lesson.run(Task::Colbert, global, out),
        }
    }
}

impl Lesson {
    fn run(self, task: Task, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let mut config = self.train.config(task, global)?;
        if config.loss.name == LossName::Auto {
            config.loss.name = if task == Task::Embedding { LossName::Stella } else { LossName::Kl };
        }
        if self.train.shows() {
            return self.train.start(&config, task, global, out);
        }
        self.train.check(&config)?;
        let folder = config.output.join("teacher");
        match (&self.teacher[..], task) {
            ([], _) => {}
            _ if self.train.is_shared() => {
                return usage(
                    "one process asks the teacher: run the others without --teacher, on what it wrote",
                );
            }
            ([teacher], Task::Colbert) if config.loss.name == LossName::TokenCosine => {
                self.tokens(teacher, &folder, &mut config, global)?;
            }
            (teachers, Task::Embedding) => self.vectors(teachers, &folder, &mut config, global)?,
            ([teacher], _) => self.scores(teacher, &folder, &mut config, global)?,
            _ => return usage("several teachers are for embeddings; scores come from one"),
        }
        self.train.start(&config, task, global, out)
    }

    /// Lets a judge score every training file, and names the scored files instead.
    fn scores(
        &self,
        directory: &Path,
        folder: &Path,
        config: &mut RunConfig,
        global: &Global,
    ) -> anyhow::Result<()> {
        make(folder)?;
        // What is learnt by itself, and not beside others, is a probability.
        let alone = matches!(config.loss.name, LossName::Bce | LossName::Mse);
        let teaching = if alone { self.teaching.unit() } else { self.teaching.clone() };
        let teacher = teaching.load(directory)?;
        let mut cache = ScoreCache::open(&folder.join("scores"), teaching.identity(directory)?)?;
        for (at, file) in config.data.train.clone().iter().enumerate() {
            let set = open_set(&config.data, file)?;
            let bar = bar(set.len() as u64, global.quiet);
            let told = |done: usize, _| {
                bar.set_position(done as u64);
                true
            };
            let report = score(&set, &teacher, teaching.scale(), &mut cache, self.teacher_batch, told);
            bar.finish_and_clear();
            let report = report?;
            if !global.quiet {
                let (pairs, now) = (count(report.pairs), count(report.scored));
                eprintln!("{}: {pairs} pairs, {now} of them scored now", file.path.display());
            }
            let path = with(&folder.join(at.to_string()), ".jsonl");
            let shape = usual(set.format()).shape();
            replace(&path, |writer| Ok(write_scored(&set, &cache, shape, writer, &path).map(drop)?))?;
            config.data.train[at] = DataFile { path, weight: file.weight, ..DataFile::default() };
        }
        Ok(())
    }

    /// Writes the vectors of every token of the training files' texts, and names them instead.
    fn tokens(
        &self,
        directory: &Path,
        folder: &Path,
        config: &mut RunConfig,
        global: &Global,
    ) -> anyhow::Result<()> {
        let sets = opened(config)?;
        // Both must cut long texts at the same token.
        let options = ModelOptions {
            max_document_tokens: Some(config.model.document_max_tokens),
            ..self.teaching.model()
        };
        let loading = || format!("loading the teacher {}", directory.display());
        let model = Model::load(directory, &options).with_context(loading)?;
        let length = config.model.document_max_tokens as u128;
        let teacher = Teacher { model, identity: self.teaching.identity(directory)? ^ length };
        let batch = self.teacher_batch;
        let made = watched(&sets, global, |each| teach_tokens(&sets, &teacher, folder, batch, each))?;
        tell((made.rows, made.made, made.left_out), global);
        let (token_vectors, token_dim) = (made.tokens, made.dim);
        config.data.train =
            vec![DataFile { path: made.texts, token_vectors, token_dim, ..DataFile::default() }];
        Ok(())
    }

    /// Writes the vectors of every text of the training files, and names them instead.
    fn vectors(
        &self,
        directories: &[PathBuf],
        folder: &Path,
        config: &mut RunConfig,
        global: &Global,
    ) -> anyhow::Result<()> {
        let sets = opened(config)?;
        let mut teachers = Vec::new();
        for directory in directories {
            let loading = || format!("loading the teacher {}", directory.display());
            let model = Model::load(directory, &self.teaching.model()).with_context(loading)?;
            teachers.push(Teacher { model, identity: self.teaching.identity(directory)? });
        }
        let batch = self.teacher_batch;
        let made = watched(&sets, global, |each| teach(&sets, &teachers, folder, batch, each))?;
        tell((made.rows, made.made, made.left_out), global);
        let (vectors, vector_dims) = (made.vectors, made.dims);
        config.data.train = vec![DataFile { path: made.texts, vectors, vector_dims, ..DataFile::default() }];
        Ok(())
    }
}

/// The training files.
fn opened(config: &RunConfig) -> Result<Vec<DataSet>, DataError> {
    config.data.train.iter().map(|file| open_set(&config.data, file)).collect()
}

/// Lets `make` tell a bar how many texts are done; there may be more of them than rows.
fn watched<T>(
    sets: &[DataSet],
    global: &Global,
    make: impl FnOnce(&mut dyn FnMut(u64)) -> Result<T, DistilError>,
) -> Result<T, DistilError> {
    let bar = bar(sets.iter().map(|set| set.len() as u64).sum(), global.quiet);
    let made = make(&mut |texts| {
        bar.set_length(bar.length().unwrap_or(0).max(texts));
        bar.set_position(texts);
    });
    bar.finish_and_clear();
    made
}

/// Says how many texts there are, how many were encoded now, and how many could not be.
fn tell((rows, made, left_out): (u64, u64, u64), global: &Global) {
    if global.quiet {
        return;
    }
    eprintln!("{} texts, {} of them encoded now", count(rows), count(made));
    if left_out > 0 {
        eprintln!("note: {left_out} texts were left out: a teacher gave them no direction");
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}
