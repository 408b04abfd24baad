use std::path::{Path, PathBuf};

use tokenizers::{Tokenizer, TruncationParams};

use super::DistilError;
use crate::encode::tokenizer_file;

/// A tokenizer and what each of its ids is.
pub(super) struct Vocabulary {
    pub(super) tokenizer: Tokenizer,
    path: PathBuf,
    kinds: Vec<Kind>,
    frame: [u32; 2],
}

/// How an id takes part in search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word or a piece of one.
    Piece,
    /// Has a vector, but no weight: it says nothing by itself.
    Punctuation,
    /// No text holds it: special tokens, unused places, holes in the numbering.
    Special,
}

impl Vocabulary {
    pub(super) fn read(path: &Path) -> Result<Self, DistilError> {
        let damaged = |source| DistilError::Tokenizer { path: path.to_owned(), source };
        let bytes =
            std::fs::read(path).map_err(|source| DistilError::Io { path: path.to_owned(), source })?;
        let (mut tokenizer, _) = tokenizer_file::read(&bytes).map_err(|what| damaged(what.into()))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None::<TruncationParams>).map_err(damaged)?;
        let framed = tokenizer.encode("a", true).map_err(damaged)?;
        let frame = match framed.get_special_tokens_mask() {
            [1, middle @ .., 1] if middle.iter().all(|&special| special == 0) => {
                [framed.get_ids()[0], framed.get_ids()[framed.len() - 1]]
            }
            _ => return Err(DistilError::Frame { path: path.to_owned() }),
        };
        let words = tokenizer.get_vocab(true);
        let len = words.values().max().map_or(0, |&largest| largest as usize + 1);
        let mut kinds = vec![Kind::Special; len];
        for (word, &id) in &words {
            kinds[id as usize] = kind(word);
        }
        for (&id, token) in tokenizer.get_added_tokens_decoder().iter() {
            if token.special {
                kinds[id as usize] = Kind::Special;
            }
        }
        Ok(Self { tokenizer, path: path.to_owned(), kinds, frame })
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn kind(&self, id: usize) -> Kind {
        self.kinds[id]
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The ids that a text may hold, ascending.
    pub(super) fn usable(&self) -> impl Iterator<Item = u32> {
        let usable = self.kinds.iter().enumerate().filter(|(_, kind)| **kind != Kind::Special);
        usable.map(|(id, _)| id as u32)
    }

    /// `ids` between the first and the last special token.
    pub(super) fn framed(&self, ids: &[u32]) -> Vec<u32> {
        [&self.frame[..1], ids, &self.frame[1..]].concat()
    }
}

fn kind(word: &str) -> Kind {
    let bracketed = word.len() > 2 && word.starts_with('[') && word.ends_with(']');
    let piece = word.strip_prefix("##").filter(|rest| !rest.is_empty()).unwrap_or(word);
    match piece.chars().any(char::is_alphanumeric) {
        _ if bracketed => Kind::Special,
        true => Kind::Piece,
        false => Kind::Punctuation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_marks() {
        let kinds = ["[CLS]", "[unused7]", "[", "##ing", "##!", "...", "中", "été", "##3"].map(kind);
        use Kind::{Piece, Punctuation, Special};
        assert_eq!(
            kinds,
            [Special, Special, Punctuation, Piece, Punctuation, Punctuation, Piece, Piece, Piece]
        );
    }
}
