//! What a language model prefers: how much a passage helps it to give the right answer.
//!
//! `p(passage) = 1/n · Σ_t P(aₜ | prompt(passage, question), a₁ … aₜ₋₁)`, the mean probability of the answer's `n` tokens, and
//! over the passages of a question a softmax of it (as RAG-Retrieval has it, after Shi et al., "REPLUG", arXiv:2301.12652, and
//! Izacard et al., "Atlas", arXiv:2208.03299). Grouped KL then brings a retriever to the same preferences.
//!
//! Relatives: [`score`](crate::score) asks models that judge.

use std::path::Path;

use burn_tensor::{Device, Tensor, TensorData, activation};

use crate::data::{DataError, PaddingSide, TextTokenizer, Tokens};
use crate::model::{Backbone, ConfigFile, ModelError, Params, Pass, Stored, floats};

/// What the model reads before the answer, unless told otherwise.
pub const PROMPT: &str = "Answer the question based on the given document. Only give me the answer and do not output any other \
     words.\n\nDocument: {passage}\n\nQuestion: {question}\nAnswer:";

/// Why preferences cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreferError {
    /// See there.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// See there.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Name a causal language model of a family that can be read: Qwen2, Qwen3, Mistral.
    #[error("{}: no causal language model", .path.display())]
    NoDecoder {
        /// Its folder.
        path: std::path::PathBuf,
    },
    /// Write `{passage}` and `{question}` into the prompt, each once, the passage first.
    #[error("the prompt must hold {{passage}} and then {{question}}, each once")]
    Prompt,
    /// Shorten prompt, question or answer, or allow more tokens.
    #[error("prompt, question and answer take {taken} tokens of {limit}, so no passage has room")]
    NoRoom {
        /// What they take.
        taken: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Give an answer with text in it.
    #[error("the answer has no token")]
    EmptyAnswer,
}

/// How passages, questions and answers are brought before the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferOptions {
    /// `{passage}` and `{question}` stand for them; the answer follows behind a space.
    pub prompt: String,
    /// Tokens at most, the answer's included; passages are cut.
    pub max_tokens: usize,
    /// Passages in one pass.
    pub batch: usize,
}

impl Default for PreferOptions {
    /// [`PROMPT`], 1,024 tokens, 8 passages.
    fn default() -> Self {
        Self { prompt: PROMPT.to_owned(), max_tokens: 1024, batch: 8 }
    }
}

/// A causal language model that is asked how likely an answer is.
#[derive(Debug)]
pub struct CausalModel {
    backbone: Backbone,
    /// The table of output words.
    words: String,
    params: Params,
    tokenizer: TextTokenizer,
}

impl CausalModel {
    /// Reads a model directory in Hugging Face layout: decoder, output words and tokenizer.
    ///
    /// # Errors
    /// [`PreferError`], which names the file.
    pub fn load(directory: &Path) -> Result<Self, PreferError> {
        let path = directory.join("config.json");
        let file = ConfigFile::read(&path)?;
        let backbone = Backbone::new(&file, true)?;
        let Backbone::Decoder(decoder) = &backbone else {
            return Err(PreferError::NoDecoder { path: directory.to_owned() });
        };
        let (words, mut declared) = (decoder.words(), decoder.declare());
        let name = words.name.clone();
        if !decoder.tied() {
            declared.push(words);
        }
        let mut params = Params::new(Device::flex());
        Stored::read(directory)?.fill(&declared, &mut params, 0)?;
        params.set_trainable(|_| false);
        let tokenizer = TextTokenizer::open(directory, PaddingSide::Right)?;
        Ok(Self { backbone, words: name, params, tokenizer })
    }

    /// For each passage the mean probability of the tokens of `answer` behind the prompt with it, between 0 and 1.
    ///
    /// Cost: one pass of the model over every passage, and a softmax over the vocabulary for every token of the answer.
    ///
    /// # Errors
    /// [`PreferError`].
    pub fn preferences(
        &self,
        question: &str,
        answer: &str,
        passages: &[&str],
        options: &PreferOptions,
    ) -> Result<Vec<f32>, PreferError> {
        let asked = self.question(question, answer, options)?;
        let mut found = Vec::with_capacity(passages.len());
        for passages in passages.chunks(options.batch.max(1)) {
            let mut rows = Vec::with_capacity(passages.len());
            for passage in passages {
                let passage = self.tokenizer.ids(passage, asked.room)?;
                rows.push([&asked.before, &passage, &asked.after, &asked.answer].map(Vec::as_slice).concat());
            }
            found.extend(self.mean_probabilities(&rows, asked.answer.len())?);
        }
        Ok(found)
    }

    /// For each row of token ids the mean probability of its last `answer` tokens, each given all before it.
    ///
    /// # Errors
    /// [`ModelError`] for tokens of another model or rows that are too long; [`PreferError::EmptyAnswer`] if there is
    /// nothing to ask for or nothing before it.
    pub fn mean_probabilities(&self, rows: &[Vec<u32>], answer: usize) -> Result<Vec<f32>, PreferError> {
        if answer == 0 || rows.iter().any(|row| row.len() <= answer) {
            return Err(PreferError::EmptyAnswer);
        }
        let tokens = pad(rows, self.tokenizer.pad());
        let (count, width, hidden) = (tokens.rows, tokens.width, self.backbone.hidden());
        let pass = Pass::inference(&self.params);
        let states = self.backbone.states(&pass, &tokens)?.reshape([count * width, hidden]);
        // The state of a token tells the next one.
        let (mut places, mut wanted) = (Vec::new(), Vec::new());
        for (number, row) in rows.iter().enumerate() {
            for (at, word) in row.iter().enumerate().skip(row.len() - answer) {
                places.push((number * width + at - 1) as i64);
                wanted.push(i64::from(*word));
            }
        }
        let device = states.device();
        let asked = places.len();
        let places = Tensor::from_data(TensorData::new(places, [asked]), &device);
        let wanted = Tensor::from_data(TensorData::new(wanted, [asked, 1]), &device);
        let logits = states.select(0, places).matmul(pass.matrix(&self.words).transpose());
        let probabilities = floats(activation::softmax(logits, 1).gather(1, wanted));
        let mean = |row: &[f32]| (row.iter().map(|p| f64::from(*p)).sum::<f64>() / answer as f64) as f32;
        Ok(probabilities.chunks(answer).map(mean).collect())
    }

    fn question(&self, question: &str, answer: &str, options: &PreferOptions) -> Result<Asked, PreferError> {
        let once = |part: &str| options.prompt.matches(part).count() == 1;
        let (head, tail) = options.prompt.split_once("{passage}").ok_or(PreferError::Prompt)?;
        if !(once("{passage}") && once("{question}") && tail.contains("{question}")) {
            return Err(PreferError::Prompt);
        }
        let all = options.max_tokens;
        let before = self.tokenizer.begun(head, all)?;
        let after = self.tokenizer.ids(&tail.replacen("{question}", question, 1), all)?;
        let answer = self.tokenizer.ids(&format!(" {}", answer.trim()), all)?;
        if answer.is_empty() {
            return Err(PreferError::EmptyAnswer);
        }
        let limit = all.min(self.backbone.max_tokens());
        let taken = before.len() + after.len() + answer.len();
        let room = limit.checked_sub(taken).filter(|room| *room > 0);
        let room = room.ok_or(PreferError::NoRoom { taken, limit })?;
        Ok(Asked { before, after, answer, room })
    }
}

/// A question in tokens.
struct Asked {
    before: Vec<u32>,
    after: Vec<u32>,
    answer: Vec<u32>,
    /// Tokens that are left for a passage.
    room: usize,
}

fn pad(rows: &[Vec<u32>], pad: u32) -> Tokens {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut tokens = Tokens { rows: rows.len(), width, ..Tokens::default() };
    for row in rows {
        let missing = width - row.len();
        tokens.ids.extend(row.iter().copied().chain(std::iter::repeat_n(pad, missing)));
        tokens.mask.extend(row.iter().map(|_| 1).chain(std::iter::repeat_n(0, missing)));
    }
    tokens.counted.clone_from(&tokens.mask);
    tokens.types = vec![0; tokens.ids.len()];
    tokens
}

/// `softmax(preferences / temperature)`: the shares of a question's passages.
#[must_use]
pub fn shares(preferences: &[f32], temperature: f64) -> Vec<f32> {
    let scaled = || preferences.iter().map(|p| f64::from(*p) / temperature);
    let top = scaled().fold(f64::MIN, f64::max);
    let raw: Vec<f64> = scaled().map(|x| (x - top).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|x| (x / sum) as f32).collect()
}
