//! What a model directory says about itself, and what of it would be refused, without running anything.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::directory::ModelDirectory;
use super::layout::{self, Head, Layout, Recipe};
use super::runtime::Graph;
use super::special::Special;
use super::{EncodeError, ModelOptions, PairModel};

/// What a directory is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Gives vectors for texts.
    Encoder,
    /// Scores pairs.
    Judge,
}

/// A file and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, within the directory where it is in it.
    pub file: PathBuf,
    /// What it says, or why it is refused.
    pub says: String,
}

/// How the texts of one side are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SideInspection {
    /// Put before each text.
    pub prompt: String,
    /// The token inserted after the first mark.
    pub prefix: String,
    /// The longest text in tokens, where a file states one.
    pub max_tokens: Option<usize>,
    /// Tokens that queries are filled up to.
    pub filled_up_to: Option<usize>,
}

/// A graph's interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphInspection {
    /// The file.
    pub path: PathBuf,
    /// Its size without external weights.
    pub bytes: u64,
    /// The files of its external weights.
    pub external: Vec<PathBuf>,
    /// The names of its inputs.
    pub inputs: Vec<String>,
    /// The names of its outputs.
    pub outputs: Vec<String>,
    /// Whether activations are quantised by the range of a batch.
    pub quantises_as_it_runs: bool,
}

/// What a directory says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// What it is taken for.
    pub role: Role,
    /// The layout's name.
    pub layout: &'static str,
    /// Which files said so.
    pub because: Vec<Finding>,
    /// How queries are read.
    pub query: SideInspection,
    /// How documents are read.
    pub document: SideInspection,
    /// The longest text that position embeddings and tokenizer allow.
    pub positions: Option<usize>,
    /// How tokens become one vector; empty for vectors of tokens and for judges.
    pub pooling: Vec<&'static str>,
    /// Whether the prompt's tokens are pooled too.
    pub pools_prompt: bool,
    /// How many words are left out of documents.
    pub skipped_words: usize,
    /// What is done to vectors behind the graph.
    pub layers: Vec<String>,
    /// The graph that would run.
    pub graph: Option<GraphInspection>,
    /// What else could be asked for: names for [`ModelOptions::variant`], and files.
    pub variants: Vec<Finding>,
    /// Files that are never read, and what keeps the model from being loaded.
    pub refused: Vec<Finding>,
}

/// Looks at the files of a model directory. Nothing is run; what is broken is told in [`Inspection::refused`].
///
/// # Errors
/// [`EncodeError`] if there is no such directory, or if it holds no model.
pub fn inspect(directory: &Path, options: &ModelOptions) -> Result<Inspection, EncodeError> {
    let directory = ModelDirectory::open(directory)?;
    let mut refused = refused_files(&directory);
    let is_judge = PairModel::recognises(directory.root()).unwrap_or(false);
    let mut this = Inspection {
        role: if is_judge { Role::Judge } else { Role::Encoder },
        layout: "pair",
        because: Vec::new(),
        query: SideInspection::default(),
        document: SideInspection::default(),
        positions: Special::load(&directory).ok().and_then(|special| special.positions),
        pooling: Vec::new(),
        pools_prompt: true,
        skipped_words: 0,
        layers: Vec::new(),
        graph: None,
        variants: Vec::new(),
        refused: Vec::new(),
    };
    let mut graph = None;
    let mut folders = vec![directory.clone()];
    if is_judge {
        this.because.push(Finding { file: "config.json".into(), says: architecture(&directory) });
        graph = keep(super::pair::graph_path(&directory, options), &directory, &mut refused);
    } else {
        match layout::detect(&directory) {
            Err(error @ EncodeError::UnknownLayout { .. }) => return Err(error),
            Err(error) => refused.push(finding(&directory, &error)),
            Ok(layout) => {
                (this.layout, this.because) = reason(layout, &directory);
                if layout.has_graph() {
                    let recipe = layout::recipe(layout, &directory, options);
                    if let Some(recipe) = keep(recipe, &directory, &mut refused) {
                        this.take(&recipe);
                        folders.insert(0, recipe.transformer.clone());
                        graph = Some(recipe.graph);
                    }
                }
            }
        }
    }
    if let Some(path) = graph {
        this.graph = keep(graph_of(&path), &directory, &mut refused);
    }
    let folders: Vec<&ModelDirectory> = folders.iter().collect();
    this.variants = layout::variants(&folders)
        .into_iter()
        .filter_map(|variant| Some(Finding { says: variant.name?, file: within(&directory, &variant.path) }))
        .collect();
    this.refused = refused;
    Ok(this)
}

impl Inspection {
    fn take(&mut self, recipe: &Recipe) {
        self.query = SideInspection {
            prompt: recipe.query_prompt.clone(),
            max_tokens: recipe.max_query,
            ..SideInspection::default()
        };
        self.document = SideInspection {
            prompt: recipe.document_prompt.clone(),
            max_tokens: recipe.max_document,
            ..SideInspection::default()
        };
        match &recipe.head {
            Head::Pooled { modes, include_prompt } => {
                self.pooling = modes.iter().map(|mode| mode.name()).collect();
                self.pools_prompt = *include_prompt;
            }
            Head::Tokens(rules) => {
                self.query.prefix = rules.query_prefix.clone();
                self.document.prefix = rules.document_prefix.clone();
                self.query.filled_up_to = rules.expansion.as_ref().map(|expansion| expansion.length);
                self.skipped_words = rules.skip_words.len();
            }
        }
        self.layers = recipe.layers.iter().map(|layer| layer.describe()).collect();
        if recipe.normalize {
            self.layers.push("scaled to length 1".to_owned());
        }
    }
}

/// The value, or none and its error among what is refused.
fn keep<T>(
    found: Result<T, EncodeError>,
    directory: &ModelDirectory,
    refused: &mut Vec<Finding>,
) -> Option<T> {
    found.map_err(|error| refused.push(finding(directory, &error))).ok()
}

fn finding(directory: &ModelDirectory, error: &EncodeError) -> Finding {
    let file = error.path().map_or_else(|| directory.root().to_owned(), |path| within(directory, path));
    Finding { file, says: error.to_string() }
}

fn within(directory: &ModelDirectory, path: &Path) -> PathBuf {
    path.strip_prefix(directory.root()).unwrap_or(path).to_owned()
}

fn graph_of(path: &Path) -> Result<GraphInspection, EncodeError> {
    let graph = Graph::open(path)?;
    Ok(GraphInspection {
        path: graph.path,
        bytes: graph.bytes.len() as u64,
        external: graph.external,
        inputs: graph.inputs,
        outputs: graph.outputs,
        quantises_as_it_runs: graph.has_dynamic_quantisation,
    })
}

/// Files that no model is ever loaded from.
fn refused_files(directory: &ModelDirectory) -> Vec<Finding> {
    let pickles = directory.pickles().into_iter().map(|path| Finding {
        file: within(directory, &path),
        says: "a pickle can run code and is never read".to_owned(),
    });
    let scripts = directory.names("").into_iter().filter(|name| name.ends_with(".py"));
    let scripts = scripts.map(|name| Finding { file: name.into(), says: "code is never run".to_owned() });
    pickles.chain(scripts).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
}

fn architecture(directory: &ModelDirectory) -> String {
    let config: Config = directory.optional_json("config.json").ok().flatten().unwrap_or_default();
    match config.architectures.unwrap_or_default().first() {
        Some(name) => format!("the architecture is {name}"),
        None => "no architecture is named, which is taken for a head over labels".to_owned(),
    }
}

/// A layout's name, and the files that a directory has it by.
fn reason(layout: Layout, directory: &ModelDirectory) -> (&'static str, Vec<Finding>) {
    let config: Config = directory.optional_json("config.json").ok().flatten().unwrap_or_default();
    let one = |file: &str, says: &str| vec![Finding { file: file.into(), says: says.to_owned() }];
    let model_type = || format!("model_type is {}", config.model_type.as_deref().unwrap_or("not named"));
    match layout {
        Layout::LateenStatic => ("lateen-static", one("config.json", &model_type())),
        Layout::Model2Vec => ("model2vec", one("config.json", &model_type())),
        Layout::Stanford if directory.has("artifact.metadata") => {
            ("stanford-colbert", one("artifact.metadata", "the file is there"))
        }
        Layout::Stanford => ("stanford-colbert", one("config.json", "the architecture is HF_ColBERT")),
        Layout::PyLate => (
            "pylate",
            one(
                "config_sentence_transformers.json",
                "it has keys of PyLate, and modules.json has no pooling",
            ),
        ),
        Layout::SentenceTransformers => ("sentence-transformers", one("modules.json", "it lists modules")),
        Layout::OnnxColbert => ("next-plaid", one("onnx_config.json", "the file is there")),
        Layout::Plain => ("plain", one("model.onnx", "there is a graph, and no file that tells more")),
    }
}
