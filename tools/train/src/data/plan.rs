//! Which examples make which batch of an epoch.

use std::collections::{HashSet, VecDeque};

use super::dice::{Dice, Purpose};

/// How batches are made.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanOptions {
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// Examples a batch.
    pub batch: usize,
    /// Take records in another order each epoch.
    pub shuffle: bool,
    /// Leave out a last batch that is not full.
    pub drop_last: bool,
    /// So many batches' worth of examples are sorted by length and cut into batches. 0 and 1: batches of any lengths.
    pub bucket: usize,
    /// No query and no positive twice in a batch.
    pub no_duplicates: bool,
    /// Examples of all sets in one batch; else every batch is of one set.
    pub mix: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            seed: 666,
            batch: 32,
            shuffle: true,
            drop_last: true,
            bucket: 64,
            no_duplicates: true,
            mix: false,
        }
    }
}

/// What a plan knows of a set.
pub(super) trait Pool {
    /// Examples.
    fn len(&self) -> usize;
    /// How often an example is used each epoch, on average.
    fn weight(&self) -> f64;
    /// Tokens, about: document first, as documents cost most.
    fn lengths(&self, example: u32) -> (u16, u16);
    /// Hashes of what may not be in a batch twice.
    fn keys(&self, example: u32) -> [u64; 2];
}

/// An example: its set and its number there.
pub(super) type Id = (u32, u32);

/// The batches of one epoch: a function of options, sets and epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(super) epoch: u64,
    examples: Vec<Id>,
    /// The end of each batch in `examples`.
    ends: Vec<usize>,
    left_out: usize,
}

impl Plan {
    /// Plans an epoch. Time and memory are linear in the examples; no file is read.
    pub(super) fn new(pools: &[&dyn Pool], options: &PlanOptions, epoch: u64) -> Self {
        let mut batches = Vec::new();
        let mut left_out = 0;
        let drawn = pools.iter().enumerate().map(|(set, pool)| draw(set as u32, *pool, options, epoch));
        if options.mix {
            let mut all: Vec<Id> = drawn.flatten().collect();
            if options.shuffle {
                Dice::new(options.seed, Purpose::Order, &[epoch, u64::MAX]).shuffle(&mut all);
            }
            left_out += cut(all, pools, options, &mut batches);
        } else {
            for examples in drawn {
                left_out += cut(examples, pools, options, &mut batches);
            }
        }
        if options.shuffle {
            Dice::new(options.seed, Purpose::Batches, &[epoch]).shuffle(&mut batches);
        }
        let mut plan =
            Self { epoch, examples: Vec::new(), ends: Vec::with_capacity(batches.len()), left_out };
        for batch in batches {
            plan.examples.extend(batch);
            plan.ends.push(plan.examples.len());
        }
        plan
    }

    /// Batches.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.ends.len()
    }

    /// Examples that are in no batch: those of dropped last batches, and copies that found no place.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Examples of a batch; `None` if there is no such step.
    pub(super) fn batch(&self, step: usize) -> Option<&[Id]> {
        let end = *self.ends.get(step)?;
        let start = step.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.examples[start..end])
    }
}

/// The examples of a set for an epoch: the next stretch of an endless row of shuffled passes through the set.
fn draw(set: u32, pool: &dyn Pool, options: &PlanOptions, epoch: u64) -> Vec<Id> {
    let count = pool.len() as u64;
    if count == 0 {
        return Vec::new();
    }
    let a_pass = pool.weight().max(0.0) * count as f64;
    let (start, end) = ((epoch as f64 * a_pass) as u64, ((epoch + 1) as f64 * a_pass) as u64);
    let mut drawn = Vec::with_capacity((end - start) as usize);
    let mut at = start;
    while at < end {
        let pass = at / count;
        let mut order: Vec<u32> = (0..pool.len() as u32).collect();
        if options.shuffle {
            Dice::new(options.seed, Purpose::Order, &[pass, u64::from(set)]).shuffle(&mut order);
        }
        let (from, to) = ((at % count) as usize, (end - pass * count).min(count) as usize);
        drawn.extend(order[from..to].iter().map(|&example| (set, example)));
        at = pass * count + to as u64;
    }
    drawn
}

/// Cuts examples into batches of like length; gives how many were left out.
fn cut(
    mut examples: Vec<Id>,
    pools: &[&dyn Pool],
    options: &PlanOptions,
    batches: &mut Vec<Vec<Id>>,
) -> usize {
    let batch = options.batch.max(1);
    if options.bucket > 1 {
        for chunk in examples.chunks_mut(batch.saturating_mul(options.bucket)) {
            // A stable sort: examples of one length stay in random order.
            chunk.sort_by_key(|&(set, example)| pools[set as usize].lengths(example));
        }
    }
    if options.no_duplicates {
        return cut_without_copies(examples, pools, options, batches);
    }
    let mut left_out = 0;
    for chunk in examples.chunks(batch) {
        if chunk.len() < batch && options.drop_last {
            left_out += chunk.len();
        } else {
            batches.push(chunk.to_vec());
        }
    }
    left_out
}

/// How many waiting examples are looked at for one batch, in batches; bounds the time a file full of copies takes.
const LOOK: usize = 32;

fn cut_without_copies(
    examples: Vec<Id>,
    pools: &[&dyn Pool],
    options: &PlanOptions,
    batches: &mut Vec<Vec<Id>>,
) -> usize {
    let size = options.batch.max(1);
    let total = examples.len();
    let (mut rest, mut waiting) = (examples.into_iter(), VecDeque::new());
    let mut placed = 0;
    loop {
        let mut batch: Vec<Id> = Vec::with_capacity(size);
        let mut seen: HashSet<u64> = HashSet::with_capacity(2 * size);
        let mut fits = |id: Id| {
            let [query, positive] = pools[id.0 as usize].keys(id.1);
            let new = !seen.contains(&query) && !seen.contains(&positive);
            if new {
                seen.extend([query, positive]);
            }
            new
        };
        let mut refused = Vec::new();
        while batch.len() < size && refused.len() < LOOK * size {
            match waiting.pop_front() {
                Some(id) if fits(id) => batch.push(id),
                Some(id) => refused.push(id),
                None => break,
            }
        }
        for id in refused.into_iter().rev() {
            waiting.push_front(id);
        }
        while batch.len() < size {
            match rest.next() {
                Some(id) if fits(id) => batch.push(id),
                Some(id) => waiting.push_back(id),
                None => break,
            }
        }
        // A batch that is not full: only copies of each other are left, or nothing.
        if batch.is_empty() || (batch.len() < size && options.drop_last) {
            return total - placed;
        }
        placed += batch.len();
        batches.push(batch);
    }
}
