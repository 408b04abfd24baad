use super::portable::{Header, Line};
use crate::exit::{BadData, Outcome, usage};
use crate::output::Output;
use crate::progress::Progress;
use crate::{interrupt, size};
use anyhow::Context as _;
use clap::Args;
use lateen::index::{Index, IndexError, WriterOptions};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen import my.jsonl --out copy.lateen
  lateen import my-collection --out copy.lateen     a folder that `lateen export --beir` wrote
  lateen export a.lateen | lateen import - --out b.lateen

Vectors are taken as they are: nothing is encoded. Documents replace those of the same id.";

/// Make an index of documents with vectors, as `lateen export` writes them, or add them to one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Import {
    /// A file of JSON lines, a folder with corpus.jsonl and lateen.json, or `-` for standard input
    input: PathBuf,
    /// The index: made if it is not there
    #[arg(long, value_name = "INDEX")]
    out: PathBuf,
    /// Commit after this many documents
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    commit_every: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    added: u64,
    updated: u64,
    interrupted: bool,
}

/// Lines of a file, and the header if it has one.
struct Input {
    name: String,
    lines: Box<dyn BufRead>,
    header: Option<Header>,
    /// The first line, if it is a document.
    first: Option<String>,
    bytes: Option<u64>,
}

impl Input {
    fn open(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() {
            let corpus = path.join("corpus.jsonl");
            let header = path.join("lateen.json");
            let text = match std::fs::read_to_string(&header) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(error).with_context(|| header.display().to_string()),
            };
            let mut input = Self::open(&corpus)?;
            if let Some(text) = text {
                let parsed = serde_json::from_str(&text)
                    .map_err(|error| BadData(format!("{}: {error}", header.display())))?;
                input.header = Some(parsed);
            }
            return Ok(input);
        }
        let (lines, bytes): (Box<dyn BufRead>, _) = if path == Path::new("-") {
            (Box::new(std::io::stdin().lock()), None)
        } else {
            let file = File::open(path).with_context(|| path.display().to_string())?;
            let bytes = file.metadata().ok().map(|metadata| metadata.len());
            (Box::new(BufReader::new(file)), bytes)
        };
        let name = path.display().to_string();
        let mut input = Self { name, lines, header: None, first: None, bytes };
        let first = input.next_line(1)?;
        match first {
            Some(line) if Header::is_header(&line) => {
                let parsed = serde_json::from_str(&line)
                    .map_err(|error| BadData(format!("{}, line 1: {error}", input.name)))?;
                input.header = Some(parsed);
            }
            first => input.first = first,
        }
        Ok(input)
    }

    fn next_line(&mut self, number: u64) -> anyhow::Result<Option<String>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        match read.with_context(|| format!("{}, line {number}", self.name))? {
            0 => Ok(None),
            _ => Ok(Some(line)),
        }
    }
}

impl Import {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let mut input = Input::open(&self.input)?;
        let index = self.index(input.header.as_ref())?;
        let settings = index.snapshot().settings().clone();
        let graceful = interrupt::Graceful::begin();
        let mut writer = index.writer(WriterOptions::default())?;
        let progress = Progress::start(output, input.bytes);
        let (mut added, mut updated, mut place) = (0, 0, 0);
        let mut number = if input.first.is_some() { 0 } else { u64::from(input.header.is_some()) };
        let mut failure = None;
        while !interrupt::requested() {
            number += 1;
            let Some(line) = input.next_line(number)? else { break };
            place += line.len() as u64;
            if line.trim().is_empty() {
                continue;
            }
            let parsed = serde_json::from_str::<Line>(&line).map_err(anyhow::Error::from);
            let document = parsed.and_then(|line| line.into_document(&settings));
            let result = document.and_then(|document| Ok(writer.add(document)?));
            match result {
                Ok(true) => updated += 1,
                Ok(false) => added += 1,
                Err(error) => {
                    let place = format!("{}, line {number}", input.name);
                    failure = Some(match error.downcast::<IndexError>() {
                        Ok(error) => anyhow::Error::from(error).context(place),
                        Err(error) => BadData(format!("{place}: {error:#}")).into(),
                    });
                    break;
                }
            }
            if (added + updated) % self.commit_every == 0 {
                writer.commit()?;
            }
            progress.set(place, added + updated, "document");
        }
        drop(progress);
        // What came before a bad line is kept, as with `lateen index`.
        writer.commit()?;
        drop(graceful);
        if let Some(error) = failure {
            return Err(error);
        }
        let snapshot = index.snapshot();
        let interrupted = interrupt::requested();
        let body = Body {
            index: &self.out,
            generation: snapshot.generation(),
            documents: snapshot.documents(),
            added,
            updated,
            interrupted,
        };
        if output.json {
            output.document("import", &body)?;
        } else {
            let documents = size::count(body.documents, "document");
            let (added, updated) = (size::grouped(added), size::grouped(updated));
            output
                .note(format_args!("{}: {documents} ({added} added, {updated} updated)", self.out.display()));
        }
        Ok(if interrupted { Outcome::Interrupted } else { Outcome::Done })
    }

    /// The index that is there, or a new one made by the header.
    fn index(&self, header: Option<&Header>) -> anyhow::Result<Index> {
        match (Index::open(&self.out), header) {
            (Ok(index), _) => Ok(index),
            (Err(IndexError::NoIndex { .. }), Some(header)) => {
                Ok(Index::create(&self.out, &header.settings()?, &header.model()?)?)
            }
            (Err(IndexError::NoIndex { .. }), None) => usage(format!(
                "{} holds no index, and the input does not say how to make one: export with this program, or \
                 create the index first",
                self.out.display()
            )),
            (Err(error), _) => Err(error.into()),
        }
    }
}
