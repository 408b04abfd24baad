//! The documents of each centroid.

use super::AnnError;

/// For each centroid the documents with a token there, ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InvertedLists {
    /// `centroids + 1` places in `documents`.
    starts: Vec<usize>,
    documents: Vec<u32>,
}

impl InvertedLists {
    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The documents of one centroid.
    ///
    /// # Panics
    /// If there is no such centroid.
    #[must_use]
    pub fn list(&self, centroid: usize) -> &[u32] {
        &self.documents[self.starts[centroid]..self.starts[centroid + 1]]
    }

    /// All lists in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.starts.windows(2).map(|range| &self.documents[range[0]..range[1]])
    }

    /// The sum of the lengths of all lists.
    #[must_use]
    pub fn postings(&self) -> usize {
        self.documents.len()
    }
}

/// Inverts the assignment of tokens to centroids by a counting sort.
///
/// * `centroid_ids`: one per token. `token_ends`: document `d` has the tokens from `token_ends[d − 1]` (0 for the first
///   document) up to `token_ends[d]`.
/// * Cost: O(tokens + centroids) time, 12 bytes per centroid and 4 per posting.
///
/// # Errors
/// [`AnnError::CentroidOutOfRange`], [`AnnError::TokenEnds`].
///
/// ```
/// let lists = lateen::ann::invert(&[2, 0, 2, 2], &[1, 1, 4], 3)?;
/// assert_eq!(lists.iter().collect::<Vec<_>>(), [&[2][..], &[], &[0, 2]]);
/// # Ok::<(), lateen::ann::AnnError>(())
/// ```
pub fn invert(centroid_ids: &[u32], token_ends: &[u32], centroids: usize) -> Result<InvertedLists, AnnError> {
    check_ends(token_ends, centroid_ids.len())?;
    if let Some(token) = centroid_ids.iter().position(|&centroid| centroid as usize >= centroids) {
        return Err(AnnError::CentroidOutOfRange { token, centroid: centroid_ids[token], centroids });
    }
    let mut starts = vec![0usize; centroids + 1];
    each_posting(centroid_ids, token_ends, centroids, |centroid, _| starts[centroid + 1] += 1);
    for at in 0..centroids {
        starts[at + 1] += starts[at];
    }
    let mut documents = vec![0; starts[centroids]];
    let mut next = starts.clone();
    each_posting(centroid_ids, token_ends, centroids, |centroid, document| {
        documents[next[centroid]] = document;
        next[centroid] += 1;
    });
    Ok(InvertedLists { starts, documents })
}

/// Calls `post(centroid, document)` once for every pair, documents ascending.
fn each_posting(ids: &[u32], ends: &[u32], centroids: usize, mut post: impl FnMut(usize, u32)) {
    // One more than the last document seen, 0 for none.
    let mut last = vec![0u32; centroids];
    let mut start = 0;
    for (document, &end) in (0u32..).zip(ends) {
        for &centroid in &ids[start..end as usize] {
            if last[centroid as usize] != document + 1 {
                last[centroid as usize] = document + 1;
                post(centroid as usize, document);
            }
        }
        start = end as usize;
    }
}

fn check_ends(ends: &[u32], tokens: usize) -> Result<(), AnnError> {
    let mut previous = 0;
    for (document, &end) in ends.iter().enumerate() {
        let end = end as usize;
        if end < previous || end > tokens {
            return Err(AnnError::TokenEnds { document, end, previous, tokens });
        }
        previous = end;
    }
    if previous != tokens {
        return Err(AnnError::TokenEnds { document: ends.len(), end: previous, previous, tokens });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wrong_arguments_are_named() {
        let error = invert(&[0, 3], &[2], 3).err();
        assert_eq!(error, Some(AnnError::CentroidOutOfRange { token: 1, centroid: 3, centroids: 3 }));
        let wrong =
            |document, end, previous| Some(AnnError::TokenEnds { document, end, previous, tokens: 2 });
        assert_eq!(invert(&[0, 0], &[2, 1], 1).err(), wrong(1, 1, 2));
        assert_eq!(invert(&[0, 0], &[3], 1).err(), wrong(0, 3, 0));
        assert_eq!(invert(&[0, 0], &[1], 1).err(), wrong(1, 1, 1));
        assert_eq!(invert(&[0, 0], &[], 1).err(), wrong(0, 0, 0));
    }

    #[test]
    fn nothing_gives_empty_lists() {
        assert_eq!(invert(&[], &[], 0).unwrap().len(), 0);
        let lists = invert(&[], &[0, 0], 2).unwrap();
        assert_eq!((lists.len(), lists.postings(), lists.list(1)), (2, 0, &[][..]));
    }

    proptest! {
        #[test]
        fn lists_are_those_of_a_naive_inversion(
            documents in prop::collection::vec(prop::collection::vec(0u32..9, 0..12), 0..40)
        ) {
            let ids: Vec<u32> = documents.concat();
            let mut end = 0;
            let ends: Vec<u32> = documents.iter().map(|d| { end += d.len() as u32; end }).collect();
            let lists = invert(&ids, &ends, 9).unwrap();
            for centroid in 0..9u32 {
                let naive: Vec<u32> =
                    (0u32..).zip(&documents).filter(|(_, d)| d.contains(&centroid)).map(|(at, _)| at).collect();
                prop_assert_eq!(lists.list(centroid as usize), &naive[..]);
            }
            prop_assert_eq!(lists.postings(), lists.iter().map(<[u32]>::len).sum::<usize>());
        }
    }
}
