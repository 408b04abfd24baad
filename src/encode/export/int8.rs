//! Linear layers and tables in 8 bits.
//!
//! ```text
//!          ┌ max |x| of each row ÷ 127 = s ─────────────────────┐
//! x [n,k] ─┼ round(x / s) + 128 ─ MatMulInteger ─ · t ─── · s ─ + ─ y
//!          └ the columns that stand out ─ MatMul ─ + b ─────────┘
//! ```
//!
//! Weights are symmetric, with a step `t` for each output. Activations have a step for **each row**: a token's vector
//! does not depend on what else is in its batch, which one step for the whole tensor (ONNX's `DynamicQuantizeLinear`)
//! would make it do. A few columns of activations are far larger than the rest, in every text; they would set the step
//! for all. Which they are is measured, and they are multiplied in f32. (Dettmers et al., "LLM.int8()",
//! arXiv:2208.07339, do all three.) Rows of a table are coded one by one and scaled back after the look-up.

use std::collections::HashMap;
use std::sync::Arc;

use super::graph::{GraphBuilder, int, ints};
use super::initializer::{Columns, Form, Grid};
use super::messages::DataType;

/// The zero of unsigned codes: runtimes are fastest at unsigned rows times signed weights.
const ZERO: u8 = 128;
/// The largest code of a weight. Processors without VNNI add two products in 16 bits, which then hold
/// `2 · 255 · 64 < 2¹⁵`: with larger codes sums would saturate there, and vectors differ between machines.
const LARGEST: i8 = 64;

/// Which columns stay in f32.
#[derive(Debug, Default)]
pub(super) struct Int8 {
    /// Of each value that is multiplied, in the order in which they are; none beyond.
    kept: Vec<Columns>,
    /// Rows that are coded already, by the value they come from.
    coded: HashMap<String, Coded>,
    /// Whether linear layers stay in f32.
    pub(super) tables_only: bool,
}

#[derive(Debug, Clone)]
struct Coded {
    flat: String,
    codes: String,
    steps: String,
    shape: String,
    kept: Columns,
}

impl Int8 {
    pub(super) fn new(kept: Vec<Columns>, tables_only: bool) -> Self {
        Self { kept, coded: HashMap::new(), tables_only }
    }

    /// `x · Wᵀ + b` with the stored weights called `weight`, `[outputs, inputs]`, and the value `bias`.
    pub(super) fn linear(
        &mut self,
        graph: &mut GraphBuilder,
        input: &str,
        (weight, bias): (&str, Option<&str>),
        [inputs, outputs]: [usize; 2],
    ) -> String {
        let rows = self.rows_of(graph, input, inputs);
        let grid = || Grid { largest: LARGEST, without: Arc::clone(&rows.kept) };
        let codes = Form::Codes { transposed: true, grid: grid() };
        let codes = graph.stored_as((weight, format!("{weight}_codes")), codes, inputs, &[inputs, outputs]);
        let steps = Form::Steps(grid());
        let steps = graph.stored_as((weight, format!("{weight}_steps")), steps, inputs, &[outputs]);
        let zero = graph.constant(&[], DataType::UInt8, vec![ZERO]);
        let product = graph.node("MatMulInteger", &[&rows.codes, &codes, &zero], vec![]);
        let product = graph.cast(&product, DataType::Float);
        let product = graph.node("Mul", &[&product, &steps], vec![]);
        let mut sum = graph.node("Mul", &[&product, &rows.steps], vec![]);
        if !rows.kept.is_empty() {
            let count = rows.kept.len();
            let places: Vec<i64> = rows.kept.iter().map(|&at| at as i64).collect();
            let places = graph.constant_i64(&[count], &places);
            let columns = graph.node("Gather", &[&rows.flat, &places], vec![int("axis", 1)]);
            let name = (weight, format!("{weight}_kept"));
            let columns_of =
                graph.stored_as(name, Form::Columns(Arc::clone(&rows.kept)), inputs, &[count, outputs]);
            let product = graph.node("MatMul", &[&columns, &columns_of], vec![]);
            sum = graph.node("Add", &[&sum, &product], vec![]);
        }
        if let Some(bias) = bias {
            sum = graph.node("Add", &[&sum, bias], vec![]);
        }
        let shape = graph.constant_i64(&[1], &[outputs as i64]);
        let shape = graph.node("Concat", &[&rows.shape, &shape], vec![int("axis", 0)]);
        graph.node("Reshape", &[&sum, &shape], vec![])
    }

    /// The rows of `input` as codes and steps; layers with the same input share them.
    fn rows_of(&mut self, graph: &mut GraphBuilder, input: &str, width: usize) -> Coded {
        if let Some(coded) = self.coded.get(input) {
            return coded.clone();
        }
        let kept = self.kept.get(self.coded.len()).map_or_else(|| [].into(), Arc::clone);
        let shape = graph.node("Shape", &[input], vec![]);
        let shape = graph.slice(&shape, 0, 0, -1);
        let flat = graph.constant_i64(&[2], &[-1, width as i64]);
        let flat = graph.node("Reshape", &[input, &flat], vec![]);
        let mut counted = flat.clone();
        if !kept.is_empty() {
            // Codes of kept columns meet zeros in the weights: only the step must not see them.
            let counts = |at: usize| if kept.binary_search(&at).is_ok() { 0.0_f32 } else { 1.0 };
            let counts = (0..width).flat_map(|at| counts(at).to_le_bytes()).collect();
            let counts = graph.constant(&[width], DataType::Float, counts);
            counted = graph.node("Mul", &[&flat, &counts], vec![]);
        }
        let sizes = graph.node("Abs", &[&counted], vec![]);
        let largest = graph.node("ReduceMax", &[&sizes], vec![ints("axes", &[1]), int("keepdims", 1)]);
        let (least, share) = (graph.scalar(1e-10), graph.scalar(1.0 / 127.0));
        let largest = graph.node("Max", &[&largest, &least], vec![]);
        let steps = graph.node("Mul", &[&largest, &share], vec![]);
        let line = graph.constant_i64(&[1], &[-1]);
        let each = graph.node("Reshape", &[&steps, &line], vec![]);
        let count = graph.node("Shape", &[&each], vec![]);
        let zero = graph.constant(&[1], DataType::UInt8, vec![ZERO]);
        let zeros = graph.node("Expand", &[&zero, &count], vec![]);
        let codes = graph.node("QuantizeLinear", &[&flat, &each, &zeros], vec![int("axis", 0)]);
        let coded = Coded { flat, codes, steps, shape, kept };
        self.coded.insert(input.to_owned(), coded.clone());
        coded
    }

    /// Rows of a table of codes, scaled back.
    pub(super) fn rows(graph: &mut GraphBuilder, table: &str, ids: &str, [rows, size]: [usize; 2]) -> String {
        let whole = || Grid { largest: 127, without: [].into() };
        let codes = Form::Codes { transposed: false, grid: whole() };
        let codes = graph.stored_as((table, format!("{table}_codes")), codes, size, &[rows, size]);
        let steps = Form::Steps(whole());
        let steps = graph.stored_as((table, format!("{table}_steps")), steps, size, &[rows, 1]);
        let codes = graph.node("Gather", &[&codes, ids], vec![]);
        let codes = graph.cast(&codes, DataType::Float);
        let steps = graph.node("Gather", &[&steps, ids], vec![]);
        graph.node("Mul", &[&codes, &steps], vec![])
    }
}
