//! Where a long document is cut into windows.

use std::ops::Range;

/// The longest part of a document that is looked at when it is sliced, in characters.
const MAX_DOCUMENT_CHARACTERS: usize = 128_000;

/// Slicing needs more room than this for a window.
pub(super) const LEAST_ROOM: usize = 100;

/// Tokens that two neighbouring windows share, at most.
const MAX_OVERLAP: usize = 80;

/// Which parts of a document are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Windows {
    /// One, with the end cut off: what fits beside the query, which may be cut too.
    #[default]
    Cut,
    /// The first of those of [`Windows::All`].
    First,
    /// As many as it takes. With room for `m` tokens each, neighbours share `min(80, m / 4)`.
    All,
}

/// What of a document is looked at when it is sliced.
pub(crate) fn readable(document: &str) -> &str {
    if document.len() <= MAX_DOCUMENT_CHARACTERS {
        return document;
    }
    document.char_indices().nth(MAX_DOCUMENT_CHARACTERS).map_or(document, |(at, _)| &document[..at])
}

/// The tokens that neighbouring windows of `room` tokens share.
pub(crate) fn overlap(room: usize) -> usize {
    MAX_OVERLAP.min(room / 4)
}

/// The windows of a document of `tokens` tokens, each at most `room` long; one, maybe empty, if it fits.
pub(super) fn windows(tokens: usize, room: usize) -> Vec<Range<usize>> {
    if tokens <= room {
        return std::iter::once(0..tokens).collect();
    }
    let room = room.max(1);
    let overlap = overlap(room);
    let mut all = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + room).min(tokens);
        all.push(start..end);
        if end == tokens {
            return all;
        }
        start = end - overlap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_overlap_and_cover() {
        for fits in [0, 10] {
            assert_eq!(windows(fits, 10), std::iter::once(0..fits).collect::<Vec<_>>());
        }
        assert_eq!(windows(11, 10), [0..10, 8..11]);
        assert_eq!(windows(1000, 400), [0..400, 320..720, 640..1000]);
        assert_eq!(windows(3, 1), [0..1, 1..2, 2..3]);
        for (tokens, room) in [(5000, 101), (401, 400), (777, 320)] {
            let all = windows(tokens, room);
            assert_eq!((all[0].start, all[all.len() - 1].end), (0, tokens));
            assert!(all.windows(2).all(|pair| pair[1].start == pair[0].end - (room / 4).min(80)));
        }
    }
}
