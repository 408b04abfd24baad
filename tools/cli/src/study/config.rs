//! What a comparison is made of, as its TOML file says it.

use crate::commands::BUNDLED;
use crate::exit::{bad_data, usage};
use lateen::encode::RuntimeChoice;
use lateen::eval::Metric;
use lateen::eval::position::Boundary;
use lateen::format::TokenStorage;
use lateen::lexical::Analyzer;
use lateen::search::{Fusion, Recall};
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fold {
    /// A folder in BEIR layout.
    Beir,
    /// A file that [`lateen::corpus::QuestionSet`] reads: SQuAD, CMRC, DRCD, FineWeb-PosQ.
    Questions,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundarySpec {
    #[default]
    Later,
    Both,
}

impl From<BoundarySpec> for Boundary {
    fn from(spec: BoundarySpec) -> Self {
        match spec {
            BoundarySpec::Later => Self::Later,
            BoundarySpec::Both => Self::Both,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CollectionSpec {
    pub name: String,
    /// Seen from the TOML file.
    pub path: PathBuf,
    /// The path as it was written, for reports: they are read elsewhere.
    #[serde(skip)]
    pub written: String,
    /// Folders are BEIR, files are questions.
    #[serde(default)]
    pub format: Option<Fold>,
    #[serde(default)]
    pub split: Option<String>,
    /// So many of the judged queries, drawn with the study's seed.
    #[serde(default)]
    pub queries: Option<usize>,
    /// What becomes of answers that begin where two buckets meet.
    #[serde(default)]
    pub boundary: BoundarySpec,
    /// Leave out questions whose answer occurs more than once in its text, where the collection says so.
    #[serde(default)]
    pub unique_answers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Bm25,
    Dense,
    LateInteraction,
    Fused,
    Reranked,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnalyzerSpec {
    #[default]
    English,
    CjkBigrams,
    Jieba,
}

/// What answers queries. Which fields a kind takes, [`SystemSpec::check`] says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSpec {
    pub name: String,
    pub kind: Kind,
    /// BM25's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<AnalyzerSpec>,
    /// A directory, seen from the TOML file, or `bundled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `1`, `ternary`, `2`, `4`, `16`, `32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<String>,
    /// A share, or `exact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<String>,
    /// Tokens that share a vector, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<usize>,
    /// The systems that are fused, or the one that is reranked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    /// `rrf` or `weighted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<f32>>,
    /// Of reciprocal ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<f32>,
    /// A cross-encoder's directory, or `late:` and a late-interaction model's, which scores by exact MaxSim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// How many candidates are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<usize>,
    /// `auto`, `onnxruntime` or `rten`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
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
            BUNDLED => Ok(BUNDLED.to_owned()),
            name => place(Path::new(name)).map(|path| path.to_string_lossy().into_owned()),
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

/// Before the model of a judge that scores by MaxSim.
pub const LATE: &str = "late:";

impl SystemSpec {
    /// A system with nothing but a name and a kind.
    pub fn named(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            analyzer: None,
            model: None,
            bits: None,
            recall: None,
            pool: None,
            of: Vec::new(),
            by: None,
            weights: None,
            constant: None,
            judge: None,
            top: None,
            runtime: None,
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        let there = [
            ("analyzer", self.analyzer.is_some()),
            ("model", self.model.is_some()),
            ("runtime", self.runtime.is_some()),
            ("bits", self.bits.is_some()),
            ("recall", self.recall.is_some()),
            ("pool", self.pool.is_some()),
            ("of", !self.of.is_empty()),
            ("by", self.by.is_some()),
            ("weights", self.weights.is_some()),
            ("constant", self.constant.is_some()),
            ("judge", self.judge.is_some()),
            ("top", self.top.is_some()),
        ];
        let (needed, possible): (&[&str], &[&str]) = match self.kind {
            Kind::Bm25 => (&[], &["analyzer"]),
            Kind::Dense => (&["model"], &["model", "runtime"]),
            Kind::LateInteraction => (&["model"], &["model", "runtime", "bits", "recall", "pool"]),
            Kind::Fused => (&["of"], &["of", "by", "weights", "constant"]),
            Kind::Reranked => (&["of", "judge"], &["of", "judge", "top", "runtime"]),
        };
        let refused = |problem: String| usage(format!("system {:?}: {problem}", self.name));
        for (field, is_there) in there {
            if is_there && !possible.contains(&field) {
                return refused(format!("`{field}` has no meaning for its kind"));
            }
            if !is_there && needed.contains(&field) {
                return refused(format!("`{field}` is missing"));
            }
        }
        match self.kind {
            Kind::Fused if self.of.len() < 2 => refused("`of` names fewer than two systems".to_owned()),
            Kind::Reranked if self.of.len() != 1 => refused("`of` names one system".to_owned()),
            _ => self.storage().and(self.effort()).and(self.fusion()).and(self.runtime()).map(drop),
        }
    }

    pub fn analyzer(&self) -> anyhow::Result<Analyzer> {
        match self.analyzer.unwrap_or_default() {
            AnalyzerSpec::English => Ok(Analyzer::English),
            AnalyzerSpec::CjkBigrams => Ok(Analyzer::CjkBigrams),
            #[cfg(feature = "jieba")]
            AnalyzerSpec::Jieba => Ok(Analyzer::Jieba),
            #[cfg(not(feature = "jieba"))]
            AnalyzerSpec::Jieba => usage("this build has no jieba: build it with --features jieba"),
        }
    }

    /// How token vectors are kept.
    pub fn storage(&self) -> anyhow::Result<TokenStorage> {
        Ok(match self.bits.as_deref().unwrap_or("4") {
            "1" => TokenStorage::Residual1,
            "ternary" => TokenStorage::ResidualTernary,
            "2" => TokenStorage::Residual2,
            "4" => TokenStorage::Residual4,
            "16" => TokenStorage::F16,
            "32" => TokenStorage::F32,
            other => {
                return usage(format!(
                    "system {:?}: bits is {other:?}; there are 1, ternary, 2, 4, 16 and 32",
                    self.name
                ));
            }
        })
    }

    /// How much of the exact answer is to be found; `None` scores every document.
    pub fn effort(&self) -> anyhow::Result<Option<Recall>> {
        match self.recall.as_deref() {
            None => Ok(Some(Recall::default())),
            Some("exact") => Ok(None),
            Some(share) => match share.parse() {
                Ok(recall) => Ok(Some(recall)),
                Err(error) => usage(format!("system {:?}: recall: {error}", self.name)),
            },
        }
    }

    pub fn fusion(&self) -> anyhow::Result<Fusion> {
        let weights = self.weights.clone();
        match self.by.as_deref().unwrap_or("rrf") {
            "rrf" => Ok(Fusion::ReciprocalRank { constant: self.constant.unwrap_or(60.0), weights }),
            "weighted" => {
                Ok(Fusion::Weighted { weights: weights.unwrap_or_else(|| vec![1.0; self.of.len()]) })
            }
            other => usage(format!("system {:?}: by is {other:?}; there are rrf and weighted", self.name)),
        }
    }

    pub fn runtime(&self) -> anyhow::Result<RuntimeChoice> {
        Ok(match self.runtime.as_deref().unwrap_or("auto") {
            "auto" => RuntimeChoice::Auto,
            "onnxruntime" => RuntimeChoice::OnnxRuntime,
            "rten" => RuntimeChoice::Rten,
            other => {
                let problem = format!("runtime is {other:?}; there are auto, onnxruntime and rten");
                return usage(format!("system {:?}: {problem}", self.name));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
out = "results"
[[collection]]
name = "notes"
path = "beir"
[[system]]
name = "words"
kind = "bm25"
[[system]]
name = "tokens"
kind = "late-interaction"
model = "bundled"
bits = "2"
recall = "0.95"
[[system]]
name = "both"
kind = "fused"
of = ["words", "tokens"]
[[system]]
name = "judged"
kind = "reranked"
of = ["both"]
judge = "late:models/x"
"#;

    fn read(text: &str) -> anyhow::Result<Study> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.toml");
        std::fs::write(&path, text).unwrap();
        Study::open(&path)
    }

    #[test]
    fn paths_are_seen_from_the_file() {
        let study = read(GOOD).unwrap();
        assert!(study.collections[0].path.is_absolute() && study.out.ends_with("results"));
        assert_eq!((study.baseline(), study.depth), ("words", 100));
        let judge = study.systems[3].judge.as_deref().unwrap();
        assert!(judge.starts_with("late:/") && judge.ends_with("models/x"), "{judge}");
        assert_eq!(study.systems[1].model.as_deref(), Some("bundled"));
    }

    #[test]
    fn paths_may_name_the_environment() {
        assert_eq!(expand("a/b").unwrap(), "a/b");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(expand("x/${PATH}/y${PATH}").unwrap(), format!("x/{path}/y{path}"));
        assert!(expand("${NO_SUCH_VARIABLE_AT_ALL}").unwrap_err().to_string().contains("NO_SUCH_VARIABLE"));
        assert_eq!(expand("${open").unwrap(), "${open");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (from, to, words) in [
            ("bits = \"2\"", "bits = \"3\"", "ternary"),
            ("recall = \"0.95\"", "recall = \"7\"", "recall"),
            ("kind = \"bm25\"", "kind = \"bm25\"\nbits = \"4\"", "`bits` has no meaning"),
            ("model = \"bundled\"", "", "`model` is missing"),
            ("of = [\"words\", \"tokens\"]", "of = [\"words\"]", "two systems"),
            ("of = [\"both\"]", "of = [\"nobody\"]", "no system \"nobody\""),
            ("name = \"tokens\"", "name = \"words\"", "two systems are called"),
            ("name = \"tokens\"", "name = \"../x\"", "letters"),
            ("out = \"results\"", "out = \"results\"\nbaseline = \"x\"", "no system \"x\""),
            ("out = \"results\"", "out = \"results\"\nmetrics = [\"bleu\"]", "bleu"),
            ("out = \"results\"", "out = \"results\"\ncache-size = \"x\"", "cache-size"),
            ("out = \"results\"", "out = \"results\"\nspeed = 1", "line"),
            ("kind = \"fused\"", "kind = \"mixed\"", "late-interaction"),
        ] {
            assert!(GOOD.contains(from));
            let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{words}: {error:#}");
        }
    }
}
