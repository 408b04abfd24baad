//! A graph run on sample texts: which columns stand out, and how far a model in 8 bits is from the one in f32.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokenizers::{Tokenizer, TruncationParams};

use super::ExportError;
use super::graph::int;
use super::graph::ints;
use super::initializer::Columns;
use super::net::Net;
use crate::encode::runtime::{self, Feed, FeedSession, FeedValues, Graph};
use crate::encode::{EncodeError, ModelOptions, tokenizer_file};

/// Longer texts say nothing more.
const MAX_TOKENS: usize = 128;
/// Columns that stay in f32, of each layer's input; no more than one in sixteen.
const KEPT: usize = 8;

/// Texts of many kinds and lengths. What stands out in a model does so in all of them.
pub(super) const TEXTS: [&str; 24] = [
    "What is the capital of Australia?",
    "A sloop points higher than a square rigger, which runs better before the wind.",
    "",
    "42",
    "The trial enrolled 1,204 patients and found no difference in mortality (p = 0.43, 95% CI 0.8-1.2).",
    "fn main() { println!(\"{}\", 1 << 3); } // prints eight",
    "Stocks fell sharply on Monday after the central bank raised its rates for the third time this year, and analysts \
     expect further losses in the weeks to come as households cut their spending on cars, travel and housing.",
    "Die Kinder spielten im Garten, während es zu regnen begann.",
    "Où est la bibliothèque la plus proche ?",
    "El perro corre rápidamente por el parque.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "ما هي عاصمة فرنسا؟",
    "敏捷的棕色狐狸跳过了懒狗。",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "तेज भूरी लोमड़ी",
    "how to fix a leaking tap",
    "SELECT name, COUNT(*) FROM users WHERE age >= 18 GROUP BY name ORDER BY 2 DESC;",
    "https://example.org/a/b?c=d&e=f#g user@example.com",
    "The mitochondrion is the powerhouse of the cell: it makes most of the adenosine triphosphate that a cell uses.",
    "e\u{301}tude, naïve café, Straße, ½ cup, №5, ™, 👩\u{200d}🚀",
    "In the beginning the ship had three masts. After the storm it had one, and the crew rigged a sail from blankets \
     and rope, steered by the stars for eleven nights, drank rain, ate what they caught, and on the twelfth morning \
     saw gulls, then breakers, then the long grey line of the coast that none of them had thought to see again.",
    "yes",
    "Breach of contract: the seller failed to deliver the goods by the date agreed in writing by both parties.",
];

/// How far a model's numbers are from those of the same model in f32, text by text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Parity {
    /// How many texts were compared.
    pub texts: u64,
    /// The smallest cosine between both outputs for a text: the text's vector, its tokens' vectors, or its logits.
    pub min_cosine: f32,
    /// The mean of the cosines.
    pub mean_cosine: f32,
    /// The largest difference of two numbers.
    pub max_difference: f32,
}

impl Parity {
    /// Compares the first output of each text.
    pub(super) fn of(exact: &[Vec<f32>], coded: &[Vec<f32>]) -> Self {
        let mut parity =
            Self { texts: exact.len() as u64, min_cosine: 1.0, mean_cosine: 0.0, max_difference: 0.0 };
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let mut sum = 0.0;
        for (a, b) in exact.iter().zip(coded) {
            let norms = (dot(a, a) * dot(b, b)).sqrt();
            let cosine = if norms > 0.0 { dot(a, b) / norms } else { 1.0 };
            sum += cosine;
            parity.min_cosine = parity.min_cosine.min(cosine as f32);
            let largest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            parity.max_difference = parity.max_difference.max(largest);
        }
        parity.mean_cosine = (sum / exact.len().max(1) as f64) as f32;
        parity
    }
}

/// A loaded graph and its tokenizer.
pub(super) struct Runner {
    session: Box<dyn FeedSession>,
    tokenizer: Tokenizer,
}

impl Runner {
    /// Texts are cut to `max_tokens`, and to no more than 128.
    pub(super) fn load(
        onnx: &Path,
        tokenizer: &Path,
        max_tokens: usize,
        engine: &ModelOptions,
    ) -> Result<Self, ExportError> {
        let unread = |source: tokenizers::Error| EncodeError::Tokenizer {
            path: tokenizer.to_owned(),
            message: source.to_string(),
        };
        let (session, _) = runtime::load(Graph::open(onnx)?, engine)?;
        let bytes = std::fs::read(tokenizer).map_err(|source| unread(source.into()))?;
        let (mut tokenizer, _) = tokenizer_file::read(&bytes).map_err(|what| unread(what.into()))?;
        tokenizer.with_padding(None);
        let truncation =
            TruncationParams { max_length: max_tokens.min(MAX_TOKENS), ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(unread)?;
        Ok(Self { session, tokenizer })
    }

    /// All outputs for one text, in the order of the graph; none for a text without tokens.
    pub(super) fn run(&self, text: &str) -> Result<Vec<Vec<f32>>, ExportError> {
        let failed = |source: tokenizers::Error| EncodeError::Tokenizer {
            path: "tokenizer.json".into(),
            message: source.to_string(),
        };
        let encoding = self.tokenizer.encode(text, true).map_err(failed)?;
        let wide = |ids: &[u32]| ids.iter().map(|&id| i64::from(id)).collect::<Vec<_>>();
        let (ids, mask, types) =
            (wide(encoding.get_ids()), wide(encoding.get_attention_mask()), wide(encoding.get_type_ids()));
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let shape = vec![1, ids.len()];
        let feeds = self.session.inputs().iter().enumerate().map(|(input, info)| {
            let values = match info.name.as_str() {
                "input_ids" => &ids,
                "attention_mask" => &mask,
                _ => &types,
            };
            Feed { input, shape: shape.clone(), values: FeedValues::Integers(values) }
        });
        let outputs: Vec<usize> = (0..self.session.outputs().len()).collect();
        let tensors = self.session.run(&feeds.collect::<Vec<_>>(), &outputs)?;
        Ok(tensors.into_iter().map(|tensor| tensor.values).collect())
    }
}

/// Adds an output for each value that is watched: the largest size of each of its columns.
pub(super) fn add_peaks(net: &mut Net<'_>) {
    for (at, (value, width)) in net.watched.take().into_iter().flatten().enumerate() {
        let graph = &mut net.graph;
        let flat = graph.constant_i64(&[2], &[-1, width as i64]);
        let flat = graph.node("Reshape", &[&value, &flat], vec![]);
        let sizes = graph.node("Abs", &[&flat], vec![]);
        let peaks = graph.node("ReduceMax", &[&sizes], vec![ints("axes", &[0]), int("keepdims", 0)]);
        graph.output_f32(&format!("peaks_{at}"), &peaks, &[Ok(width as i64)]);
    }
}

/// The columns of each value that stand out, ascending.
pub(super) fn outstanding(peaks: &[Vec<f32>]) -> Vec<Columns> {
    let one = |peaks: &Vec<f32>| -> Columns {
        let mut order: Vec<usize> = (0..peaks.len()).collect();
        order.sort_by(|&a, &b| peaks[b].total_cmp(&peaks[a]).then(a.cmp(&b)));
        order.truncate(KEPT.min(peaks.len() / 16));
        order.sort_unstable();
        Arc::from(order)
    };
    peaks.iter().map(one).collect()
}
