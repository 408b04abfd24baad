//! What a model answers: one vector per text, one per token, or scores of a pair.

use super::ExportError;
use super::bert::{BertConfig, BertGraph};
use super::checkpoint::Checkpoint;
use super::graph::{GraphBuilder, int};

/// What the exported model computes from its last hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// One unit vector per text: output `sentence_embedding`, `[batch, dim]`.
    Dense,
    /// One vector per token, not normalised: output `token_embeddings`, `[batch, sequence, dim]`.
    Tokens,
    /// `BertForSequenceClassification`: output `logits`, `[batch, labels]`.
    CrossEncoder,
}

impl Head {
    /// The head's word in options and messages: `dense`, `tokens`, `cross-encoder`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Tokens => "tokens",
            Self::CrossEncoder => "cross-encoder",
        }
    }
}

/// How token vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over the text's tokens, special tokens included.
    Mean,
    /// The vector of the first token, `[CLS]`.
    Cls,
}

/// A linear map behind the encoder, part of the exported graph: `y = W·x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    inputs: usize,
    outputs: usize,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Projection {
    /// Takes `weight`, `[outputs, inputs]` row-major, and `bias`, `[outputs]`.
    ///
    /// Returns `None` if a length does not fit, a size is 0 or a number is not finite.
    ///
    /// ```
    /// use lateen::encode::export::Projection;
    /// let first_of_two = Projection::new(2, 1, vec![1.0, 0.0], None).unwrap();
    /// assert_eq!((first_of_two.inputs(), first_of_two.outputs()), (2, 1));
    /// ```
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, weight: Vec<f32>, bias: Option<Vec<f32>>) -> Option<Self> {
        let sized = inputs > 0 && outputs > 0 && inputs.checked_mul(outputs) == Some(weight.len());
        let numbers = weight.iter().chain(bias.iter().flatten());
        let fits = sized && bias.as_ref().is_none_or(|bias| bias.len() == outputs);
        (fits && numbers.copied().all(f32::is_finite)).then_some(Self { inputs, outputs, weight, bias })
    }

    /// The dimension of what goes in.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The dimension of what comes out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `W`, `[outputs, inputs]`, row-major.
    #[must_use]
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// `b`, if there is one.
    #[must_use]
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// `W·x + b`. Adds in order in f64.
    ///
    /// # Panics
    /// If `x` has not [`Self::inputs`] numbers.
    #[must_use]
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        assert_eq!(x.len(), self.inputs, "projection: wrong dimension");
        let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        let bias = |output: usize| self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[output]));
        self.weight
            .chunks_exact(self.inputs)
            .enumerate()
            .map(|(i, row)| (dot(row) + bias(i)) as f32)
            .collect()
    }
}

/// The graph of `config` with weights of `checkpoint` and the head asked for, and the head's dimension.
pub(super) fn build(
    config: &BertConfig,
    checkpoint: &Checkpoint,
    head: Head,
    pooling: Pooling,
    projection: Option<&Projection>,
) -> Result<(GraphBuilder, usize), ExportError> {
    let mut bert = BertGraph::new(head.name(), config, checkpoint);
    let hidden = bert.encoder()?;
    bert.graph.scope(head.name());
    let dim = match head {
        Head::Dense => dense(&mut bert, &hidden, pooling),
        Head::Tokens => tokens(&mut bert, &hidden, projection)?,
        Head::CrossEncoder => cross_encoder(&mut bert, &hidden, checkpoint)?,
    };
    bert.graph.check_len()?;
    Ok((bert.graph, dim))
}

fn dense(bert: &mut BertGraph<'_>, hidden: &str, pooling: Pooling) -> usize {
    let pooled = match pooling {
        Pooling::Cls => first_token(bert, hidden),
        Pooling::Mean => {
            let mask = bert.mask_f32(&[2]);
            let graph = &mut bert.graph;
            let sequence = graph.constant_i64(&[1], &[1]);
            let kept = graph.node("Mul", &[hidden, &mask], vec![]);
            let sum = graph.node("ReduceSum", &[&kept, &sequence], vec![int("keepdims", 0)]);
            let count = graph.node("ReduceSum", &[&mask, &sequence], vec![int("keepdims", 0)]);
            let least = graph.scalar(1e-9);
            let count = graph.node("Max", &[&count, &least], vec![]);
            graph.node("Div", &[&sum, &count], vec![])
        }
    };
    let graph = &mut bert.graph;
    let last = graph.constant_i64(&[1], &[-1]);
    let squares = graph.node("Mul", &[&pooled, &pooled], vec![]);
    let sum = graph.node("ReduceSum", &[&squares, &last], vec![int("keepdims", 1)]);
    let norm = graph.node("Sqrt", &[&sum], vec![]);
    let least = graph.scalar(1e-12);
    let norm = graph.node("Max", &[&norm, &least], vec![]);
    let unit = graph.node("Div", &[&pooled, &norm], vec![]);
    let dim = bert.config.hidden_size;
    graph.output_f32("sentence_embedding", &unit, &[Err("batch"), Ok(dim as i64)]);
    dim
}

fn tokens(
    bert: &mut BertGraph<'_>,
    hidden: &str,
    projection: Option<&Projection>,
) -> Result<usize, ExportError> {
    let size = bert.config.hidden_size;
    let (output, dim) = match projection {
        None => (bert.graph.node("Identity", &[hidden], vec![]), size),
        Some(projection) if projection.inputs != size => {
            return Err(ExportError::Projection { expected: size, found: projection.inputs });
        }
        Some(projection) => (project(&mut bert.graph, hidden, projection), projection.outputs),
    };
    bert.graph.output_f32("token_embeddings", &output, &[Err("batch"), Err("sequence"), Ok(dim as i64)]);
    Ok(dim)
}

fn project(graph: &mut GraphBuilder, hidden: &str, projection: &Projection) -> String {
    let (inputs, outputs) = (projection.inputs, projection.outputs);
    let turned: Vec<f32> = (0..inputs)
        .flat_map(|column| projection.weight.iter().copied().skip(column).step_by(inputs))
        .collect();
    let weight = graph.inline("projection.weight", &[inputs, outputs], &turned);
    let product = graph.node("MatMul", &[hidden, &weight], vec![]);
    match &projection.bias {
        None => product,
        Some(bias) => {
            let bias = graph.inline("projection.bias", &[outputs], bias);
            graph.node("Add", &[&product, &bias], vec![])
        }
    }
}

fn cross_encoder(
    bert: &mut BertGraph<'_>,
    hidden: &str,
    checkpoint: &Checkpoint,
) -> Result<usize, ExportError> {
    let size = bert.config.hidden_size;
    let labels = match checkpoint.find("classifier.weight") {
        Some((_, [labels, _])) => *labels,
        _ => 1, // `linear` below says what is missing or misshapen
    };
    let first = first_token(bert, hidden);
    let pooled = bert.linear("pooler.dense", &first, size, size)?;
    let pooled = bert.graph.node("Tanh", &[&pooled], vec![]);
    let logits = bert.linear("classifier", &pooled, size, labels)?;
    bert.graph.output_f32("logits", &logits, &[Err("batch"), Ok(labels as i64)]);
    Ok(labels)
}

fn first_token(bert: &mut BertGraph<'_>, hidden: &str) -> String {
    let zero = bert.graph.constant_i64(&[], &[0]);
    bert.graph.node("Gather", &[hidden, &zero], vec![int("axis", 1)])
}
