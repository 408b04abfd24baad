use super::layout::{Expansion, Head, MAX_TOKENS, Recipe, TokenRules};
use super::special::Special;
use super::text::TextTokenizer;
use super::{EncodeError, ModelOptions};

/// The longest text of a model that states no limit.
const DEFAULT_TOKENS: usize = 512;

/// The longest text of a model that states nothing but its position embeddings.
const LONGEST_DEFAULT: usize = 8192;

/// Which side of a search a text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Query,
    Document,
}

/// How the texts of one side are put before the graph.
#[derive(Debug)]
pub(super) struct SideRules {
    pub(super) prompt: String,
    /// Tokens of the prompt and the marks before it, where pooling leaves them out.
    pub(super) prompt_tokens: usize,
    pub(super) prefix: Option<u32>,
    pub(super) max_tokens: usize,
    pub(super) expansion: Option<(Expansion, u32)>,
}

/// What the rules of both sides are made of.
pub(super) struct SideMaker<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) tokenizer: &'a TextTokenizer,
    pub(super) special: &'a Special,
    pub(super) options: &'a ModelOptions,
}

impl SideMaker<'_> {
    /// The rules of one side; what they assume goes to `notes`.
    pub(super) fn rules(&self, side: Side, notes: &mut Vec<String>) -> Result<SideRules, EncodeError> {
        let (recipe, tokenizer) = (self.recipe, self.tokenizer);
        let max_tokens = self.max_tokens(side);
        let mut prompt = match side {
            Side::Query => recipe.query_prompt.clone(),
            Side::Document => recipe.document_prompt.clone(),
        };
        let (mut prefix, mut expansion) = (None, None);
        if let Head::Tokens(rules) = &recipe.head {
            let text = match side {
                Side::Query => &rules.query_prefix,
                Side::Document => &rules.document_prefix,
            };
            prefix = prefix_token(text, tokenizer);
            if prefix.is_none() && !text.is_empty() {
                notes.push(format!("the prefix {text:?} is no token of the vocabulary: it is read as text"));
                prompt.insert_str(0, text);
            }
            if side == Side::Query {
                expansion = self.expansion(rules, max_tokens)?;
            }
        }
        if max_tokens < tokenizer.marks().0 + usize::from(prefix.is_some()) + 1 {
            return Err(EncodeError::Field {
                path: recipe.transformer.root().to_owned(),
                field: if side == Side::Query { "query length" } else { "document length" },
                found: max_tokens.to_string(),
                expected: "room for the marks and one token",
            });
        }
        let prompt_tokens = match prompt.is_empty() {
            true => 0,
            false => {
                let tokens = tokenizer.tokens("", &prompt, max_tokens, true)?;
                // The mark at the end comes after the text, not after the prompt.
                let ends_with_mark = tokens.spans.last() == Some(&(0, 0));
                tokens.ids.len() - usize::from(ends_with_mark)
            }
        };
        Ok(SideRules { prompt, prompt_tokens, prefix, max_tokens, expansion })
    }

    /// What the caller wants, else what the directory says, within the positions there are.
    fn max_tokens(&self, side: Side) -> usize {
        let (wanted, stated) = match side {
            Side::Query => (self.options.max_query_tokens, self.recipe.max_query),
            Side::Document => (self.options.max_document_tokens, self.recipe.max_document),
        };
        let positions = self.special.positions;
        let default = positions.map_or(DEFAULT_TOKENS, |positions| positions.min(LONGEST_DEFAULT));
        wanted.or(stated).unwrap_or(default).min(positions.unwrap_or(MAX_TOKENS))
    }

    fn expansion(
        &self,
        rules: &TokenRules,
        max_tokens: usize,
    ) -> Result<Option<(Expansion, u32)>, EncodeError> {
        let Some(mut expansion) = rules.expansion.clone() else { return Ok(None) };
        expansion.length = if expansion.fixed { max_tokens } else { expansion.length.min(max_tokens) };
        let token = match &expansion.token {
            Some(token) => self.tokenizer.id(token),
            None => self.special.expansion(self.tokenizer),
        };
        match token {
            Some(token) => Ok(Some((expansion, token))),
            None => Err(EncodeError::Field {
                path: self.recipe.transformer.path("tokenizer.json"),
                field: "mask_token",
                found: "no token".to_owned(),
                expected: "a mask token to fill queries up with, or query expansion turned off",
            }),
        }
    }
}

/// The token a prefix stands for: with its trailing space, as PyLate adds it, or without, as Stanford's `[unused0]`.
fn prefix_token(prefix: &str, tokenizer: &TextTokenizer) -> Option<u32> {
    if prefix.is_empty() {
        return None;
    }
    tokenizer.id(prefix).or_else(|| tokenizer.id(prefix.trim_end()))
}
