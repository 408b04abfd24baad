use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::{OutputSelector, RunOptions, Session as OrtSession, SessionInputValue};
use ort::value::{TensorRef, ValueRef, ValueType};

use super::super::EncodeError;
use super::super::error::{Attempt, Attempts};
use super::feeds::{Feed, FeedSession, FeedValues, InputInfo};
use super::session::Tensor;
use super::{Graph, RuntimeSearch};

const NAME: &str = "onnxruntime";

/// The library of this process: it can be loaded only once.
#[derive(Clone)]
pub(super) struct Library {
    environment: Environment,
    pub(super) path: PathBuf,
    pub(super) place: &'static str,
    pub(super) version: String,
}

static LIBRARY: Mutex<Option<Library>> = Mutex::new(None);

/// Loads the library from `explicit`, or else from the first place of `search` that has a sound one.
///
/// A process keeps the first library it loads; later calls get that one, whatever they ask for.
pub(super) fn library(
    explicit: Option<&Path>,
    search: &RuntimeSearch,
) -> Result<(Library, Attempts), EncodeError> {
    let mut loaded = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tried = Attempts::default();
    if let Some(library) = &*loaded {
        return Ok((library.clone(), tried));
    }
    let candidates = match explicit {
        Some(path) => {
            vec![super::search::Candidate { path: path.to_owned(), place: "the path given", absent: None }]
        }
        None => search.candidates(),
    };
    for candidate in candidates {
        let outcome = match candidate.absent {
            Some(absent) => absent.to_owned(),
            None => match open(&candidate.path, candidate.place) {
                Ok(library) => {
                    *loaded = Some(library.clone());
                    return Ok((library, tried));
                }
                Err(message) => message,
            },
        };
        tried.0.push(Attempt { path: candidate.path, place: candidate.place, outcome });
    }
    Err(EncodeError::RuntimeNotFound { tried })
}

fn open(path: &Path, place: &'static str) -> Result<Library, String> {
    // The name for the system's loader is no path; any other must be a file.
    if path.components().count() > 1 && !path.is_file() {
        return Err("no such file".to_owned());
    }
    let environment = ort::init_from(path)
        .map_err(|error| error.to_string())?
        .with_name("lateen")
        .with_telemetry(false)
        .with_logger(Arc::new(
            |level, _category: &str, _id: &str, location: &str, message: &str| match level {
                LogLevel::Error | LogLevel::Fatal => tracing::error!(location, "{message}"),
                LogLevel::Warning => tracing::warn!(location, "{message}"),
                _ => tracing::debug!(location, "{message}"),
            },
        ))
        .build()
        .map_err(|error| error.to_string())?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Library { environment, path: path.to_owned(), place, version: version(path) })
}

/// The release, as the build names its branch (`rel-1.32.0`), else as the file is named.
fn version(path: &Path) -> String {
    let info = ort::info();
    let branch = info.split("git-branch=").nth(1).and_then(|rest| rest.split(',').next());
    if let Some(version) = branch.and_then(|branch| branch.trim().strip_prefix("rel-")) {
        return version.to_owned();
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(".dylib");
    if digits.is_empty() { info.to_owned() } else { digits.to_owned() }
}

fn commit(library: &Library, graph: &Graph, threads: usize) -> Result<OrtSession, EncodeError> {
    let build = || -> Result<OrtSession, String> {
        let mut builder = OrtSession::builder(&library.environment)
            .map_err(|e| e.to_string())?
            .with_intra_threads(threads)
            .map_err(|e| e.to_string())?
            // Spinning threads take the core from a busy neighbour.
            .with_intra_op_spinning(false)
            .map_err(|e| e.to_string())?;
        if graph.has_external_data {
            builder.commit_from_file(&graph.path).map_err(|e| e.to_string())
        } else {
            builder.commit_from_memory(&graph.bytes).map_err(|e| e.to_string())
        }
    };
    build().map_err(|message| EncodeError::Runtime { runtime: NAME, action: "load the graph", message })
}

fn failed(error: ort::Error) -> EncodeError {
    EncodeError::Runtime { runtime: NAME, action: "run the graph", message: error.to_string() }
}

fn no_output(name: &str) -> EncodeError {
    let message = format!("no output {name:?}");
    EncodeError::Runtime { runtime: NAME, action: "run the graph", message }
}

fn tensor(value: &ValueRef<'_>) -> Result<Tensor, EncodeError> {
    let (shape, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
    let shape = shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
    Ok(Tensor { shape, values: values.to_vec() })
}

/// A graph in ONNX Runtime.
struct OrtGraph {
    /// `run` wants the session for itself; its threads work on one batch at a time.
    session: Mutex<OrtSession>,
    inputs: Vec<InputInfo>,
    outputs: Vec<String>,
}

pub(super) fn session(
    library: &Library,
    graph: &Graph,
    threads: usize,
) -> Result<Box<dyn FeedSession>, EncodeError> {
    let session = commit(library, graph, threads)?;
    let shape = |kind: &ValueType| match kind {
        ValueType::Tensor { shape, .. } => shape.iter().map(|&n| usize::try_from(n).ok()).collect(),
        _ => Vec::new(),
    };
    let inputs = session
        .inputs()
        .iter()
        .map(|input| InputInfo { name: input.name().to_owned(), shape: shape(input.dtype()) })
        .collect();
    let outputs = session.outputs().iter().map(|output| output.name().to_owned()).collect();
    Ok(Box::new(OrtGraph { session: Mutex::new(session), inputs, outputs }))
}

impl FeedSession for OrtGraph {
    fn inputs(&self) -> &[InputInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&self, feeds: &[Feed<'_>], outputs: &[usize]) -> Result<Vec<Tensor>, EncodeError> {
        let mut values: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(feeds.len());
        for feed in feeds {
            let shape = feed.shape.as_slice();
            let value: SessionInputValue<'_> = match &feed.values {
                FeedValues::Integers(values) => {
                    TensorRef::from_array_view((shape, &values[..])).map_err(failed)?.into()
                }
                FeedValues::Floats(values) => {
                    TensorRef::from_array_view((shape, &values[..])).map_err(failed)?.into()
                }
            };
            values.push((self.inputs[feed.input].name.as_str(), value));
        }
        let wanted = outputs
            .iter()
            .fold(OutputSelector::no_default(), |all, &output| all.with(self.outputs[output].as_str()));
        let options = RunOptions::new().map_err(failed)?.with_outputs(wanted);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let found = session.run_with_options(values, &options).map_err(failed)?;
        let take = |&output: &usize| {
            let name = &self.outputs[output];
            tensor(&found.get(name).ok_or_else(|| no_output(name))?.view())
        };
        outputs.iter().map(take).collect()
    }
}
