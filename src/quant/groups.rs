//! Which rows are clustered together, and into how many cells.

/// Rows by vocabulary id, ascending; the rows of ids with fewer than `pool_below` rows share the last group.
///
/// Every row is in exactly one group, no group is empty, row numbers ascend within a group.
pub(super) fn by_token_id(token_ids: &[u32], pool_below: usize) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..token_ids.len() as u32).collect();
    order.sort_by_key(|&row| token_ids[row as usize]); // stable: rows ascend within an id
    let mut groups = Vec::new();
    let mut pool = Vec::new();
    for group in order.chunk_by(|&a, &b| token_ids[a as usize] == token_ids[b as usize]) {
        if group.len() < pool_below {
            pool.extend_from_slice(group);
        } else {
            groups.push(group.to_vec());
        }
    }
    if !pool.is_empty() {
        pool.sort_unstable();
        groups.push(pool);
    }
    groups
}

/// What a share of the budget depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GroupSize {
    pub(super) rows: usize,
    /// Mean squared distance to the mean, 0 to 1.
    pub(super) variance: f64,
}

/// Fewest rows a centroid, on average over a group with more than one.
const MIN_ROWS: usize = 8;

/// Distributes `total` centroids: each group gets at least 1 and at most one for every eight rows (rounded up); in
/// between shares are proportional to `(rows · variance)^EXPONENT`.
///
/// The squared error of a group of intrinsic dimension `d` falls like `rows · variance · cells^(−2/d)`, so the sum of
/// errors is least for `cells ∝ (rows · variance)^(d/(d+2))`: nearly proportional in high dimension.
/// The shares add up to `total` unless the bounds of the groups forbid it.
pub(super) fn budgets(groups: &[GroupSize], total: usize) -> Vec<usize> {
    let weights: Vec<f64> =
        groups.iter().map(|group| (group.rows as f64 * group.variance.max(1e-9)).powf(EXPONENT)).collect();
    let caps: Vec<usize> = groups.iter().map(|group| group.rows.div_ceil(MIN_ROWS).max(1)).collect();
    let share = |factor: f64, at: usize| ((factor * weights[at]) as usize).clamp(1, caps[at]);
    let sum = |factor: f64| (0..groups.len()).map(|at| share(factor, at)).sum::<usize>();
    // The largest factor (to one part in 2⁶⁰) whose rounded-down shares still fit.
    let (mut low, mut high) = (0.0, 1.0);
    while sum(high) <= total && high < 1e30 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if sum(middle) <= total { low = middle } else { high = middle }
    }
    let mut shares: Vec<usize> = (0..groups.len()).map(|at| share(low, at)).collect();
    let mut left = total.saturating_sub(shares.iter().sum());
    // Equal weights step up together: the first of them get what is left.
    for (at, mine) in shares.iter_mut().enumerate() {
        if left > 0 && share(high, at) > *mine {
            *mine += 1;
            left -= 1;
        }
    }
    shares
}

const EXPONENT: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rare_ids_share_a_group() {
        let groups = by_token_id(&[7, 1, 7, 2, 7, 1], 2);
        assert_eq!(groups, [vec![1, 5], vec![0, 2, 4], vec![3]]);
        assert_eq!(by_token_id(&[7, 1, 7, 2], 3), [vec![0, 1, 2, 3]]);
        assert!(by_token_id(&[], 2).is_empty());
    }

    #[test]
    fn larger_and_wider_groups_get_more() {
        let group = |rows, variance| GroupSize { rows, variance };
        let shares = budgets(&[group(1000, 0.2), group(1000, 0.6), group(4000, 0.2), group(3, 0.9)], 100);
        assert_eq!(shares.iter().sum::<usize>(), 100);
        assert!(shares[0] < shares[1] && shares[1] < shares[2], "{shares:?}");
        assert_eq!(shares[3], 1);
        assert_eq!(budgets(&[], 10), []);
        assert_eq!(budgets(&[group(5, 0.0), group(5, 0.0)], 1), [1, 1]);
    }

    proptest! {
        #[test]
        fn budgets_keep_their_bounds_and_sum(
            sizes in prop::collection::vec((1usize..5000, 0.0f64..1.0), 1..60),
            total in 1usize..3000,
        ) {
            let groups: Vec<GroupSize> =
                sizes.iter().map(|&(rows, variance)| GroupSize { rows, variance }).collect();
            let shares = budgets(&groups, total);
            let most: usize = groups.iter().map(|group| group.rows.div_ceil(MIN_ROWS)).sum();
            prop_assert_eq!(shares.iter().sum::<usize>(), total.clamp(groups.len(), most));
            for (share, group) in shares.iter().zip(&groups) {
                prop_assert!((1..=group.rows.div_ceil(MIN_ROWS)).contains(share));
            }
        }
    }
}
