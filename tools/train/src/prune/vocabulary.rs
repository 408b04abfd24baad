//! `tokenizer.json` with fewer tokens.
//!
//! | model | stays besides what texts use | why texts of kept tokens are cut as before |
//! |---|---|---|
//! | WordPiece | single characters, alone and behind `##` | the longest match is still there, and no longer one came |
//! | BPE | both parts of every merge whose result stays | a merge that was done has a result within a kept token |
//! | Unigram | single characters, bytes, the least likely token | the best path is still there, and no better one came |
//! | WordLevel | – | a word is a token |
//!
//! Added tokens, and what the post-processor and the settings name, stay in all of them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::{Kept, PruneError, put};
use crate::model::read_json;

/// Counts the tokens of texts.
pub struct Counter {
    tokenizer: Tokenizer,
    file: PathBuf,
    source: PathBuf,
    counts: HashMap<u32, u64>,
    texts: u64,
}

impl Counter {
    /// Counts with the tokenizer of a model directory.
    ///
    /// # Errors
    /// [`PruneError::Unsupported`] for a `tokenizer.json` that is none.
    pub fn open(directory: &Path) -> Result<Self, PruneError> {
        let file = directory.join("tokenizer.json");
        let failed = |source| PruneError::Io { path: file.clone(), source };
        let bytes = std::fs::read(&file).map_err(failed)?;
        let broken = |found: String| {
            let expected = "a tokenizer of the tokenizers library is expected";
            PruneError::Unsupported { path: file.clone(), found, expected }
        };
        // The crate panics on some broken files.
        let mut tokenizer = std::panic::catch_unwind(|| Tokenizer::from_bytes(&bytes))
            .map_err(|_| broken("the tokenizers crate panicked on it".to_owned()))?
            .map_err(|error| broken(error.to_string()))?;
        tokenizer.with_truncation(None).map_err(|error| broken(error.to_string()))?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, file, source: directory.to_owned(), counts: HashMap::new(), texts: 0 })
    }

    /// Counts the tokens of a text, marks included.
    ///
    /// # Errors
    /// [`PruneError::Unsupported`] if the tokenizer fails on it.
    pub fn add(&mut self, text: &str) -> Result<(), PruneError> {
        let encoding = self.tokenizer.encode(text, true).map_err(|error| PruneError::Unsupported {
            path: self.file.clone(),
            found: error.to_string(),
            expected: "a tokenizer that reads every text is expected",
        })?;
        for id in encoding.get_ids() {
            *self.counts.entry(*id).or_default() += 1;
        }
        self.texts += 1;
        Ok(())
    }

    /// Texts that were counted.
    #[must_use]
    pub fn texts(&self) -> u64 {
        self.texts
    }

    /// Tokens that were there at least `least` times, and those that have to stay.
    ///
    /// # Errors
    /// [`PruneError::Unsupported`] for kinds of tokenizers that are not known.
    pub fn kept(&self, least: u64) -> Result<Kept, PruneError> {
        let file: Value = read_json(&self.file)?;
        let mut ids: BTreeSet<u32> =
            self.counts.iter().filter(|(_, count)| **count >= least.max(1)).map(|(id, _)| *id).collect();
        let vocabulary = vocabulary(&file["model"], &self.file)?;
        needed(&file, &vocabulary, &mut ids);
        for name in ["config.json", "tokenizer_config.json"] {
            let settings: Map<String, Value> = read_json(&self.source.join(name)).unwrap_or_default();
            let named = settings.iter().filter(|(key, _)| key.ends_with("_token_id"));
            named.for_each(|(_, value)| gather(value, &mut ids));
        }
        // What a setting names need not be there.
        let there: HashSet<u32> = vocabulary.values().copied().chain(added(&file)).collect();
        ids.retain(|id| there.contains(id));
        close(&file["model"], &vocabulary, &mut ids);
        Ok(Kept::new(ids))
    }
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter")
            .field("file", &self.file)
            .field("texts", &self.texts)
            .finish_non_exhaustive()
    }
}

/// Tokens and their ids.
fn vocabulary(model: &Value, path: &Path) -> Result<HashMap<String, u32>, PruneError> {
    let unknown = |found: String| PruneError::Unsupported {
        path: path.to_owned(),
        found,
        expected: "WordPiece, BPE, Unigram and WordLevel can be made smaller",
    };
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match &model["vocab"] {
        Value::Object(words) => {
            Ok(words.iter().filter_map(|(word, value)| Some((word.clone(), id(value)?))).collect())
        }
        Value::Array(words) => {
            let word = |(at, entry): (usize, &Value)| Some((entry[0].as_str()?.to_owned(), at as u32));
            Ok(words.iter().enumerate().filter_map(word).collect())
        }
        _ => Err(unknown(format!("a model of type {}", model["type"]))),
    }
}

fn added(file: &Value) -> impl Iterator<Item = u32> + '_ {
    let tokens = file["added_tokens"].as_array().into_iter().flatten();
    tokens.filter_map(|token| token["id"].as_u64()).filter_map(|id| u32::try_from(id).ok())
}

/// Adds what has to stay whatever the texts are.
fn needed(file: &Value, vocabulary: &HashMap<String, u32>, ids: &mut BTreeSet<u32>) {
    let model = &file["model"];
    ids.extend(added(file));
    gather(&file["padding"]["pad_id"], ids);
    gather_marks(&file["post_processor"], ids);
    if let Some(unknown) = model["unk_token"].as_str() {
        ids.extend(vocabulary.get(unknown));
    }
    gather(&model["unk_id"], ids);
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or("");
    if vocabulary_of_words(model) {
        return;
    }
    for (word, id) in vocabulary {
        let plain = word.strip_prefix(prefix).unwrap_or(word);
        let byte = word.len() == 6 && word.starts_with("<0x") && word.ends_with('>');
        if byte || plain.chars().nth(1).is_none() {
            ids.insert(*id);
        }
    }
    if let Some(words) = model["vocab"].as_array() {
        // The penalty of unknown characters is measured from the least likely token.
        let score = |entry: &Value| entry[1].as_f64().unwrap_or(0.0);
        let least = words.iter().enumerate().min_by(|a, b| score(a.1).total_cmp(&score(b.1)));
        ids.extend(least.map(|(at, _)| at as u32));
    }
}

fn vocabulary_of_words(model: &Value) -> bool {
    model["type"] == "WordLevel"
}

fn gather(value: &Value, ids: &mut BTreeSet<u32>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| gather(value, ids)),
        value => ids.extend(value.as_u64().and_then(|id| u32::try_from(id).ok())),
    }
}

/// The ids that a post-processor puts around texts.
fn gather_marks(value: &Value, ids: &mut BTreeSet<u32>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match key.as_str() {
                    "ids" => gather(value, ids),
                    "sep" | "cls" => gather(&value[1], ids),
                    _ => gather_marks(value, ids),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| gather_marks(value, ids)),
        _ => {}
    }
}

/// The parts of a merge: two texts, or one text with a space between.
fn parts(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(text) => text.split_once(' '),
        pair => Some((pair[0].as_str()?, pair[1].as_str()?)),
    }
}

/// Adds the parts of all merges whose results stay, and theirs.
fn close(model: &Value, vocabulary: &HashMap<String, u32>, ids: &mut BTreeSet<u32>) {
    let Some(merges) = model["merges"].as_array() else { return };
    // A merge mostly comes after those that make its parts, so that one pass from the end reaches nearly all.
    loop {
        let before = ids.len();
        for (a, b) in merges.iter().rev().filter_map(parts) {
            let result = vocabulary.get(&[a, b].concat());
            if result.is_some_and(|id| ids.contains(id)) {
                ids.extend([a, b].iter().filter_map(|part| vocabulary.get(*part)));
            }
        }
        if ids.len() == before {
            return;
        }
    }
}

/// Writes the small files that name tokens by number.
pub(super) fn write(source: &Path, target: &Path, kept: &Kept) -> Result<(), PruneError> {
    let path = source.join("tokenizer.json");
    let mut file: Value = read_json(&path)?;
    let words = vocabulary(&file["model"], &path)?;
    let stays: HashSet<&String> =
        words.iter().filter(|(_, id)| kept.new_id(u64::from(**id)).is_some()).map(|(word, _)| word).collect();
    let model = &mut file["model"];
    match &mut model["vocab"] {
        Value::Object(words) => {
            words.retain(|_, id| id.as_u64().is_some_and(|id| kept.new_id(id).is_some()));
            words.values_mut().for_each(|id| kept.renumber(id));
        }
        Value::Array(words) => {
            let mut at = 0;
            words.retain(|_| {
                at += 1;
                kept.new_id(at - 1).is_some()
            });
        }
        _ => {}
    }
    if let Some(merges) = model["merges"].as_array_mut() {
        merges.retain(|merge| {
            parts(merge).is_some_and(|(a, b)| {
                [a.to_owned(), b.to_owned(), [a, b].concat()].iter().all(|part| stays.contains(part))
            })
        });
    }
    if !model["unk_id"].is_null() {
        kept.renumber(&mut model["unk_id"]);
    }
    for token in file["added_tokens"].as_array_mut().into_iter().flatten() {
        kept.renumber(&mut token["id"]);
    }
    if file["padding"].is_object() {
        kept.renumber(&mut file["padding"]["pad_id"]);
    }
    renumber_marks(&mut file["post_processor"], kept);
    put(&target.join("tokenizer.json"), &file)?;
    write_settings(source, target, kept)
}

fn renumber_marks(value: &mut Value, kept: &Kept) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match (key.as_str(), value) {
                    ("ids", value) => kept.renumber(value),
                    ("sep" | "cls", Value::Array(pair)) => {
                        pair.iter_mut().skip(1).for_each(|id| kept.renumber(id))
                    }
                    (_, value) => renumber_marks(value, kept),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| renumber_marks(value, kept)),
        _ => {}
    }
}

/// `tokenizer_config.json` lists added tokens by their ids.
fn write_settings(source: &Path, target: &Path, kept: &Kept) -> Result<(), PruneError> {
    let path = source.join("tokenizer_config.json");
    if !path.exists() {
        return Ok(());
    }
    let mut settings: Map<String, Value> = read_json(&path)?;
    if let Some(Value::Object(tokens)) = settings.get_mut("added_tokens_decoder") {
        let all = std::mem::take(tokens);
        let new = |id: &str| id.parse().ok().and_then(|id| kept.new_id(id));
        *tokens = all.into_iter().filter_map(|(id, token)| Some((new(&id)?.to_string(), token))).collect();
    }
    put(&target.join("tokenizer_config.json"), &Value::Object(settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(model: Value) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let added = json!([{ "id": 2, "content": "<s>", "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false }]);
        let file = json!({ "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null,
            "added_tokens": added, "pre_tokenizer": { "type": "Whitespace" }, "model": model,
            "post_processor": { "type": "BertProcessing", "sep": ["<s>", 2], "cls": ["<s>", 2] } });
        std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
        folder
    }

    fn tokens(folder: &Path, text: &str) -> Vec<String> {
        let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).unwrap();
        tokenizer.encode(text, true).unwrap().get_tokens().to_vec()
    }

    fn pruned(model: Value, text: &str) -> (usize, Vec<String>) {
        let (folder, target) = (folder(model), tempfile::tempdir().unwrap());
        let before = tokens(folder.path(), text);
        let mut counter = Counter::open(folder.path()).unwrap();
        counter.add(text).unwrap();
        let kept = counter.kept(1).unwrap();
        write(folder.path(), target.path(), &kept).unwrap();
        assert_eq!(tokens(target.path(), text), before);
        let tokenizer = Tokenizer::from_file(target.path().join("tokenizer.json")).unwrap();
        assert_eq!(tokenizer.get_vocab_size(true), kept.len());
        (kept.len(), tokens(target.path(), "abcd abc"))
    }

    #[test]
    fn merges_of_kept_tokens_stay() {
        let vocab = json!({ "a": 0, "b": 1, "<s>": 2, "c": 3, "d": 4, "ab": 5, "cd": 6, "abcd": 7, "bc": 8, "abc": 9 });
        let merges = json!([["a", "b"], ["c", "d"], ["ab", "cd"], ["b", "c"], ["ab", "c"]]);
        let model = json!({ "type": "BPE", "vocab": vocab, "merges": merges, "unk_token": null, "dropout": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false });
        // Of the long tokens, `bc` and `abc` go; the latter is then spelled.
        let (count, other) = pruned(model, "abcd");
        assert_eq!((count, other.join(" ").as_str()), (8, "<s> abcd ab c <s>"));
    }

    #[test]
    fn the_best_path_of_kept_pieces_stays() {
        let vocab = json!([
            ["a", -3.0],
            ["b", -3.0],
            ["<s>", 0.0],
            ["c", -3.0],
            ["d", -3.0],
            ["abcd", -4.0],
            ["abc", -2.0],
            ["zz", -9.0],
            ["bcd", -5.0]
        ]);
        let model = json!({ "type": "Unigram", "unk_id": 2, "vocab": vocab, "byte_fallback": false });
        let (count, other) = pruned(model, "abcd");
        // `abc` and `bcd` go; the least likely piece stays, since the penalty of unknown ones hangs on it.
        assert_eq!((count, other.join(" ").as_str()), (7, "<s> abcd a b c <s>"));
    }

    #[test]
    fn longest_matches_stay() {
        let vocab = json!({ "[UNK]": 0, "a": 1, "<s>": 2, "##b": 3, "abc": 4, "##cd": 5, "ab": 6, "##c": 7, "##d": 8 });
        let model = json!({ "type": "WordPiece", "vocab": vocab, "unk_token": "[UNK]", "max_input_chars_per_word": 100,
            "continuing_subword_prefix": "##" });
        let (count, other) = pruned(model, "abcd");
        assert_eq!((count, other.join(" ").as_str()), (7, "<s> abc ##d abc <s>"));
    }

    #[test]
    fn other_kinds_are_refused() {
        let folder = folder(json!({ "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "a" }));
        let counter = Counter::open(folder.path()).unwrap();
        assert_eq!(counter.kept(1).unwrap().len(), 2);
        assert!(Counter::open(&folder.path().join("none")).is_err());
        assert!(vocabulary(&json!({ "type": "Odd" }), Path::new("t")).is_err());
        for length in 0..40 {
            let text = std::fs::read_to_string(folder.path().join("tokenizer.json")).unwrap();
            let cut = tempfile::tempdir().unwrap();
            std::fs::write(cut.path().join("tokenizer.json"), &text[..text.len() * length / 40]).unwrap();
            assert!(Counter::open(cut.path()).is_err());
        }
    }
}
