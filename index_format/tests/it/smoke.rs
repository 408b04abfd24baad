//! Thousands of mutations of sound files, through the entry functions of the fuzzers.
//!
//! `LATEEN_SEED` repeats a run, which prints its seed when it fails.

use lateen_index_format::SectionKind;

use crate::{entry, sample};

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::env::var("LATEEN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_240_901);
        println!("LATEEN_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len());
            let from = self.below(bytes.len());
            let len = self.below(16).min(bytes.len() - at).min(bytes.len() - from);
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => bytes[at..at + len].fill([0, 0xff][self.below(2)]),
                3 => bytes.copy_within(from..from + len, at),
                4 => bytes.truncate(at.max(1)),
                5 => drop(bytes.drain(at..at + len.min(bytes.len() - 1))),
                6 => bytes.extend_from_within(from..from + len),
                _ => bytes[at] = bytes[at].wrapping_add(1 + self.below(4) as u8),
            }
        }
    }
}

fn smoke(rounds: usize, sound: &[u8], target: fn(&[u8])) {
    let mut random = Random::new();
    target(sound);
    for _ in 0..rounds {
        let mut bytes = sound.to_vec();
        random.mutate(&mut bytes);
        target(&bytes);
    }
}

#[test]
fn segments() {
    smoke(20_000, &sample::segment(), entry::segment);
}

#[test]
fn manifests() {
    smoke(20_000, &sample::manifest().encode().unwrap(), entry::manifest);
}

#[test]
fn tombstones() {
    smoke(20_000, &sample::tombstones().encode().unwrap(), entry::tombstones);
}

#[test]
fn sections() {
    for (index, kind) in SectionKind::KNOWN.into_iter().enumerate() {
        let mut data = vec![index as u8];
        data.extend(sample::section(kind));
        smoke(5_000, &data, entry::sections);
    }
}

#[test]
fn stored_fields() {
    smoke(20_000, &sample::section(SectionKind::StoredFields), entry::stored_fields);
}

#[test]
fn resealing_changes_nothing_in_a_sound_file() {
    let file = sample::segment();
    let mut resealed = file.clone();
    entry::reseal_segment(&mut resealed);
    assert_eq!(resealed, file);
    let manifest = sample::manifest().encode().unwrap();
    assert_eq!(entry::sealed(2, &manifest[64..]), manifest);
}

/// Damage that checksums hide still reaches the views, so the tests above are worth their time.
#[test]
fn resealed_damage_is_parsed() {
    let mut file = sample::segment();
    file[70] ^= 1;
    entry::reseal_segment(&mut file);
    let layout = lateen_index_format::SegmentLayout::parse(&file).unwrap();
    layout.verify(&file).unwrap();
}
