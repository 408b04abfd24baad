use super::runtime::TokenBatch;
use super::text::Tokens;

/// More texts than this in a batch bring nothing.
const MAX_ROWS: usize = 64;

/// Splits texts of these lengths into batches of similar length: positions, longest texts first.
///
/// A batch holds at most `budget` tokens after padding to its longest text, or one text. Equal lengths keep their
/// order, so the split depends on the lengths only.
pub(super) fn buckets(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(lengths[at]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for at in order {
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ROWS && (batch.len() + 1) * longest <= budget => batch.push(at),
            _ => {
                longest = lengths[at].max(1);
                batches.push(vec![at]);
            }
        }
    }
    batches
}

/// One text ready for a graph.
#[derive(Debug, Clone, Default)]
pub(super) struct GraphText {
    pub(super) tokens: Tokens,
    /// Whether the graph attends to each token.
    pub(super) attend: Vec<bool>,
}

impl From<Tokens> for GraphText {
    fn from(tokens: Tokens) -> Self {
        let attend = vec![true; tokens.ids.len()];
        Self { tokens, attend }
    }
}

/// Pads the texts at `positions` to the longest of them, with `padding` tokens that nothing attends to.
pub(super) fn pad(texts: &[GraphText], positions: &[usize], padding: u32) -> TokenBatch {
    let columns = positions.iter().map(|&at| texts[at].tokens.ids.len()).max().unwrap_or(0).max(1);
    let mut batch = TokenBatch { rows: positions.len(), columns, ..TokenBatch::default() };
    for &at in positions {
        let GraphText { tokens, attend } = &texts[at];
        let fill = columns - tokens.ids.len();
        batch.ids.extend(tokens.ids.iter().map(|&id| i64::from(id)));
        batch.ids.extend(std::iter::repeat_n(i64::from(padding), fill));
        batch.mask.extend(attend.iter().map(|&attend| i64::from(attend)));
        batch.mask.extend(std::iter::repeat_n(0, fill));
        batch.types.extend(tokens.types.iter().map(|&kind| i64::from(kind)));
        batch.types.extend(std::iter::repeat_n(0, fill));
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_and_complete() {
        let lengths = [3, 100, 7, 7, 1, 0, 300];
        let batches = buckets(&lengths, 200);
        assert_eq!(batches, [vec![6], vec![1, 2], vec![3, 0, 4, 5]].map(|batch: Vec<usize>| batch));
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        assert!(buckets(&[], 10).is_empty());
        assert_eq!(buckets(&[1; 130], usize::MAX).len(), 3);
    }

    #[test]
    fn padding_is_not_attended_to() {
        let text = |ids: &[u32]| {
            let (ids, types, spans) = (ids.to_vec(), vec![0; ids.len()], vec![(0, 0); ids.len()]);
            GraphText::from(Tokens { ids, types, spans, truncated: false })
        };
        let batch = pad(&[text(&[5, 6]), text(&[7])], &[1, 0], 9);
        assert_eq!((batch.rows, batch.columns), (2, 2));
        assert_eq!(batch.ids, [7, 9, 5, 6]);
        assert_eq!(batch.mask, [1, 0, 1, 1]);
    }
}
