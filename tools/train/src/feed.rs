//! The batches of a run, as its settings want them.

use std::path::Path;

use crate::config::{DataConfig, DataFile, LossName, ModelKind, Positives, RunConfig, Task};
use crate::data::{
    DataError, DataSet, Examples, Format, Loader, PairBatch, PairFormat, PairShape, Part, Plan, PlanOptions,
    ReadOptions, Scale, Side, TextBatch, TextFormat, TextTokenizer, TokenBatch, VectorBatch,
};

/// A step's texts, as the run's model wants them.
#[derive(Debug, Clone, PartialEq)]
pub enum Batch {
    /// For embedding and ColBERT models.
    Texts(TextBatch),
    /// For rerankers.
    Pairs(PairBatch),
    /// For distillation from vectors.
    Vectors(VectorBatch),
    /// For distillation from vectors of tokens.
    Tokens(TokenBatch),
}

#[derive(Debug)]
enum Form {
    Texts(TextFormat),
    Pairs(PairFormat),
    Vectors(Side),
    Tokens(Side),
}

/// Training or validation data of a run.
#[derive(Debug)]
pub struct Feed {
    loader: Loader,
    form: Form,
    loss: LossName,
    words: Option<(u32, u32)>,
}

impl Feed {
    /// The data to train on. `tokenizer`: a `tokenizer.json`, or a model directory.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn train(config: &RunConfig, task: Task, tokenizer: &Path) -> Result<Self, DataError> {
        let data = &config.data;
        let options = PlanOptions {
            seed: config.seed,
            batch: config.training.batch_size,
            shuffle: data.shuffle,
            drop_last: data.drop_last,
            bucket: data.length_buckets,
            no_duplicates: data.no_duplicates,
            mix: data.mix,
        };
        Self::open(config, task, tokenizer, &data.train, options, data.shuffle_rate as f32)
    }

    /// The data to validate on: every example once, always in the same batches. `None` if there are none.
    ///
    /// # Errors
    /// [`DataError`].
    pub fn validation(config: &RunConfig, task: Task, tokenizer: &Path) -> Result<Option<Self>, DataError> {
        if config.data.validation.is_empty() {
            return Ok(None);
        }
        let options = PlanOptions {
            seed: config.seed,
            batch: config.training.batch_size,
            shuffle: false,
            drop_last: false,
            bucket: config.data.length_buckets,
            no_duplicates: false,
            mix: false,
        };
        Self::open(config, task, tokenizer, &config.data.validation, options, 0.0).map(Some)
    }

    fn open(
        config: &RunConfig,
        task: Task,
        tokenizer: &Path,
        files: &[DataFile],
        mut options: PlanOptions,
        shuffle_rate: f32,
    ) -> Result<Self, DataError> {
        let sets = files.iter().map(|file| open_set(&config.data, file)).collect::<Result<Vec<_>, _>>()?;
        let loss = loss_of(task, config.loss.name, &sets);
        // Other losses compare nothing across examples, so copies do no harm.
        options.no_duplicates &= matches!(loss, LossName::InfoNce | LossName::Triplet);
        let mut parts = Vec::with_capacity(sets.len());
        for (set, file) in sets.into_iter().zip(files) {
            let examples = examples_of(&config.data, file, loss, &set)?;
            let mut part = Part::new(set, examples, file.weight)?;
            if loss == LossName::TokenCosine {
                part = part.with_tokens(&file.token_vectors, file.token_dim)?;
            }
            let vectors: Vec<_> =
                file.vectors.iter().cloned().zip(file.vector_dims.iter().copied()).collect();
            parts.push(if vectors.is_empty() {
                part
            } else {
                part.with_vectors(&vectors, config.data.skip_bad)?
            });
        }
        let mut tokenizer = TextTokenizer::open(tokenizer, config.model.padding)?;
        if !config.model.pad_token.is_empty() {
            let pad = token(&tokenizer, &config.model.pad_token, "model.pad_token")?;
            tokenizer.set_pad(pad);
        }
        let form = form(config, task, loss, &tokenizer)?;
        let longest = match &form {
            Form::Texts(format) => (format.query.max_tokens, format.document.max_tokens),
            Form::Pairs(format) => (format.max_tokens, format.max_tokens),
            Form::Vectors(side) | Form::Tokens(side) => (side.max_tokens, side.max_tokens),
        };
        let words = match &config.model.words[..] {
            [yes, no] => Some((tokenizer.first(yes, "model.words")?, tokenizer.first(no, "model.words")?)),
            _ => None,
        };
        let loader = Loader::new(parts, tokenizer, options).with_shuffle_rate(shuffle_rate);
        Ok(Self { loader: loader.with_longest(longest.0, longest.1), form, loss, words })
    }

    /// The batches of an epoch.
    ///
    /// # Errors
    /// [`DataError::NoBatch`].
    pub fn plan(&self, epoch: u64) -> Result<Plan, DataError> {
        self.loader.plan(epoch)
    }

    /// A batch: the same for the same settings, data, epoch and step.
    ///
    /// # Errors
    /// [`DataError::NoStep`], [`DataError::Changed`], [`DataError::BadVector`].
    pub fn batch(&self, plan: &Plan, step: usize) -> Result<Batch, DataError> {
        Ok(match &self.form {
            Form::Texts(format) => Batch::Texts(self.loader.text_batch(plan, step, format)?),
            Form::Pairs(format) => Batch::Pairs(self.loader.pair_batch(plan, step, format)?),
            Form::Vectors(side) => Batch::Vectors(self.loader.vector_batch(plan, step, side)?),
            Form::Tokens(side) => Batch::Tokens(self.loader.token_batch(plan, step, side)?),
        })
    }

    /// The loss: the one that the settings name, or what fits the data.
    #[must_use]
    pub fn loss(&self) -> LossName {
        self.loss
    }

    /// Token ids of the words for a match and for none, where a decoder answers with words.
    #[must_use]
    pub fn words(&self) -> Option<(u32, u32)> {
        self.words
    }

    /// Sets and tokenizer.
    #[must_use]
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// A hash of all data: a checkpoint is resumed on the same data only.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let sets = self.loader.parts().iter().map(|part| part.set().fingerprint());
        sets.map(|fingerprint| format!("{fingerprint:016x}")).collect::<Vec<_>>().join("-")
    }
}

/// Opens a set as a run's settings want it.
///
/// # Errors
/// [`DataError`].
pub fn open_set(data: &DataConfig, file: &DataFile) -> Result<DataSet, DataError> {
    let range = match file.labels[..] {
        [low, high] => Some((low as f32, high as f32)),
        _ => None,
    };
    let options = ReadOptions {
        max_line_bytes: data.max_line_bytes,
        skip_bad: data.skip_bad,
        fields: file.fields.clone(),
        scale: Scale { range },
        split: file.split.clone(),
    };
    DataSet::open(&file.path, &options)
}

/// The loss that fits task and data, unless one is named.
fn loss_of(task: Task, named: LossName, sets: &[DataSet]) -> LossName {
    if named != LossName::Auto {
        return named;
    }
    match (task, sets.first().map(DataSet::format)) {
        (Task::Reranker, Some(Format::Grouped)) => LossName::RankNet,
        (Task::Reranker, Some(Format::Triplet | Format::Pair)) => LossName::Listwise,
        (Task::Reranker, _) => LossName::Bce,
        (Task::Embedding, Some(Format::Texts)) => LossName::Stella,
        (Task::Colbert, Some(Format::Texts)) => LossName::TokenCosine,
        (Task::Embedding, Some(Format::Scored | Format::Pointwise)) => LossName::Cosent,
        (_, Some(Format::PairScore | Format::Grouped)) => LossName::Kl,
        _ => LossName::InfoNce,
    }
}

/// How the records of a set become examples for a loss.
fn examples_of(
    data: &DataConfig,
    file: &DataFile,
    loss: LossName,
    set: &DataSet,
) -> Result<Examples, DataError> {
    let wrong =
        |wanted| DataError::WrongFormat { file: set.name().to_owned(), format: set.format().name(), wanted };
    let sampled = match data.positives {
        Positives::Each => Examples::EachPositive { negatives: data.negatives },
        Positives::One => Examples::OnePositive { negatives: data.negatives },
    };
    let (group, lists) = (data.group_size, matches!(set.format(), Format::Pair | Format::Triplet));
    match (loss, set.format()) {
        (LossName::Stella, Format::Texts | Format::Pair | Format::Triplet) => Ok(Examples::Text),
        (LossName::TokenCosine, Format::Texts) if file.token_vectors.as_os_str().is_empty() => {
            Err(wrong("a teacher's vectors of tokens"))
        }
        (LossName::TokenCosine, Format::Texts) => Ok(Examples::Text),
        (LossName::TokenCosine, _) => Err(wrong("texts for a teacher's vectors of tokens")),
        (LossName::Stella, _) => Err(wrong("texts for a teacher's vectors")),
        (_, Format::Texts) => Err(wrong("documents to learn from")),
        (LossName::Bce | LossName::Mse, _) => Ok(Examples::EachDocument),
        (LossName::Cosent, Format::Scored | Format::Pointwise | Format::PairScore) => {
            Ok(Examples::EachDocument)
        }
        (LossName::Cosent, _) => Err(wrong("scored pairs")),
        (_, Format::Scored | Format::Pointwise) => Err(wrong("several documents of a query")),
        (LossName::Kl | LossName::MarginMse, _) if !set.scored() => Err(wrong("a teacher's scores")),
        (LossName::InfoNce | LossName::Triplet, Format::Grouped) => Err(wrong("positives and negatives")),
        (LossName::InfoNce | LossName::Triplet, _) => Ok(sampled),
        (_, Format::Grouped) => Ok(Examples::Groups { size: group }),
        (LossName::RankNet | LossName::Listwise | LossName::Lambda, _) if !set.has_negatives() && lists => {
            Err(wrong("negatives"))
        }
        (_, Format::PairScore) => Ok(Examples::Record { limit: group }),
        _ => Ok(sampled),
    }
}

fn form(
    config: &RunConfig,
    task: Task,
    loss: LossName,
    tokenizer: &TextTokenizer,
) -> Result<Form, DataError> {
    let model = &config.model;
    let side = |max_tokens, prompt: &String| Side { prompt: prompt.clone(), ..Side::of(max_tokens) };
    let query = side(model.query_max_tokens, &model.query_prompt);
    let document = side(model.document_max_tokens, &model.document_prompt);
    match task {
        Task::Embedding if loss == LossName::Stella => Ok(Form::Vectors(query)),
        Task::Embedding => Ok(Form::Texts(TextFormat { query, document })),
        Task::Colbert => {
            let document = Side {
                prefix: prefix(tokenizer, &model.document_prefix, "model.document_prefix")?,
                skip: if model.skip_punctuation { punctuation(tokenizer) } else { Vec::new() },
                ..document
            };
            if loss == LossName::TokenCosine {
                return Ok(Form::Tokens(document));
            }
            let query = Side {
                prefix: prefix(tokenizer, &model.query_prefix, "model.query_prefix")?,
                expand: model.query_expansion,
                attend_to_expansion: model.attend_to_expansion,
                ..query
            };
            Ok(Form::Texts(TextFormat { query, document }))
        }
        Task::Reranker => {
            let (separator, end) = (model.separator.clone(), model.end.clone());
            let shape = match model.kind {
                ModelKind::Encoder => PairShape::Template,
                ModelKind::Decoder => PairShape::Joined { separator, end },
            };
            let (query, document) = (model.query_format.clone(), model.document_format.clone());
            Ok(Form::Pairs(PairFormat { shape, query, document, max_tokens: model.max_tokens }))
        }
    }
}

fn prefix(tokenizer: &TextTokenizer, name: &str, setting: &'static str) -> Result<Option<u32>, DataError> {
    if name.is_empty() { Ok(None) } else { token(tokenizer, name, setting).map(Some) }
}

fn token(tokenizer: &TextTokenizer, name: &str, setting: &'static str) -> Result<u32, DataError> {
    tokenizer.id(name).ok_or_else(|| DataError::NoToken { token: name.to_owned(), setting })
}

/// The tokens that are one ASCII punctuation mark each, as PyLate's skip list has them.
fn punctuation(tokenizer: &TextTokenizer) -> Vec<u32> {
    (b'!'..=b'~')
        .filter(u8::is_ascii_punctuation)
        .filter_map(|mark| tokenizer.id(char::from(mark).encode_utf8(&mut [0; 4])))
        .collect()
}

#[cfg(test)]
mod tests;
