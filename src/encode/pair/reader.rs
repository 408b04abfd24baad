//! Query and document to the tokens that a model reads, whole or in windows.

use std::ops::Range;

use super::super::EncodeError;
use super::super::text::{PairMarks, TextTokenizer, Tokens, longest_first};
use super::template::PairTemplate;
use super::window::{LEAST_ROOM, Windows, readable, windows};

/// What a model reads for one window of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) ids: Vec<u32>,
    /// Which text each token belongs to; empty where all are 0.
    pub(super) types: Vec<u32>,
}

/// A row and the bytes of the document that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) row: Row,
    pub(super) bytes: Range<usize>,
}

/// The windows of a document, and whether some of it is in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) windows: Vec<Window>,
    pub(super) cut: bool,
}

/// Puts query and document together.
pub(super) struct Reader {
    pub(super) form: Form,
    /// The most tokens of a row, or of what of it is counted.
    pub(super) max_tokens: usize,
    /// The most tokens of a query.
    pub(super) max_query_tokens: Option<usize>,
}

/// How query and document are put together.
pub(super) enum Form {
    /// By the tokenizer's own template for pairs.
    Pair { marks: PairMarks, single: usize },
    /// By a template of texts.
    Text(Box<TextForm>),
}

/// A template with its fixed parts as tokens.
pub(super) struct TextForm {
    pub(super) template: PairTemplate,
    pub(super) instruction: Option<String>,
    pub(super) head: Vec<u32>,
    pub(super) separator: Vec<u32>,
    pub(super) tail: Vec<u32>,
}

/// A query, tokenised once for all documents.
pub(super) struct QueryPart {
    text: String,
    pub(super) ids: Vec<u32>,
}

impl TextForm {
    pub(super) fn new(
        template: PairTemplate,
        instruction: Option<String>,
        tokenizer: &TextTokenizer,
        (begin, end): (Option<u32>, Option<u32>),
    ) -> Result<Self, EncodeError> {
        let tokens = |texts: &[String]| -> Result<Vec<u32>, EncodeError> {
            let each = texts.iter().map(|text| Ok(tokenizer.tokens("", text, ALL, false)?.ids));
            Ok(each.collect::<Result<Vec<_>, EncodeError>>()?.concat())
        };
        let mut head: Vec<u32> = begin.filter(|_| template.begin).into_iter().collect();
        head.extend(tokens(&template.head)?);
        let separator = tokens(std::slice::from_ref(&template.separator))?;
        let mut tail = tokens(&template.tail)?;
        tail.extend(end.filter(|_| template.end));
        Ok(Self { template, instruction, head, separator, tail })
    }

    /// Tokens of `max_tokens` that are there for query, separator and document.
    fn room(&self, max_tokens: usize) -> usize {
        let counted = match (self.template.counts_fixed, self.template.begin) {
            (true, _) => self.head.len() + self.tail.len(),
            // The begin-of-text token counts even where the rest of the frame does not.
            (false, true) => self.head.len().min(1),
            (false, false) => 0,
        };
        max_tokens.saturating_sub(counted)
    }
}

/// More tokens than any text has that is not cut.
pub(super) const ALL: usize = 1 << 40;

impl Reader {
    /// Tokenises the query.
    pub(super) fn query(
        &self,
        tokenizer: &TextTokenizer,
        query: &str,
        plan: Windows,
    ) -> Result<QueryPart, EncodeError> {
        match &self.form {
            Form::Pair { .. } => {
                let most = self.max_query_tokens.unwrap_or(self.max_tokens);
                let ids = tokenizer.tokens("", query, most, false)?.ids;
                Ok(QueryPart { text: String::new(), ids })
            }
            Form::Text(form) => {
                let share = match plan {
                    Windows::Cut => form.template.query_share,
                    // RAG-Retrieval's rule for slices.
                    Windows::First | Windows::All => form.template.query_share.max(0.8),
                };
                let most = (self.max_tokens as f32 * share) as usize;
                let most = most.min(self.max_query_tokens.unwrap_or(ALL)).min(form.room(self.max_tokens));
                let mut text = form.template.query_text(query, form.instruction.as_deref());
                let tokens = tokenizer.tokens("", &text, most, false)?;
                if tokens.truncated {
                    let end = tokens.spans.iter().map(|span| span.1 as usize).max().unwrap_or(0);
                    text.truncate(text.floor_char_boundary(end));
                }
                if form.template.joined {
                    text.push_str(&form.template.separator);
                    text.push_str(form.template.document_prefix());
                }
                Ok(QueryPart { text, ids: tokens.ids })
            }
        }
    }

    /// The windows of a document beside a query.
    pub(super) fn document(
        &self,
        tokenizer: &TextTokenizer,
        query: &QueryPart,
        document: &str,
        plan: Windows,
    ) -> Result<Shown, EncodeError> {
        let (text, most) = match plan {
            Windows::Cut => (document, self.max_tokens),
            Windows::First | Windows::All => (readable(document), ALL),
        };
        let whole = text.len() == document.len();
        let mut shown = match &self.form {
            Form::Pair { marks, single } => {
                let tokens = tokenizer.tokens("", text, most, false)?;
                self.pair(marks, *single, &query.ids, &tokens, plan)
            }
            Form::Text(form) if form.template.joined => {
                // A token may hold the end of the prefix and the start of the document: they are tokenised as one.
                let tokens = tokenizer.tokens(&query.text, text, most, false)?;
                let start = tokens.spans.iter().position(|span| span.1 > 0).unwrap_or(tokens.ids.len());
                let counted = start.min(form.room(self.max_tokens));
                let fixed = [&form.head, &tokens.ids[..counted]].concat();
                self.text(form, (fixed, counted), &rest(&tokens, start), plan)
            }
            Form::Text(form) => {
                let tokens = tokenizer.tokens(form.template.document_prefix(), text, most, false)?;
                let fixed = [&form.head[..], &query.ids, &form.separator].concat();
                let counted = query.ids.len() + form.separator.len();
                self.text(form, (fixed, counted), &tokens, plan)
            }
        }?;
        shown.cut |= !whole;
        Ok(shown)
    }

    fn pair(
        &self,
        marks: &PairMarks,
        single: usize,
        query: &[u32],
        tokens: &Tokens,
        plan: Windows,
    ) -> Result<Shown, EncodeError> {
        let around = marks.before.len() + marks.between.len() + marks.after.len();
        let (kept, room) = match plan {
            Windows::Cut => {
                let room = self.max_tokens.saturating_sub(around);
                longest_first(query.len(), tokens.ids.len(), room)
            }
            Windows::First | Windows::All => {
                // As RAG-Retrieval counts: the query with its own marks, and two more.
                (query.len(), self.checked_room(self.max_tokens, query.len() + single + 2, tokens.ids.len())?)
            }
        };
        let query = &query[..kept];
        let row = |window: &Range<usize>| {
            let typed = |ids: &[u32], kind| ids.iter().map(|&id| (id, kind)).collect::<Vec<_>>();
            let first = typed(query, marks.first_type);
            let second = typed(&tokens.ids[window.clone()], marks.second_type);
            let all = [&marks.before[..], &first, &marks.between, &second, &marks.after].concat();
            let (ids, types) = all.into_iter().unzip();
            Row { ids, types }
        };
        Ok(shown(tokens, room, plan, row))
    }

    /// `fixed`: all tokens before the document's, and how many of them count beside what the form counts anyway.
    fn text(
        &self,
        form: &TextForm,
        (fixed, counted): (Vec<u32>, usize),
        tokens: &Tokens,
        plan: Windows,
    ) -> Result<Shown, EncodeError> {
        let all = form.room(self.max_tokens);
        let room = match plan {
            Windows::Cut => all.saturating_sub(counted),
            Windows::First | Windows::All => self.checked_room(all, counted, tokens.ids.len())?,
        };
        let row = |window: &Range<usize>| Row {
            ids: [&fixed[..], &tokens.ids[window.clone()], &form.tail].concat(),
            types: Vec::new(),
        };
        Ok(shown(tokens, room, plan, row))
    }

    /// The room that is left for a window of a document of `tokens` tokens; a document that fits needs no slicing.
    fn checked_room(&self, all: usize, taken: usize, tokens: usize) -> Result<usize, EncodeError> {
        match all.saturating_sub(taken) {
            room if room > LEAST_ROOM || taken + tokens <= all => Ok(room),
            room => Err(EncodeError::NoRoom { max_tokens: self.max_tokens, room, least: LEAST_ROOM + 1 }),
        }
    }
}

/// The windows that a plan asks for.
fn shown(tokens: &Tokens, room: usize, plan: Windows, row: impl Fn(&Range<usize>) -> Row) -> Shown {
    let count = tokens.ids.len();
    let ranges = match plan {
        Windows::Cut => std::iter::once(0..count.min(room)).collect(),
        Windows::First => windows(count, room)[..1].to_vec(),
        Windows::All => windows(count, room),
    };
    let cut = tokens.truncated || ranges.last().is_some_and(|last| last.end < count);
    let window =
        |range: &Range<usize>| Window { row: row(range), bytes: bytes(&tokens.spans[range.clone()]) };
    Shown { windows: ranges.iter().map(window).collect(), cut }
}

/// The bytes of a text behind tokens.
fn bytes(spans: &[(u32, u32)]) -> Range<usize> {
    let real = || spans.iter().filter(|span| span.1 > 0);
    let start = real().map(|span| span.0).min().unwrap_or(0);
    start as usize..real().map(|span| span.1).max().unwrap_or(start) as usize
}

/// The tokens from `start` on.
fn rest(tokens: &Tokens, start: usize) -> Tokens {
    Tokens {
        ids: tokens.ids[start..].to_vec(),
        types: Vec::new(),
        spans: tokens.spans[start..].to_vec(),
        truncated: tokens.truncated,
    }
}
