use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Collects all that decides a model's vectors into 128 bits (XXH3).
///
/// Each part is hashed with its name and length, so that no two lists of parts run together.
pub(super) struct Fingerprint(Xxh3);

impl Fingerprint {
    pub(super) fn new(layout: &str) -> Self {
        let mut this = Self(Xxh3::new());
        this.add("lateen-fingerprint-1", layout.as_bytes());
        this
    }

    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.update(&(name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(&xxh3_128(bytes).to_le_bytes());
    }

    pub(super) fn add_numbers(&mut self, name: &str, numbers: &[u64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.add(name, &bytes);
    }

    pub(super) fn finish(self) -> [u8; 16] {
        self.0.digest128().to_le_bytes()
    }
}
