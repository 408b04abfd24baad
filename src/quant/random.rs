//! A small seeded generator whose stream is part of the format.

/// SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
///
/// [`Rotation`](super::Rotation) is derived from its output and only the seed is stored, so the stream
/// must stay the same in every release; a generator of a library gives no such promise.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent stream for part `index` of the work under `seed`.
    pub(crate) fn stream(seed: u64, index: u64) -> Self {
        Self(Self::new(seed ^ Self::new(index).next()).next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 if `bound` is 0), by multiplication; the bias is below 2⁻³².
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `count` distinct numbers below `bound`, ascending; all of them if `count ≥ bound`.
    ///
    /// Selection sampling (Knuth, TAOCP 2, §3.4.2, algorithm S): O(`bound`) time, no extra memory.
    pub(crate) fn distinct(&mut self, count: usize, bound: usize) -> Vec<usize> {
        if count >= bound {
            return (0..bound).collect();
        }
        let mut chosen = Vec::with_capacity(count);
        for at in 0..bound {
            if chosen.len() == count {
                break;
            }
            if self.below(bound - at) < count - chosen.len() {
                chosen.push(at);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // First outputs for seed 1234567 of the reference implementation (prng.di.unimi.it/splitmix64.c).
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn samples_are_distinct_ascending_and_complete() {
        let mut random = SplitMix64::new(3);
        for (count, bound) in [(0, 0), (0, 5), (3, 3), (9, 3), (5, 1000), (999, 1000)] {
            let sample = random.distinct(count, bound);
            assert_eq!(sample.len(), count.min(bound));
            assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(sample.iter().all(|&at| at < bound));
        }
    }
}
