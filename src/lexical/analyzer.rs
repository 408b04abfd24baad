//! From text to terms.

use lateen_index_format::Words;

use super::LexicalError;
use super::cutter::Cutter;

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

    /// The terms of a text, in order and with repetitions.
    ///
    /// ```
    /// use lateen::lexical::Analyzer;
    /// assert_eq!(Analyzer::English.terms("The sails were filling."), ["sail", "were", "fill"]);
    /// assert_eq!(Analyzer::CjkBigrams.terms("三角帆 Sail"), ["三角", "角帆", "sail"]);
    /// ```
    #[must_use]
    pub fn terms(self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        Cutter::new(self).each(text, |term, _| terms.push(term.to_owned()));
        terms
    }
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
