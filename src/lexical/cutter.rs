//! From text to terms, one after another.

use std::borrow::Cow;
use std::ops::Range;

use frostem::{Algorithm, Stemmer};

use super::Analyzer;
use super::bigrams::Bigrams;

/// Terms of as many bytes or more, as the text has them, are dropped: they are encoded data, not words.
const TOO_LONG: usize = 256;

/// The words that Lucene's English analyser leaves out, sorted.
const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
    "was", "will", "with",
];

/// Cuts one text after another.
pub(super) struct Cutter {
    analyzer: Analyzer,
    stemmer: Stemmer,
    lowered: String,
}

impl Cutter {
    pub(super) fn new(analyzer: Analyzer) -> Self {
        Self { analyzer, stemmer: Stemmer::new(Algorithm::English), lowered: String::new() }
    }

    /// Hands over every term and the bytes of `text` that it came from, in order.
    pub(super) fn each(&mut self, text: &str, mut term: impl FnMut(&str, Range<usize>)) {
        match self.analyzer {
            Analyzer::English => words(text).for_each(|place| self.english(text, place, &mut term)),
            Analyzer::CjkBigrams => Bigrams::of(text).for_each(|place| self.folded(text, place, &mut term)),
            #[cfg(feature = "jieba")]
            Analyzer::Jieba => {
                super::jieba::words(text).into_iter().for_each(|place| self.folded(text, place, &mut term));
            }
        }
    }

    fn english(&mut self, text: &str, place: Range<usize>, term: &mut impl FnMut(&str, Range<usize>)) {
        if place.len() >= TOO_LONG {
            return;
        }
        lower(&text[place.clone()], &mut self.lowered);
        if STOP_WORDS.binary_search(&self.lowered.as_str()).is_err() {
            match self.stemmer.stem(&self.lowered) {
                Cow::Borrowed(stem) => term(stem, place),
                Cow::Owned(stem) => term(&stem, place),
            }
        }
    }

    fn folded(&mut self, text: &str, place: Range<usize>, term: &mut impl FnMut(&str, Range<usize>)) {
        if place.len() < TOO_LONG {
            lower(&text[place.clone()], &mut self.lowered);
            term(&self.lowered, place);
        }
    }
}

/// Character by character: a sigma at the end of a word is as any other.
fn lower(word: &str, to: &mut String) {
    to.clear();
    if word.is_ascii() {
        to.push_str(word);
        to.make_ascii_lowercase();
    } else {
        to.extend(word.chars().flat_map(char::to_lowercase));
    }
}

/// Runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(char::is_alphanumeric)?;
        let rest = &text[start..];
        at = start + rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(analyzer: Analyzer, text: &str) -> Vec<(String, Range<usize>)> {
        let mut found = Vec::new();
        Cutter::new(analyzer).each(text, |term, place| found.push((term.to_owned(), place)));
        found
    }

    #[test]
    fn stop_words_can_be_searched() {
        assert!(STOP_WORDS.is_sorted());
        assert!(STOP_WORDS.iter().all(|word| cut(Analyzer::English, word).is_empty()));
    }

    #[test]
    fn terms_know_their_places() {
        let found = cut(Analyzer::English, "  The ΣΊΣΥΦΟΣ İz sailing—2nd ");
        let places = [("σίσυφοσ", 6..20), ("i\u{307}z", 21..24), ("sail", 25..32), ("2nd", 35..38)];
        assert_eq!(found, places.map(|(term, place)| (term.to_owned(), place)));
        assert_eq!(cut(Analyzer::CjkBigrams, "用A")[1], ("a".to_owned(), 3..4));
    }

    #[test]
    fn what_is_too_long_for_a_word_is_none() {
        for (bytes, terms) in [(255, 1), (256, 0), (1 << 20, 0)] {
            assert_eq!(cut(Analyzer::English, &"x".repeat(bytes)).len(), terms);
            assert_eq!(cut(Analyzer::CjkBigrams, &"x".repeat(bytes)).len(), terms);
        }
    }
}
