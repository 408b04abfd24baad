//! The words of a predicate.

use super::PredicateError;

/// A word and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word<'a> {
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    /// `and`, `year`, `true`; dots stand alone.
    Name(&'a str),
    /// In backticks: never a keyword.
    Quoted(String),
    Text(String),
    Number(serde_json::Number),
    /// `= != < <= > >= ( ) , .`
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 12] = ["!=", "<>", "<=", ">=", "==", "=", "<", ">", "(", ")", ",", "."];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Word<'a>, PredicateError> {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        let at = self.at;
        let Some(first) = rest.chars().next() else { return Ok(Word { at, kind: Kind::End }) };
        let kind = match first {
            '\'' | '"' => Kind::Text(self.quoted(rest, first)?),
            '`' => Kind::Quoted(self.quoted(rest, first)?),
            '0'..='9' | '-' | '+' => self.number(rest)?,
            c if is_name(c) => {
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                self.at += end;
                Kind::Name(&rest[..end])
            }
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Kind::Sign(match sign {
                        "<>" => "!=",
                        "==" => "=",
                        sign => sign,
                    })
                }
                None => {
                    return Err(PredicateError::Expected {
                        at,
                        expected: "a name, a value, a sign or a parenthesis",
                        found: format!("{first:?}"),
                    });
                }
            },
        };
        Ok(Word { at, kind })
    }

    /// What stands between two quotes; two quotes in a row are one.
    fn quoted(&mut self, rest: &str, quote: char) -> Result<String, PredicateError> {
        let mut text = String::new();
        let mut characters = rest.char_indices().skip(1).peekable();
        while let Some((place, c)) = characters.next() {
            if c != quote {
                text.push(c);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                self.at += place + quote.len_utf8();
                return Ok(text);
            }
        }
        Err(PredicateError::Unclosed { at: self.at, quote })
    }

    fn number(&mut self, rest: &'a str) -> Result<Kind<'a>, PredicateError> {
        let digits = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let end = rest.find(|c| !digits(c)).unwrap_or(rest.len());
        let found = &rest[..end];
        let number = found.strip_prefix('+').unwrap_or(found);
        match serde_json::from_str(number) {
            Ok(number) => {
                self.at += end;
                Ok(Kind::Number(number))
            }
            Err(_) => Err(PredicateError::Number { at: self.at, found: found.to_owned() }),
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}
