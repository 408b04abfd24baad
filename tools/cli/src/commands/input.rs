//! The options that say how documents are read, shared by the commands that read them.

use crate::exit::usage;
use crate::size;
use clap::{Args, ValueEnum};
use lateen::corpus::{CorpusError, Document, ReadOptions, Skipped, Source};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input")]
pub struct Input {
    /// How the input is written; told by names and first bytes if not given
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Leave out bad records, count them, and show the first few
    #[arg(long)]
    pub skip_bad: bool,
    /// The largest record
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size::parse_bytes, hide_short_help = true)]
    pub max_line: usize,
    /// Field or column with the id, instead of `_id` or `id`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub id_field: Option<String>,
    /// Field or column with the title, instead of `title`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub title_field: Option<String>,
    /// Field or column with the text, instead of `text`
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub text_field: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    Jsonl,
    Tsv,
    Parquet,
    Text,
    Markdown,
    Beir,
}

impl From<Format> for lateen::corpus::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl,
            Format::Tsv => Self::Tsv,
            Format::Parquet => Self::Parquet,
            Format::Text => Self::Text,
            Format::Markdown => Self::Markdown,
            Format::Beir => Self::Beir,
        }
    }
}

impl Input {
    #[expect(clippy::field_reassign_with_default, reason = "the type may grow and has no literal here")]
    pub fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.format = self.format.map(Into::into);
        options.skip_bad = self.skip_bad;
        options.max_line_bytes = self.max_line;
        options.fields.id = self.id_field.clone();
        options.fields.title = self.title_field.clone();
        options.fields.text = self.text_field.clone();
        options
    }

    /// Opens every path and reads the first document, so that a mistyped path or a wrong file is found before
    /// anything is done.
    pub fn open(&self, paths: &[PathBuf]) -> anyhow::Result<Documents> {
        Documents::open(paths, &self.options())
    }
}

/// The documents of several sources, one after another.
pub struct Documents {
    sources: Vec<Source>,
    at: usize,
    place: Rc<Cell<u64>>,
    first: Option<Document>,
}

impl Documents {
    /// As [`Input::open`].
    pub fn open(paths: &[PathBuf], options: &ReadOptions) -> anyhow::Result<Self> {
        if paths.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
            return usage("`-` is given twice; standard input can be read once");
        }
        let open = |path: &PathBuf| Source::open(path, options.clone());
        let sources = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut documents = Self { sources, at: 0, place: Rc::default(), first: None };
        documents.first = documents.next().transpose()?;
        Ok(documents)
    }

    /// All bytes of the input, if that can be known.
    pub fn total(&self) -> Option<u64> {
        self.sources.iter().map(|source| source.position().total).sum()
    }

    /// How many bytes were read, told while the documents are being taken.
    pub fn place(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.place)
    }

    /// What each source left out.
    pub fn skipped(&self) -> impl Iterator<Item = &Skipped> {
        self.sources.iter().map(Source::skipped)
    }
}

impl Iterator for Documents {
    type Item = Result<Document, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        while let Some(source) = self.sources.get_mut(self.at) {
            if let Some(document) = source.next() {
                let bytes = |source: &Source| -> u64 { source.position().bytes };
                self.place.set(self.sources[..=self.at].iter().map(bytes).sum());
                return Some(document);
            }
            self.at += 1;
        }
        None
    }
}
