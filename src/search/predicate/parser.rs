//! Text to a predicate, by recursive descent.

use serde_json::Value;

use super::lexer::{Kind, Lexer, Word};
use super::test::{Comparison, Field, Test};
use super::{Predicate, PredicateError};

const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Predicate, PredicateError> {
    if text.len() > MAX_BYTES {
        return Err(PredicateError::Length { bytes: text.len(), most: MAX_BYTES });
    }
    let mut lexer = Lexer::new(text);
    let word = lexer.next()?;
    let mut parser = Parser { lexer, word, depth: 0 };
    let predicate = parser.any()?;
    match parser.word.kind {
        Kind::End => Ok(predicate),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    word: Word<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Predicate, PredicateError> {
        let mut parts = vec![self.all()?];
        while self.take("or")? {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Predicate::Any))
    }

    fn all(&mut self) -> Result<Predicate, PredicateError> {
        let mut parts = vec![self.factor()?];
        while self.take("and")? {
            parts.push(self.factor()?);
        }
        Ok(one_or(parts, Predicate::All))
    }

    fn factor(&mut self) -> Result<Predicate, PredicateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PredicateError::Depth { at: self.word.at, most: MAX_DEPTH });
        }
        let factor = if self.take("not")? {
            Predicate::Not(Box::new(self.factor()?))
        } else if self.sign("(")? {
            let inner = self.any()?;
            self.must(")", "`and`, `or` or `)`")?;
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(factor)
    }

    fn test(&mut self) -> Result<Predicate, PredicateError> {
        let field = self.field()?;
        let negated = self.take("not")?;
        let test = if self.take("in")? {
            Test::In(self.list()?)
        } else if self.take("like")? {
            Test::Like(self.text()?)
        } else if self.take("exists")? {
            Test::Exists
        } else if negated {
            return Err(self.expected("`in`, `like` or `exists`"));
        } else {
            return self.comparison(field);
        };
        let test = Predicate::Test(field, test);
        Ok(if negated { Predicate::Not(Box::new(test)) } else { test })
    }

    fn comparison(&mut self, field: Field) -> Result<Predicate, PredicateError> {
        let (comparison, negated) = match self.word.kind {
            Kind::Sign("=") => (Comparison::Equal, false),
            Kind::Sign("!=") => (Comparison::Equal, true),
            Kind::Sign("<") => (Comparison::Less, false),
            Kind::Sign("<=") => (Comparison::AtMost, false),
            Kind::Sign(">") => (Comparison::More, false),
            Kind::Sign(">=") => (Comparison::AtLeast, false),
            _ => return Err(self.expected("a comparison such as `=`, or `in`, `like`, `exists`")),
        };
        self.step()?;
        let test = Predicate::Test(field, Test::Compare(comparison, self.value()?));
        Ok(if negated { Predicate::Not(Box::new(test)) } else { test })
    }

    fn field(&mut self) -> Result<Field, PredicateError> {
        if let Kind::Name(name) = self.word.kind {
            let own = match name {
                "id" => Some(Field::Id),
                "title" => Some(Field::Title),
                "text" => Some(Field::Text),
                _ => None,
            };
            if let Some(own) = own {
                self.step()?;
                return Ok(own);
            }
        }
        let mut path = vec![self.name()?];
        while self.sign(".")? {
            path.push(self.name()?);
        }
        Ok(Field::Metadata(path))
    }

    fn name(&mut self) -> Result<String, PredicateError> {
        let name = match &self.word.kind {
            Kind::Name(name) if !is_keyword(name) => (*name).to_owned(),
            Kind::Quoted(name) => name.clone(),
            _ => return Err(self.expected("the name of a field (in ` if it is a word of the language)")),
        };
        self.step()?;
        Ok(name)
    }

    fn list(&mut self) -> Result<Vec<Value>, PredicateError> {
        if !self.sign("(")? {
            return Err(self.expected("`(` and a list of values"));
        }
        let mut values = Vec::new();
        if self.sign(")")? {
            return Ok(values);
        }
        loop {
            values.push(self.value()?);
            if !self.sign(",")? {
                break;
            }
        }
        self.must(")", "`,` or `)`")?;
        Ok(values)
    }

    fn text(&mut self) -> Result<String, PredicateError> {
        match self.value()? {
            Value::String(text) => Ok(text),
            _ => Err(self.expected("a string before this")),
        }
    }

    fn value(&mut self) -> Result<Value, PredicateError> {
        let value = match &self.word.kind {
            Kind::Text(text) => Value::from(text.as_str()),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Name(name) if name.eq_ignore_ascii_case("true") => Value::Bool(true),
            Kind::Name(name) if name.eq_ignore_ascii_case("false") => Value::Bool(false),
            Kind::Name(name) if name.eq_ignore_ascii_case("null") => Value::Null,
            _ => return Err(self.expected("a value: a string in quotes, a number, true, false or null")),
        };
        self.step()?;
        Ok(value)
    }

    fn step(&mut self) -> Result<(), PredicateError> {
        self.word = self.lexer.next()?;
        Ok(())
    }

    fn take(&mut self, keyword: &str) -> Result<bool, PredicateError> {
        let found = matches!(self.word.kind, Kind::Name(name) if name.eq_ignore_ascii_case(keyword));
        if found {
            self.step()?;
        }
        Ok(found)
    }

    fn sign(&mut self, sign: &str) -> Result<bool, PredicateError> {
        let found = matches!(self.word.kind, Kind::Sign(found) if found == sign);
        if found {
            self.step()?;
        }
        Ok(found)
    }

    fn must(&mut self, sign: &str, expected: &'static str) -> Result<(), PredicateError> {
        if self.sign(sign)? { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn expected(&self, expected: &'static str) -> PredicateError {
        let found = match &self.word.kind {
            Kind::Name(name) => format!("`{name}`"),
            Kind::Quoted(name) => format!("the field `{name}`"),
            Kind::Text(text) => format!("the string {text:?}"),
            Kind::Number(number) => format!("the number {number}"),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::End => "the end".to_owned(),
        };
        PredicateError::Expected { at: self.word.at, expected, found }
    }
}

fn is_keyword(name: &str) -> bool {
    ["and", "or", "not", "in", "like", "exists", "true", "false", "null"]
        .iter()
        .any(|keyword| name.eq_ignore_ascii_case(keyword))
}

fn one_or(mut parts: Vec<Predicate>, several: impl FnOnce(Vec<Predicate>) -> Predicate) -> Predicate {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}
