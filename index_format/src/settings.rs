//! What is fixed when an index is created.

use crate::code_width::CodeWidth;
use crate::error::FormatError;

/// The largest dimension of a vector.
pub const MAX_DIM: u32 = 8192;

/// How token vectors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TokenStorage {
    /// Not at all.
    #[default]
    None,
    /// A centroid and 1 bit per component.
    Residual1,
    /// A centroid and one of three values per component: 1.6 bits.
    ResidualTernary,
    /// A centroid and 2 bits per component.
    Residual2,
    /// A centroid and 4 bits per component.
    Residual4,
    /// In half precision.
    F16,
    /// As they come.
    F32,
}

impl TokenStorage {
    const ALL: [Self; 7] = [
        Self::None,
        Self::Residual1,
        Self::ResidualTernary,
        Self::Residual2,
        Self::Residual4,
        Self::F16,
        Self::F32,
    ];

    /// The number in metadata records.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Residual2 => 1,
            Self::Residual4 => 2,
            Self::F16 => 3,
            Self::F32 => 4,
            Self::Residual1 => 5,
            Self::ResidualTernary => 6,
        }
    }

    /// How wide the codes are, if tokens are stored as codes.
    #[must_use]
    pub fn code_width(self) -> Option<CodeWidth> {
        match self {
            Self::Residual1 => Some(CodeWidth::One),
            Self::ResidualTernary => Some(CodeWidth::Ternary),
            Self::Residual2 => Some(CodeWidth::Two),
            Self::Residual4 => Some(CodeWidth::Four),
            Self::None | Self::F16 | Self::F32 => None,
        }
    }

    /// A name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Residual1 => "1-bit codes",
            Self::ResidualTernary => "ternary codes",
            Self::Residual2 => "2-bit codes",
            Self::Residual4 => "4-bit codes",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }

    pub(crate) fn from_code(code: u8) -> Result<Self, FormatError> {
        find("the storage of tokens", code, Self::ALL.into_iter().find(|storage| storage.code() == code))
    }
}

/// How the one vector per document is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DenseStorage {
    /// Not at all.
    #[default]
    None,
    /// As it comes.
    F32,
    /// In half precision.
    F16,
    /// In signed bytes with one factor.
    I8,
}

impl DenseStorage {
    const ALL: [Self; 4] = [Self::None, Self::F32, Self::F16, Self::I8];

    /// The number in metadata records.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::F32 => 1,
            Self::F16 => 2,
            Self::I8 => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Result<Self, FormatError> {
        find(
            "the storage of dense vectors",
            code,
            Self::ALL.into_iter().find(|storage| storage.code() == code),
        )
    }
}

/// How titles and texts become the terms of section [`Terms`](crate::SectionKind::Terms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Words {
    /// Not at all.
    #[default]
    None,
    /// Words in lower case, without Lucene's English stop words, stemmed by Snowball's English stemmer.
    English,
    /// Pairs of neighbouring Chinese, Japanese and Korean characters; other words in lower case.
    CjkBigrams,
    /// Chinese words as jieba cuts them; other words in lower case.
    Jieba,
}

impl Words {
    const ALL: [Self; 4] = [Self::None, Self::English, Self::CjkBigrams, Self::Jieba];

    /// The number in metadata records.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::English => 1,
            Self::CjkBigrams => 2,
            Self::Jieba => 3,
        }
    }

    /// A name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::English => "english",
            Self::CjkBigrams => "cjk",
            Self::Jieba => "jieba",
        }
    }

    pub(crate) fn from_code(code: u8) -> Result<Self, FormatError> {
        find("how words are kept", code, Self::ALL.into_iter().find(|words| words.code() == code))
    }
}

fn find<T>(what: &'static str, code: u8, known: Option<T>) -> Result<T, FormatError> {
    known.ok_or(FormatError::Inconsistent { what, expected: 0, found: code.into() })
}

/// What is fixed when an index is created.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IndexSettings {
    /// Dimension of token vectors; 0 if there are none.
    pub token_dim: u32,
    /// How they are stored; [`TokenStorage::None`] if and only if there are none.
    pub token_storage: TokenStorage,
    /// Dimension of the vector per document; 0 if there is none.
    pub dense_dim: u32,
    /// How it is stored; [`DenseStorage::None`] if and only if there is none.
    pub dense_storage: DenseStorage,
    /// Whether title, text and metadata are kept.
    pub store_documents: bool,
    /// Seed of everything random in a build.
    pub seed: u64,
    /// Which words of titles and texts are kept for BM25; [`Words::None`] if documents are not stored.
    pub words: Words,
}

impl IndexSettings {
    /// Whether the settings agree with themselves.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] if a dimension is above [`MAX_DIM`], [`FormatError::Inconsistent`] if vectors
    /// have a dimension and no storage or the other way round, or words are to be kept and documents are not.
    pub fn check(&self) -> Result<(), FormatError> {
        let tokens = (self.token_dim, self.token_storage != TokenStorage::None, "whether tokens are stored");
        let dense =
            (self.dense_dim, self.dense_storage != DenseStorage::None, "whether dense vectors are stored");
        for (dim, stored, what) in [tokens, dense] {
            if dim > MAX_DIM {
                let (limit, found) = (MAX_DIM.into(), dim.into());
                return Err(FormatError::TooLarge { what: "a dimension", limit, found });
            }
            if (dim > 0) != stored {
                let (expected, found) = ((dim > 0).into(), stored.into());
                return Err(FormatError::Inconsistent { what, expected, found });
            }
        }
        if self.words != Words::None && !self.store_documents {
            let what = "whether words are kept of documents that are not stored";
            return Err(FormatError::Inconsistent { what, expected: 0, found: self.words.code().into() });
        }
        Ok(())
    }
}

/// The model whose vectors an index holds: those of another are not comparable to them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ModelIdentity {
    /// For people.
    pub name: String,
    /// Where it was loaded from.
    pub location: String,
    /// Equal fingerprints mean equal vectors (weights, tokenizer, prefixes, lengths, skip list).
    pub fingerprint: [u8; 16],
    /// What the model does, for people.
    pub description: String,
}
