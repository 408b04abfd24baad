//! What a comparison is made of, as its TOML file says it.

mod collection;
mod system;

pub use collection::{BoundarySpec, CollectionSpec, Fold};
pub use system::{AnalyzerSpec, Kind, LATE, SystemSpec};

use crate::commands::is_compiled_in;
use crate::exit::{bad_data, usage};
use lateen::encode::hub::{HubCache, HubId};
use lateen::eval::Metric;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A whole comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Study {
    /// What the report is called.
    #[serde(default)]
    pub title: Option<String>,
    /// Where results go, seen from the TOML file.
    pub out: PathBuf,
    /// The system that others are held against; the first if none is named.
    #[serde(default)]
    pub baseline: Option<String>,
    #[serde(default)]
    pub metrics: Vec<String>,
    /// How deep rankings go.
    #[serde(default = "depth")]
    pub depth: u32,
    #[serde(default = "seed")]
    pub seed: u64,
    /// Where encodings are kept, seen from the TOML file; in `out` if it is not said.
    #[serde(default)]
    pub cache: Option<PathBuf>,
    /// How much room they may take.
    #[serde(default = "cache_size")]
    pub cache_size: String,
    #[serde(default)]
    pub latency: LatencySpec,
    /// The experiment with thirds of texts, for dense systems.
    #[serde(default)]
    pub thirds: Option<Thirds>,
    #[serde(rename = "collection")]
    pub collections: Vec<CollectionSpec>,
    #[serde(rename = "system")]
    pub systems: Vec<SystemSpec>,
}

fn depth() -> u32 {
    100
}
fn seed() -> u64 {
    1
}
fn cache_size() -> String {
    "8G".to_owned()
}

/// How long queries take is measured on some of them, several times, all systems in turns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencySpec {
    /// How many queries; 0 measures nothing.
    pub queries: usize,
    pub repeats: usize,
    /// A system that has taken so long is not asked again.
    pub seconds: f64,
}

impl Default for LatencySpec {
    fn default() -> Self {
        Self { queries: 50, repeats: 5, seconds: 60.0 }
    }
}

/// How alike a text and its thirds are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thirds {
    pub texts: usize,
    /// Fewest and most words of a text; a Chinese, Japanese or Korean character counts as one.
    #[serde(default = "words")]
    pub words: [usize; 2],
}

fn words() -> [usize; 2] {
    [200, 500]
}

impl Default for Thirds {
    fn default() -> Self {
        Self { texts: 1000, words: words() }
    }
}

impl Study {
    /// Reads and checks a file. Paths in it become paths from here.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| anyhow::Error::from(error).context(format!("reading {}", path.display())))?;
        let mut study = match toml::from_str::<Self>(&text) {
            Ok(study) => study,
            Err(error) => return bad_data(format!("{}: {error}", path.display())),
        };
        study.move_to(path.parent().unwrap_or(Path::new("")))?;
        study.check()?;
        Ok(study)
    }

    /// A study with everything else as usual.
    pub fn of(
        out: &Path,
        collections: Vec<CollectionSpec>,
        systems: Vec<SystemSpec>,
        thirds: Option<Thirds>,
    ) -> Self {
        Self {
            title: None,
            out: out.to_owned(),
            baseline: None,
            metrics: Vec::new(),
            depth: depth(),
            seed: seed(),
            cache: None,
            cache_size: cache_size(),
            latency: LatencySpec::default(),
            thirds,
            collections,
            systems,
        }
    }

    /// Makes the paths of the file paths from here, and puts in what the environment says for `${NAME}`.
    fn move_to(&mut self, folder: &Path) -> anyhow::Result<()> {
        let place = |path: &Path| Ok::<_, anyhow::Error>(folder.join(expand(&path.to_string_lossy())?));
        self.out = place(&self.out)?;
        self.cache = self.cache.take().map(|cache| place(&cache)).transpose()?;
        for collection in &mut self.collections {
            collection.written = collection.path.display().to_string();
            collection.path = place(&collection.path)?;
        }
        let directory = |name: &str| match name {
            name if is_compiled_in(name) => Ok::<_, anyhow::Error>(name.to_owned()),
            name => {
                let path = place(Path::new(name))?;
                // What is no folder may be a model of the hub's, if its cache has it.
                let in_cache = || {
                    HubId::parse(name).is_some_and(|id| HubCache::from_environment().snapshot(&id).is_ok())
                };
                let is_name = !path.exists() && in_cache();
                Ok(if is_name { name.to_owned() } else { path.to_string_lossy().into_owned() })
            }
        };
        for system in &mut self.systems {
            if let Some(model) = &mut system.model {
                *model = directory(model)?;
            }
            if let Some(judge) = &mut system.judge {
                *judge = match judge.strip_prefix(LATE) {
                    Some(model) => format!("{LATE}{}", directory(model)?),
                    None => directory(judge)?,
                };
            }
        }
        Ok(())
    }

    /// Says what does not fit together.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.collections.is_empty() || self.systems.is_empty() {
            return usage("a comparison needs a [[collection]] and a [[system]]");
        }
        if !(1..=100_000).contains(&self.depth) {
            return usage(format!("depth is {}; 1 to 100000 are possible", self.depth));
        }
        self.metrics()?;
        self.cache_bytes()?;
        distinct("collection", self.collections.iter().map(|collection| collection.name.as_str()))?;
        distinct("system", self.systems.iter().map(|system| system.name.as_str()))?;
        for (at, system) in self.systems.iter().enumerate() {
            system.check()?;
            for name in &system.of {
                if !self.systems[..at].iter().any(|before| before.name == *name) {
                    return usage(format!("system {:?}: no system {name:?} stands before it", system.name));
                }
            }
        }
        match &self.baseline {
            Some(name) if !self.systems.iter().any(|system| system.name == *name) => {
                usage(format!("baseline: there is no system {name:?}"))
            }
            _ => Ok(()),
        }
    }

    pub fn metrics(&self) -> anyhow::Result<Vec<Metric>> {
        if self.metrics.is_empty() {
            return Ok(Metric::USUAL.to_vec());
        }
        let read = |name: &String| match name.parse() {
            Ok(metric) => Ok(metric),
            Err(error) => usage(format!("metrics: {error}")),
        };
        self.metrics.iter().map(read).collect()
    }

    pub fn cache_bytes(&self) -> anyhow::Result<u64> {
        match crate::size::parse_bytes(&self.cache_size) {
            Ok(bytes) => Ok(bytes as u64),
            Err(error) => usage(format!("cache-size: {error}")),
        }
    }

    /// The name of the system that others are held against.
    pub fn baseline(&self) -> &str {
        self.baseline.as_deref().unwrap_or(&self.systems[0].name)
    }
}

/// `text` with the environment's value for each `${NAME}`.
fn expand(text: &str) -> anyhow::Result<String> {
    let (mut expanded, mut rest) = (String::new(), text);
    while let Some((before, name)) = rest
        .split_once("${")
        .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, (name, after))))
    {
        let (name, after) = name;
        let Ok(value) = std::env::var(name) else {
            return usage(format!("{text}: set the environment variable {name}"));
        };
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = after;
    }
    Ok(expanded + rest)
}

fn distinct<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        // Names are names of files too.
        let sound = |c: char| c.is_alphanumeric() || " ._+-@,()".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(sound) {
            return usage(format!("{what} {name:?}: a name has letters, digits, spaces and ._+-@,() only"));
        }
        if !seen.insert(name) {
            return usage(format!("two {what}s are called {name:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
