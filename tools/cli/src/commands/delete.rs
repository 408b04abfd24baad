use super::filter::FilterChoice;
use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::{interrupt, size};
use anyhow::Context as _;
use clap::Args;
use lateen::index::{Index, WriterOptions};
use lateen::search::matching;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  lateen delete my.lateen doc-17 doc-18
  lateen delete my.lateen --from ids.txt
  lateen delete my.lateen --filter 'year < 2000' --dry-run";

/// Delete documents by id, or those that pass a filter
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Delete {
    /// The index
    index: PathBuf,
    /// Ids of documents
    #[arg(required_unless_present_any = ["from", "filter"])]
    ids: Vec<String>,
    /// A file with one id per line, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterChoice,
    /// Only count and list what would be deleted
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Deleted<'a> {
    index: &'a Path,
    generation: u64,
    documents: u64,
    deleted: u64,
    not_found: &'a [String],
    dry_run: bool,
}

impl Delete {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let ids = self.ids()?;
        let index = Index::open(&self.index)?;
        let (deleted, not_found) =
            if self.dry_run { self.look(&index, ids, output)? } else { self.delete(&index, ids)? };
        self.tell(&index, deleted, &not_found, output)?;
        Ok(if deleted > 0 { Outcome::Done } else { Outcome::Nothing })
    }

    /// All or nothing: one commit, so an interruption before it changes nothing. What passes the filter is looked for under the
    /// writer's lock, so that nobody changes it meanwhile.
    fn delete(&self, index: &Index, ids: Vec<String>) -> anyhow::Result<(u64, Vec<String>)> {
        let mut writer = index.writer(WriterOptions::default())?;
        index.refresh()?;
        let (mut deleted, mut not_found) = (0, Vec::new());
        for id in ids {
            if writer.delete(&id)? {
                deleted += 1;
            } else {
                not_found.push(id);
            }
        }
        for id in self.filtered(index)? {
            // Not there any more if it was named too.
            deleted += u64::from(writer.delete(&id)?);
        }
        let _graceful = interrupt::Graceful::begin();
        if deleted > 0 {
            writer.commit()?;
        }
        Ok((deleted, not_found))
    }

    /// Lists what would be deleted.
    fn look(
        &self,
        index: &Index,
        ids: Vec<String>,
        output: &mut Output,
    ) -> anyhow::Result<(u64, Vec<String>)> {
        let snapshot = index.snapshot();
        let (mut found, mut not_found) = (BTreeSet::new(), Vec::new());
        for id in ids {
            if snapshot.find(&id)?.is_some() {
                found.insert(id);
            } else {
                not_found.push(id);
            }
        }
        found.extend(self.filtered(index)?);
        if !output.json {
            for id in &found {
                output.line(crate::text::plain(id))?;
            }
        }
        Ok((found.len() as u64, not_found))
    }

    fn filtered(&self, index: &Index) -> anyhow::Result<Vec<String>> {
        let Some(filter) = self.filter.filter() else { return Ok(Vec::new()) };
        let snapshot = index.snapshot();
        let found = matching(&snapshot, &filter)?;
        let ids = found.into_iter().map(|doc| snapshot.external_id(doc).map(str::to_owned));
        Ok(ids.collect::<Result<_, _>>()?)
    }

    fn tell(
        &self,
        index: &Index,
        deleted: u64,
        not_found: &[String],
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let snapshot = index.snapshot();
        let (generation, documents, dry_run) = (snapshot.generation(), snapshot.documents(), self.dry_run);
        if output.json {
            let body = Deleted { index: &self.index, generation, documents, deleted, not_found, dry_run };
            output.document("delete", &body)?;
        } else {
            let (count, left) = (size::grouped(deleted), size::count(documents, "document"));
            let index = self.index.display();
            match dry_run {
                true => output.note(format_args!("{index}: {count} of {left} would be deleted")),
                false => output.note(format_args!("{index}: {count} deleted, {left} left")),
            }
        }
        if !not_found.is_empty() {
            let first = not_found.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let count = size::count(not_found.len() as u64, "id");
            output.note(format_args!("{count} not in the index: {}", crate::text::plain(&first)));
        }
        Ok(())
    }

    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let mut ids = self.ids.clone();
        if let Some(path) = &self.from {
            let text = if path == Path::new("-") {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("reading ids from standard input")?;
                text
            } else {
                std::fs::read_to_string(path)
                    .with_context(|| format!("reading ids from {}", path.display()))?
            };
            ids.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
        if ids.is_empty() && !self.filter.is_given() {
            return usage("no ids to delete: the file is empty");
        }
        Ok(ids)
    }
}
