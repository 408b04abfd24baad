use super::input::Input;
use super::model_choice::{ModelChoice, tell};
use super::write::{Write, write};
use crate::exit::{Outcome, usage};
use crate::output::Output;
use clap::{Args, ValueEnum};
use lateen::format::{DenseStorage, FileName, IndexSettings, TokenStorage, Words};
use lateen::index::IndexError;
use lateen::retriever::{CreateOptions, Retriever};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen index docs.jsonl --out my.lateen
  lateen index notes/ --out notes.lateen --model models/colbert --bits 2
  zcat dump.jsonl.gz | lateen index - --out my.lateen

Running it again goes on where an interrupted run stopped: documents that are in the index with the same
content are left as they are.";

/// Make an index of files or folders, or bring one up to date
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Index {
    /// Files, folders, or `-` for standard input: JSONL, TSV, text, Markdown, BEIR; .gz and .zst too
    #[arg(required = true, value_name = "DIR_OR_FILE")]
    inputs: Vec<PathBuf>,
    /// Where the index is, or will be
    #[arg(long, short, value_name = "INDEX")]
    out: PathBuf,
    /// Bits per component of a token vector: 1 to 4 are codes (ternary ones take 1.6), 16 and 32 floats [default: 4]
    #[arg(long, value_enum)]
    bits: Option<Bits>,
    /// How dense vectors are stored, if the model has them [default: f16 if it has no others]
    #[arg(long, value_enum, value_name = "TYPE")]
    dense: Option<Dense>,
    /// How texts are cut into words, for `search --by words` and `--by both` [default: english; none with --no-store]
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    words: Option<WordsChoice>,
    /// Keep no text in the index: hits then have ids and scores only
    #[arg(long)]
    no_store: bool,
    /// Start of all random choices; the same input, settings and seed give the same bytes
    #[arg(long, value_name = "N", hide_short_help = true)]
    seed: Option<u64>,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    write: Write,
    #[command(flatten)]
    model: ModelChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bits {
    #[value(name = "1")]
    One,
    #[value(name = "ternary", alias = "1.58")]
    Ternary,
    #[value(name = "2")]
    Two,
    #[value(name = "4")]
    Four,
    #[value(name = "16")]
    Sixteen,
    #[value(name = "32")]
    ThirtyTwo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dense {
    None,
    F32,
    F16,
    I8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WordsChoice {
    /// Keep none
    None,
    /// Lower case, stop words left out, stemmed
    English,
    /// Pairs of Chinese, Japanese and Korean characters; other words in lower case
    Cjk,
    /// Chinese words by a dictionary
    #[cfg(feature = "jieba")]
    Jieba,
}

impl WordsChoice {
    fn words(self) -> Words {
        match self {
            Self::None => Words::None,
            Self::English => Words::English,
            Self::Cjk => Words::CjkBigrams,
            #[cfg(feature = "jieba")]
            Self::Jieba => Words::Jieba,
        }
    }
}

impl Bits {
    pub fn storage(self) -> TokenStorage {
        match self {
            Self::One => TokenStorage::Residual1,
            Self::Ternary => TokenStorage::ResidualTernary,
            Self::Two => TokenStorage::Residual2,
            Self::Four => TokenStorage::Residual4,
            Self::Sixteen => TokenStorage::F16,
            Self::ThirtyTwo => TokenStorage::F32,
        }
    }
}

impl Dense {
    fn storage(self) -> DenseStorage {
        match self {
            Self::None => DenseStorage::None,
            Self::F32 => DenseStorage::F32,
            Self::F16 => DenseStorage::F16,
            Self::I8 => DenseStorage::I8,
        }
    }
}

impl Index {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let settings = existing_settings(&self.out)?;
        if self.no_store && self.words.is_some_and(|words| words != WordsChoice::None) {
            return usage("--words needs the texts that --no-store leaves out");
        }
        // Read first: a mistyped or empty input leaves no empty index behind.
        let documents = self.input.open(&self.inputs)?;
        let retriever = match settings {
            Some(settings) => {
                self.agrees(&settings)?;
                output.detail(format_args!("{}: going on with this index", self.out.display()));
                Retriever::open(&self.out, self.model.source()?)?
            }
            None => Retriever::create(&self.out, self.model.load()?, &self.create_options())?,
        };
        tell(output, retriever.model());
        let options = self.write.options(self.model.engine.threads, &retriever.snapshot())?;
        write(output, &retriever, documents, &options)
    }

    fn create_options(&self) -> CreateOptions {
        let defaults = CreateOptions::default();
        CreateOptions {
            token_storage: self.bits.map(Bits::storage),
            dense_storage: self.dense.map(Dense::storage),
            store_documents: !self.no_store,
            words: self.words.map(WordsChoice::words),
            seed: self.seed.unwrap_or(defaults.seed),
        }
    }

    /// An index keeps the settings it was made with.
    fn agrees(&self, settings: &IndexSettings) -> anyhow::Result<()> {
        let differs = |option: &str| {
            let out = self.out.display();
            usage(format!(
                "{out} was made with another {option}; leave the option out, or choose another --out"
            ))
        };
        if self.bits.is_some_and(|bits| bits.storage() != settings.token_storage) {
            return differs("--bits");
        }
        if self.dense.is_some_and(|dense| dense.storage() != settings.dense_storage) {
            return differs("--dense");
        }
        if self.words.is_some_and(|words| words.words() != settings.words) {
            return differs("--words");
        }
        if self.no_store && settings.store_documents {
            return differs("--no-store");
        }
        if self.seed.is_some_and(|seed| seed != settings.seed) {
            return differs("--seed");
        }
        Ok(())
    }
}

/// The settings of the index at `path`, or nothing where one can be made.
fn existing_settings(path: &Path) -> anyhow::Result<Option<IndexSettings>> {
    if path.is_file() {
        return usage(format!("{} is a file; an index is a folder, so choose another --out", path.display()));
    }
    match lateen::index::Index::open(path) {
        Ok(index) => Ok(Some(index.snapshot().settings().clone())),
        Err(IndexError::NoIndex { .. }) => {
            if let Some(stranger) = stranger(path) {
                let path = path.display();
                return usage(format!(
                    "{path} is no index and has files of its own ({stranger}); choose another --out"
                ));
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A file in `path` that is not of an index whose making was interrupted.
fn stranger(path: &Path) -> Option<String> {
    let names = std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    names.find(|name| FileName::parse(name).is_none())
}
