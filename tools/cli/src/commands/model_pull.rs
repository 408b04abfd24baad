use crate::exit::{Outcome, usage};
use crate::output::Output;
use crate::progress::Progress;
use crate::size;
use clap::Args;
use lateen::encode::hub::{HubCache, HubId, PullOptions, Puller};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Fetch a model from the hub into its cache, where every program finds it
///
/// Only what loading reads is fetched: settings, tokenizer, one graph with its weights; never pickles or code. Files are
/// checked against the hub's checksums, and a download that broke off goes on where it ended. HF_HUB_CACHE, HF_HOME,
/// HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured.
#[derive(Debug, Args)]
pub struct Pull {
    /// The model's name: org/name or org/name@revision
    model: String,
    /// Which of several graphs: int8 means model_int8.onnx [default: model.onnx]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// The cache [default: where the environment says]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Refuse models that are larger
    #[arg(long, value_name = "GIB", default_value_t = 64, hide_short_help = true)]
    limit: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    directory: &'a Path,
    commit: &'a str,
    files: u64,
    fetched: u64,
}

impl Pull {
    pub fn run(self, output: &mut Output) -> anyhow::Result<Outcome> {
        let Some(id) = HubId::parse(&self.model) else {
            return usage(format!(
                "{:?} is no name of the hub's; write org/name or org/name@revision",
                self.model
            ));
        };
        let environment = HubCache::from_environment();
        let cache = match &self.cache {
            None => environment,
            Some(folder) if environment.is_offline() => HubCache::at(folder).offline(),
            Some(folder) => HubCache::at(folder),
        };
        let mut options = PullOptions { variant: self.variant, ..PullOptions::from_environment() };
        options.limit = self.limit.saturating_mul(1 << 30);
        let puller = Puller::new(cache, options);
        let mut progress: Option<Progress> = None;
        let pulled = puller.pull(&id, &mut |there, all| {
            let bar = progress.get_or_insert_with(|| Progress::start(output, Some(all)));
            bar.set(there, there / 1_000_000, "megabyte");
        });
        drop(progress);
        let pulled = pulled?;
        let body = Body {
            model: &self.model,
            directory: &pulled.directory,
            commit: &pulled.commit,
            files: pulled.files as u64,
            fetched: pulled.fetched,
        };
        if output.json {
            output.document("pulled", &body)?;
        } else {
            let (files, bytes) = (size::count(body.files, "file"), size::bytes(body.fetched));
            output.note(format_args!("{id}: {files}, {bytes} fetched"));
            output.line(pulled.directory.display())?;
        }
        Ok(Outcome::Done)
    }
}
