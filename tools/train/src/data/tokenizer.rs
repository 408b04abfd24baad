//! Texts to token ids, as each kind of model wants them.

use std::path::Path;

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer, TruncationDirection};

use super::batch::Tokens;
use super::error::DataError;

/// How one side, queries or documents, is tokenised.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Tokens a text at most, marks included.
    pub max_tokens: usize,
    /// Stands before every text, unless the row brings its own.
    pub prompt: String,
    /// A token after the first mark, such as `[Q] ` of late-interaction models.
    pub prefix: Option<u32>,
    /// Fill every text up to `max_tokens` with mask tokens (query expansion).
    pub expand: bool,
    /// Whether other tokens attend to the expansion.
    pub attend_to_expansion: bool,
    /// Tokens that do not count in late interaction (punctuation, in documents).
    pub skip: Vec<u32>,
}

impl Side {
    /// Plain texts of at most `max_tokens`.
    #[must_use]
    pub fn of(max_tokens: usize) -> Self {
        let (prompt, skip) = (String::new(), Vec::new());
        Self { max_tokens, prompt, prefix: None, expand: false, attend_to_expansion: false, skip }
    }
}

/// How query and document become one text for a reranker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairShape {
    /// The tokenizer's own template for pairs, as encoders have it.
    Template,
    /// Query, separator, document and end marker one after another, with no marks of the tokenizer, as decoders with
    /// a score head have it.
    Joined {
        /// Between query and document.
        separator: String,
        /// At the end, where the score is read; never cut off.
        end: String,
    },
}

/// What a reranker reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFormat {
    /// Encoder or decoder.
    pub shape: PairShape,
    /// `{}` stands for the query.
    pub query: String,
    /// `{}` stands for the document.
    pub document: String,
    /// Tokens a pair at most, all included. The document is cut; the query only past three quarters.
    pub max_tokens: usize,
}

/// Where padding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingSide {
    /// Before the text.
    Left,
    /// After it.
    #[default]
    Right,
}

/// Token ids of one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    ids: Vec<u32>,
    types: Vec<u32>,
    mask: Vec<u8>,
    counted: Vec<u8>,
}

/// A model's tokenizer. Truncation and padding of its file are taken off: settings say how long texts are.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    marks: Option<PostProcessorWrapper>,
    pad: u32,
    mask: Option<u32>,
    padding: PaddingSide,
}

impl TextTokenizer {
    /// Opens `tokenizer.json`, or the one in a model directory.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`].
    pub fn open(path: impl AsRef<Path>, padding: PaddingSide) -> Result<Self, DataError> {
        let mut path = path.as_ref().to_owned();
        if path.is_dir() {
            path.push("tokenizer.json");
        }
        let broken = |message: String| DataError::Tokenizer { path: path.clone(), message };
        let bytes = std::fs::read(&path).map_err(|error| broken(error.to_string()))?;
        // The crate panics on some broken files: a decoder that it cannot parse, for one.
        let mut tokenizer = std::panic::catch_unwind(|| Tokenizer::from_bytes(&bytes))
            .map_err(|_| broken("the tokenizers crate panicked on it".to_owned()))?
            .map_err(|error| broken(error.to_string()))?;
        let pad = tokenizer.get_padding().map(|padding| padding.pad_id);
        tokenizer.with_truncation(None).map_err(|error| broken(error.to_string()))?;
        tokenizer.with_padding(None);
        let marks = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let first = |names: &[&str]| names.iter().find_map(|name| tokenizer.token_to_id(name));
        let pad = first(&["[PAD]", "<pad>", "<|endoftext|>", "</s>"]).or(pad).unwrap_or(0);
        let mask = first(&["[MASK]", "<mask>"]);
        Ok(Self { tokenizer, marks, pad, mask, padding })
    }

    /// The id of a token.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The id that pads.
    #[must_use]
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Pads with another token than the tokenizer's file says.
    pub fn set_pad(&mut self, id: u32) {
        self.pad = id;
    }

    /// Tokens of a text without marks, uncut.
    ///
    /// # Errors
    /// [`DataError::Tokenise`].
    pub fn count(&self, text: &str) -> Result<usize, DataError> {
        Ok(self.plain(text, usize::MAX / 32)?.len())
    }

    /// The first token of a text: what a decoder that answers with the text says first.
    ///
    /// # Errors
    /// [`DataError::Tokenise`]; [`DataError::NoToken`] if the text has none.
    pub fn first(&self, text: &str, setting: &'static str) -> Result<u32, DataError> {
        let none = || DataError::NoToken { token: text.to_owned(), setting };
        self.plain(text, 1)?.get_ids().first().copied().ok_or_else(none)
    }

    /// At most `max_tokens` token ids of a text, without marks.
    ///
    /// # Errors
    /// [`DataError::Tokenise`].
    pub fn ids(&self, text: &str, max_tokens: usize) -> Result<Vec<u32>, DataError> {
        Ok(self.plain(text, max_tokens)?.get_ids().to_vec())
    }

    /// The same behind the marks that begin texts, without those that end them.
    ///
    /// # Errors
    /// [`DataError::Tokenise`].
    pub fn begun(&self, text: &str, max_tokens: usize) -> Result<Vec<u32>, DataError> {
        let plain = self.plain(text, max_tokens)?;
        let (length, marked) = (plain.len(), self.finish(plain, None)?);
        let before = marked.get_special_tokens_mask().iter().take_while(|mark| **mark == 1).count();
        let end = (before + length).min(marked.len());
        Ok(marked.get_ids()[..end].to_vec())
    }

    /// Marks that the tokenizer adds to one text, and to a pair.
    #[must_use]
    pub fn marks(&self) -> (usize, usize) {
        let count = |pair| self.marks.as_ref().map_or(0, |marks| marks.added_tokens(pair));
        (count(false), count(true))
    }

    /// Encodes texts of one side, each with its own prompt or the side's. Padded to the longest.
    ///
    /// # Errors
    /// [`DataError::NoRoom`], [`DataError::NoToken`], [`DataError::Tokenise`].
    pub fn texts(&self, texts: &[(Option<&str>, &str)], side: &Side) -> Result<Tokens, DataError> {
        let taken = self.marks().0 + usize::from(side.prefix.is_some());
        if side.max_tokens <= taken {
            return Err(DataError::NoRoom { setting: "max_tokens", value: side.max_tokens, taken });
        }
        let room = side.max_tokens - taken;
        let mut rows = Vec::with_capacity(texts.len());
        for &(prompt, text) in texts {
            let prompt = prompt.unwrap_or(&side.prompt);
            let encoding = if prompt.is_empty() {
                self.plain(text, room)?
            } else {
                self.plain(&[prompt, text].concat(), room)?
            };
            rows.push(self.side_row(self.finish(encoding, None)?, side)?);
        }
        Ok(self.pad_rows(rows))
    }

    fn side_row(&self, encoding: Encoding, side: &Side) -> Result<Row, DataError> {
        let mut row = Row::of(&encoding);
        if let Some(prefix) = side.prefix {
            // After the first mark; at the beginning where there is none.
            let at = usize::from(encoding.get_special_tokens_mask().first() == Some(&1));
            row.ids.insert(at, prefix);
            row.types.insert(at, 0);
            row.mask.insert(at, 1);
        }
        row.counted = row.ids.iter().map(|id| u8::from(!side.skip.contains(id))).collect();
        if side.expand {
            let mask = self.mask.ok_or_else(|| DataError::NoToken {
                token: "[MASK]".to_owned(),
                setting: "query_expansion",
            })?;
            let length = side.max_tokens.max(row.ids.len());
            row.ids.resize(length, mask);
            row.types.resize(length, 0);
            row.mask.resize(length, u8::from(side.attend_to_expansion));
            row.counted.resize(length, 1);
        }
        Ok(row)
    }

    /// Encodes pairs of query and document. Padded to the longest.
    ///
    /// # Errors
    /// [`DataError::NoRoom`], [`DataError::Tokenise`].
    pub fn pairs(&self, pairs: &[(&str, &str)], format: &PairFormat) -> Result<Tokens, DataError> {
        let mut rows = Vec::with_capacity(pairs.len());
        for (query, document) in pairs {
            let query = format.query.replace("{}", query.trim());
            let document = format.document.replace("{}", document.trim());
            rows.push(match &format.shape {
                PairShape::Template => self.template_row(&query, &document, format.max_tokens)?,
                PairShape::Joined { separator, end } => {
                    self.joined_row(&query, &document, (separator, end), format.max_tokens)?
                }
            });
        }
        Ok(self.pad_rows(rows))
    }

    fn template_row(&self, query: &str, document: &str, max_tokens: usize) -> Result<Row, DataError> {
        let room = room(max_tokens, self.marks().1)?;
        let query = self.plain(query, most(room))?;
        let document = self.plain(document, room - query.len())?;
        Ok(Row::of(&self.finish(query, Some(document))?))
    }

    fn joined_row(
        &self,
        query: &str,
        document: &str,
        (separator, end): (&str, &str),
        max_tokens: usize,
    ) -> Result<Row, DataError> {
        let (separator, end) = (self.plain(separator, max_tokens)?, self.plain(end, max_tokens)?);
        let room = room(max_tokens, separator.len() + end.len())?;
        let query = self.plain(query, most(room))?;
        let document = self.plain(document, room - query.len())?;
        let ids: Vec<u32> = [&query, &separator, &document, &end]
            .into_iter()
            .flat_map(|part| part.get_ids())
            .copied()
            .collect();
        let count = ids.len();
        Ok(Row { ids, types: vec![0; count], mask: vec![1; count], counted: vec![1; count] })
    }

    /// At most `max_tokens` tokens of a text, without marks.
    fn plain(&self, text: &str, max_tokens: usize) -> Result<Encoding, DataError> {
        // Truncation after tokenising saves no work, so text is cut first: no natural text has more characters a token.
        let limit = max_tokens.saturating_mul(16).saturating_add(256);
        let kept = text.char_indices().nth(limit).map_or(text, |(at, _)| &text[..at]);
        let mut encoding = self
            .tokenizer
            .encode(kept, false)
            .map_err(|error| DataError::Tokenise { bytes: text.len(), message: error.to_string() })?;
        encoding.truncate(max_tokens, 0, TruncationDirection::Right);
        encoding.take_overflowing();
        Ok(encoding)
    }

    fn finish(&self, a: Encoding, b: Option<Encoding>) -> Result<Encoding, DataError> {
        let fail = |error: tokenizers::Error| DataError::Tokenise { bytes: 0, message: error.to_string() };
        match (&self.marks, b) {
            (Some(marks), b) => marks.process(a, b, true).map_err(fail),
            (None, None) => Ok(a),
            (None, Some(mut b)) => {
                b.set_type_ids(vec![1; b.len()]);
                Ok(Encoding::merge([a, b], false))
            }
        }
    }

    fn pad_rows(&self, rows: Vec<Row>) -> Tokens {
        let width = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let mut tokens = Tokens { rows: rows.len(), width, ..Tokens::default() };
        for row in rows {
            let missing = width - row.ids.len();
            let (before, after) = match self.padding {
                PaddingSide::Left => (missing, 0),
                PaddingSide::Right => (0, missing),
            };
            extend(&mut tokens.ids, row.ids, before, after, self.pad);
            extend(&mut tokens.types, row.types, before, after, 0);
            extend(&mut tokens.mask, row.mask, before, after, 0);
            extend(&mut tokens.counted, row.counted, before, after, 0);
        }
        tokens
    }
}

impl Row {
    fn of(encoding: &Encoding) -> Self {
        let count = encoding.len();
        Self {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            mask: vec![1; count],
            counted: vec![1; count],
        }
    }
}

impl std::fmt::Debug for TextTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextTokenizer").field("pad", &self.pad).finish_non_exhaustive()
    }
}

fn extend<T: Copy>(to: &mut Vec<T>, row: Vec<T>, before: usize, after: usize, fill: T) {
    to.extend(std::iter::repeat_n(fill, before));
    to.extend(row);
    to.extend(std::iter::repeat_n(fill, after));
}

/// Tokens that are left for query and document.
fn room(max_tokens: usize, taken: usize) -> Result<usize, DataError> {
    // At least one token each.
    if max_tokens < taken + 2 {
        return Err(DataError::NoRoom { setting: "max_tokens", value: max_tokens, taken });
    }
    Ok(max_tokens - taken)
}

/// What a query may take of it: a long query must not push the document out.
fn most(room: usize) -> usize {
    (room * 3 / 4).max(1)
}
