use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::Layout;

use super::super::EncodeError;
use super::Graph;
use super::session::{Input, Session, Tensor, TokenBatch};

const NAME: &str = "rten";

/// The release of rten that is compiled in.
pub(super) const VERSION: &str = "0.27";

/// A graph in rten.
struct RtenGraph {
    model: Model,
    nodes: Vec<(NodeId, Input)>,
    outputs: Vec<String>,
    threads: Arc<ThreadPool>,
}

pub(super) fn session(graph: Graph, threads: usize) -> Result<Box<dyn Session>, EncodeError> {
    let (path, has_external_data) = (graph.path.clone(), graph.has_external_data);
    let mut graph = graph;
    let loaded = if has_external_data {
        Model::load_file(&path)
    } else {
        Model::load(std::mem::take(&mut graph.bytes))
    };
    let model = loaded.map_err(|e| EncodeError::Runtime {
        runtime: NAME,
        action: "load the graph",
        message: e.to_string(),
    })?;
    let names = |ids: &[NodeId]| -> Vec<String> {
        let name = |id| model.node_info(id).and_then(|info| info.name()).unwrap_or_default().to_owned();
        ids.iter().map(|&id| name(id)).collect()
    };
    let (inputs, outputs) = (names(model.input_ids()), names(model.output_ids()));
    let kinds = graph.input_kinds(&inputs)?;
    let nodes = model.input_ids().iter().copied().zip(kinds).collect();
    let threads = Arc::new(ThreadPool::with_num_threads(threads));
    Ok(Box::new(RtenGraph { model, nodes, outputs, threads }))
}

impl Session for RtenGraph {
    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&self, batch: &TokenBatch, output: usize) -> Result<Tensor, EncodeError> {
        let failed =
            |message: String| EncodeError::Runtime { runtime: NAME, action: "run the graph", message };
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(self.nodes.len());
        for &(node, kind) in &self.nodes {
            // Token ids are far below 2³¹, the range that rten has for ONNX's 64-bit integers.
            let values: Vec<i32> = kind.of(batch).iter().map(|&id| id as i32).collect();
            let value =
                Value::from_shape([batch.rows, batch.columns], values).map_err(|e| failed(e.to_string()))?;
            inputs.push((node, value.into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        let mut found = self
            .model
            .run(inputs, &[self.model.output_ids()[output]], Some(options))
            .map_err(|e| failed(e.to_string()))?;
        match found.pop() {
            Some(Value::FloatTensor(tensor)) => {
                Ok(Tensor { shape: tensor.shape().to_vec(), values: tensor.into_data() })
            }
            Some(other) => Err(failed(format!("the output is {}, not f32", other.dtype()))),
            None => Err(failed("no output".to_owned())),
        }
    }
}
