//! Chinese words.

use std::ops::Range;
use std::sync::LazyLock;

use jieba_rs::{Jieba, TokenizeMode};

/// The dictionary never changes: sharing it shares nothing but memory.
static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Where the words of a text are and, of long ones, the words in them (jieba's mode for searching).
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let byte = |character: usize| starts.get(character).copied().unwrap_or(text.len());
    let words = DICTIONARY.tokenize(text, TokenizeMode::Search, true).into_iter();
    let is_word = |word: &str| word.chars().any(char::is_alphanumeric);
    words.filter(|word| is_word(word.word)).map(|word| byte(word.start)..byte(word.end)).collect()
}

#[cfg(test)]
mod tests {
    use crate::lexical::Analyzer;

    #[test]
    fn words_are_found_and_signs_are_none() {
        let terms = Analyzer::Jieba.terms("我们中出了一个叛徒。中国科学院 iPhone12!");
        for word in ["我们", "叛徒", "中国", "科学", "科学院", "中国科学院", "iphone12"] {
            assert!(terms.iter().any(|term| term == word), "{word} is not in {terms:?}");
        }
        assert!(terms.iter().all(|term| term.chars().any(char::is_alphanumeric)), "{terms:?}");
        assert!(Analyzer::Jieba.terms("").is_empty() && Analyzer::Jieba.terms("。！").is_empty());
    }
}
