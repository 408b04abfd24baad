//! Pairs of characters, for languages that put no spaces between words.

use std::ops::Range;

/// Pairs of neighbouring CJK characters; a lone one by itself; runs of other letters and digits whole.
pub(super) struct Bigrams<'a> {
    text: &'a str,
    at: usize,
    /// Where the character just before `at` begins, if it is CJK and stands in a run.
    previous_cjk: Option<usize>,
}

impl<'a> Bigrams<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0, previous_cjk: None }
    }
}

impl Iterator for Bigrams<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while let Some(c) = self.text[self.at..].chars().next() {
            let from = self.at;
            self.at += c.len_utf8();
            if is_cjk(c) {
                let next_is_cjk = self.text[self.at..].chars().next().is_some_and(is_cjk);
                match self.previous_cjk.replace(from) {
                    Some(previous) => return Some(previous..self.at),
                    None if next_is_cjk => continue,
                    None => return Some(from..self.at),
                }
            }
            self.previous_cjk = None;
            if c.is_alphanumeric() {
                let word = |c: char| c.is_alphanumeric() && !is_cjk(c);
                let rest = &self.text[self.at..];
                self.at += rest.find(|c| !word(c)).unwrap_or(rest.len());
                return Some(from..self.at);
            }
        }
        None
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
