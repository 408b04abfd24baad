//! Nodes and weights.

use std::collections::HashMap;

use super::initializer::{Content, Form, Initializer};
use super::messages::{
    Attribute, AttributeType, DataType, Dimension, Extent, Graph, Node, Shape, TensorType, Type, ValueInfo,
};

/// Collects a graph; values are named by strings, as in the file.
pub(super) struct GraphBuilder {
    graph: Graph,
    pub(super) initializers: Vec<Initializer>,
    /// Constants that are there already, by type, shape and bytes.
    constants: HashMap<(i32, Vec<usize>, Vec<u8>), String>,
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
        Self { graph, initializers: Vec::new(), constants: HashMap::new(), scope: String::new() }
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
            for word in node.output.iter_mut().chain(&mut node.input).filter(|word| *word == value) {
                name.clone_into(word);
            }
        }
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

    pub(super) fn cast(&mut self, value: &str, to: DataType) -> String {
        self.node("Cast", &[value], vec![int("to", to as i64)])
    }

    pub(super) fn unsqueeze(&mut self, value: &str, axes: &[i64]) -> String {
        let axes = self.constant_i64(&[axes.len()], axes);
        self.node("Unsqueeze", &[value, &axes], vec![])
    }

    /// The numbers from `start` to before `end` along `axis`.
    pub(super) fn slice(&mut self, value: &str, axis: i64, start: i64, end: i64) -> String {
        let mut one = |number| self.constant_i64(&[1], &[number]);
        let (start, end, axis) = (one(start), one(end), one(axis));
        self.node("Slice", &[value, &start, &end, &axis], vec![])
    }

    pub(super) fn constant_i64(&mut self, dims: &[usize], values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, DataType::Int64, bytes)
    }

    pub(super) fn scalar(&mut self, value: f32) -> String {
        self.constant(&[], DataType::Float, value.to_le_bytes().to_vec())
    }

    pub(super) fn constant(&mut self, dims: &[usize], elem: DataType, bytes: Vec<u8>) -> String {
        let key = (elem as i32, dims.to_vec(), bytes);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = format!("{}/constant_{}", self.scope, self.initializers.len());
        self.constants.insert(key.clone(), name.clone());
        self.initializer(name, dims, elem, Content::Bytes(key.2))
    }

    /// Adds numbers that are in memory.
    pub(super) fn inline(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        debug_assert_eq!(dims.iter().product::<usize>(), values.len());
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name.into(), dims, DataType::Float, Content::Bytes(bytes))
    }

    /// Adds a tensor of the checkpoint as it is stored, with the stored shape `dims`.
    pub(super) fn stored(&mut self, tensor: &str, dims: &[usize]) -> String {
        let columns = dims.last().copied().unwrap_or(1);
        self.stored_as((tensor, tensor.into()), Form::Plain, columns, dims)
    }

    /// Adds a matrix of the checkpoint, stored as `[rows, columns]`, turned to `[columns, rows]`.
    pub(super) fn transposed(&mut self, tensor: &str, [rows, columns]: [usize; 2]) -> String {
        self.stored_as((tensor, tensor.into()), Form::Transposed, columns, &[columns, rows])
    }

    /// Adds a tensor with rows of `columns` numbers in another form, once under each name.
    pub(super) fn stored_as(
        &mut self,
        (tensor, name): (&str, String),
        form: Form,
        columns: usize,
        dims: &[usize],
    ) -> String {
        let key = (-1, dims.to_vec(), name.clone().into_bytes());
        if self.constants.insert(key, name.clone()).is_some() {
            return name;
        }
        let elem = match form {
            Form::Codes { .. } => DataType::Int8,
            _ => DataType::Float,
        };
        self.initializer(name, dims, elem, Content::Stored { tensor: tensor.into(), columns, form })
    }

    fn initializer(&mut self, name: String, dims: &[usize], elem: DataType, content: Content) -> String {
        self.initializers.push(Initializer::new(name.clone(), dims, elem, content));
        name
    }

    /// The nodes, inputs and outputs.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }
}
