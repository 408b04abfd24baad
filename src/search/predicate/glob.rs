//! `like`: `%` stands for any characters, `_` for one; case counts.

/// Whether `text` fits `pattern` as a whole; `\` before a character takes it literally.
///
/// Cost: at most `pattern · text` steps, without recursion, whatever the pattern.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern = pieces(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where to go back to: the last `%`, and how much of the text it swallows.
    let mut back: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(Piece::Any) => {
                back = Some((at, read));
                at += 1;
            }
            Some(Piece::One) => (at, read) = (at + 1, read + 1),
            Some(Piece::Literal(c)) if *c == text[read] => (at, read) = (at + 1, read + 1),
            _ => match &mut back {
                Some((any, swallowed)) => {
                    *swallowed += 1;
                    (at, read) = (*any + 1, *swallowed);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|piece| *piece == Piece::Any)
}

#[derive(Debug, PartialEq)]
enum Piece {
    Any,
    One,
    Literal(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        pieces.push(match c {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Literal(characters.next().unwrap_or('\\')),
            c => Piece::Literal(c),
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, by recursion.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('%'), _) => naive(&pattern[1..], text) || !text.is_empty() && naive(pattern, &text[1..]),
            (Some('_'), Some(_)) => naive(&pattern[1..], &text[1..]),
            (Some(p), Some(t)) => p == t && naive(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_says_what_the_definition_says(pattern in "[ab%_]{0,8}", text in "[abc]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(like(&pattern, &text), naive(&characters(&pattern), &characters(&text)));
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        assert!(!like(&"%a".repeat(500), &"b".repeat(5000)));
        assert!(!like(&("%".repeat(500) + "x"), &"a".repeat(5000)));
    }

    #[test]
    fn what_is_escaped_is_literal() {
        assert!(like(r"100\%", "100%") && !like(r"100\%", "1000"));
        assert!(like(r"a\_b", "a_b") && !like(r"a\_b", "axb") && like("ä_ü", "äöü"));
    }
}
