//! Which word of a document answers which word of a query: every token against every token.

use super::{Html, StyleRules, THEME};
use lateen::retriever::TokenMap;
use std::fmt::Write as _;

const STYLE: &str = include_str!("heat_map.css");
/// Shades of a cell; 0 is none.
const SHADES: usize = 8;
/// Pixels of a matrix cell.
const CELL: usize = 14;
/// Characters of a label, and pixels for each.
const LABEL: (usize, usize) = (14, 8);
/// Wider documents are shown in their text only: the matrix of more columns helps nobody.
const MOST_COLUMNS: usize = 1024;

/// One document on the page.
pub struct Section<'a> {
    /// `1.` or what is said instead of a rank.
    pub heading: String,
    pub map: &'a TokenMap,
    /// What became of it in the search, in lines.
    pub notes: Vec<String>,
}

/// The page for one query.
pub fn page(query: &str, sections: &[Section<'_>]) -> String {
    let mut body = Html::new();
    body.raw("<main>").with("h1", &[], format_args!("“{query}”"));
    body.with("p", &[("class", "dim")], "Late interaction adds up, over the tokens of the query, the largest product with a token of the \
        document. Darker is closer; grey words have no vector of their own. Point at a token of the query, or reach it with the Tab key, to see which token answers it.");
    for section in sections {
        one(&mut body, section);
    }
    body.raw("</main>");
    let most = sections.iter().map(|section| section.map.best.len()).max().unwrap_or(0);
    let mut rules = StyleRules::default();
    for row in 0..most {
        rules.light("q", "a", row);
    }
    // One style element: the theme first.
    Html::page(&format!("Lateen: {query}"), style(), &rules, body)
}

fn style() -> &'static str {
    const BOTH: &str = concat!(include_str!("theme.css"), include_str!("heat_map.css"));
    debug_assert!(BOTH.len() == THEME.len() + STYLE.len());
    BOTH
}

fn one(body: &mut Html, section: &Section<'_>) {
    let map = section.map;
    body.tag("section", &[("class", "map")], |out| {
        out.with("h2", &[], format_args!("{} {}  ({:.4})", section.heading, map.id, map.explanation.score));
        for note in &section.notes {
            out.with("p", &[("class", "note")], note);
        }
        query(out, map);
        document(out, map);
        if map.document_spans.len() <= MOST_COLUMNS {
            matrix(out, map);
        }
        table(out, map);
    });
}

/// The word behind a row of the query.
fn asked(map: &TokenMap, row: usize) -> &str {
    piece(&map.query, map.query_spans.get(row).copied().unwrap_or((0, 0)))
}

/// The words behind a row of the document.
fn found(map: &TokenMap, row: usize) -> String {
    let spans = map.document_spans.get(row).map_or(&[][..], Vec::as_slice);
    let words: Vec<&str> = spans.iter().map(|span| piece(&map.document, *span)).collect();
    if words.is_empty() { MARK.to_owned() } else { words.join(" ") }
}

const MARK: &str = "(mark)";

fn piece(text: &str, (start, end): (u32, u32)) -> &str {
    text.get(start as usize..end as usize).filter(|piece| !piece.is_empty()).unwrap_or(MARK)
}

/// The product of a query's row and a document's row.
fn product(map: &TokenMap, query_row: usize, document_row: usize) -> f32 {
    map.products.get(document_row * map.best.len() + query_row).copied().unwrap_or(0.0)
}

/// From 0 to [`SHADES`], against the largest product of the document.
fn shade(value: f32, largest: f32) -> usize {
    if largest <= 0.0 || value <= 0.0 {
        return 0;
    }
    ((value / largest).powi(2) * SHADES as f32).round().clamp(0.0, SHADES as f32) as usize
}

fn largest(map: &TokenMap) -> f32 {
    map.products.iter().copied().fold(0.0, f32::max)
}

fn query(out: &mut Html, map: &TokenMap) {
    out.tag("p", &[("class", "tokens query")], |out| {
        for row in 0..map.best.len() {
            let matched = &map.explanation.matches[row];
            let says = format!(
                "{} → {}: adds {:.4}, cosine {:.3}",
                asked(map, row),
                found(map, map.best[row]),
                matched.contribution,
                matched.similarity
            );
            let class = format!("q{row}");
            out.with("span", &[("class", &class), ("tabindex", "0"), ("data-says", &says)], asked(map, row));
            out.raw(" ");
        }
    });
}

/// The text, each token as dark as its largest product; what has no vector is grey.
fn document(out: &mut Html, map: &TokenMap) {
    let top = largest(map);
    let mut pieces: Vec<(usize, usize, usize)> = Vec::new();
    for (row, spans) in map.document_spans.iter().enumerate() {
        pieces.extend(spans.iter().map(|span| (span.0 as usize, span.1 as usize, row)));
    }
    pieces.retain(|&(start, end, _)| start < end && map.document.get(start..end).is_some());
    pieces.sort_unstable();
    out.tag("p", &[("class", "tokens")], |out| {
        let mut at = 0;
        for (start, end, row) in pieces {
            if start < at {
                continue;
            }
            gap(out, &map.document[at..start]);
            token(out, map, row, (&map.document[start..end], top));
            at = end;
        }
        gap(out, &map.document[at..]);
    });
}

fn gap(out: &mut Html, text: &str) {
    if text.trim().is_empty() {
        out.text(text);
    } else {
        out.with("span", &[("class", "skipped")], text);
    }
}

fn token(out: &mut Html, map: &TokenMap, row: usize, (text, top): (&str, f32)) {
    let products = (0..map.best.len()).map(|query_row| (query_row, product(map, query_row, row)));
    let (closest, value) =
        products.fold((0, f32::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
    let mut class = String::new();
    if let shade @ 1.. = shade(value, top) {
        let _ = write!(class, "h{shade}");
    }
    let answers: Vec<usize> = (0..map.best.len()).filter(|query_row| map.best[*query_row] == row).collect();
    for query_row in &answers {
        let _ = write!(class, " a{query_row}");
    }
    if answers.is_empty() {
        out.with("span", &[("class", class.trim())], text);
        return;
    }
    let asked: Vec<&str> = answers.iter().map(|query_row| asked(map, *query_row)).collect();
    let says = format!("answers {}; closest to {} ({value:.4})", asked.join(", "), self::asked(map, closest));
    out.with("span", &[("class", class.trim()), ("tabindex", "0"), ("data-says", &says)], text);
}

/// Rows are query tokens, columns document tokens; one path for each shade keeps it small.
fn matrix(out: &mut Html, map: &TokenMap) {
    let (rows, columns) = (map.best.len(), map.document_spans.len());
    let top = largest(map);
    let labels = |texts: &mut dyn Iterator<Item = String>| {
        let longest = texts.map(|text| text.chars().map(width).sum::<usize>()).max().unwrap_or(0);
        longest.min(LABEL.0) * LABEL.1 + CELL
    };
    let left = labels(&mut (0..rows).map(|row| asked(map, row).to_owned()));
    let above = labels(&mut (0..columns).map(|column| found(map, column)));
    let mut paths = vec![String::new(); SHADES + 1];
    for row in 0..rows {
        for column in 0..columns {
            let path = &mut paths[shade(product(map, row, column), top)];
            let (x, y) = (left + column * CELL, above + row * CELL);
            let _ = write!(path, "M{x} {y}h{CELL}v{CELL}h-{CELL}z");
        }
    }
    // The last labels lean over the edge.
    let (width, height) =
        ((left + columns * CELL + above).to_string(), (above + rows * CELL + CELL / 2).to_string());
    let view = format!("0 0 {width} {height}");
    let label = format!("{rows} query tokens against {columns} document tokens");
    out.tag(
        "div",
        &[("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", &label)],
        |out| {
            let attributes =
                [("viewBox", view.as_str()), ("width", &width), ("height", &height), ("role", "img")];
            out.tag("svg", &attributes, |out| {
                out.with("title", &[], &label);
                for (shade, path) in paths.iter().enumerate().skip(1).filter(|(_, path)| !path.is_empty()) {
                    let opacity = format!("{:.2}", shade as f32 / SHADES as f32);
                    out.empty("path", &[("class", "cell"), ("fill-opacity", &opacity), ("d", path)]);
                }
                for column in 0..columns {
                    let place = (left + column * CELL + CELL / 2 + 2, above - 4);
                    column_label(out, &found(map, column), place);
                }
                for row in 0..rows {
                    labelled_row(out, map, row, (left, above));
                }
            });
        },
    );
}

/// How many narrow characters wide a character is.
fn width(c: char) -> usize {
    if c >= '\u{1100}' { 2 } else { 1 }
}

fn short(text: &str) -> String {
    let mut room = LABEL.0;
    let fits = |c: &char| {
        let fits = width(*c) <= room;
        room = room.saturating_sub(width(*c));
        fits
    };
    text.chars().take_while(fits).collect()
}

fn column_label(out: &mut Html, text: &str, (x, y): (usize, usize)) {
    let turn = format!("translate({x} {y}) rotate(-60)");
    out.with("text", &[("class", "faint"), ("transform", &turn)], short(text));
}

fn labelled_row(out: &mut Html, map: &TokenMap, row: usize, (left, above): (usize, usize)) {
    let (y, x) = (above + row * CELL, left + map.best[row] * CELL);
    let (text_x, text_y) = ((left - 6).to_string(), (y + CELL - 3).to_string());
    out.with("text", &[("x", &text_x), ("y", &text_y), ("text-anchor", "end")], short(asked(map, row)));
    let (x, y, size) = (x.to_string(), y.to_string(), CELL.to_string());
    let class = format!("peak q{row}");
    let attributes = [
        ("class", class.as_str()),
        ("x", &x),
        ("y", &y),
        ("width", &size),
        ("height", &size),
        ("tabindex", "0"),
    ];
    let contribution = map.explanation.matches[row].contribution;
    out.tag("rect", &attributes, |out| {
        let says = format!("{} → {}: {contribution:.4}", asked(map, row), found(map, map.best[row]));
        out.with("title", &[], says);
    });
}

fn table(out: &mut Html, map: &TokenMap) {
    let contributions: Vec<f32> = map.explanation.matches.iter().map(|row| row.contribution).collect();
    let shown = crate::text::summing(&contributions, map.explanation.score);
    out.tag("details", &[], |out| {
        out.with("summary", &[], "The sum, token by token");
        out.raw("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>query</th><th class=\"left\">document</th><th>adds</th><th>cosine</th></tr></thead><tbody>");
        for (row, adds) in shown.iter().enumerate() {
            out.tag("tr", &[], |out| {
                out.with("td", &[], asked(map, row)).with("td", &[("class", "left")], found(map, map.best[row]));
                out.with("td", &[], adds);
                out.with("td", &[], format_args!("{:.3}", map.explanation.matches[row].similarity));
            });
        }
        out.tag("tr", &[("class", "best")], |out| {
            out.raw("<td>score</td><td></td>");
            out.with("td", &[], format_args!("{:.4}", map.explanation.score)).raw("<td></td>");
        });
        out.raw("</tbody></table></div>");
    });
}
