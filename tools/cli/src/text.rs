//! Text from documents, made fit for a terminal.

use std::borrow::Cow;
use std::ops::Range;

/// `text` without what a terminal would obey instead of show: control characters (ANSI escapes begin with one)
/// and the marks that reorder text. Line breaks and tabs become spaces.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let keep = |c: char| match c {
        '\n' | '\r' | '\t' => Some(' '),
        c if is_hostile(c) => None,
        c => Some(c),
    };
    Cow::Owned(text.chars().filter_map(keep).collect())
}

/// C0, C1, delete, and the bidirectional embeddings, overrides and isolates.
pub fn is_hostile(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Ranges of bytes, widened to whole words, ascending and apart.
pub fn whole_words(text: &str, mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| range.start < range.end && text.get(range.clone()).is_some());
    for range in &mut ranges {
        *range = widen(text, range.clone());
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// A token is often a piece of a word; people read words. Scripts without spaces stay as they are.
fn widen(text: &str, range: Range<usize>) -> Range<usize> {
    let joins = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    let inner = &text[range.clone()];
    let mut wide = range.clone();
    if inner.chars().next().is_some_and(joins) {
        wide.start = text[..range.start]
            .char_indices()
            .rev()
            .take_while(|&(_, c)| joins(c))
            .last()
            .map_or(range.start, |(at, _)| at);
    }
    if inner.chars().next_back().is_some_and(joins) {
        let tail = text[range.end..].chars().take_while(|&c| joins(c)).map(char::len_utf8).sum::<usize>();
        wide.end = range.end + tail;
    }
    wide
}

/// Han, kana and Thai to Khmer: written without spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// The part of `text`, about `width` characters, that holds most of the weight of `marks`.
pub fn window(text: &str, marks: &[(Range<usize>, f32)], width: usize) -> Range<usize> {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if starts.len() <= width {
        return 0..text.len();
    }
    let end_of = |first: usize| starts.get(first + width).copied().unwrap_or(text.len());
    let position = |byte: usize| starts.partition_point(|&at| at < byte);
    let weight = |first: usize| {
        let (from, to) = (starts[first], end_of(first));
        marks
            .iter()
            .filter(|(mark, _)| from <= mark.start && mark.end <= to)
            .map(|(_, weight)| weight)
            .sum::<f32>()
    };
    // A good window begins a little before a mark.
    let lead = width / 8;
    let last = starts.len() - width;
    let candidates = marks.iter().map(|(mark, _)| position(mark.start).saturating_sub(lead).min(last));
    let mut best = (0, weight(0));
    for first in candidates {
        let weight = weight(first);
        if weight > best.1 {
            best = (first, weight);
        }
    }
    to_word_ends(text, starts[best.0]..end_of(best.0))
}

/// Moves both ends inwards to the next space, if there is one near.
fn to_word_ends(text: &str, range: Range<usize>) -> Range<usize> {
    let near = 24;
    let part = &text[range.clone()];
    let start = if range.start == 0 {
        0
    } else {
        part.find(char::is_whitespace).filter(|&at| at <= near).map_or(range.start, |at| range.start + at + 1)
    };
    let end = if range.end == text.len() {
        text.len()
    } else {
        part.rfind(char::is_whitespace)
            .filter(|&at| part.len() - at <= near)
            .map_or(range.end, |at| range.start + at)
    };
    if start < end && text.is_char_boundary(start) { start..end } else { range }
}

/// Numbers with four decimals that add up to `total` with four decimals: each is rounded down, and the largest rests are rounded
/// up, as many as the total needs.
pub fn summing(values: &[f32], total: f32) -> Vec<String> {
    const UNIT: f64 = 1e4;
    let scaled: Vec<f64> = values.iter().map(|value| f64::from(*value) * UNIT).collect();
    // As formatting rounds it, and not otherwise.
    let total = format!("{total:.4}").parse::<f64>().map_or(0.0, |total| (total * UNIT).round());
    let mut units: Vec<f64> = scaled.iter().map(|value| value.floor()).collect();
    let missing = total - units.iter().sum::<f64>();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| (scaled[b] - units[b]).total_cmp(&(scaled[a] - units[a])));
    // At most one each: what is missing beyond that is no matter of rounding, and stays visible.
    for at in order.into_iter().take(missing.clamp(0.0, values.len() as f64) as usize) {
        units[at] += 1.0;
    }
    units.into_iter().map(|unit| format!("{:.4}", unit / UNIT)).collect()
}

/// From byte offsets of a text to character offsets.
pub struct Characters(Vec<usize>);

impl Characters {
    pub fn of(text: &str) -> Self {
        Self(text.char_indices().map(|(at, _)| at).collect())
    }

    pub fn span(&self, (start, end): (u32, u32)) -> (u32, u32) {
        let characters = |byte: u32| self.0.partition_point(|at| *at < byte as usize) as u32;
        (characters(start), characters(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_safe_from_text() {
        assert_eq!(plain("a\x1b[31mb\u{9b}c\x07\nd\te\x7f\u{202e}f"), "a[31mbc d ef");
        assert!(matches!(plain("plain é 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_shown_adds_up() {
        for values in [&[0.33333, 0.33333, 0.33333][..], &[0.00005; 7], &[-0.12345, 0.5, 0.25], &[1.0], &[]] {
            let total: f32 = values.iter().sum();
            let shown = summing(values, total);
            let sum: f64 = shown.iter().map(|text| text.parse::<f64>().unwrap()).sum();
            let told: f64 = format!("{total:.4}").parse().unwrap();
            assert!((sum - told).abs() < 1e-9, "{shown:?} is not {told}");
            for (text, value) in shown.iter().zip(values) {
                assert!((text.parse::<f32>().unwrap() - value).abs() <= 1.01e-4);
            }
        }
    }

    #[test]
    fn offsets_in_bytes_become_offsets_in_characters() {
        let text = "né 文字";
        assert_eq!(Characters::of(text).span((3, 7)), (2, 4));
        assert_eq!(Characters::of(text).span((0, text.len() as u32)), (0, 5));
    }

    #[test]
    fn pieces_become_words() {
        let text = "The reformers' embeddings, 自然语言";
        let at = |part: &str| text.find(part).map(|at| at..at + part.len()).unwrap();
        let words = whole_words(text, vec![at("bed"), at("form"), at("dings"), at("然"), 3..3, 0..900]);
        let words: Vec<&str> = words.into_iter().map(|range| &text[range]).collect();
        assert_eq!(words, ["reformers", "embeddings", "然"]);
    }

    #[test]
    fn the_window_holds_the_marks() {
        let text = format!("{} needle in here {}", "hay ".repeat(100), "hay ".repeat(100));
        let at = text.find("needle").unwrap();
        let window = window(&text, &[(at..at + 6, 1.0)], 80);
        assert!(text[window.clone()].contains("needle") && window.len() <= 80, "{}", &text[window]);
        assert_eq!(super::window("short", &[], 80), 0..5);
        let han = "自然语言".repeat(100);
        assert!(!super::window(&han, &[(900..903, 1.0)], 40).is_empty());
    }
}
