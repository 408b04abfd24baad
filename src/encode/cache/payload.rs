//! What a record holds.
//!
//! | size | field | meaning |
//! |-----:|-------|---------|
//! | 1 | kind | 0: token vectors, 1: one vector |
//! | 4 | rows | 1 for one vector |
//! | 4 | dim | |
//! | 4 | ids | how many vocabulary ids: `rows`, or 0 where they are unknown |
//! | 4 | spans | how many spans: `rows` or 0 |
//! | 4·rows·dim | vectors | `f32` |
//! | 4·ids | ids | |
//! | 8·spans | spans | start and end |

use crate::types::{EncodedTokens, TokenMatrixBuf};

/// What a model gave for one text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Encoding {
    Tokens(EncodedTokens),
    Vector(Vec<f32>),
}

const HEAD: usize = 17;

impl Encoding {
    pub fn encode(&self) -> Vec<u8> {
        let (kind, rows, dim, vectors, ids, spans) = match self {
            Self::Tokens(tokens) => {
                let view = tokens.matrix.view();
                (0, view.rows(), view.dim(), view.as_slice(), &tokens.token_ids[..], &tokens.spans[..])
            }
            Self::Vector(vector) => (1, 1, vector.len(), &vector[..], &[][..], &[][..]),
        };
        let mut bytes = Vec::with_capacity(HEAD + 4 * (vectors.len() + ids.len() + 2 * spans.len()));
        bytes.push(kind);
        for count in [rows, dim, ids.len(), spans.len()] {
            bytes.extend((count as u32).to_le_bytes());
        }
        bytes.extend(vectors.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        bytes
            .extend(spans.iter().flat_map(|(start, end)| [start.to_le_bytes(), end.to_le_bytes()]).flatten());
        bytes
    }

    /// `None` for bytes that no encoding has. Allocates no more than the bytes have room for.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let (words, left) = rest.as_chunks::<4>();
        let counts = head[1..].as_chunks::<4>().0;
        let count = |at: usize| usize::try_from(u32::from_le_bytes(counts[at])).ok();
        let (rows, dim, ids, spans) = (count(0)?, count(1)?, count(2)?, count(3)?);
        let numbers = rows.checked_mul(dim)?;
        let all = numbers.checked_add(ids)?.checked_add(spans.checked_mul(2)?)?;
        if all != words.len() || !left.is_empty() {
            return None;
        }
        let vectors: Vec<f32> = words[..numbers].iter().map(|word| f32::from_le_bytes(*word)).collect();
        let integers = |words: &[[u8; 4]]| words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let token_ids: Vec<u32> = integers(&words[numbers..numbers + ids]);
        let ends: Vec<u32> = integers(&words[numbers + ids..]);
        match head[0] {
            0 => {
                let spans = ends.as_chunks::<2>().0.iter().map(|&[start, end]| (start, end)).collect();
                let matrix = TokenMatrixBuf::new(vectors, dim).ok()?;
                Some(Self::Tokens(EncodedTokens { matrix, token_ids, spans }))
            }
            1 if rows == 1 && ids == 0 && spans == 0 => Some(Self::Vector(vectors)),
            _ => None,
        }
    }
}
