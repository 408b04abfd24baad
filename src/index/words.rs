//! The words of a segment's documents.

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::content::{Content, Stored};
use super::{CancelToken, IndexError, SegmentReader};
use crate::format::{FormatError, IndexSettings, MAX_TERM_LEN, StoredDocument, TermsBuilder};
use crate::lexical::{Analyzer, TermCounter};

/// Documents that are cut into words before any of them is counted in.
const AT_ONCE: usize = 2048;

/// Gathers the words of all documents, in order; `None` if the index keeps none. Words of documents that were in a segment are copied,
/// not cut again.
pub(super) fn words(
    content: &Content<'_>,
    settings: &IndexSettings,
    cancel: &CancelToken,
) -> Result<Option<TermsBuilder>, IndexError> {
    let Some(analyzer) = Analyzer::of(settings.words)? else { return Ok(None) };
    let mut gathered = Gathered { analyzer, terms: TermsBuilder::new() };
    match &content.stored {
        Stored::None => return Ok(None),
        Stored::Buffered(documents) => {
            for documents in documents.chunks(AT_ONCE) {
                cancel.check()?;
                gathered.cut(documents)?;
            }
        }
        Stored::Segments(sources) => {
            for (reader, deleted) in sources {
                gathered.take(reader, deleted, cancel)?;
            }
        }
    }
    Ok(Some(gathered.terms))
}

struct Gathered {
    analyzer: Analyzer,
    terms: TermsBuilder,
}

impl Gathered {
    /// Cuts texts into words, and counts them.
    fn cut(&mut self, documents: &[StoredDocument]) -> Result<(), IndexError> {
        let analyzer = self.analyzer;
        let counted: Vec<Vec<(String, u32)>> = documents
            .par_iter()
            .map_init(
                || TermCounter::new(analyzer),
                |counter, document| counter.count(&format!("{} {}", document.title, document.text)),
            )
            .collect();
        for counts in counted {
            let document = self.terms.documents();
            self.terms.push_document().map_err(IndexError::Terms)?;
            // Analysers leave longer words out, or nearly so.
            let words = counts.into_iter().filter(|(term, _)| (1..=MAX_TERM_LEN).contains(&term.len()));
            for (term, count) in words {
                self.terms.push(&term, document, count).map_err(IndexError::Terms)?;
            }
        }
        Ok(())
    }

    /// Copies the words of the documents that live, or cuts their texts if the segment has no words.
    fn take(
        &mut self,
        reader: &SegmentReader,
        deleted: &RoaringBitmap,
        cancel: &CancelToken,
    ) -> Result<(), IndexError> {
        let Some(terms) = reader.terms()? else {
            let mut waiting = Vec::new();
            reader.each_stored(
                |document| !deleted.contains(document),
                |_, document| {
                    waiting.push(document);
                    if waiting.len() >= AT_ONCE {
                        cancel.check()?;
                        self.cut(&std::mem::take(&mut waiting))?;
                    }
                    Ok(())
                },
            )?;
            return self.cut(&waiting);
        };
        let mut numbers = vec![None; reader.documents() as usize];
        for (local, number) in (0..).zip(&mut numbers) {
            if !deleted.contains(local) {
                *number = Some(self.terms.documents());
                self.terms.push_document().map_err(IndexError::Terms)?;
            }
        }
        for term in 0..terms.len() {
            if term % 4096 == 0 {
                cancel.check()?;
            }
            let text = terms.term(term)?;
            let mut refused = None;
            terms.for_each(term, |document, count| {
                let Some(number) = numbers[document as usize] else { return };
                if let Err(error) = self.terms.push(text, number, count) {
                    refused.get_or_insert(error);
                }
            })?;
            refused.map_or(Ok(()), |error: FormatError| Err(IndexError::Terms(error)))?;
        }
        Ok(())
    }
}
