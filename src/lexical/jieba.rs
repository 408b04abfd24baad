//! Chinese words.

use std::sync::LazyLock;

use jieba_rs::{Jieba, TokenizeMode};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The dictionary never changes: sharing it shares nothing but memory.
static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// The words of a text and, of long ones, the words in them (jieba's mode for searching).
#[derive(Clone)]
pub(super) struct JiebaTokenizer;

impl Tokenizer for JiebaTokenizer {
    type TokenStream<'a> = Words;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words {
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let byte = |character: usize| starts.get(character).copied().unwrap_or(text.len());
        let words = DICTIONARY.tokenize(text, TokenizeMode::Search, true).into_iter();
        let is_word = |word: &str| word.chars().any(char::is_alphanumeric);
        let tokens = words.filter(|word| is_word(word.word)).enumerate().map(|(position, word)| Token {
            offset_from: byte(word.start),
            offset_to: byte(word.end),
            position,
            text: word.word.to_owned(),
            position_length: 1,
        });
        Words { tokens: tokens.collect(), next: 0 }
    }
}

pub(super) struct Words {
    tokens: Vec<Token>,
    next: usize,
}

impl TokenStream for Words {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.tokens.len()
    }

    fn token(&self) -> &Token {
        &self.tokens[self.next - 1]
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.tokens[self.next - 1]
    }
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
