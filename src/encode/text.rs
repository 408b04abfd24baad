use std::borrow::Cow;
use std::path::Path;

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Token, Tokenizer, TruncationDirection};

use super::{EncodeError, tokenizer_file};

/// Characters of text given to the tokenizer for a limit of `max_tokens`.
///
/// Truncation after tokenising saves no work (1–3 µs and about 300 bytes a character), so text is cut first. Words
/// of more than 16 characters a token on average would lose tokens that a full run keeps; no natural text has them.
fn character_limit(max_tokens: usize) -> usize {
    max_tokens.saturating_mul(16).saturating_add(256)
}

/// The part of `text` that is tokenised for a limit of `max_tokens` tokens: a prefix, cut between characters.
pub(super) fn cut(text: &str, max_tokens: usize) -> &str {
    let limit = character_limit(max_tokens);
    if text.len() <= limit {
        return text;
    }
    text.char_indices().nth(limit).map_or(text, |(at, _)| &text[..at])
}

/// One text as token ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    /// Which of a pair's texts a token belongs to.
    pub(super) types: Vec<u32>,
    /// Bytes of the text behind each token; `(0, 0)` for marks and prompts.
    pub(super) spans: Vec<(u32, u32)>,
    /// Whether tokens, or text before them, were cut off.
    pub(super) truncated: bool,
}

/// The marks around two texts that are read together, as `(id, type)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PairMarks {
    pub(super) before: Vec<(u32, u32)>,
    pub(super) first_type: u32,
    pub(super) between: Vec<(u32, u32)>,
    pub(super) second_type: u32,
    pub(super) after: Vec<(u32, u32)>,
}

/// A tokenizer with its truncation and padding taken off, so that each call states its own limit.
pub(super) struct TextTokenizer {
    /// Without its post-processor, which adds the marks and must run once, after truncation.
    tokenizer: Tokenizer,
    marks: Option<PostProcessorWrapper>,
    marks_single: usize,
    marks_pair: usize,
    unknown: Option<u32>,
    lowercase: bool,
}

impl TextTokenizer {
    /// Builds the tokenizer that `bytes` (a `tokenizer.json`) describe. `lowercase`: lower-case texts first.
    pub(super) fn new(path: &Path, bytes: &[u8], lowercase: bool) -> Result<Self, EncodeError> {
        let broken = |error: &dyn std::fmt::Display| EncodeError::Tokenizer {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let (mut tokenizer, head) = tokenizer_file::read(bytes).map_err(|error| broken(&error))?;
        tokenizer.with_truncation(None).map_err(|error| broken(&error))?;
        tokenizer.with_padding(None);
        let unknown = head.unk_token.and_then(|token| tokenizer.token_to_id(&token)).or(head.unk_id);
        let marks = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let count = |pair| marks.as_ref().map_or(0, |marks| marks.added_tokens(pair));
        let (marks_single, marks_pair) = (count(false), count(true));
        Ok(Self { tokenizer, marks, marks_single, marks_pair, unknown, lowercase })
    }

    /// The id of a token of the vocabulary.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The token that stands for whatever the vocabulary lacks.
    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The largest id of the vocabulary.
    pub(super) fn largest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// Marks added to a text and to a pair of texts.
    pub(super) fn marks(&self) -> (usize, usize) {
        (self.marks_single, self.marks_pair)
    }

    /// At most `max_tokens` tokens of `prompt` followed by `text`, with the marks around them if `marks`.
    pub(super) fn tokens(
        &self,
        prompt: &str,
        text: &str,
        max_tokens: usize,
        marks: bool,
    ) -> Result<Tokens, EncodeError> {
        let (mut encoding, source) = self.plain(prompt, text, max_tokens)?;
        let room = max_tokens.saturating_sub(if marks { self.marks_single } else { 0 });
        let truncated = source.cut || encoding.len() > room;
        shorten(&mut encoding, room);
        let encoding = self.finish(encoding, None, marks)?;
        let spans = encoding
            .get_offsets()
            .iter()
            .zip(encoding.get_special_tokens_mask())
            .map(|(&(start, end), &special)| if special == 1 { (0, 0) } else { source.span(start, end) })
            .collect();
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            spans,
            truncated,
        })
    }

    /// The marks that the tokenizer puts around a pair of texts.
    ///
    /// They are learned by putting them around two texts of one token each, so that a pair can be put together from
    /// tokens, and with them from windows of a text, without tokenising it again.
    pub(super) fn pair_marks(&self) -> Result<PairMarks, EncodeError> {
        // Ids that no vocabulary has.
        let (first, second) = (u32::MAX, u32::MAX - 1);
        let one = |id| Encoding::from_tokens(vec![Token::new(id, "a".to_owned(), (0, 1))], 0);
        let pair = self.finish(one(first), Some(one(second)), true)?;
        let tokens: Vec<(u32, u32)> =
            pair.get_ids().iter().copied().zip(pair.get_type_ids().iter().copied()).collect();
        let at = |wanted| tokens.iter().position(|&(id, _)| id == wanted);
        match (at(first), at(second)) {
            (Some(a), Some(b)) if a < b => Ok(PairMarks {
                before: tokens[..a].to_vec(),
                first_type: tokens[a].1,
                between: tokens[a + 1..b].to_vec(),
                second_type: tokens[b].1,
                after: tokens[b + 1..].to_vec(),
            }),
            _ => Err(EncodeError::Tokenize {
                bytes: 2,
                message: "its template for pairs leaves out a text or turns them round".to_owned(),
            }),
        }
    }

    fn plain<'a>(
        &self,
        prompt: &'a str,
        text: &'a str,
        max_tokens: usize,
    ) -> Result<(Encoding, Source), EncodeError> {
        let kept = cut(text, max_tokens);
        let joined: Cow<'_, str> =
            if prompt.is_empty() { Cow::Borrowed(kept) } else { Cow::Owned([prompt, kept].concat()) };
        let mut source = Source { prompt: prompt.len(), cut: kept.len() < text.len(), original: None };
        let encoding = if self.lowercase {
            let lower = joined.to_lowercase();
            if lower.len() != joined.len() {
                source.original = Some(original_positions(&joined));
            }
            self.tokenizer.encode(lower, false)
        } else {
            self.tokenizer.encode(joined, false)
        };
        let encoding = encoding
            .map_err(|error| EncodeError::Tokenize { bytes: text.len(), message: error.to_string() })?;
        Ok((encoding, source))
    }

    fn finish(&self, a: Encoding, b: Option<Encoding>, marks: bool) -> Result<Encoding, EncodeError> {
        match (&self.marks, b) {
            (Some(post), b) => post
                .process(a, b, marks)
                .map_err(|error| EncodeError::Tokenize { bytes: 0, message: error.to_string() }),
            (None, None) => Ok(a),
            (None, Some(mut b)) => {
                b.set_type_ids(vec![1; b.len()]);
                Ok(Encoding::merge([a, b], false))
            }
        }
    }
}

/// Keeps the first `tokens` tokens and drops the rest for good.
fn shorten(encoding: &mut Encoding, tokens: usize) {
    encoding.truncate(tokens, 0, TruncationDirection::Right);
    encoding.take_overflowing();
}

/// Where tokenised text comes from.
struct Source {
    /// Bytes of prompt before the text.
    prompt: usize,
    cut: bool,
    /// For lower-cased text whose length changed: the original position of every byte, and the end.
    original: Option<Vec<u32>>,
}

impl Source {
    /// The bytes of the caller's text behind `start..end` of what was tokenised.
    fn span(&self, start: usize, end: usize) -> (u32, u32) {
        let position = |at: usize| match &self.original {
            Some(map) => map.get(at).or(map.last()).map_or(0, |&p| p as usize),
            None => at,
        };
        let in_text = |at: usize| u32::try_from(position(at).saturating_sub(self.prompt)).unwrap_or(u32::MAX);
        match (in_text(start), in_text(end)) {
            (_, 0) => (0, 0),
            span => span,
        }
    }
}

/// For each byte of the lower-cased `text`, the byte of `text` it comes from, and the end.
fn original_positions(text: &str) -> Vec<u32> {
    let mut positions = Vec::with_capacity(text.len() + 1);
    for (at, character) in text.char_indices() {
        let bytes: usize = character.to_lowercase().map(char::len_utf8).sum();
        positions.extend(std::iter::repeat_n(at as u32, bytes));
    }
    positions.push(text.len() as u32);
    positions
}

/// How many tokens of texts of `a` and `b` tokens stay when `room` are left and the longer loses first.
pub(super) fn longest_first(a: usize, b: usize, room: usize) -> (usize, usize) {
    if a + b <= room {
        return (a, b);
    }
    let half = room / 2;
    // As in the tokenizers library: the shorter text is whole if it fits in half, else the odd token goes to the second.
    if a.min(b) <= half {
        return if a <= b { (a, room - a) } else { (room - b, b) };
    }
    if a <= b { (half, room - half) } else { (room - half, half) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("short", 1), "short");
        let text = "é".repeat(1000);
        assert_eq!(cut(&text, 1).chars().count(), 272);
        assert_eq!(cut(&text, usize::MAX), text);
    }

    #[test]
    fn the_longer_text_of_a_pair_loses_first() {
        assert_eq!(longest_first(3, 4, 10), (3, 4));
        assert_eq!(longest_first(2, 40, 10), (2, 8));
        assert_eq!(longest_first(40, 2, 10), (8, 2));
        assert_eq!(longest_first(40, 40, 9), (4, 5));
    }

    #[test]
    fn lower_casing_keeps_spans() {
        let text = "İx";
        let map = original_positions(text);
        let source = Source { prompt: 0, cut: false, original: Some(map) };
        assert_eq!(text.to_lowercase(), "i\u{307}x");
        assert_eq!(source.span(3, 4), (2, 3));
    }
}
