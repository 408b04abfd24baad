//! The documents of one segment that may be hits.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{SearchError, SearchOptions};
use crate::index::Segment;

/// Documents that are not deleted and pass the filter, by number within the segment.
#[derive(Debug)]
pub(super) enum Allowed<'a> {
    /// Of so many, each one.
    All(u32),
    /// Of so many, each one but these.
    Except(u32, &'a RoaringBitmap),
    /// These.
    Only(Arc<RoaringBitmap>),
}

impl<'a> Allowed<'a> {
    pub fn of(segment: &'a Segment, options: &SearchOptions) -> Result<Self, SearchError> {
        let deleted = segment.tombstones();
        Ok(match (&options.filter, deleted.is_empty()) {
            (None, true) => Self::All(segment.documents()),
            (None, false) => Self::Except(segment.documents(), deleted),
            (Some(filter), true) => Self::Only(filter.select(segment)?),
            (Some(filter), false) => Self::Only(Arc::new(&*filter.select(segment)? - deleted)),
        })
    }

    /// How many.
    pub fn len(&self) -> u64 {
        match self {
            Self::All(documents) => u64::from(*documents),
            Self::Except(documents, deleted) => u64::from(*documents) - deleted.len(),
            Self::Only(passed) => passed.len(),
        }
    }

    pub fn contains(&self, doc: u32) -> bool {
        match self {
            Self::All(documents) => doc < *documents,
            Self::Except(documents, deleted) => doc < *documents && !deleted.contains(doc),
            Self::Only(passed) => passed.contains(doc),
        }
    }

    /// In ascending order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::All(documents) => Box::new(0..*documents),
            Self::Except(documents, deleted) => {
                let mut deleted = deleted.iter().peekable();
                Box::new((0..*documents).filter(move |doc| deleted.next_if_eq(doc).is_none()))
            }
            Self::Only(passed) => Box::new(passed.iter()),
        }
    }
}
