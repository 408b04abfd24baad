use super::tune::TuningBody;
use crate::exit::Outcome;
use crate::output::{BOLD, Output};
use crate::size;
use crate::text::plain;
use clap::Args;
use lateen::format::{DenseStorage, ModelIdentity};
use lateen::index::{Index, Segment, Snapshot};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Show how an index was made: settings, model, segments and their sections
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lateen inspect my.lateen")]
pub struct Inspect {
    /// The index
    index: PathBuf,
}

#[derive(Serialize)]
struct Body<'a> {
    index: &'a Path,
    generation: u64,
    settings: Settings,
    model: ModelBody<'a>,
    tuning: Option<TuningBody>,
    segments: Vec<SegmentBody>,
}

#[derive(Serialize)]
struct Settings {
    token_storage: &'static str,
    token_dim: u32,
    dense_storage: &'static str,
    dense_dim: u32,
    store_documents: bool,
    seed: u64,
}

#[derive(Serialize)]
struct ModelBody<'a> {
    name: &'a str,
    location: &'a str,
    fingerprint: String,
    description: &'a str,
}

#[derive(Serialize)]
struct SegmentBody {
    number: u64,
    documents: u32,
    deleted: u32,
    tokens: u64,
    bytes: u64,
    writer: String,
    build: Vec<(String, String)>,
    sections: Vec<SectionBody>,
}

#[derive(Serialize)]
struct SectionBody {
    name: String,
    offset: u64,
    bytes: u64,
}

impl Inspect {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let snapshot = Index::open(&self.index)?.snapshot();
        let body = Body {
            index: &self.index,
            generation: snapshot.generation(),
            settings: Settings::of(&snapshot),
            model: ModelBody::of(snapshot.model()),
            tuning: snapshot.tuning().map(|tuning| TuningBody::of(tuning, snapshot.documents())),
            segments: snapshot.segments().iter().map(SegmentBody::of).collect(),
        };
        if output.json {
            output.document("inspect", &body)?;
        } else {
            body.write(output)?;
        }
        Ok(Outcome::Done)
    }
}

impl Settings {
    fn of(snapshot: &Snapshot) -> Self {
        let settings = snapshot.settings();
        Self {
            token_storage: settings.token_storage.name(),
            token_dim: settings.token_dim,
            dense_storage: dense_storage(settings.dense_storage),
            dense_dim: settings.dense_dim,
            store_documents: settings.store_documents,
            seed: settings.seed,
        }
    }
}

fn dense_storage(storage: DenseStorage) -> &'static str {
    match storage {
        DenseStorage::None => "none",
        DenseStorage::F32 => "f32",
        DenseStorage::F16 => "f16",
        DenseStorage::I8 => "int8",
    }
}

impl<'a> ModelBody<'a> {
    fn of(model: &'a ModelIdentity) -> Self {
        let fingerprint = hex(&model.fingerprint);
        let ModelIdentity { name, location, description, .. } = model;
        Self { name, location, fingerprint, description }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl SegmentBody {
    fn of(segment: &Segment) -> Self {
        let reader = segment.reader();
        let section = |entry: &lateen::format::SectionEntry| SectionBody {
            name: entry.kind().to_string(),
            offset: entry.range().start as u64,
            bytes: entry.range().len() as u64,
        };
        Self {
            number: reader.number(),
            documents: segment.documents(),
            deleted: segment.documents() - segment.live_documents(),
            tokens: reader.tokens(),
            bytes: reader.bytes(),
            writer: reader.meta().writer.clone(),
            build: reader.meta().build.clone(),
            sections: reader.entries().map(section).collect(),
        }
    }
}

impl Body<'_> {
    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let Settings { token_storage, token_dim, dense_storage, dense_dim, .. } = self.settings;
        output.line(output.paint(BOLD, self.index.display()))?;
        output.line(format_args!("generation   {}", self.generation))?;
        output.line(format_args!("tokens       {token_storage}, {token_dim} dimensions"))?;
        output.line(format_args!("dense        {dense_storage}, {dense_dim} dimensions"))?;
        output.line(format_args!(
            "texts        {}",
            if self.settings.store_documents { "stored" } else { "not stored" }
        ))?;
        output.line(format_args!("seed         {}", self.settings.seed))?;
        output.line(format_args!(
            "model        {} ({})",
            plain(self.model.name),
            plain(self.model.location)
        ))?;
        output.line(format_args!("             {}", plain(self.model.description)))?;
        output.line(format_args!("             fingerprint {}", self.model.fingerprint))?;
        match &self.tuning {
            Some(tuning) => tuning.write(output)?,
            None => output.line("recall       not measured")?,
        }
        for segment in &self.segments {
            segment.write(output)?;
        }
        Ok(())
    }
}

impl SegmentBody {
    fn write(&self, output: &mut Output) -> anyhow::Result<()> {
        let documents = size::count(self.documents.into(), "document");
        let tokens = size::count(self.tokens, "token");
        let heading = format!("segment {}", self.number);
        let heading = output.paint(BOLD, heading);
        output.line(format_args!(
            "{heading}: {documents} ({} deleted), {tokens}, {}, written by {}",
            self.deleted,
            size::bytes(self.bytes),
            plain(&self.writer)
        ))?;
        for (name, value) in &self.build {
            output.line(format_args!("  {}: {}", plain(name), plain(value)))?;
        }
        for section in &self.sections {
            output.line(format_args!(
                "  {:<20} at {:>12}  {:>10}",
                section.name,
                section.offset,
                size::bytes(section.bytes)
            ))?;
        }
        Ok(())
    }
}
