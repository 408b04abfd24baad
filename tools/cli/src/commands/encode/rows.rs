use super::{Form, Role, Vectors};
use lateen::encode::quantise::truncate;
use lateen::encode::{Model, SparseVector};
use lateen::types::{EncodedTokens, TokenMatrixBuf};

/// The ids of tokens and their bytes in the text.
type IdsAndSpans = (Vec<u32>, Vec<(u32, u32)>);

/// The vectors of one text.
pub struct Rows {
    pub id: String,
    pub dim: usize,
    /// `[rows, dim]`.
    pub values: Vec<f32>,
    /// Ids and spans of the tokens, where each has a row.
    pub tokens: Option<IdsAndSpans>,
    pub sparse: Option<SparseVector>,
}

impl Rows {
    fn new(id: &str, matrix: TokenMatrixBuf) -> Self {
        let dim = matrix.view().dim();
        Self { id: id.to_owned(), dim, values: matrix.into_vec(), tokens: None, sparse: None }
    }
}

/// The vectors of each text of a batch of `(id, text)`.
pub fn encode(model: &Model, batch: &[(String, String)], form: &Form) -> anyhow::Result<Vec<Rows>> {
    let texts: Vec<&str> = batch.iter().map(|(_, text)| text.as_str()).collect();
    let ids = batch.iter().map(|(id, _)| id.as_str());
    let shorter = |matrix: TokenMatrixBuf| match form.dim {
        Some(dim) => truncate(matrix.view(), dim),
        None => Ok(matrix),
    };
    match form.vectors {
        Vectors::Dense => {
            let vectors = match form.role {
                Role::Query => model.encode_queries_dense(&texts)?,
                Role::Document => model.encode_documents_dense(&texts)?,
            };
            let row = |(id, vector): (&str, Vec<f32>)| {
                let dim = vector.len();
                Ok(Rows::new(id, shorter(TokenMatrixBuf::new(vector, dim)?)?))
            };
            ids.zip(vectors).map(row).collect()
        }
        Vectors::Tokens => {
            let all: Vec<EncodedTokens> = match form.role {
                Role::Query => {
                    texts.iter().map(|text| model.encode_query_tokens(text)).collect::<Result<_, _>>()?
                }
                Role::Document => model.encode_document_tokens(&texts)?,
            };
            let row = |(id, encoded): (&str, EncodedTokens)| {
                let tokens = Some((encoded.token_ids, encoded.spans));
                Ok(Rows { tokens, ..Rows::new(id, shorter(encoded.matrix)?) })
            };
            ids.zip(all).map(row).collect()
        }
        Vectors::Sparse => {
            let all = match form.role {
                Role::Query => model.encode_queries_all(&texts)?,
                Role::Document => model.encode_documents_all(&texts)?,
            };
            let row = |(id, vectors): (&str, lateen::encode::TextVectors)| {
                let (id, sparse) = (id.to_owned(), vectors.sparse);
                Rows { id, dim: 1, values: Vec::new(), tokens: None, sparse }
            };
            Ok(ids.zip(all).map(row).collect())
        }
    }
}
