use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::directory::ModelDirectory;
use super::export::{LoadedAs, Ready, ready};
use super::layout::{self, Head, Layout};
use super::m3::{self, M3, Wanted};
use super::model2vec::Model2Vec;
use super::runtime::Graph;
use super::side::Side;
use super::static_tokens::StaticTokens;
use super::statistics::Counters;
use super::transformer::Transformer;
use super::{EncodeError, EncodeStatistics, ModelOptions, RuntimeReport};
use crate::types::EncodedTokens;

/// What a model gives, and how it comes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelKind {
    /// A vector per token from a table; the same table's weighted mean as a dense vector.
    StaticTokens,
    /// A dense vector from a table.
    StaticDense,
    /// A dense vector from a transformer.
    Dense,
    /// A vector per token from a transformer.
    LateInteraction,
    /// Several of a dense vector, weights of tokens and vectors of tokens, from one pass of a transformer.
    Several,
}

impl ModelKind {
    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StaticTokens => "a static token model",
            Self::StaticDense => "a static dense model",
            Self::Dense => "a dense model",
            Self::LateInteraction => "a late-interaction model",
            Self::Several => "a model of several kinds of vectors",
        }
    }
}

pub(super) enum Encoder {
    StaticTokens(StaticTokens),
    StaticDense(Model2Vec),
    Transformer(Box<Transformer>),
    M3(Box<M3>),
    #[cfg(feature = "remote")]
    Remote(Box<super::remote::RemoteEncoder>, String, [u8; 16]),
}

/// An encoder of any kind: text in, vectors out.
///
/// A model is shared by reference between threads. The same text gives the same vectors whatever it is encoded with,
/// up to rounding in the runtime.
///
/// ```
/// # #[cfg(feature = "bundled-model")] {
/// use lateen::encode::Model;
/// let model = Model::bundled()?;
/// let query = model.encode_query_tokens("what do whales eat")?;
/// assert_eq!(Some(query.matrix.view().dim()), model.token_dim());
/// # }
/// # Ok::<(), lateen::encode::EncodeError>(())
/// ```
pub struct Model {
    pub(super) encoder: Encoder,
    runtime: RuntimeReport,
    pub(super) counters: Counters,
    location: Option<PathBuf>,
    compiled_in: Option<&'static str>,
}

impl Model {
    /// The name of [`Model::nano`].
    pub const NANO: &'static str = "nano";
    /// The name of [`Model::bundled`].
    pub const BUNDLED: &'static str = "bundled";
    /// The names of all models that are compiled into the library.
    pub const COMPILED_IN: [&'static str; 2] = [Self::NANO, Self::BUNDLED];
    /// The compiled-in model that programs take unless another is named: that with context, where something can run it.
    pub const DEFAULT: &'static str = match cfg!(any(feature = "onnxruntime", feature = "rten")) {
        true => Self::NANO,
        false => Self::BUNDLED,
    };

    /// Loads the model that `directory` describes. Its layouts are listed in the [room's documentation](super).
    ///
    /// # Errors
    /// [`EncodeError`] names the file and field that is missing or wrong, and the way out.
    pub fn load(directory: &Path, options: &ModelOptions) -> Result<Self, EncodeError> {
        let ready = prepared(directory, LoadedAs::Encoder, options)?;
        let (encoder, runtime) = encoder(&ModelDirectory::open(&ready.directory)?, ready.note, options)?;
        let (counters, location) = (Counters::default(), Some(directory.to_owned()));
        Ok(Self { encoder, runtime, counters, location, compiled_in: None })
    }

    /// A model that answers over HTTP.
    ///
    /// Its fingerprint is made of endpoint, model name, dimensions and prompts.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn remote(encoder: super::remote::RemoteEncoder) -> Self {
        let options = encoder.options();
        let mut fingerprint = super::fingerprint::Fingerprint::new("remote");
        for part in [&options.endpoint, &options.model, &options.query_prompt, &options.document_prompt] {
            fingerprint.add("part", part.as_bytes());
        }
        fingerprint.add_numbers("dim", &[encoder.dim() as u64]);
        let name = if options.model.is_empty() { options.endpoint.clone() } else { options.model.clone() };
        let why = format!("{} was named by the caller", options.endpoint);
        let runtime = RuntimeReport { name: "remote", version: String::new(), why, library: None };
        let encoder = Encoder::Remote(Box::new(encoder), name, fingerprint.finish());
        Self { encoder, runtime, counters: Counters::default(), location: None, compiled_in: None }
    }

    /// A model that is compiled into the library under this name.
    #[cfg(feature = "bundled-model")]
    pub(super) fn inside(name: &'static str, encoder: Encoder, runtime: RuntimeReport) -> Self {
        Self { encoder, runtime, counters: Counters::default(), location: None, compiled_in: Some(name) }
    }

    /// The name of a model that is compiled into the library: [`Model::NANO`] or [`Model::BUNDLED`].
    #[must_use]
    pub fn compiled_in(&self) -> Option<&'static str> {
        self.compiled_in
    }

    /// The directory that the model was loaded from; none for those that are compiled in.
    #[must_use]
    pub fn location(&self) -> Option<&Path> {
        self.location.as_deref()
    }

    /// What the model gives.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        match &self.encoder {
            Encoder::StaticTokens(_) => ModelKind::StaticTokens,
            Encoder::StaticDense(_) => ModelKind::StaticDense,
            #[cfg(feature = "remote")]
            Encoder::Remote(..) => ModelKind::Dense,
            Encoder::Transformer(model) if model.gives_tokens() => ModelKind::LateInteraction,
            Encoder::Transformer(_) => ModelKind::Dense,
            Encoder::M3(model) if model.dense_dim().is_none() => ModelKind::LateInteraction,
            Encoder::M3(_) => ModelKind::Several,
        }
    }

    /// The model's name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.encoder {
            Encoder::StaticTokens(model) => &model.name,
            Encoder::StaticDense(model) => &model.name,
            Encoder::Transformer(model) => &model.name,
            Encoder::M3(model) => &model.name,
            #[cfg(feature = "remote")]
            Encoder::Remote(_, name, _) => name,
        }
    }

    /// 128 bits over all that decides the vectors: weights, tokenizer, prefixes, lengths, skip list.
    ///
    /// Two models with the same fingerprint may serve one index. The runtime and the number of threads, which change
    /// vectors by rounding only, are not part of it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        match &self.encoder {
            Encoder::StaticTokens(model) => model.fingerprint,
            Encoder::StaticDense(model) => model.fingerprint,
            Encoder::Transformer(model) => model.fingerprint,
            Encoder::M3(model) => model.fingerprint,
            #[cfg(feature = "remote")]
            Encoder::Remote(_, _, fingerprint) => *fingerprint,
        }
    }

    /// One line for people: layout, dimension, lengths.
    #[must_use]
    pub fn description(&self) -> String {
        match &self.encoder {
            Encoder::StaticTokens(model) => model.description(),
            Encoder::StaticDense(model) => model.description(),
            Encoder::Transformer(model) => model.description(),
            Encoder::M3(model) => model.description(),
            #[cfg(feature = "remote")]
            Encoder::Remote(model, name, _) => {
                format!("{name}: dense, dim {}, at {}", model.dim(), model.options().endpoint)
            }
        }
    }

    /// What runs the model, and why.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeReport {
        &self.runtime
    }

    /// What was assumed about the model because its directory does not say it, and what is odd about it.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        match &self.encoder {
            Encoder::Transformer(model) => &model.notes,
            Encoder::M3(model) => &model.notes,
            _ => &[],
        }
    }

    /// Counts since the model was loaded.
    #[must_use]
    pub fn statistics(&self) -> EncodeStatistics {
        self.counters.get()
    }

    /// The length of a token's vector, if the model gives one per token.
    #[must_use]
    pub fn token_dim(&self) -> Option<usize> {
        match &self.encoder {
            Encoder::StaticTokens(model) => Some(model.dim()),
            Encoder::StaticDense(_) => None,
            Encoder::Transformer(model) => model.gives_tokens().then(|| model.dim()),
            Encoder::M3(model) => model.token_dim(),
            #[cfg(feature = "remote")]
            Encoder::Remote(..) => None,
        }
    }

    /// The length of a text's single vector, if the model gives one.
    #[must_use]
    pub fn dense_dim(&self) -> Option<usize> {
        match &self.encoder {
            Encoder::StaticTokens(model) => Some(model.dim()),
            Encoder::StaticDense(model) => Some(model.dim()),
            Encoder::Transformer(model) => (!model.gives_tokens()).then(|| model.dim()),
            Encoder::M3(model) => model.dense_dim(),
            #[cfg(feature = "remote")]
            Encoder::Remote(model, ..) => Some(model.dim()),
        }
    }

    /// The longest query and the longest document, in tokens.
    #[must_use]
    pub fn limits(&self) -> (usize, usize) {
        match &self.encoder {
            Encoder::StaticTokens(model) => model.limits(),
            Encoder::StaticDense(model) => model.limits(),
            Encoder::Transformer(model) => model.limits(),
            Encoder::M3(model) => model.limits(),
            // The service does not say.
            #[cfg(feature = "remote")]
            Encoder::Remote(..) => (layout::MAX_TOKENS, layout::MAX_TOKENS),
        }
    }

    /// A vector per token of a query. A vector's length is the token's weight; where all count alike it is 1.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] for dense models, [`EncodeError::Runtime`] if the runtime fails.
    pub fn encode_query_tokens(&self, text: &str) -> Result<EncodedTokens, EncodeError> {
        let (tokens, truncated) = match &self.encoder {
            Encoder::StaticTokens(model) => model.query(text)?,
            Encoder::Transformer(model) if model.gives_tokens() => {
                model.tokens(&[text], Side::Query)?.remove(0)
            }
            Encoder::M3(model) if model.token_dim().is_some() => {
                m3::tokens(model.encode(&[text], Side::Query, Wanted::TOKENS)?).remove(0)
            }
            _ => return Err(self.unsupported("token vectors")),
        };
        self.counters.add(tokens.matrix.view().rows(), truncated);
        Ok(tokens)
    }

    /// Unit vectors for the tokens of each document, in the order of `texts`.
    ///
    /// # Errors
    /// As [`Model::encode_query_tokens`].
    pub fn encode_document_tokens(&self, texts: &[&str]) -> Result<Vec<EncodedTokens>, EncodeError> {
        let all: Vec<(EncodedTokens, bool)> = match &self.encoder {
            Encoder::StaticTokens(model) => {
                texts.par_iter().map(|text| model.document(text)).collect::<Result<_, _>>()?
            }
            Encoder::Transformer(model) if model.gives_tokens() => model.tokens(texts, Side::Document)?,
            Encoder::M3(model) if model.token_dim().is_some() => {
                m3::tokens(model.encode(texts, Side::Document, Wanted::TOKENS)?)
            }
            _ => return Err(self.unsupported("token vectors")),
        };
        for (tokens, truncated) in &all {
            self.counters.add(tokens.matrix.view().rows(), *truncated);
        }
        Ok(all.into_iter().map(|(tokens, _)| tokens).collect())
    }

    /// One vector per query, in the order of `texts`.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] for models that give vectors per token only, [`EncodeError::Runtime`] if the
    /// runtime fails.
    pub fn encode_queries_dense(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EncodeError> {
        self.dense(texts, true)
    }

    /// One vector per document, in the order of `texts`.
    ///
    /// # Errors
    /// As [`Model::encode_queries_dense`].
    pub fn encode_documents_dense(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EncodeError> {
        self.dense(texts, false)
    }

    pub(super) fn dense(&self, texts: &[&str], query: bool) -> Result<Vec<Vec<f32>>, EncodeError> {
        let side = if query { Side::Query } else { Side::Document };
        let all: Vec<(Vec<f32>, bool)> = match &self.encoder {
            Encoder::StaticTokens(model) => {
                texts.par_iter().map(|text| model.dense(text, query)).collect::<Result<_, _>>()?
            }
            Encoder::StaticDense(model) => {
                texts.par_iter().map(|text| model.dense(text, query)).collect::<Result<_, _>>()?
            }
            Encoder::Transformer(model) if !model.gives_tokens() => model.dense(texts, side)?,
            Encoder::M3(model) if model.dense_dim().is_some() => {
                let all = model.encode(texts, side, Wanted::DENSE)?.into_iter();
                all.map(|(vectors, cut)| (vectors.dense.unwrap_or_default(), cut)).collect()
            }
            #[cfg(feature = "remote")]
            Encoder::Remote(model, ..) => {
                let all = model.encode(texts, query)?.into_iter();
                all.map(|vector| (vector, false)).collect()
            }
            _ => return Err(self.unsupported("one vector a text")),
        };
        for (_, truncated) in &all {
            self.counters.add(1, *truncated);
        }
        Ok(all.into_iter().map(|(vector, _)| vector).collect())
    }

    /// The bytes of `text` behind each row that [`Model::encode_document_tokens`] gives; runs the tokenizer only.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] for dense models.
    pub fn document_spans(&self, text: &str) -> Result<Vec<(u32, u32)>, EncodeError> {
        match &self.encoder {
            Encoder::StaticTokens(model) => Ok(model.document_tokens(text)?.spans),
            Encoder::Transformer(model) if model.gives_tokens() => model.spans(text, Side::Document),
            Encoder::M3(model) if model.token_dim().is_some() => model.spans(text, Side::Document),
            _ => Err(self.unsupported("token spans")),
        }
    }

    /// The bytes of `text` behind each row that [`Model::encode_query_tokens`] gives.
    ///
    /// # Errors
    /// [`EncodeError::Unsupported`] for dense models.
    pub fn query_words(&self, text: &str) -> Result<Vec<(u32, u32)>, EncodeError> {
        match &self.encoder {
            Encoder::StaticTokens(model) => Ok(model.query_tokens(text)?.spans),
            Encoder::Transformer(model) if model.gives_tokens() => model.spans(text, Side::Query),
            Encoder::M3(model) if model.token_dim().is_some() => model.spans(text, Side::Query),
            _ => Err(self.unsupported("token spans")),
        }
    }

    fn unsupported(&self, wanted: &'static str) -> EncodeError {
        EncodeError::Unsupported { model: self.name().to_owned(), kind: self.kind().name(), wanted }
    }
}

/// The encoder that `directory` describes, and what runs it.
pub(super) fn encoder(
    directory: &ModelDirectory,
    note: Option<String>,
    options: &ModelOptions,
) -> Result<(Encoder, RuntimeReport), EncodeError> {
    let layout = match layout::detect(directory)? {
        Layout::LateenStatic => {
            let table = StaticTokens::load(directory, options)?;
            return Ok((Encoder::StaticTokens(table), RuntimeReport::native()));
        }
        Layout::Model2Vec => {
            let table = Model2Vec::load(directory, options)?;
            return Ok((Encoder::StaticDense(table), RuntimeReport::native()));
        }
        other => other,
    };
    let mut recipe = layout::recipe(layout, directory, options)?;
    recipe.notes.extend(note);
    let graph = Graph::open_in(directory, &recipe.graph)?;
    let pooled = matches!(recipe.head, Head::Pooled { .. });
    if pooled && (m3::has_heads(directory) || m3::gives_several(&graph.outputs)) {
        let (model, runtime) = M3::load(directory, recipe, graph, options)?;
        return Ok((Encoder::M3(Box::new(model)), runtime));
    }
    recipe.notes.extend(m3::unread(directory));
    let (model, runtime) = Transformer::load(directory, recipe, graph, options)?;
    Ok((Encoder::Transformer(Box::new(model)), runtime))
}

/// The directory with a graph for what `directory` holds: itself, or what its checkpoint was converted to.
pub(super) fn prepared(
    directory: &Path,
    loaded_as: LoadedAs,
    options: &ModelOptions,
) -> Result<Ready, EncodeError> {
    ready(directory, loaded_as, options).map_err(|source| EncodeError::Conversion {
        directory: directory.to_owned(),
        source: Box::new(source),
    })
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("description", &self.description())
            .field("runtime", &self.runtime)
            .finish()
    }
}
