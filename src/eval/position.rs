//! Where in a document its answer stands, and whether a system minds.
//!
//! Models trained on texts whose beginnings say most come to look there only: a question whose answer stands at the end of a document
//! finds it less often (Zeng et al., "Benchmarking the Myopic Trap", EMNLP Findings 2025). Queries are put into buckets by the place
//! of their answer, and each bucket is measured by itself.

use std::collections::BTreeSet;
use std::fmt;

/// A range of positions, in characters from the beginning of a document, and the queries whose answers begin there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name: `0-100`, `end`.
    pub name: String,
    /// Ids of queries.
    pub queries: BTreeSet<String>,
}

/// What becomes of an answer that begins exactly where two buckets meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// It is in the later bucket.
    #[default]
    Later,
    /// It is in both, as in the published SQuAD-PosQ.
    Both,
}

/// The limits of SQuAD-PosQ's buckets: 0-100, 100-200, 200-300, 300-400, 400-500, and the rest.
pub const SQUAD_LIMITS: [u32; 5] = [100, 200, 300, 400, 500];

/// Sorts queries into buckets by where their answers begin. Buckets without queries are there too.
///
/// ```
/// use lateen::eval::position::{Boundary, SQUAD_LIMITS, buckets_of_starts};
/// let starts = [("a", 99), ("b", 100), ("c", 3000)];
/// let buckets = buckets_of_starts(starts, &SQUAD_LIMITS, Boundary::Later);
/// assert_eq!((buckets[0].name.as_str(), buckets[0].queries.len()), ("0-100", 1));
/// assert_eq!((buckets[5].name.as_str(), buckets[5].queries.len()), ("500+", 1));
/// ```
pub fn buckets_of_starts<'a>(
    starts: impl IntoIterator<Item = (&'a str, u32)>,
    limits: &[u32],
    boundary: Boundary,
) -> Vec<Bucket> {
    let name = |at: usize| {
        let from = if at == 0 { 0 } else { limits[at - 1] };
        limits.get(at).map_or_else(|| format!("{from}+"), |to| format!("{from}-{to}"))
    };
    let mut buckets: Vec<Bucket> =
        (0..=limits.len()).map(|at| Bucket { name: name(at), queries: BTreeSet::new() }).collect();
    for (query, start) in starts {
        let at = limits.partition_point(|limit| *limit <= start);
        buckets[at].queries.insert(query.to_owned());
        if boundary == Boundary::Both && limits.contains(&start) {
            buckets[at - 1].queries.insert(query.to_owned());
        }
    }
    buckets
}

/// Sorts queries into buckets by names that they bring along; a query may be in several. Buckets are in the order of `names`, others
/// follow by name.
pub fn buckets_of_names<'a>(
    named: impl IntoIterator<Item = (&'a str, &'a str)>,
    names: &[&str],
) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> =
        names.iter().map(|name| Bucket { name: (*name).to_owned(), queries: BTreeSet::new() }).collect();
    for (query, name) in named {
        let at = buckets.iter().position(|bucket| bucket.name == name).unwrap_or_else(|| {
            let later = &buckets[names.len()..];
            let at = names.len() + later.partition_point(|bucket| bucket.name.as_str() < name);
            buckets.insert(at, Bucket { name: name.to_owned(), queries: BTreeSet::new() });
            at
        });
        buckets[at].queries.insert(query.to_owned());
    }
    buckets
}

/// The Position Sensitivity Index: `1 − min / max` over the buckets' values. 0 is a system that does not mind, 1 one that finds nothing
/// in some bucket. `None` without a positive value.
///
/// ```
/// use lateen::eval::position::sensitivity_index;
/// assert_eq!(sensitivity_index([0.8, 0.6, 0.4]), Some(0.5));
/// assert_eq!(sensitivity_index([0.0]), None);
/// ```
pub fn sensitivity_index(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let ends = values.into_iter().fold(None, |ends: Option<(f64, f64)>, value| {
        let (least, most) = ends.unwrap_or((value, value));
        Some((least.min(value), most.max(value)))
    });
    ends.filter(|(_, most)| *most > 0.0).map(|(least, most)| 1.0 - least / most)
}

/// A third of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Third {
    /// The first 33.3 % of the characters.
    Beginning,
    /// Up to 66.6 %.
    Middle,
    /// The rest.
    End,
}

impl Third {
    /// In the order of the text.
    pub const ALL: [Self; 3] = [Self::Beginning, Self::Middle, Self::End];
}

impl fmt::Display for Third {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beginning => "beginning",
            Self::Middle => "middle",
            Self::End => "end",
        })
    }
}

/// A text cut after 33.3 % and 66.6 % of its characters, rounded down. Together the parts are the text; of a text of fewer than three
/// characters some are empty.
///
/// ```
/// assert_eq!(lateen::eval::position::thirds("一二三四五六七"), ["一二", "三四", "五六七"]);
/// ```
#[must_use]
pub fn thirds(text: &str) -> [&str; 3] {
    let characters = text.chars().count();
    let byte = |character: usize| text.char_indices().nth(character).map_or(text.len(), |(at, _)| at);
    let (first, second) = (byte(characters * 333 / 1000), byte(characters * 666 / 1000));
    [&text[..first], &text[first..second], &text[second..]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(buckets: &'a [Bucket], query: &str) -> Vec<&'a str> {
        let with = buckets.iter().filter(|bucket| bucket.queries.contains(query));
        with.map(|bucket| bucket.name.as_str()).collect()
    }

    #[test]
    fn boundaries_fall_as_asked() {
        let starts = [("zero", 0), ("limit", 100), ("last", 500), ("far", u32::MAX)];
        let later = buckets_of_starts(starts, &SQUAD_LIMITS, Boundary::Later);
        assert_eq!(later.len(), 6);
        assert_eq!(names(&later, "zero"), ["0-100"]);
        assert_eq!((names(&later, "limit"), names(&later, "last")), (vec!["100-200"], vec!["500+"]));
        let both = buckets_of_starts(starts, &SQUAD_LIMITS, Boundary::Both);
        assert_eq!(names(&both, "limit"), ["0-100", "100-200"]);
        assert_eq!(names(&both, "last"), ["400-500", "500+"]);
        assert_eq!((names(&both, "zero"), names(&both, "far")), (vec!["0-100"], vec!["500+"]));
    }

    #[test]
    fn named_buckets_keep_the_given_order() {
        let named = [("a", "end"), ("a", "middle"), ("b", "weird"), ("c", "beginning"), ("d", "odd")];
        let buckets = buckets_of_names(named, &["beginning", "middle", "end"]);
        let order: Vec<_> = buckets.iter().map(|bucket| bucket.name.as_str()).collect();
        assert_eq!(order, ["beginning", "middle", "end", "odd", "weird"]);
        assert_eq!(names(&buckets, "a"), ["middle", "end"]);
    }

    #[test]
    fn the_index_is_of_the_extremes() {
        assert_eq!(sensitivity_index([0.5, 0.5]), Some(0.0));
        assert_eq!(sensitivity_index([0.9, 0.0]), Some(1.0));
        // Published for one system: 0.9503 / 0.9497 / 0.9246.
        let published = sensitivity_index([0.9503, 0.9497, 0.9246]).unwrap();
        assert!((published - 0.027).abs() < 5e-4, "{published}");
        assert_eq!(sensitivity_index([]), None);
    }

    #[test]
    fn thirds_are_the_text() {
        for text in ["", "a", "ab", "abc", "né", &"字x".repeat(50)] {
            assert_eq!(thirds(text).concat(), text);
        }
        assert_eq!(thirds(&"x".repeat(100)).map(str::len), [33, 33, 34]);
    }
}
