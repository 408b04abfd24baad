//! Documents in: encoded in batches, written, committed.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use lateen_index_format::{IndexSettings, StoredDocument, TokenStorage};

use super::tune::tune_commit;
use super::{Error, TuneWatch};
use crate::corpus::{CorpusError, Document};
use crate::encode::Model;
use crate::encode::cache::{CachedModel, EncodingCache};
use crate::index::{CommitInfo, Index, NewDocument, Writer, WriterOptions};

/// Settings of one writer.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Settings of the index's own writer: memory budget, threads, compression.
    pub index: WriterOptions,
    /// Commit after this many new documents. Default: only when told, and when a segment is full.
    pub commit_every: Option<u64>,
    /// Encodings of earlier runs, and where those of this one are kept. Default: none.
    pub cache: Option<Arc<EncodingCache>>,
    /// Documents encoded together. Default 256.
    pub batch: usize,
    /// Whether [`RetrieverWriter::commit`] measures which effort reaches which recall, if the index is large enough for
    /// that to matter and was not measured yet, or when it had less than half as many documents. Takes about as
    /// long as building segments of the same documents, at least some seconds; a commit of its own keeps the result.
    /// Default true.
    pub tune: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { index: WriterOptions::default(), commit_every: None, cache: None, batch: 256, tune: true }
    }
}

/// Progress is told at least after so many documents, however few of them are new.
const MOST_READ_AT_ONCE: u64 = 4096;

/// What has been done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AddReport {
    /// Documents with new ids.
    pub added: u64,
    /// Documents that replaced others.
    pub updated: u64,
    /// Documents that were there already, with the same content: neither encoded nor written.
    pub unchanged: u64,
    /// Token vectors written.
    pub tokens: u64,
    /// Commits made on the way.
    pub commits: u64,
    /// Whether the last of them measured the index.
    pub tuned: bool,
}

/// A report on the way, after each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Documents read, of whatever kind.
    pub read: u64,
    /// Everything else.
    pub report: AddReport,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Finish the batch at hand, take no more.
    Stop,
}

/// Adds texts to an index. What was not committed when it is dropped is lost; what was, is not.
#[derive(Debug)]
pub struct RetrieverWriter {
    writer: Writer,
    index: Index,
    model: Arc<Model>,
    pending: Vec<Document>,
    options: WriteOptions,
    uncommitted: u64,
    report: AddReport,
}

impl RetrieverWriter {
    pub(super) fn begin(index: &Index, model: Arc<Model>, options: &WriteOptions) -> Result<Self, Error> {
        let writer = index.writer(options.index.clone())?;
        let options = options.clone();
        let (index, pending, report) = (index.clone(), Vec::new(), AddReport::default());
        Ok(Self { writer, index, model, pending, options, uncommitted: 0, report })
    }

    /// Adds a document, or replaces the one with its id. A document that is there already with the
    /// same content is left alone. Encoding happens a batch at a time.
    ///
    /// # Errors
    /// [`Error`] if a document of the batch is refused, the model fails or the disk is full; what was
    /// committed stays.
    pub fn add(&mut self, document: Document) -> Result<(), Error> {
        if self.is_there(&document)? {
            self.report.unchanged += 1;
            return Ok(());
        }
        self.pending.push(document);
        if self.pending.len() >= self.options.batch.max(1) { self.encode_pending() } else { Ok(()) }
    }

    /// Adds all of `documents`; `progress` is asked after each batch whether to go on.
    ///
    /// While a batch is written, and a segment built of it perhaps, the next one is encoded on another thread. The
    /// order of documents, and so every byte, is what it would be without.
    ///
    /// # Errors
    /// As [`RetrieverWriter::add`], and the first error of `documents`; what came before it is written.
    pub fn add_all(
        &mut self,
        documents: impl Iterator<Item = Result<Document, CorpusError>>,
        progress: &mut dyn FnMut(&Progress) -> Flow,
    ) -> Result<AddReport, Error> {
        self.encode_pending()?;
        let (model, settings) = (self.cached_model(), self.writer.settings().clone());
        let read = std::thread::scope(|scope| {
            let (to_encode, batches) = mpsc::sync_channel::<Vec<Document>>(1);
            let (encoded, results) = mpsc::sync_channel(1);
            scope.spawn(move || {
                for batch in batches {
                    if encoded.send(encode(&model, &settings, &batch)).is_err() {
                        break;
                    }
                }
            });
            self.pipe(documents, (&to_encode, &results), progress)
        })?;
        progress(&Progress { read, report: self.report });
        Ok(self.report)
    }

    /// Keeps one batch at the encoder while another is written; returns how many documents were read.
    fn pipe(
        &mut self,
        mut documents: impl Iterator<Item = Result<Document, CorpusError>>,
        (to_encode, results): (&SyncSender<Vec<Document>>, &Receiver<Encoded>),
        progress: &mut dyn FnMut(&Progress) -> Flow,
    ) -> Result<u64, Error> {
        let (mut read, mut at_work, mut flow) = (0, 0, Flow::Continue);
        let mut failure = None;
        while flow == Flow::Continue && failure.is_none() {
            let mut batch = Vec::new();
            let before = read;
            // Documents that are there already are no work, but the caller wants to hear of them too.
            while batch.len() < self.options.batch.max(1) && read - before < MOST_READ_AT_ONCE {
                match documents.next() {
                    None => break,
                    Some(Err(error)) => {
                        failure = Some(error);
                        break;
                    }
                    Some(Ok(document)) => {
                        read += 1;
                        if self.is_there(&document)? {
                            self.report.unchanged += 1;
                        } else {
                            batch.push(document);
                        }
                    }
                }
            }
            let last = read == before;
            if !batch.is_empty() && to_encode.send(batch).is_ok() {
                at_work += 1;
            }
            if at_work > 1 {
                self.write_next(results)?;
                at_work -= 1;
            }
            if last {
                break;
            }
            flow = progress(&Progress { read, report: self.report });
        }
        for _ in 0..at_work {
            self.write_next(results)?;
        }
        failure.map_or(Ok(read), |error| Err(error.into()))
    }

    fn write_next(&mut self, results: &Receiver<Encoded>) -> Result<(), Error> {
        // The encoder ends only after the channel to it does, or by a panic that the scope passes on.
        results.recv().map_or(Ok(()), |encoded| self.write_all(encoded?))
    }

    fn is_there(&self, document: &Document) -> Result<bool, Error> {
        Ok(self.writer.contains(&document.id)? == Some(document.content_hash()))
    }

    /// Deletes the document `id`; returns whether there was one.
    ///
    /// # Errors
    /// [`Error`] if the index cannot be read.
    pub fn delete(&mut self, id: &str) -> Result<bool, Error> {
        self.encode_pending()?;
        Ok(self.writer.delete(id)?)
    }

    /// Makes everything so far durable and visible, in one step: all or nothing. Then measures the index, if
    /// [`WriteOptions::tune`] says so and it is due.
    ///
    /// # Errors
    /// [`Error`] if a file could not be written or synced; the commit before stays.
    pub fn commit(&mut self) -> Result<CommitInfo, Error> {
        self.commit_watched(&mut |_| true)
    }

    /// [`RetrieverWriter::commit`]; `watch` is asked from time to time whether to go on measuring. What was committed
    /// is so before it is first asked.
    ///
    /// # Errors
    /// As [`RetrieverWriter::commit`]; the documents stay committed if only measuring fails.
    pub fn commit_watched(&mut self, watch: TuneWatch<'_>) -> Result<CommitInfo, Error> {
        self.encode_pending()?;
        let mut info = self.commit_written()?;
        if self.options.tune && tune_commit(&mut self.writer, &self.index.snapshot(), watch)? {
            self.report.tuned = true;
            info = CommitInfo { generation: self.writer.commit()?.generation, ..info };
        }
        Ok(info)
    }

    /// What this writer has done so far.
    #[must_use]
    pub fn report(&self) -> AddReport {
        self.report
    }

    fn encode_pending(&mut self) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let documents = std::mem::take(&mut self.pending);
        let encoded = encode(&self.cached_model(), self.writer.settings(), &documents)?;
        self.write_all(encoded)
    }

    fn cached_model(&self) -> CachedModel {
        CachedModel::new(Arc::clone(&self.model), self.options.cache.clone())
    }

    fn write_all(&mut self, documents: Vec<NewDocument>) -> Result<(), Error> {
        documents.into_iter().try_for_each(|document| self.write(document))?;
        match self.options.commit_every {
            Some(every) if self.uncommitted >= every => self.commit_written().map(drop),
            _ => Ok(()),
        }
    }

    fn commit_written(&mut self) -> Result<CommitInfo, Error> {
        self.uncommitted = 0;
        self.report.commits += 1;
        self.report.tuned = false;
        Ok(self.writer.commit()?)
    }

    fn write(&mut self, new: NewDocument) -> Result<(), Error> {
        let tokens = new.tokens.as_ref().map_or(0, |tokens| tokens.matrix.view().rows());
        if self.writer.contains(&new.id)?.is_some() {
            self.report.updated += 1;
        } else {
            self.report.added += 1;
        }
        self.writer.add(new)?;
        self.uncommitted += 1;
        self.report.tokens += tokens as u64;
        Ok(())
    }
}

/// A batch as it comes from the encoder.
type Encoded = Result<Vec<NewDocument>, Error>;

/// Documents as the index takes them, in their order.
fn encode(
    model: &CachedModel,
    settings: &IndexSettings,
    documents: &[Document],
) -> Result<Vec<NewDocument>, Error> {
    let texts: Vec<_> = documents.iter().map(Document::full_text).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let mut tokens = match settings.token_storage {
        TokenStorage::None => Vec::new(),
        _ => model.encode_document_tokens(&texts)?,
    }
    .into_iter();
    let mut dense = match settings.dense_dim {
        0 => Vec::new(),
        _ => model.encode_documents_dense(&texts)?,
    }
    .into_iter();
    let new = |document: &Document| NewDocument {
        id: document.id.clone(),
        tokens: tokens.next(),
        dense: dense.next(),
        stored: settings.store_documents.then(|| stored(document)),
        content_hash: document.content_hash(),
    };
    Ok(documents.iter().map(new).collect())
}

fn stored(document: &Document) -> StoredDocument {
    let metadata = match document.metadata.is_empty() {
        true => String::new(),
        false => serde_json::Value::Object(document.metadata.clone()).to_string(),
    };
    StoredDocument { title: document.title.clone(), text: document.text.clone(), metadata }
}
