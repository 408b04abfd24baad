//! Nodes and weights, and the file they become.
//!
//! The file is written front to back with one weight in memory at a time: every length is known from the shapes,
//! so protobuf's length prefixes can be written before the bytes they count.

use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::ExportError;
use super::messages::{
    Attribute, AttributeType, DataType, Dimension, Extent, GRAPH_INITIALIZER_FIELD, Graph, MODEL_GRAPH_FIELD,
    ModelHead, Node, OperatorSet, Shape, TENSOR_RAW_DATA_FIELD, TensorHead, TensorType, Type, ValueInfo,
};

/// The operator set: the oldest with a `LayerNormalization` node, which every current runtime reads.
pub(super) const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// Protobuf's limit for one message.
const MAX_BYTES: u64 = i32::MAX as u64;

/// Where a weight's numbers come from when the file is written.
pub(super) trait WeightSource {
    /// The tensor called `name`, row-major.
    fn read(&self, name: &str) -> Result<Vec<f32>, ExportError>;
}

enum Content {
    Bytes(Vec<u8>),
    /// A tensor of the checkpoint, `[rows, columns]` turned to `[columns, rows]` on the way if `transposed`.
    Stored {
        tensor: String,
        transposed: bool,
    },
}

struct Initializer {
    head: TensorHead,
    content: Content,
    len: u64,
}

/// Collects a graph; values are named by strings, as in the file.
pub(super) struct GraphBuilder {
    graph: Graph,
    initializers: Vec<Initializer>,
    scope: String,
}

pub(super) fn int(name: &str, value: i64) -> Attribute {
    attribute(name, AttributeType::Int, |a| a.i = Some(value))
}

pub(super) fn float(name: &str, value: f32) -> Attribute {
    attribute(name, AttributeType::Float, |a| a.f = Some(value))
}

pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    attribute(name, AttributeType::Ints, |a| a.ints = values.to_vec())
}

fn attribute(name: &str, kind: AttributeType, set: impl FnOnce(&mut Attribute)) -> Attribute {
    let mut attribute = Attribute { name: name.into(), r#type: kind as i32, ..Attribute::default() };
    set(&mut attribute);
    attribute
}

/// A size of an input or output: `Ok` is fixed, `Err` names one that a run decides.
pub(super) type Size = Result<i64, &'static str>;

fn value_info(name: &str, elem: DataType, sizes: &[Size]) -> ValueInfo {
    let dim = sizes
        .iter()
        .map(|size| match *size {
            Ok(fixed) => Extent::Fixed(fixed),
            Err(named) => Extent::Named(named.into()),
        })
        .map(|extent| Dimension { value: Some(extent) })
        .collect();
    let tensor = TensorType { elem_type: elem as i32, shape: Some(Shape { dim }) };
    ValueInfo { name: name.into(), r#type: Some(Type { tensor_type: Some(tensor) }) }
}

impl GraphBuilder {
    pub(super) fn new(name: &str) -> Self {
        let graph = Graph { name: name.into(), ..Graph::default() };
        Self { graph, initializers: Vec::new(), scope: String::new() }
    }

    /// Sets the path that new names start with.
    pub(super) fn scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    pub(super) fn input_i64(&mut self, name: &str, sizes: &[Size]) {
        self.graph.input.push(value_info(name, DataType::Int64, sizes));
    }

    /// Declares the value `value` to be the output `name`.
    pub(super) fn output_f32(&mut self, name: &str, value: &str, sizes: &[Size]) {
        for node in &mut self.graph.node {
            for output in &mut node.output {
                if output == value {
                    name.clone_into(output);
                }
            }
        }
        debug_assert!(self.graph.node.iter().flat_map(|node| &node.input).all(|input| input != value));
        self.graph.output.push(value_info(name, DataType::Float, sizes));
    }

    /// Adds a node with one output and returns that output's name.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let name = format!("{}/{op}_{}", self.scope, self.graph.node.len());
        self.graph.node.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![format!("{name}_out")],
            name: name.clone(),
            op_type: op.into(),
            attribute,
        });
        name + "_out"
    }

    pub(super) fn constant_i64(&mut self, dims: &[usize], values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let name = format!("{}/constant_{}", self.scope, self.initializers.len());
        self.initializer(name, dims, DataType::Int64, Content::Bytes(bytes))
    }

    pub(super) fn scalar(&mut self, value: f32) -> String {
        let name = format!("{}/constant_{}", self.scope, self.initializers.len());
        self.initializer(name, &[], DataType::Float, Content::Bytes(value.to_le_bytes().to_vec()))
    }

    /// Adds numbers that are in memory.
    pub(super) fn inline(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name.into(), dims, DataType::Float, Content::Bytes(bytes))
    }

    /// Adds a tensor of the checkpoint as it is stored, with the stored shape `dims`.
    pub(super) fn stored(&mut self, tensor: &str, dims: &[usize]) -> String {
        let content = Content::Stored { tensor: tensor.into(), transposed: false };
        self.initializer(tensor.into(), dims, DataType::Float, content)
    }

    /// Adds a matrix of the checkpoint, stored as `[rows, columns]`, turned to `[columns, rows]`.
    pub(super) fn transposed(&mut self, tensor: &str, [rows, columns]: [usize; 2]) -> String {
        let content = Content::Stored { tensor: tensor.into(), transposed: true };
        self.initializer(tensor.into(), &[columns, rows], DataType::Float, content)
    }

    fn initializer(&mut self, name: String, dims: &[usize], elem: DataType, content: Content) -> String {
        let len = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stored { .. } => dims.iter().map(|&dim| dim as u64).product::<u64>() * 4,
        };
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        let head = TensorHead { dims, data_type: elem as i32, name: name.clone() };
        self.initializers.push(Initializer { head, content, len });
        name
    }

    /// How many bytes [`Self::write`] writes.
    pub(super) fn encoded_len(&self) -> u64 {
        let graph = self.graph_len();
        model_head().encoded_len() as u64 + prefix_len(MODEL_GRAPH_FIELD, graph) + graph
    }

    fn graph_len(&self) -> u64 {
        let tensors = self.initializers.iter().map(|tensor| {
            let len = tensor.encoded_len();
            prefix_len(GRAPH_INITIALIZER_FIELD, len) + len
        });
        self.graph.encoded_len() as u64 + tensors.sum::<u64>()
    }

    /// Fails if the model does not fit in one file.
    pub(super) fn check_len(&self) -> Result<(), ExportError> {
        match self.encoded_len() {
            bytes if bytes > MAX_BYTES => Err(ExportError::TooLarge { bytes, limit: MAX_BYTES }),
            _ => Ok(()),
        }
    }

    /// Writes the model. `fail` turns what the writer says into the caller's error.
    pub(super) fn write(
        &self,
        weights: &dyn WeightSource,
        out: &mut impl Write,
        fail: impl Fn(io::Error) -> ExportError,
    ) -> Result<(), ExportError> {
        let mut head = model_head().encode_to_vec();
        prefix(MODEL_GRAPH_FIELD, self.graph_len(), &mut head);
        head.extend(self.graph.encode_to_vec());
        out.write_all(&head).map_err(&fail)?;
        for tensor in &self.initializers {
            let mut head = Vec::new();
            prefix(GRAPH_INITIALIZER_FIELD, tensor.encoded_len(), &mut head);
            head.extend(tensor.head.encode_to_vec());
            prefix(TENSOR_RAW_DATA_FIELD, tensor.len, &mut head);
            out.write_all(&head).map_err(&fail)?;
            match &tensor.content {
                Content::Bytes(bytes) => out.write_all(bytes).map_err(&fail)?,
                Content::Stored { tensor: name, transposed } => {
                    let values = weights.read(name)?;
                    debug_assert_eq!(values.len() as u64 * 4, tensor.len);
                    let columns = tensor.head.dims.first().map_or(1, |&dim| dim as usize);
                    write_floats(out, &values, transposed.then_some(columns)).map_err(&fail)?;
                }
            }
        }
        Ok(())
    }
}

impl Initializer {
    fn encoded_len(&self) -> u64 {
        self.head.encoded_len() as u64 + prefix_len(TENSOR_RAW_DATA_FIELD, self.len) + self.len
    }
}

fn write_floats(out: &mut impl Write, values: &[f32], transpose_columns: Option<usize>) -> io::Result<()> {
    let columns = transpose_columns.unwrap_or(1).max(1);
    let mut buffer = Vec::with_capacity(values.len() / columns * 4);
    for column in 0..columns {
        buffer.clear();
        buffer.extend(values.iter().skip(column).step_by(columns).flat_map(|value| value.to_le_bytes()));
        out.write_all(&buffer)?;
    }
    Ok(())
}

fn model_head() -> ModelHead {
    ModelHead {
        ir_version: IR_VERSION,
        producer_name: "lateen".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
    }
}

fn prefix(field: u32, len: u64, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len, out);
}

fn prefix_len(field: u32, len: u64) -> u64 {
    (key_len(field) + encoded_len_varint(len)) as u64
}
