//! From text to terms.

use lateen_index_format::Words;
use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer, Token,
    TokenStream, Tokenizer,
};

use super::LexicalError;

/// Longer terms, in bytes, are dropped: they are encoded data, not words.
const MAX_TERM: usize = 256;

/// How text becomes terms; queries and documents must be treated alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Analyzer {
    /// Words: lower case, Lucene's 33 English stop words left out, Porter's English stemmer (Snowball).
    #[default]
    English,
    /// Chinese, Japanese and Korean: every two neighbouring characters; other words in lower case as they are.
    CjkBigrams,
    /// Chinese words by jieba's dictionary and hidden Markov model, long words also by the words in them; other words in lower case as
    /// they are. Needs the feature `jieba`. The dictionary is unpacked at the first use, some 100 MB.
    #[cfg(feature = "jieba")]
    Jieba,
}

impl Analyzer {
    /// The analyser of an index's settings; `None` if it keeps no words.
    ///
    /// # Errors
    /// [`LexicalError::NotBuilt`] if this build does not have it.
    pub fn of(words: Words) -> Result<Option<Self>, LexicalError> {
        match words {
            Words::None => Ok(None),
            Words::English => Ok(Some(Self::English)),
            Words::CjkBigrams => Ok(Some(Self::CjkBigrams)),
            #[cfg(feature = "jieba")]
            Words::Jieba => Ok(Some(Self::Jieba)),
            #[cfg(not(feature = "jieba"))]
            Words::Jieba => Err(LexicalError::NotBuilt { words: words.name() }),
        }
    }

    pub(super) fn tantivy(self) -> TextAnalyzer {
        match self {
            Self::English => {
                let words = TextAnalyzer::builder(SimpleTokenizer::default())
                    .filter(RemoveLongFilter::limit(MAX_TERM))
                    .filter(LowerCaser)
                    .dynamic();
                let kept = match StopWordFilter::new(Language::English) {
                    Some(stop_words) => words.filter_dynamic(stop_words),
                    None => words,
                };
                kept.filter_dynamic(Stemmer::new(Language::English)).build()
            }
            Self::CjkBigrams => TextAnalyzer::builder(BigramTokenizer)
                .filter(RemoveLongFilter::limit(MAX_TERM))
                .filter(LowerCaser)
                .build(),
            #[cfg(feature = "jieba")]
            Self::Jieba => TextAnalyzer::builder(super::jieba::JiebaTokenizer)
                .filter(RemoveLongFilter::limit(MAX_TERM))
                .filter(LowerCaser)
                .build(),
        }
    }

    /// The terms of a text, in order and with repetitions.
    ///
    /// ```
    /// use lateen::lexical::Analyzer;
    /// assert_eq!(Analyzer::English.terms("The sails were filling."), ["sail", "were", "fill"]);
    /// assert_eq!(Analyzer::CjkBigrams.terms("三角帆 Sail"), ["三角", "角帆", "sail"]);
    /// ```
    #[must_use]
    pub fn terms(self, text: &str) -> Vec<String> {
        let mut analyzer = self.tantivy();
        let mut stream = analyzer.token_stream(text);
        let mut terms = Vec::new();
        while stream.advance() {
            terms.push(stream.token().text.clone());
        }
        terms
    }
}

/// Pairs of neighbouring CJK characters; a lone one by itself; runs of other letters and digits whole.
#[derive(Clone)]
struct BigramTokenizer;

impl Tokenizer for BigramTokenizer {
    type TokenStream<'a> = Bigrams<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Bigrams<'a> {
        Bigrams { text, at: 0, previous_cjk: None, token: Token::default() }
    }
}

struct Bigrams<'a> {
    text: &'a str,
    at: usize,
    /// Where the character just before `at` begins, if it is CJK and stands in a run.
    previous_cjk: Option<usize>,
    token: Token,
}

impl Bigrams<'_> {
    fn emit(&mut self, from: usize, to: usize) -> bool {
        self.token.offset_from = from;
        self.token.offset_to = to;
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text.clear();
        self.token.text.push_str(&self.text[from..to]);
        true
    }
}

impl TokenStream for Bigrams<'_> {
    fn advance(&mut self) -> bool {
        while let Some(c) = self.text[self.at..].chars().next() {
            let from = self.at;
            self.at += c.len_utf8();
            if is_cjk(c) {
                let next_is_cjk = self.text[self.at..].chars().next().is_some_and(is_cjk);
                match self.previous_cjk.replace(from) {
                    Some(previous) => return self.emit(previous, self.at),
                    None if next_is_cjk => continue,
                    None => return self.emit(from, self.at),
                }
            }
            self.previous_cjk = None;
            if c.is_alphanumeric() {
                let word = |c: char| c.is_alphanumeric() && !is_cjk(c);
                let rest = &self.text[self.at..];
                self.at += rest.find(|c| !word(c)).unwrap_or(rest.len());
                return self.emit(from, self.at);
            }
        }
        false
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Han, kana and Hangul, as far as they are letters.
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}'      // Hangul letters
        | '\u{3005}'..='\u{3007}'    // repetition mark, closing mark, zero
        | '\u{3040}'..='\u{30ff}'    // Hiragana, Katakana
        | '\u{3130}'..='\u{318f}'    // Hangul compatibility letters
        | '\u{31f0}'..='\u{31ff}'    // Katakana extensions
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{ac00}'..='\u{d7af}'    // Hangul syllables
        | '\u{ff66}'..='\u{ff9f}'    // half-width Katakana
        | '\u{20000}'..='\u{3ffff}'  // Han, planes 2 and 3
    ) && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_words_are_folded() {
        assert_eq!(
            Analyzer::English.terms("Running, runs & the RUNNER's 2nd-best"),
            ["run", "run", "runner", "s", "2nd", "best"]
        );
        assert!(Analyzer::English.terms("the of and — …").is_empty());
        assert!(Analyzer::English.terms(&"x".repeat(300)).is_empty());
    }

    #[test]
    fn cjk_becomes_bigrams() {
        let terms = |text| Analyzer::CjkBigrams.terms(text);
        assert_eq!(terms("中国人民"), ["中国", "国人", "人民"]);
        assert_eq!(terms("中。国"), ["中", "国"]);
        assert_eq!(terms("用iPhone12拍照，好"), ["用", "iphone12", "拍照", "好"]);
        assert_eq!(terms("カタカナとひら"), ["カタ", "タカ", "カナ", "ナと", "とひ", "ひら"]);
        assert_eq!(terms("한국어 ok"), ["한국", "국어", "ok"]);
        assert_eq!(terms("𠀀𠀁"), ["𠀀𠀁"]);
        assert_eq!(terms("a\u{0}b・・"), ["a", "b"]);
        assert!(terms("").is_empty());
    }
}
