//! The part of YAML that settings files of other trainers use: one flat mapping of scalars and lists of scalars.
//!
//! Comments, plain and quoted scalars, `[a, b]` and lists of `- a` lines are read. Nested mappings, anchors, tags, block
//! scalars and several documents are not, and say so with their line.

use toml::Value;

use super::error::ConfigError;

/// Reads a flat mapping, in order. Empty values (`null`, `~`, nothing) are left out.
///
/// # Errors
/// [`ConfigError::Syntax`].
pub(super) fn read(text: &str, file: &str) -> Result<Vec<(String, Value)>, ConfigError> {
    let mut entries: Vec<(String, Option<Value>)> = Vec::new();
    for (at, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let fail = |reason: String| ConfigError::Syntax { file: file.to_owned(), line: at + 1, reason };
        let line = without_comment(raw).trim_end();
        let trimmed = line.trim_start();
        if trimmed.is_empty() || (entries.is_empty() && trimmed == "---") {
            continue;
        }
        if let Some(item) = trimmed.strip_prefix("- ") {
            let Some((_, value @ (None | Some(Value::Array(_))))) = entries.last_mut() else {
                return Err(fail("a list item that belongs to no key".to_owned()));
            };
            let item = scalar(item.trim()).map_err(&fail)?;
            match value {
                Some(Value::Array(list)) => list.extend(item),
                value => *value = Some(Value::Array(item.into_iter().collect())),
            }
            continue;
        }
        if line.len() != trimmed.len() || trimmed == "---" || trimmed == "..." {
            return Err(fail("only one flat mapping of keys to values is read".to_owned()));
        }
        let (key, value) = entry(trimmed).map_err(&fail)?;
        if entries.iter().any(|(other, _)| *other == key) {
            return Err(fail(format!("the key {key:?} is there twice")));
        }
        entries.push((key, value));
    }
    Ok(entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

fn entry(line: &str) -> Result<(String, Option<Value>), String> {
    let (key, value) = line.split_once(':').ok_or("no `key: value`")?;
    let key = key.trim().trim_matches(['"', '\'']);
    if key.is_empty() || !(value.is_empty() || value.starts_with([' ', '\t'])) {
        return Err("no `key: value`".to_owned());
    }
    let value = value.trim();
    if let Some(list) = value.strip_prefix('[') {
        let list = list.strip_suffix(']').ok_or("a list must end with `]` on its line")?;
        let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        let items = items.map(scalar).collect::<Result<Vec<_>, _>>()?;
        return Ok((key.to_owned(), Some(Value::Array(items.into_iter().flatten().collect()))));
    }
    Ok((key.to_owned(), scalar(value)?))
}

/// The line up to a `#` outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if before.is_whitespace() => return &line[..at],
            // A quote within a word is an apostrophe.
            (None, '"' | '\'') if matches!(before, ' ' | '\t' | '[' | ',' | ':') => quote = Some(character),
            (Some(open), character) if open == character && before != '\\' => quote = None,
            _ => {}
        }
        before = character;
    }
    line
}

fn scalar(text: &str) -> Result<Option<Value>, String> {
    if let Some(rest) = text.strip_prefix('"') {
        let inner = rest.strip_suffix('"').ok_or("a quote is never closed")?;
        return unescape(inner).map(|text| Some(Value::String(text)));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let inner = rest.strip_suffix('\'').ok_or("a quote is never closed")?;
        return Ok(Some(Value::String(inner.replace("''", "'"))));
    }
    if text.starts_with(['&', '*', '!', '|', '>', '{', '%', '@', '`']) {
        return Err(format!("{text:?}: only plain and quoted values and lists are read"));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => None,
        "true" | "True" | "TRUE" => Some(Value::Boolean(true)),
        "false" | "False" | "FALSE" => Some(Value::Boolean(false)),
        _ => Some(match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::Integer(number),
            (_, Ok(number)) if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                Value::Float(number)
            }
            _ => Value::String(text.to_owned()),
        }),
    })
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '"' {
            return Err("text follows a closing quote".to_owned());
        }
        if character != '\\' {
            plain.push(character);
            continue;
        }
        plain.push(match characters.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(same @ ('"' | '\\' | '/')) => same,
            other => return Err(format!("the escape \\{} is not read", other.unwrap_or(' '))),
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_files_are_read() {
        let text = "# Model\nname: \"a/b\" # or another\ntype: 'it''s'\n\nlr: 1e-4\nn: 15\nyes: True\nnone:\nseq: \"\\n\"\n\
            path: ../x#y\ndims: [1, 2]\nfiles:\n  - a\n  - \"b\"\nplain: query: {}\n";
        let entries = read(text, "x").unwrap();
        let find = |key: &str| {
            entries.iter().find(|(name, _)| name == key).map(|(_, value)| crate::config::keys::text(value))
        };
        assert_eq!(find("name").as_deref(), Some("\"a/b\""));
        assert_eq!(find("type").as_deref(), Some("\"it's\""));
        assert_eq!((find("lr").as_deref(), find("n").as_deref()), (Some("0.0001"), Some("15")));
        assert_eq!((find("yes").as_deref(), find("none")), (Some("true"), None));
        assert_eq!(find("dims").as_deref(), Some("[1, 2]"));
        assert_eq!(find("files").as_deref(), Some("[\"a\", \"b\"]"));
        assert_eq!(find("path").as_deref(), Some("\"../x#y\""));
        assert_eq!(find("plain").as_deref(), Some("\"query: {}\""));
        assert!(find("seq").is_some());
    }

    #[test]
    fn what_is_not_read_is_told_with_its_line() {
        for (text, line) in [
            ("a: 1\nb:\n  c: 2\n", 3),
            ("a: &x 1\n", 1),
            ("a: |\n  text\n", 1),
            ("a: \"open\n", 1),
            ("a: 1\na: 2\n", 2),
            ("just words\n", 1),
            ("- a\n", 1),
            ("a: 1\n---\nb: 2\n", 2),
            ("a: [1, 2\n", 1),
        ] {
            match read(text, "f.yaml") {
                Err(ConfigError::Syntax { line: found, .. }) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
