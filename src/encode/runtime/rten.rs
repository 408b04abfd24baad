use std::sync::Arc;

use rten::{Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::Layout;

use super::super::EncodeError;
use super::super::directory;
use super::Graph;
use super::feeds::{Feed, FeedSession, FeedValues, InputInfo};
use super::session::Tensor;

const NAME: &str = "rten";

/// The release of rten that is compiled in.
pub(super) const VERSION: &str = "0.27";

fn model_of(graph: Graph) -> Result<Model, EncodeError> {
    let loaded = if !graph.has_external_data {
        Model::load(graph.bytes)
    } else if graph.is_link {
        // rten looks beside the file that a link leads to, and in the hub's cache nothing there has its name.
        with_weights_of(&graph)?.load(graph.bytes)
    } else {
        Model::load_file(&graph.path)
    };
    loaded.map_err(|e| EncodeError::Runtime {
        runtime: NAME,
        action: "load the graph",
        message: e.to_string(),
    })
}

/// The external weights' files under the names that the graph has for them, read once and shared by all tensors.
fn with_weights_of(graph: &Graph) -> Result<ModelOptions, EncodeError> {
    let mut options = ModelOptions::with_all_ops();
    for path in &graph.external {
        let bytes = directory::read(path, "external weights", directory::WEIGHTS_LIMIT)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        options.external_data(name, bytes);
    }
    Ok(options)
}

fn names(model: &Model, ids: &[NodeId]) -> Vec<String> {
    let name = |id| model.node_info(id).and_then(|info| info.name()).unwrap_or_default().to_owned();
    ids.iter().map(|&id| name(id)).collect()
}

fn failed(message: String) -> EncodeError {
    EncodeError::Runtime { runtime: NAME, action: "run the graph", message }
}

fn tensor(value: Option<Value>) -> Result<Tensor, EncodeError> {
    match value {
        Some(Value::FloatTensor(tensor)) => {
            Ok(Tensor { shape: tensor.shape().to_vec(), values: tensor.into_data() })
        }
        Some(other) => Err(failed(format!("the output is {}, not f32", other.dtype()))),
        None => Err(failed("no output".to_owned())),
    }
}

/// A graph in rten.
struct RtenGraph {
    model: Model,
    inputs: Vec<InputInfo>,
    outputs: Vec<String>,
    threads: Arc<ThreadPool>,
}

pub(super) fn session(graph: Graph, threads: usize) -> Result<Box<dyn FeedSession>, EncodeError> {
    let model = model_of(graph)?;
    let shape = |id: NodeId| -> Vec<Option<usize>> {
        let dims = model.node_info(id).and_then(|info| info.shape()).unwrap_or_default();
        dims.into_iter()
            .map(|dim| match dim {
                Dimension::Fixed(size) => Some(size),
                Dimension::Symbolic(_) => None,
            })
            .collect()
    };
    let infos = names(&model, model.input_ids())
        .into_iter()
        .zip(model.input_ids())
        .map(|(name, &id)| InputInfo { name, shape: shape(id) })
        .collect();
    let outputs = names(&model, model.output_ids());
    let threads = Arc::new(ThreadPool::with_num_threads(threads));
    Ok(Box::new(RtenGraph { model, inputs: infos, outputs, threads }))
}

impl FeedSession for RtenGraph {
    fn inputs(&self) -> &[InputInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&self, feeds: &[Feed<'_>], outputs: &[usize]) -> Result<Vec<Tensor>, EncodeError> {
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(feeds.len());
        for feed in feeds {
            let value = match &feed.values {
                FeedValues::Integers(values) => {
                    // Token ids are far below 2³¹, the range that rten has for ONNX's 64-bit integers.
                    let values: Vec<i32> = values.iter().map(|&id| id as i32).collect();
                    Value::from_shape(feed.shape.as_slice(), values).map_err(|e| failed(e.to_string()))?
                }
                FeedValues::Floats(values) => Value::from_shape(feed.shape.as_slice(), values.to_vec())
                    .map_err(|e| failed(e.to_string()))?,
            };
            inputs.push((self.model.input_ids()[feed.input], value.into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        let wanted: Vec<NodeId> = outputs.iter().map(|&output| self.model.output_ids()[output]).collect();
        let found = self.model.run(inputs, &wanted, Some(options)).map_err(|e| failed(e.to_string()))?;
        found.into_iter().map(|value| tensor(Some(value))).collect()
    }
}
