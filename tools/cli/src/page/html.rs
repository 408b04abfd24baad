//! Markup that is sound by construction: what comes from outside is escaped, whatever it says.

use std::fmt::{self, Write as _};

/// HTML or inline SVG, in the making.
#[derive(Debug, Default)]
pub struct Html(String);

/// An attribute's name and value.
pub type Attribute<'a> = (&'static str, &'a str);

impl Html {
    pub fn new() -> Self {
        Self::default()
    }

    /// Markup that is part of this program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, escaped; what a browser would obey instead of show is left out.
    pub fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        push_escaped(&mut self.0, &text.to_string());
        self
    }

    /// An element and what it holds.
    pub fn tag(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(name, attributes);
        content(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }

    /// An element that holds text.
    pub fn with(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        text: impl fmt::Display,
    ) -> &mut Self {
        self.tag(name, attributes, |inner| {
            inner.text(text);
        })
    }

    /// An element that holds nothing: one that needs no end tag, or one of SVG.
    pub fn empty(&mut self, name: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.open(name, attributes);
        self.0.pop();
        self.0.push_str("/>");
        self
    }

    fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            push_escaped(&mut self.0, value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// A whole page: `style` is part of this program, `rules` were made by it of numbers alone.
    pub fn page(title: &str, style: &'static str, rules: &StyleRules, body: Self) -> String {
        let mut page = Self::new();
        page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        // Nothing is loaded and nothing runs, even if a text got past the escaping.
        page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
        page.with("title", &[], title);
        page.raw("\n<style>\n").raw(style);
        page.0.push_str(&rules.0);
        page.raw("</style>\n</head>\n<body>\n");
        page.0.push_str(&body.0);
        page.raw("\n</body>\n</html>\n");
        page.0
    }

    #[cfg(test)]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Style rules made of numbers.
#[derive(Debug, Default)]
pub struct StyleRules(String);

impl StyleRules {
    /// While the element `#{by}{number}` is pointed at or has the focus, everything in its section with the class `{what}{number}` is lit.
    pub fn light(&mut self, by: &'static str, what: &'static str, number: usize) {
        let _ = writeln!(
            self.0,
            ".map:has(.{by}{number}:hover) .{what}{number},.map:has(.{by}{number}:focus) .{what}{number}{{outline:2px solid var(--mark);background:var(--lit);color:var(--ink)}}"
        );
    }
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if crate::text::is_hostile(c) => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        let mut html = Html::new();
        let hostile = "\"><script>alert('x')</script>&\u{202e}\u{0}\u{1b}[31m";
        html.tag("p", &[("title", hostile)], |p| {
            p.text(hostile).empty("br", &[]).with("b", &[], hostile);
        });
        let safe = "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;[31m";
        assert_eq!(html.as_str(), format!("<p title=\"{safe}\">{safe}<br/><b>{safe}</b></p>"));
        let page = Html::page("</title><script>", "", &StyleRules::default(), html);
        assert!(!page.contains("<script"), "{page}");
    }
}
