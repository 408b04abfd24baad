//! Layers that families share, each from weights of the checkpoint to nodes of the graph.

use super::ExportError;
use super::activation::Activation;
use super::checkpoint::Checkpoint;
use super::graph::{GraphBuilder, float, int, ints};
use super::int8::Int8;
use super::messages::DataType;

/// What is added to the attention logits of what is not seen: `exp` of it is zero in f32.
pub(super) const MASKED: f32 = -1e9;

/// Which tokens a token sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// All of the text.
    All,
    /// Those at most this far away.
    Near(usize),
    /// Itself and those before it.
    Before,
    /// Itself and those before it, this many in all.
    JustBefore(usize),
}

/// A graph in the making and the weights it is made of.
pub(super) struct Net<'a> {
    pub(super) graph: GraphBuilder,
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) int8: Option<Int8>,
    /// Inputs of linear layers and their widths, if they are to be measured.
    pub(super) watched: Option<Vec<(String, usize)>>,
}

/// Sizes of a linear layer: numbers in, numbers out.
pub(super) type Sizes = [usize; 2];

impl<'a> Net<'a> {
    /// Starts a graph with `inputs`, `[batch, sequence]` of int64 each.
    pub(super) fn new(name: &str, inputs: &[&str], checkpoint: &'a Checkpoint, int8: Option<Int8>) -> Self {
        let mut graph = GraphBuilder::new(name);
        for input in inputs {
            graph.input_i64(input, &[Err("batch"), Err("sequence")]);
        }
        Self { graph, checkpoint, int8, watched: None }
    }

    /// `x · Wᵀ + b` with PyTorch's `[outputs, inputs]` weights, stored turned round.
    pub(super) fn linear(
        &mut self,
        name: &str,
        input: &str,
        [inputs, outputs]: Sizes,
        bias: bool,
    ) -> Result<String, ExportError> {
        let weight = self.checkpoint.expect(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = match bias {
            true => Some(self.checkpoint.expect(&format!("{name}.bias"), &[outputs])?),
            false => None,
        };
        let bias = bias.map(|bias| self.graph.stored(&bias, &[outputs]));
        self.watch(input, inputs);
        if let Some(int8) = self.int8.as_mut().filter(|int8| !int8.tables_only) {
            let parts = (weight.as_str(), bias.as_deref());
            return Ok(int8.linear(&mut self.graph, input, parts, [inputs, outputs]));
        }
        let weight = self.graph.transposed(&weight, [outputs, inputs]);
        let product = self.graph.node("MatMul", &[input, &weight], vec![]);
        Ok(match bias {
            None => product,
            Some(bias) => self.graph.node("Add", &[&product, &bias], vec![]),
        })
    }

    /// Remembers what goes into a linear layer, if that is asked for.
    fn watch(&mut self, input: &str, width: usize) {
        if let Some(watched) = self.watched.as_mut().filter(|all| all.iter().all(|(name, _)| name != input)) {
            watched.push((input.to_owned(), width));
        }
    }

    /// Rows of a table, `[rows, size]`, at `ids`.
    pub(super) fn embedding(
        &mut self,
        name: &str,
        ids: &str,
        [rows, size]: [usize; 2],
    ) -> Result<String, ExportError> {
        let table = self.checkpoint.expect(&format!("{name}.weight"), &[rows, size])?;
        if self.int8.is_some() {
            return Ok(Int8::rows(&mut self.graph, &table, ids, [rows, size]));
        }
        let table = self.graph.stored(&table, &[rows, size]);
        Ok(self.graph.node("Gather", &[&table, ids], vec![]))
    }

    /// `(x − mean) / √(variance + ε) · w + b` (Ba et al., arXiv:1607.06450).
    pub(super) fn layer_norm(
        &mut self,
        name: &str,
        input: &str,
        size: usize,
        epsilon: f32,
        bias: bool,
    ) -> Result<String, ExportError> {
        let weight = self.checkpoint.expect(&format!("{name}.weight"), &[size])?;
        let weight = self.graph.stored(&weight, &[size]);
        let mut inputs = vec![input.to_owned(), weight];
        if bias {
            let bias = self.checkpoint.expect(&format!("{name}.bias"), &[size])?;
            inputs.push(self.graph.stored(&bias, &[size]));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = vec![int("axis", -1), float("epsilon", epsilon)];
        Ok(self.graph.node("LayerNormalization", &inputs, attributes))
    }

    /// `x / √(mean of x² + ε) · w` (Zhang & Sennrich, arXiv:1910.07467).
    pub(super) fn rms_norm(
        &mut self,
        name: &str,
        input: &str,
        size: usize,
        epsilon: f32,
    ) -> Result<String, ExportError> {
        let weight = self.checkpoint.expect(&format!("{name}.weight"), &[size])?;
        let graph = &mut self.graph;
        let weight = graph.stored(&weight, &[size]);
        let squares = graph.node("Mul", &[input, input], vec![]);
        let mean = graph.node("ReduceMean", &[&squares], vec![ints("axes", &[-1]), int("keepdims", 1)]);
        let least = graph.scalar(epsilon);
        let sum = graph.node("Add", &[&mean, &least], vec![]);
        let root = graph.node("Sqrt", &[&sum], vec![]);
        let scaled = graph.node("Div", &[input, &root], vec![]);
        Ok(graph.node("Mul", &[&scaled, &weight], vec![]))
    }

    pub(super) fn activation(&mut self, activation: Activation, input: &str) -> String {
        activation.apply(&mut self.graph, input)
    }

    pub(super) fn add(&mut self, a: &str, b: &str) -> String {
        self.graph.node("Add", &[a, b], vec![])
    }

    /// The attention mask as f32, with new axes at `axes`.
    pub(super) fn mask_f32(&mut self, axes: &[i64]) -> String {
        let mask = self.graph.cast("attention_mask", DataType::Float);
        match axes {
            [] => mask,
            axes => self.graph.unsqueeze(&mask, axes),
        }
    }

    /// The places of the sequence, `[sequence]` of f32, from 0.
    pub(super) fn places(&mut self) -> String {
        let graph = &mut self.graph;
        let shape = graph.node("Shape", &["input_ids"], vec![]);
        let (zero, one) = (graph.constant_i64(&[], &[0]), graph.constant_i64(&[], &[1]));
        let length = graph.node("Gather", &[&shape, &one], vec![]);
        let places = graph.node("Range", &[&zero, &length, &one], vec![]);
        graph.cast(&places, DataType::Float)
    }

    /// What is added to attention logits, broadcast to `[batch, …, sequence, sequence]` with `axes` in all.
    pub(super) fn sight(&mut self, sight: Sight, axes: usize) -> String {
        let middle: Vec<i64> = (1..axes as i64 - 1).collect();
        let seen = self.mask_f32(&middle);
        let (one, masked) = (self.graph.scalar(1.0), self.graph.scalar(MASKED));
        let hidden = self.graph.node("Sub", &[&one, &seen], vec![]);
        let padding = self.graph.node("Mul", &[&hidden, &masked], vec![]);
        if sight == Sight::All {
            return padding;
        }
        let places = self.places();
        let graph = &mut self.graph;
        let (to, from) = (graph.unsqueeze(&places, &[1]), graph.unsqueeze(&places, &[0]));
        let back = graph.node("Sub", &[&to, &from], vec![]);
        let above = |graph: &mut GraphBuilder, values: &str, limit: f32| {
            let limit = graph.scalar(limit);
            let above = graph.node("Greater", &[values, &limit], vec![]);
            let above = graph.cast(&above, DataType::Float);
            graph.node("Mul", &[&above, &masked], vec![])
        };
        let after = |graph: &mut GraphBuilder| graph.node("Neg", &[&back], vec![]);
        let far = match sight {
            Sight::All => return padding,
            Sight::Near(distance) => {
                let distances = graph.node("Abs", &[&back], vec![]);
                above(graph, &distances, distance as f32)
            }
            Sight::Before => {
                let ahead = after(graph);
                above(graph, &ahead, 0.0)
            }
            Sight::JustBefore(count) => {
                let ahead = after(graph);
                let ahead = above(graph, &ahead, 0.0);
                let behind = above(graph, &back, count as f32 - 1.0);
                graph.node("Add", &[&ahead, &behind], vec![])
            }
        };
        graph.node("Add", &[&padding, &far], vec![])
    }

    /// The row of each text's last token that is not `padding`, whichever side the padding is on: `[batch, size]`.
    pub(super) fn last_token(&mut self, hidden: &str, padding: Option<i64>) -> String {
        let places = self.places();
        let mut mask = self.mask_f32(&[]);
        let graph = &mut self.graph;
        if let Some(padding) = padding {
            let padding = graph.constant_i64(&[], &[padding]);
            let padded = graph.node("Equal", &["input_ids", &padding], vec![]);
            let text = graph.node("Not", &[&padded], vec![]);
            let text = graph.cast(&text, DataType::Float);
            mask = graph.node("Mul", &[&mask, &text], vec![]);
        }
        let kept = graph.node("Mul", &[&places, &mask], vec![]);
        let last = graph.node("ReduceMax", &[&kept], vec![ints("axes", &[-1]), int("keepdims", 1)]);
        let chosen = graph.node("Equal", &[&places, &last], vec![]);
        let chosen = graph.cast(&chosen, DataType::Float);
        let chosen = graph.unsqueeze(&chosen, &[1]);
        let row = graph.node("MatMul", &[&chosen, hidden], vec![]);
        let one = graph.constant_i64(&[1], &[1]);
        graph.node("Squeeze", &[&row, &one], vec![])
    }

    /// The row of each text's first token: `[batch, size]`.
    pub(super) fn first_token(&mut self, hidden: &str) -> String {
        let zero = self.graph.constant_i64(&[], &[0]);
        self.graph.node("Gather", &[hidden, &zero], vec![int("axis", 1)])
    }

    /// The mean of each text's rows: `[batch, size]`.
    pub(super) fn mean(&mut self, hidden: &str) -> String {
        let mask = self.mask_f32(&[2]);
        let graph = &mut self.graph;
        let sequence = graph.constant_i64(&[1], &[1]);
        let kept = graph.node("Mul", &[hidden, &mask], vec![]);
        let sum = graph.node("ReduceSum", &[&kept, &sequence], vec![int("keepdims", 0)]);
        let count = graph.node("ReduceSum", &[&mask, &sequence], vec![int("keepdims", 0)]);
        let least = graph.scalar(1e-9);
        let count = graph.node("Max", &[&count, &least], vec![]);
        graph.node("Div", &[&sum, &count], vec![])
    }

    /// Rows scaled to length 1.
    pub(super) fn unit(&mut self, rows: &str) -> String {
        let graph = &mut self.graph;
        let last = graph.constant_i64(&[1], &[-1]);
        let squares = graph.node("Mul", &[rows, rows], vec![]);
        let sum = graph.node("ReduceSum", &[&squares, &last], vec![int("keepdims", 1)]);
        let norm = graph.node("Sqrt", &[&sum], vec![]);
        let least = graph.scalar(1e-12);
        let norm = graph.node("Max", &[&norm, &least], vec![]);
        graph.node("Div", &[rows, &norm], vec![])
    }
}
