//! Text in, hits out: joins a model, an index, search and a reranker.
//!
//! ```text
//! documents ─ Model ─ token vectors ─ Writer ─ commit ─▶ index directory
//! query ──── Model ─ token vectors ─ search ─ hits ─ stored texts, matching words ─▶ Answer
//! ```
//!
//! A [`Retriever`] may be shared between threads: searching takes `&self` and sees one snapshot.
//! A second process may write meanwhile; [`Retriever::refresh`] moves to its newest commit.

mod advise;
mod answer;
mod create;
mod error;
mod explain;
mod hybrid;
mod places;
mod search;
mod tune;
mod write;

use std::path::Path;
use std::sync::Arc;

pub use advise::{AdviceReport, AdviseSample, VectorSource};
pub use answer::{Answer, AnswerReport, Found, TokenMatch};
pub use create::{CreateOptions, ModelSource};
pub use error::{Error, ErrorKind};
pub use explain::{Explanation, Standing, TokenMap};
pub use hybrid::{HYBRID_DEPTH, SearchBy};
pub use tune::TuneWatch;
pub use write::{AddReport, Flow, Progress, RetrieverWriter, WriteOptions};

use crate::encode::Model;
use crate::index::{Index, Snapshot};

/// A model and the index that was made with it.
///
/// ```
/// use lateen::corpus::Document;
/// use lateen::retriever::{CreateOptions, Retriever, WriteOptions};
/// use lateen::search::SearchOptions;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("notes.lateen");
/// let model = std::sync::Arc::new(lateen::encode::Model::bundled()?);
/// let retriever = Retriever::create(&path, model, &CreateOptions::default())?;
/// let mut writer = retriever.writer(&WriteOptions::default())?;
/// writer.add(Document::new("moon", "The moon raises the tides of the sea."))?;
/// writer.add(Document::new("bread", "Bread rises because yeast makes gas."))?;
/// writer.commit()?;
/// let answer = retriever.search("why does dough rise", &SearchOptions::top(1))?;
/// assert_eq!(answer.hits[0].id, "bread");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Retriever {
    index: Index,
    model: Arc<Model>,
}

impl Retriever {
    /// Creates an empty index at `path` for `model`.
    ///
    /// # Errors
    /// [`Error`] if there is an index already, the folder cannot be written, or `options` ask for
    /// vectors that the model does not make.
    pub fn create(path: &Path, model: Arc<Model>, options: &CreateOptions) -> Result<Self, Error> {
        let settings = create::settings(&model, options)?;
        let index = Index::create(path, &settings, &create::identity(&model))?;
        Ok(Self { index, model })
    }

    /// Opens the newest commit of the index at `path`. Writes no file; cost does not depend on the
    /// number of documents, except for loading the model.
    ///
    /// # Errors
    /// [`Error::ModelMismatch`] if the model is not the one the index was made with; [`Error`] if a
    /// file is missing, damaged, or of another version.
    pub fn open(path: &Path, source: ModelSource) -> Result<Self, Error> {
        let index = Index::open(path)?;
        let model = create::model_of(index.snapshot().model(), source)?;
        Ok(Self { index, model })
    }

    /// The index without the text side.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The model that encodes queries and documents.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What searches see at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.index.snapshot()
    }

    /// Moves to the newest commit of any process; returns whether there was a newer one. Commits of one's
    /// own writers are seen without it.
    ///
    /// # Errors
    /// [`Error`] if its files are missing or damaged; the old snapshot stays.
    pub fn refresh(&self) -> Result<bool, Error> {
        Ok(self.index.refresh()?)
    }

    /// Begins to write. One writer at a time, in all processes.
    ///
    /// # Errors
    /// [`Error`] of kind [`ErrorKind::Locked`] while there is another writer.
    pub fn writer(&self, options: &WriteOptions) -> Result<RetrieverWriter, Error> {
        RetrieverWriter::begin(&self.index, Arc::clone(&self.model), options)
    }
}
