//! Chance that is a function of what it is for: no state to save, so a run resumes at any step.

/// What a throw is for. Two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The order of the records of a set.
    Order = 1,
    /// Which batch comes when.
    Batches = 2,
    /// Which negatives a query gets.
    Negatives = 3,
    /// Which positive a query gets.
    Positive = 4,
    /// How hits are dealt into groups.
    Groups = 5,
    /// Whether and how a text is shuffled.
    Shuffle = 6,
    /// Which part a record falls into when a file is split.
    Split = 7,
}

/// Random numbers from a key (SplitMix64: Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014). The same key gives the same numbers on every machine and in every release.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dice {
    /// The dice of `seed` for one purpose and place: an epoch, a set, a record, in any number.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, place: &[u64]) -> Self {
        let start = mix(seed.wrapping_add(STEP)) ^ (purpose as u64).wrapping_mul(STEP);
        let state =
            place.iter().fold(mix(start), |state, &at| mix(state.wrapping_add(STEP) ^ mix(at ^ STEP)));
        Self { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `limit`, all alike likely; 0 for a limit of 0.
    ///
    /// Multiplication and rejection (Lemire, "Fast random integer generation in an interval", 2019).
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        if limit == 0 {
            return 0;
        }
        let refuse = limit.wrapping_neg() % limit;
        loop {
            let product = u128::from(self.bits()) * u128::from(limit);
            if product as u64 >= refuse {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts `items` into an order, all orders alike likely (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` different numbers below `limit` in random order; fewer if there are fewer.
    #[must_use]
    pub fn choose(&mut self, limit: usize, count: usize) -> Vec<usize> {
        let count = count.min(limit);
        let mut all: Vec<usize> = (0..limit).collect();
        for at in 0..count {
            let other = at + self.below(limit - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_every_release() {
        let mut dice = Dice::new(666, Purpose::Order, &[0, 1]);
        let mut again = Dice::new(666, Purpose::Order, &[0, 1]);
        let mut other = Dice::new(666, Purpose::Batches, &[0, 1]);
        let mut place = Dice::new(666, Purpose::Order, &[1, 0]);
        let first: Vec<u64> = (0..4).map(|_| dice.bits()).collect();
        assert_eq!(first, (0..4).map(|_| again.bits()).collect::<Vec<_>>());
        assert_ne!(first[0], other.bits());
        assert_ne!(first[0], place.bits());
        // SplitMix64 from state 0, as published.
        let mut zero = Dice { state: 0 };
        assert_eq!(zero.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(zero.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn throws_are_even_and_choices_differ() {
        let mut dice = Dice::new(1, Purpose::Negatives, &[]);
        let mut counts = [0usize; 5];
        for _ in 0..50_000 {
            counts[dice.below(5)] += 1;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        let mut chosen = dice.choose(10, 6);
        chosen.sort_unstable();
        chosen.dedup();
        assert_eq!(chosen.len(), 6);
        assert_eq!(dice.choose(3, 9).len(), 3);
        assert_eq!(dice.below(0), 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&dice.unit())));
    }
}
