//! What can be wrong with the text of a predicate.

/// Why a text is no predicate. Places count bytes from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateError {
    /// Write what is expected instead.
    #[error("expected {expected} at byte {at} of the filter, found {found}")]
    Expected {
        /// Where.
        at: usize,
        /// What could stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A quote is opened and not closed: close it, and write quotes within a string twice.
    #[error("the text that begins at byte {at} of the filter has no closing {quote}")]
    Unclosed {
        /// Where it is opened.
        at: usize,
        /// The quote.
        quote: char,
    },
    /// Not a number that can be compared.
    #[error("{found:?} at byte {at} of the filter is not a finite number")]
    Number {
        /// Where.
        at: usize,
        /// What was written.
        found: String,
    },
    /// Parentheses and `not` are too deep: write it flatter.
    #[error("the filter is more than {most} levels deep at byte {at}")]
    Depth {
        /// Where.
        at: usize,
        /// How deep it may be.
        most: usize,
    },
    /// The text is too long: give long lists of ids as an id filter.
    #[error("the filter has {bytes} bytes, more than {most}")]
    Length {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
}
