//! Which tokens stay, and what their numbers become.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Token ids that stay. New ids follow the order of the old ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Ascending.
    old: Vec<u32>,
}

impl Kept {
    /// Keeps these ids.
    #[must_use]
    pub fn new(ids: BTreeSet<u32>) -> Self {
        Self { old: ids.into_iter().collect() }
    }

    /// How many tokens stay.
    #[must_use]
    pub fn len(&self) -> usize {
        self.old.len()
    }

    /// Whether none stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.old.is_empty()
    }

    /// The largest id that stays.
    #[must_use]
    pub fn largest(&self) -> Option<u32> {
        self.old.last().copied()
    }

    /// What the id becomes, if it stays.
    #[must_use]
    pub fn new_id(&self, old: u64) -> Option<u32> {
        let old = u32::try_from(old).ok()?;
        self.old.binary_search(&old).ok().map(|new| new as u32)
    }

    /// A number in a JSON file as it becomes; other values, and ids that are gone, stay as they are.
    pub(super) fn renumber(&self, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.renumber(value)),
            value => {
                if let Some(new) = value.as_u64().and_then(|old| self.new_id(old)) {
                    *value = new.into();
                }
            }
        }
    }

    /// The rows that stay of a table with a row for each token.
    pub(super) fn rows(&self, shape: &mut [usize], values: &mut Vec<f32>) {
        let Some(rows) = shape.first_mut() else { return };
        let width = values.len() / (*rows).max(1);
        let row = |old: &u32| values.get(*old as usize * width..(*old as usize + 1) * width);
        let kept: Vec<f32> = self.old.iter().filter_map(row).flatten().copied().collect();
        *rows = kept.len() / width.max(1);
        *values = kept;
    }
}

/// Renumbers what `config.json` says of tokens.
pub(super) fn renumber_config(config: &mut Map<String, Value>, kept: &Kept) {
    for (key, value) in config.iter_mut() {
        if key.ends_with("_token_id") {
            kept.renumber(value);
        }
    }
    config.insert("vocab_size".to_owned(), kept.len().into());
}
