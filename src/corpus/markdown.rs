//! Markdown files: front matter, title, body.

use serde_json::{Map, Value};

use super::error::Problem;

/// Longer front matter is taken for text.
const MAX_FRONT_MATTER: usize = 64 << 10;

/// A Markdown text taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Markdown<'t> {
    /// The front matter's `title`, or the first heading, or empty.
    pub(super) title: String,
    /// Without front matter, and without the heading that became the title if it came first.
    pub(super) text: &'t str,
    pub(super) metadata: Map<String, Value>,
}

/// Takes a Markdown text apart.
pub(super) fn read(file: &str) -> Result<Markdown<'_>, Problem> {
    let (mut metadata, body) = match front_matter(file) {
        Some((matter, separator, body)) => (members(matter, separator)?, body),
        None => (Map::new(), file),
    };
    let mut text = body.trim();
    let mut title = match metadata.remove("title") {
        Some(Value::String(title)) => title,
        Some(other) => {
            metadata.insert("title".to_owned(), other);
            String::new()
        }
        None => String::new(),
    };
    if let Some(heading) = first_heading(text) {
        if title.is_empty() {
            title = heading.title.to_owned();
        }
        if heading.leads && heading.title == title {
            text = heading.after.trim_start();
        }
    }
    Ok(Markdown { title, text, metadata })
}

/// The lines between a first line `---` (or `+++`) and the next such line; the separator of their members.
fn front_matter(file: &str) -> Option<(&str, char, &str)> {
    let (first, rest) = file.split_once('\n')?;
    let (mark, separator) = match first.trim_end() {
        "---" => ("---", ':'),
        "+++" => ("+++", '='),
        _ => return None,
    };
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        let after = end + line.len();
        if line.trim_end() == mark || (separator == ':' && line.trim_end() == "...") {
            return Some((&rest[..end], separator, &rest[after..]));
        }
        if after > MAX_FRONT_MATTER {
            return None;
        }
        end = after;
    }
    None
}

/// Members on lines of their own: scalars as strings, lists as arrays of strings; anything nested deeper
/// stays the string that it is.
fn members(matter: &str, separator: char) -> Result<Map<String, Value>, Problem> {
    let mut members = Map::new();
    let mut lines = matter.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once(separator) else { continue };
        let (name, value) = (unquote(name.trim()).to_owned(), value.trim());
        let mut block = Vec::new();
        while let Some(next) = lines.next_if(|next| is_continuation(next)) {
            block.push(next);
        }
        if members.contains_key(&name) {
            return Err(Problem::RepeatedField { field: name });
        }
        members.insert(name, member(value, &block));
    }
    Ok(members)
}

fn is_continuation(line: &str) -> bool {
    line.starts_with([' ', '\t']) || line.starts_with("- ") || line == "-"
}

fn member(value: &str, block: &[&str]) -> Value {
    let strings =
        |items: Vec<&str>| Value::Array(items.into_iter().map(|item| Value::from(unquote(item))).collect());
    if block.is_empty() {
        return match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
            Some(list) if !list.contains(['[', '{', '"', '\'']) => {
                strings(list.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
            }
            _ => Value::from(unquote(value)),
        };
    }
    let items: Option<Vec<&str>> =
        block.iter().map(|line| line.trim().strip_prefix('-').map(str::trim)).collect();
    match items {
        Some(items) if value.is_empty() => strings(items),
        _ => Value::from([value].iter().chain(block).copied().collect::<Vec<_>>().join("\n").trim()),
    }
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

struct Heading<'t> {
    title: &'t str,
    /// Whether nothing stands before it.
    leads: bool,
    after: &'t str,
}

/// The first heading outside of fenced code: `# Title`, or a line underlined by `===` or `---`.
fn first_heading(text: &str) -> Option<Heading<'_>> {
    let mut fence: Option<&str> = None;
    let mut previous: Option<(&str, bool)> = None;
    let mut at = 0;
    let mut blank_so_far = true;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let trimmed = line.trim();
        if let Some(open) = fence {
            if trimmed.starts_with(open) {
                fence = None;
            }
            continue;
        }
        let after = &text[at..];
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark)) {
            fence = Some(mark);
            (previous, blank_so_far) = (None, false);
            continue;
        }
        if let Some(title) = atx(line) {
            return Some(Heading { title, leads: blank_so_far, after });
        }
        let rule = |mark: char| trimmed.len() >= 2 && trimmed.chars().all(|c| c == mark);
        if let Some((title, leads)) = previous.filter(|_| rule('=') || rule('-')) {
            return Some(Heading { title, leads, after });
        }
        // Only a paragraph of one line is taken for an underlined heading.
        previous = (!trimmed.is_empty() && previous.is_none() && !line.starts_with("    "))
            .then_some((trimmed, blank_so_far));
        blank_so_far &= trimmed.is_empty();
    }
    None
}

fn atx(line: &str) -> Option<&str> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let line = line.trim();
    let level = line.bytes().take_while(|&byte| byte == b'#').count();
    let rest = &line[level..];
    if indent > 3 || !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let stripped = title.trim_end_matches('#');
    let title = if stripped.ends_with([' ', '\t']) { stripped.trim_end() } else { title };
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parts(file: &str) -> (String, &str, Value) {
        let Markdown { title, text, metadata } = read(file).unwrap();
        (title, text, Value::Object(metadata))
    }

    #[test]
    fn headings_become_titles() {
        let none = json!({});
        assert_eq!(parts("\n# Sails #\n\nWind.\n"), ("Sails".into(), "Wind.", none.clone()));
        assert_eq!(parts("Sails\n=====\nWind."), ("Sails".into(), "Wind.", none.clone()));
        assert_eq!(parts("Preface.\n\n## C# ##\nx"), ("C#".into(), "Preface.\n\n## C# ##\nx", none.clone()));
        assert_eq!(parts("```\n# no\n```\n# Yes\n").0, "Yes");
        assert_eq!(
            parts("#hashtag\n\n    # code\n\ntext"),
            (String::new(), "#hashtag\n\n    # code\n\ntext", none.clone())
        );
        assert_eq!(parts("a\nb\n---\nc"), (String::new(), "a\nb\n---\nc", none.clone()));
        assert_eq!(parts(""), (String::new(), "", none));
    }

    #[test]
    fn front_matter_becomes_metadata() {
        let file = "---\r\ntitle: \"A: B\"\ntags: [x, 'y']\nkinds: [x, y]\nlist:\n  - one\n- two\n# note\nmap:\n  a: 1\n  b: 2\n---\n\n# Other\nText\n";
        let (title, text, metadata) = parts(file);
        assert_eq!((title.as_str(), text), ("A: B", "# Other\nText"));
        assert_eq!(
            metadata,
            json!({"tags": "[x, 'y']", "kinds": ["x", "y"], "list": ["one", "two"], "map": "a: 1\n  b: 2"})
        );
        assert_eq!(parts("+++\ntitle = 'T'\n+++\nx"), ("T".into(), "x", json!({})));
        assert_eq!(parts("---\ntitle: T\n---\n# T\nx"), ("T".into(), "x", json!({})));
    }

    #[test]
    fn an_open_front_matter_is_text() {
        assert_eq!(parts("---\nx: 1\n"), (String::new(), "---\nx: 1", json!({})));
        let long = format!("---\n{}---\nx", "a: b\n".repeat(20_000));
        assert_eq!(parts(&long).1, long);
        assert_eq!(read("---\na: 1\na: 2\n---\n"), Err(Problem::RepeatedField { field: "a".into() }));
    }
}
