//! What a model answers: one vector per text, one per token, or scores of a pair.

use super::ExportError;
use super::family::Family;
use super::graph::GraphBuilder;
use super::net::Net;

/// What the exported model computes from its last hidden states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// One unit vector per text: output `sentence_embedding`, `[batch, dim]`.
    Dense,
    /// One vector per token, not normalised: output `token_embeddings`, `[batch, sequence, dim]`.
    Tokens,
    /// The family's `…ForSequenceClassification`: output `logits`, `[batch, labels]`.
    CrossEncoder,
    /// A decoder's `…ForCausalLM`: output `logits`, `[batch, 1, vocabulary]`, of the token after the last.
    NextToken,
    /// Several kinds of vectors in one pass, as bge-m3's (Chen et al., arXiv:2402.03216): outputs `dense_vecs`
    /// `[batch, hidden]`, `sparse_vecs` `[batch, sequence]` and `colbert_vecs` `[batch, sequence, dim]`, the last two
    /// from `sparse_linear.safetensors` and `colbert_linear.safetensors` beside the checkpoint.
    Several,
}

impl Head {
    /// The head's word in options and messages: `dense`, `tokens`, `cross-encoder`, `next-token`, `several`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Tokens => "tokens",
            Self::CrossEncoder => "cross-encoder",
            Self::NextToken => "next-token",
            Self::Several => "several",
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
    /// The vector of the text's last token, which in decoders has seen all others.
    LastToken,
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

/// The linear maps of [`Head::Several`].
#[derive(Debug, Default)]
pub(super) struct SeveralHeads {
    /// To one number for each token: how much it counts.
    pub(super) sparse: Option<Projection>,
    /// To a vector for each token.
    pub(super) tokens: Option<Projection>,
}

/// What a head is made of.
#[derive(Debug, Default)]
pub(super) struct HeadParts<'a> {
    pub(super) pooling: Option<Pooling>,
    pub(super) projection: Option<&'a Projection>,
    pub(super) several: SeveralHeads,
}

/// Adds the encoder and `head`; returns the head's dimension.
pub(super) fn build(
    family: &dyn Family,
    net: &mut Net<'_>,
    head: Head,
    parts: &HeadParts<'_>,
) -> Result<usize, ExportError> {
    let hidden = family.encode(net)?;
    net.graph.scope(head.name());
    // A head is small, and what it says is final. A vocabulary is not small.
    if head != Head::NextToken {
        net.int8 = None;
    }
    let size = family.hidden_size();
    match head {
        Head::Dense => {
            let pooled = pool(net, &hidden, parts.pooling.unwrap_or(family.pooling()));
            dense(net, "sentence_embedding", &pooled, size);
            Ok(size)
        }
        Head::Tokens => tokens(net, &hidden, size, parts.projection),
        Head::CrossEncoder => {
            let (logits, labels) = family.classify(net, &hidden)?;
            net.graph.output_f32("logits", &logits, &[Err("batch"), Ok(labels as i64)]);
            Ok(labels)
        }
        Head::NextToken => {
            let (logits, numbers) = family.next_token(net, &hidden)?;
            net.graph.output_f32("logits", &logits, &[Err("batch"), Ok(1), Ok(numbers as i64)]);
            Ok(numbers)
        }
        Head::Several => several(net, &hidden, size, &parts.several),
    }
}

fn pool(net: &mut Net<'_>, hidden: &str, pooling: Pooling) -> String {
    match pooling {
        Pooling::Mean => net.mean(hidden),
        Pooling::Cls => net.first_token(hidden),
        Pooling::LastToken => net.last_token(hidden, None),
    }
}

fn dense(net: &mut Net<'_>, name: &str, pooled: &str, size: usize) {
    let unit = net.unit(pooled);
    net.graph.output_f32(name, &unit, &[Err("batch"), Ok(size as i64)]);
}

fn tokens(
    net: &mut Net<'_>,
    hidden: &str,
    size: usize,
    projection: Option<&Projection>,
) -> Result<usize, ExportError> {
    let (output, dim) = match projection {
        None => (net.graph.node("Identity", &[hidden], vec![]), size),
        Some(projection) => (project(net, ("projection", hidden, size), projection)?, projection.outputs),
    };
    net.graph.output_f32("token_embeddings", &output, &[Err("batch"), Err("sequence"), Ok(dim as i64)]);
    Ok(dim)
}

fn several(net: &mut Net<'_>, hidden: &str, size: usize, heads: &SeveralHeads) -> Result<usize, ExportError> {
    let first = net.first_token(hidden);
    dense(net, "dense_vecs", &first, size);
    if let Some(sparse) = &heads.sparse {
        let weights = project(net, ("sparse_linear", hidden, size), sparse)?;
        let weights = net.graph.node("Relu", &[&weights], vec![]);
        let last = net.graph.constant_i64(&[1], &[-1]);
        let weights = net.graph.node("Squeeze", &[&weights, &last], vec![]);
        net.graph.output_f32("sparse_vecs", &weights, &[Err("batch"), Err("sequence")]);
    }
    if let Some(tokens) = &heads.tokens {
        let rows = project(net, ("colbert_linear", hidden, size), tokens)?;
        let dim = Ok(tokens.outputs as i64);
        net.graph.output_f32("colbert_vecs", &rows, &[Err("batch"), Err("sequence"), dim]);
    }
    Ok(size)
}

fn project(
    net: &mut Net<'_>,
    (name, hidden, size): (&str, &str, usize),
    projection: &Projection,
) -> Result<String, ExportError> {
    let (inputs, outputs) = (projection.inputs, projection.outputs);
    if inputs != size {
        return Err(ExportError::Projection { expected: size, found: inputs });
    }
    let graph: &mut GraphBuilder = &mut net.graph;
    let turned: Vec<f32> = (0..inputs)
        .flat_map(|column| projection.weight.iter().copied().skip(column).step_by(inputs))
        .collect();
    let weight = graph.inline(&format!("{name}.weight"), &[inputs, outputs], &turned);
    let product = graph.node("MatMul", &[hidden, &weight], vec![]);
    Ok(match &projection.bias {
        None => product,
        Some(bias) => {
            let bias = graph.inline(&format!("{name}.bias"), &[outputs], bias);
            graph.node("Add", &[&product, &bias], vec![])
        }
    })
}
