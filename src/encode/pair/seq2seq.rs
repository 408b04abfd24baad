//! Encoder-decoders: the encoder reads the pair, and the decoder's first token is the answer.

use std::path::{Path, PathBuf};

use super::super::directory::ModelDirectory;
use super::super::inputs::{KeptShape, Role, TextGraph};
use super::super::runtime::{FeedSession, Tensor, TokenBatch};
use super::super::{EncodeError, ModelOptions};

/// The encoder of a pair of graphs, before the decoder.
pub(super) struct Encoder {
    graph: TextGraph,
    output: usize,
}

impl Encoder {
    pub(super) fn new(path: &Path, session: Box<dyn FeedSession>) -> Result<Self, EncodeError> {
        let graph = TextGraph::new(path, session, &KeptShape::default())?;
        let named = graph.outputs().iter().position(|name| name == "last_hidden_state");
        match named.or((graph.outputs().len() == 1).then_some(0)) {
            Some(output) => Ok(Self { graph, output }),
            None => Err(EncodeError::GraphInterface {
                path: path.to_owned(),
                problem: "has no output \"last_hidden_state\"".to_owned(),
                names: graph.outputs().to_vec(),
            }),
        }
    }

    /// `[rows, tokens, hidden]`.
    pub(super) fn run(&self, batch: &TokenBatch) -> Result<Tensor, EncodeError> {
        let tensor = self.graph.run(batch, &[self.output])?.swap_remove(0);
        match tensor.shape[..] {
            [rows, columns, hidden] if (rows, columns) == (batch.rows, batch.columns) && hidden > 0 => {
                Ok(tensor)
            }
            _ => Err(EncodeError::OutputShape {
                expected: format!("[{}, {}, hidden]", batch.rows, batch.columns),
                found: tensor.shape,
            }),
        }
    }
}

/// The graphs of encoder and decoder, if a directory has both.
pub(super) fn graphs(directory: &ModelDirectory, options: &ModelOptions) -> Option<(PathBuf, PathBuf)> {
    let end = options.variant.as_deref().map_or_else(String::new, |variant| format!("_{variant}"));
    let sound = end.is_empty() || !end.contains(['/', '\\', ':']) && !end.contains("..");
    let both = |folder: &str| {
        let [encoder, decoder] = ["encoder", "decoder"].map(|part| format!("{folder}{part}_model{end}.onnx"));
        (directory.has(&encoder) && directory.has(&decoder))
            .then(|| (directory.path(&encoder), directory.path(&decoder)))
    };
    ["", "onnx/"].iter().filter(|_| sound).find_map(|folder| both(folder))
}

/// What each input of a decoder gets that runs behind an encoder, or of a graph that holds both.
pub(super) fn roles(
    path: &Path,
    session: &dyn FeedSession,
    is_whole: bool,
) -> Result<Vec<Role>, EncodeError> {
    let role = |name: &str| match (name, is_whole) {
        ("decoder_input_ids", true) | ("input_ids", false) => Some(Role::FirstIds),
        ("encoder_hidden_states", false) => Some(Role::States),
        ("attention_mask", true) | ("encoder_attention_mask", false) => Some(Role::Mask),
        ("input_ids", true) => Some(Role::Ids),
        _ => None,
    };
    let names = || session.inputs().iter().map(|input| input.name.clone()).collect();
    let wrong =
        |problem: String| EncodeError::GraphInterface { path: path.to_owned(), problem, names: names() };
    let mut roles = Vec::new();
    for input in session.inputs() {
        let found =
            role(&input.name).ok_or_else(|| wrong(format!("wants the unknown input {:?}", input.name)))?;
        roles.push(found);
    }
    let needed = if is_whole { Role::Ids } else { Role::States };
    match roles.contains(&Role::FirstIds) && roles.contains(&needed) {
        true => Ok(roles),
        false => Err(wrong("is no decoder behind an encoder".to_owned())),
    }
}
