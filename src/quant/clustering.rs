//! Token-aware clustering: a k-means for every vocabulary id.

use rayon::prelude::*;

use super::CodecOptions;
use super::fixed::{FixedRows, ONE, RotatedRows};
use super::groups::{GroupSize, budgets, by_token_id};
use super::kmeans::{Cells, Fit, sample};
use super::random::SplitMix64;

/// Groups with a larger budget are first divided into about `√budget` coarse cells.
const SPLIT_ABOVE: usize = 256;
/// Rows from which the variance of a group is estimated.
const VARIANCE_SAMPLE: usize = 256;

/// Divides all rows into cells and gives the mean of each.
///
/// The occurrences of one vocabulary id differ little, and rows of different ids are seldom neighbours, so a k-means
/// for each id finds nearly the same cells as one over all rows, at a small fraction of the work
/// (token-aware clustering as in TACHIOM, SIGIR 2026). Ids with few rows are pooled; rows without ids are one pool.
/// Large groups are divided coarsely first, so the work is about `rows · √budget · dim` for each.
pub(super) fn cluster(source: &RotatedRows<'_>, token_ids: &[u32], options: &CodecOptions) -> Fit {
    let groups = if token_ids.is_empty() {
        vec![(0..source.len() as u32).collect()]
    } else {
        by_token_id(token_ids, (options.tokens_per_centroid / 2).max(1))
    };
    let total = source.len().div_ceil(options.tokens_per_centroid);
    let groups = split_large(source, with_budgets(source, groups, total), options);
    let fits: Vec<Fit> = groups
        .par_iter()
        .enumerate()
        .map(|(at, (rows, budget))| {
            let mut random = SplitMix64::stream(options.seed, 2 * at as u64);
            fit(source, rows, *budget, options, &mut random)
        })
        .collect();
    let mut joined = Fit { means: Vec::new(), assignments: vec![0; source.len()] };
    for ((rows, _), fit) in groups.iter().zip(&fits) {
        let first = (joined.means.len() / source.dim()) as u32;
        for (&row, &cell) in rows.iter().zip(&fit.assignments) {
            joined.assignments[row as usize] = first + cell;
        }
        joined.means.extend_from_slice(&fit.means);
    }
    joined
}

type Budgeted = Vec<(Vec<u32>, usize)>;

fn with_budgets(source: &RotatedRows<'_>, groups: Vec<Vec<u32>>, total: usize) -> Budgeted {
    let sizes: Vec<GroupSize> = groups
        .par_iter()
        .map(|rows| GroupSize { rows: rows.len(), variance: variance(source, rows) })
        .collect();
    let shares = budgets(&sizes, total);
    groups.into_iter().zip(shares).filter(|(rows, _)| !rows.is_empty()).collect()
}

/// `1 − |mean|²` of evenly spaced unit rows.
fn variance(source: &RotatedRows<'_>, rows: &[u32]) -> f64 {
    let step = rows.len().div_ceil(VARIANCE_SAMPLE).max(1);
    let chosen: Vec<u32> = rows.iter().copied().step_by(step).collect();
    let fixed = source.fixed(&chosen);
    let mut sum = vec![0i64; fixed.stride()];
    for row in 0..fixed.len() {
        sum.iter_mut().zip(fixed.row(row)).for_each(|(sum, &x)| *sum += i64::from(x));
    }
    let scale = 1.0 / (chosen.len().max(1) as f64 * f64::from(ONE));
    let squared: f64 = sum.iter().map(|&x| (x as f64 * scale).powi(2)).sum();
    (1.0 - squared).clamp(0.0, 1.0)
}

/// Replaces each group with a large budget by coarse cells that share it.
fn split_large(source: &RotatedRows<'_>, groups: Budgeted, options: &CodecOptions) -> Budgeted {
    let mut divided = Vec::with_capacity(groups.len());
    for (at, (rows, budget)) in groups.into_iter().enumerate() {
        if budget <= SPLIT_ABOVE {
            divided.push((rows, budget));
            continue;
        }
        let mut random = SplitMix64::stream(options.seed, 2 * at as u64 + 1);
        let coarse = fit(source, &rows, budget.isqrt(), options, &mut random);
        let mut parts = vec![Vec::new(); coarse.means.len() / source.dim()];
        for (&row, &cell) in rows.iter().zip(&coarse.assignments) {
            parts[cell as usize].push(row);
        }
        divided.extend(with_budgets(source, parts, budget));
    }
    divided
}

fn fit(
    source: &RotatedRows<'_>,
    rows: &[u32],
    budget: usize,
    options: &CodecOptions,
    random: &mut SplitMix64,
) -> Fit {
    let sample: FixedRows = sample(source, rows, budget * options.sample_per_centroid.max(1), random);
    Cells::train(&sample, budget, options.iterations, random).assign(source, rows)
}
