//! Which documents may be hits.

use std::collections::HashMap;
use std::fmt;
use std::ops::Not;
use std::sync::{Arc, Mutex, PoisonError};

use lateen_index_format::StoredDocument;
use roaring::RoaringBitmap;

use super::SearchError;
use crate::index::Segment;

/// Decides which documents of a segment pass. Implement it to filter by something else than ids and stored fields.
pub trait Condition: fmt::Debug + Send + Sync {
    /// The numbers, within the segment, of the documents that pass; deleted ones may be among them, numbers past the
    /// last document may not. The answer must depend on nothing but the segment's file: it is kept.
    ///
    /// # Errors
    /// What reading the segment runs into.
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError>;
}

/// A set of documents, as one bitmap per segment.
///
/// A condition is asked once per segment file and the answer kept with the filter, clones included: to ask several
/// queries under one filter, or one query of several snapshots, use one `Filter`. A kept bitmap takes at most an eighth of a
/// byte per document of the segment.
///
/// ```
/// use lateen::search::{Filter, SearchOptions};
/// let drafts = Filter::ids(["a", "b"]);
/// let long = Filter::stored(|document| document.text.len() > 1000);
/// let options = SearchOptions { filter: Some(long.and(!drafts)), ..SearchOptions::default() };
/// ```
#[derive(Clone)]
pub struct Filter(Arc<Kept>);

struct Kept {
    condition: Box<dyn Condition>,
    /// By the segment's number and checksum.
    answers: Mutex<HashMap<(u64, u64), Arc<RoaringBitmap>>>,
}

/// More kept answers than this are forgotten together: an index that long-lived filters meet has few segments.
const MOST_KEPT: usize = 1024;

impl Filter {
    /// The documents that `condition` selects.
    #[must_use]
    pub fn new(condition: impl Condition + 'static) -> Self {
        Self(Arc::new(Kept { condition: Box::new(condition), answers: Mutex::default() }))
    }

    /// The documents of these external ids; ids that the index does not have select nothing.
    /// Cost per segment: a binary search per id.
    #[must_use]
    pub fn ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::new(Ids(ids.into_iter().map(Into::into).collect()))
    }

    /// The documents whose external id passes `test`. Cost per segment: reads all ids.
    #[must_use]
    pub fn id(test: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(ById(test))
    }

    /// The documents whose stored fields pass `test`; none of an index that stores no documents.
    /// Cost per segment: decompresses all stored documents, about a second per gigabyte.
    #[must_use]
    pub fn stored(test: impl Fn(&StoredDocument) -> bool + Send + Sync + 'static) -> Self {
        Self::new(ByStored(test))
    }

    /// The documents that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(Both(self, other))
    }

    /// The documents that are in at least one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(Either(self, other))
    }

    /// The documents of `segment` that are in the set, by number; deleted ones may be among them.
    ///
    /// # Errors
    /// What reading the segment runs into. Errors are not kept.
    pub fn select(&self, segment: &Segment) -> Result<Arc<RoaringBitmap>, SearchError> {
        let key = (segment.reader().number(), segment.reader().identity());
        let answers = || self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers().get(&key) {
            return Ok(Arc::clone(answer));
        }
        // Not under the lock: conditions may take long, and may ask other filters.
        let mut answer = self.0.condition.select(segment)?;
        answer.remove_range(segment.documents()..);
        let answer = Arc::new(answer);
        let mut answers = answers();
        if answers.len() >= MOST_KEPT {
            answers.clear();
        }
        Ok(Arc::clone(answers.entry(key).or_insert(answer)))
    }
}

impl Not for Filter {
    type Output = Self;

    /// The documents that are not in the set.
    fn not(self) -> Self {
        Self::new(Neither(self))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.condition.fmt(f)
    }
}

struct Ids(Vec<String>);
struct ById<F>(F);
struct ByStored<F>(F);
#[derive(Debug)]
struct Both(Filter, Filter);
#[derive(Debug)]
struct Either(Filter, Filter);
#[derive(Debug)]
struct Neither(Filter);

impl Condition for Ids {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        let found = self.0.iter().filter_map(|id| segment.reader().find(id).transpose());
        Ok(found.collect::<Result<_, _>>()?)
    }
}

impl<F: Fn(&str) -> bool + Send + Sync> Condition for ById<F> {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        let mut passed = RoaringBitmap::new();
        for doc in 0..segment.documents() {
            if self.0(segment.reader().external_id(doc)?) {
                passed.insert(doc);
            }
        }
        Ok(passed)
    }
}

impl<F: Fn(&StoredDocument) -> bool + Send + Sync> Condition for ByStored<F> {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        let mut passed = RoaringBitmap::new();
        segment.reader().for_each_stored(|doc, document| {
            if self.0(&document) {
                passed.insert(doc);
            }
        })?;
        Ok(passed)
    }
}

impl Condition for Both {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        Ok(&*self.0.select(segment)? & &*self.1.select(segment)?)
    }
}

impl Condition for Either {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        Ok(&*self.0.select(segment)? | &*self.1.select(segment)?)
    }
}

impl Condition for Neither {
    fn select(&self, segment: &Segment) -> Result<RoaringBitmap, SearchError> {
        let mut others = RoaringBitmap::new();
        others.insert_range(0..segment.documents());
        Ok(others - &*self.0.select(segment)?)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ids", self.0.len())
    }
}

impl<F> fmt::Debug for ById<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a test of ids")
    }
}

impl<F> fmt::Debug for ByStored<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a test of stored documents")
    }
}
