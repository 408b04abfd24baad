//! What sections hold, and whether a reader may do without.

use std::fmt;

/// What a section holds; one section of a kind per segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SectionKind {
    /// Counts and settings of the segment: [`MetaRecord`](crate::MetaRecord).
    Meta,
    /// Which tokens belong to which document: [`TokenOffsetsView`](crate::TokenOffsetsView).
    TokenOffsets,
    /// Centroids, rotation and levels: [`CodecView`](crate::CodecView).
    Codec,
    /// The centroid of each token: [`CentroidIdsView`](crate::CentroidIdsView).
    CentroidIds,
    /// The residual of each token: [`CodesView`](crate::CodesView).
    Codes,
    /// The scale of each token's residual: [`ScalesView`](crate::ScalesView).
    Scales,
    /// The documents near each centroid: [`InvertedListsView`](crate::InvertedListsView).
    InvertedLists,
    /// Token vectors in full: [`RawTokensView`](crate::RawTokensView).
    RawTokens,
    /// One vector per document: [`DenseVectorsView`](crate::DenseVectorsView).
    DenseVectors,
    /// Links of the HNSW graph over the dense vectors: [`GraphLinksView`](crate::GraphLinksView).
    GraphLinks,
    /// The user's ids: [`ExternalIdsView`](crate::ExternalIdsView).
    ExternalIds,
    /// What each document's content hashed to: [`ContentHashesView`](crate::ContentHashesView).
    ContentHashes,
    /// The documents themselves: [`StoredFieldsView`](crate::StoredFieldsView).
    StoredFields,
    /// Which words are in which document, and how often: [`TermsView`](crate::TermsView).
    Terms,
    /// An optional section of a newer release, by its number; readers skip it.
    Unknown(u32),
}

impl SectionKind {
    /// The kinds this release knows, by ascending code from 1.
    pub const KNOWN: [Self; 14] = [
        Self::Meta,
        Self::TokenOffsets,
        Self::Codec,
        Self::CentroidIds,
        Self::Codes,
        Self::Scales,
        Self::InvertedLists,
        Self::RawTokens,
        Self::DenseVectors,
        Self::GraphLinks,
        Self::ExternalIds,
        Self::ContentHashes,
        Self::StoredFields,
        Self::Terms,
    ];

    /// The number in the directory.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Meta => 1,
            Self::TokenOffsets => 2,
            Self::Codec => 3,
            Self::CentroidIds => 4,
            Self::Codes => 5,
            Self::Scales => 6,
            Self::InvertedLists => 7,
            Self::RawTokens => 8,
            Self::DenseVectors => 9,
            Self::GraphLinks => 10,
            Self::ExternalIds => 11,
            Self::ContentHashes => 12,
            Self::StoredFields => 13,
            Self::Terms => 14,
            Self::Unknown(code) => code,
        }
    }

    /// The kind of a number in the directory.
    #[must_use]
    pub fn from_code(code: u32) -> Self {
        Self::KNOWN.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Unknown(code))
    }

    /// The name in `FORMAT.md`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "Meta",
            Self::TokenOffsets => "TokenOffsets",
            Self::Codec => "Codec",
            Self::CentroidIds => "CentroidIds",
            Self::Codes => "Codes",
            Self::Scales => "Scales",
            Self::InvertedLists => "InvertedLists",
            Self::RawTokens => "RawTokens",
            Self::DenseVectors => "DenseVectors",
            Self::GraphLinks => "GraphLinks",
            Self::ExternalIds => "ExternalIds",
            Self::ContentHashes => "ContentHashes",
            Self::StoredFields => "StoredFields",
            Self::Terms => "Terms",
            Self::Unknown(_) => "Unknown",
        }
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "Unknown({code})"),
            known => f.write_str(known.name()),
        }
    }
}

/// How a reader treats a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(u32);

impl Flags {
    /// A reader that does not know the section skips it.
    pub const OPTIONAL: Self = Self(0);
    /// A reader that does not know the section refuses the segment.
    pub const REQUIRED: Self = Self(1);

    /// The number in the directory.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Flags of a number in the directory; `None` if this release does not know a bit.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        (bits <= 1).then_some(Self(bits))
    }

    /// Whether a reader must know the section.
    #[must_use]
    pub fn is_required(self) -> bool {
        self == Self::REQUIRED
    }
}
