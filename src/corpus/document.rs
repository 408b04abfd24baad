//! A document as it is read, before anything is encoded.

use std::borrow::Cow;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::Xxh3;

/// The longest external id, in bytes; the shortest has one.
pub const MAX_ID_BYTES: usize = 512;

/// A text with a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The user's own name for it: 1 to [`MAX_ID_BYTES`] bytes without control characters.
    pub id: String,
    /// Possibly empty.
    pub title: String,
    /// Possibly empty if there is a title.
    pub text: String,
    /// Whatever else the record held.
    pub metadata: Map<String, Value>,
}

impl Document {
    /// A document without title or metadata.
    #[must_use]
    pub fn new(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), text: text.into(), ..Self::default() }
    }

    /// What is encoded and searched: title, a space, text (as BEIR joins them), or the one that is not empty.
    ///
    /// ```
    /// let mut document = lateen::corpus::Document::new("tides", "The Moon pulls the sea.");
    /// assert_eq!(document.full_text(), "The Moon pulls the sea.");
    /// document.title = "Tides".into();
    /// assert_eq!(document.full_text(), "Tides The Moon pulls the sea.");
    /// ```
    #[must_use]
    pub fn full_text(&self) -> Cow<'_, str> {
        match (self.title.is_empty(), self.text.is_empty()) {
            (true, _) => Cow::Borrowed(&self.text),
            (false, true) => Cow::Borrowed(&self.title),
            (false, false) => Cow::Owned(format!("{} {}", self.title, self.text)),
        }
    }

    /// A 64-bit fingerprint (XXH3, seed 0) of title, text and metadata, not of the id.
    ///
    /// The order of object members does not count. Equal on every machine and in every release that
    /// writes the same index format: it is stored, so that unchanged documents need not be encoded again.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash_str(&mut hash, &self.title);
        hash_str(&mut hash, &self.text);
        hash_object(&mut hash, &self.metadata);
        hash.digest()
    }
}

// Each value is a tag byte, then its length where it has one, then its content: no two values that
// differ feed the same bytes.

fn hash_len(hash: &mut Xxh3, len: usize) {
    hash.update(&(len as u64).to_le_bytes());
}

fn hash_str(hash: &mut Xxh3, text: &str) {
    hash_len(hash, text.len());
    hash.update(text.as_bytes());
}

fn hash_object(hash: &mut Xxh3, object: &Map<String, Value>) {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| name.as_str());
    hash_len(hash, members.len());
    for (name, value) in members {
        hash_str(hash, name);
        hash_value(hash, value);
    }
}

fn hash_value(hash: &mut Xxh3, value: &Value) {
    match value {
        Value::Null => hash.update(b"0"),
        Value::Bool(false) => hash.update(b"f"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Number(number) => {
            hash.update(b"n");
            hash_str(hash, &number.to_string());
        }
        Value::String(text) => {
            hash.update(b"s");
            hash_str(hash, text);
        }
        Value::Array(items) => {
            hash.update(b"a");
            hash_len(hash, items.len());
            for item in items {
                hash_value(hash, item);
            }
        }
        Value::Object(members) => {
            hash.update(b"o");
            hash_object(hash, members);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(title: &str, text: &str, metadata: &Value) -> Document {
        let metadata = metadata.as_object().cloned().unwrap_or_default();
        Document { id: "x".into(), title: title.into(), text: text.into(), metadata }
    }

    #[test]
    fn the_hash_sees_content_and_not_the_id() {
        let a = document("ab", "c", &json!({}));
        let renamed = Document { id: "y".into(), ..a.clone() };
        assert_eq!(a.content_hash(), renamed.content_hash());
        let others = [
            document("a", "bc", &json!({})),
            document("", "abc", &json!({})),
            document("ab", "c", &json!({"a": null})),
            document("ab", "c", &json!({"a": []})),
            document("ab", "c", &json!({"a": {}})),
            document("ab", "c", &json!({"a": ""})),
            document("ab", "c", &json!({"a": 0})),
            document("ab", "c", &json!({"a": "0"})),
            document("ab", "c", &json!({"a": [[1], 2]})),
            document("ab", "c", &json!({"a": [[1, 2]]})),
        ];
        let mut hashes: Vec<_> = others.iter().chain([&a]).map(Document::content_hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
    }

    #[test]
    fn the_order_of_members_does_not_count() {
        let mut reversed = Map::new();
        for name in ["b", "a"] {
            reversed.insert(name.into(), json!(name));
        }
        let one = document("", "t", &json!({"a": "a", "b": "b"}));
        let two = Document { metadata: reversed, ..one.clone() };
        assert_eq!(one.content_hash(), two.content_hash());
    }

    #[test]
    fn the_hash_is_stored_and_so_never_changes() {
        let document =
            document("Tides", "The Moon pulls.", &json!({"topic": "astronomy", "n": [1, 2.5, true]}));
        assert_eq!(document.content_hash(), 1_419_570_460_371_944_366);
    }
}
