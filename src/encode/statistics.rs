use std::sync::atomic::{AtomicU64, Ordering};

/// What a model has encoded since it was loaded, queries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncodeStatistics {
    /// Texts.
    pub texts: u64,
    /// Vectors given for them.
    pub rows: u64,
    /// Texts longer than the model's limit: their ends were not seen.
    pub truncated: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    texts: AtomicU64,
    rows: AtomicU64,
    truncated: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, rows: usize, truncated: bool) {
        self.texts.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.truncated.fetch_add(u64::from(truncated), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> EncodeStatistics {
        EncodeStatistics {
            texts: self.texts.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            truncated: self.truncated.load(Ordering::Relaxed),
        }
    }
}
