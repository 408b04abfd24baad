//! Reads a `tokenizer.json`, checked first for what the tokenizers crate panics on or asks memory for without a bound.
//!
//! A broken decoder makes the crate panic while it reads; the character map of a `Precompiled` normaliser makes it reserve
//! what the map's first four bytes say, and index out of bounds while a text is normalised. Everything else that is wrong it
//! reports itself.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

/// What a file says besides what the tokenizers crate gives out.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelHead {
    pub(super) unk_token: Option<String>,
    pub(super) unk_id: Option<u32>,
}

/// Reading this proves that all of the file is JSON, and that its decoder and normaliser fit into values.
#[derive(Deserialize)]
struct Parts {
    model: ModelHead,
    #[serde(default)]
    normalizer: Value,
    #[serde(default, rename = "decoder")]
    _decoder: Value,
}

/// The tokenizer that `bytes` describe, and the head of its model.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn read(bytes: &[u8]) -> Result<(Tokenizer, ModelHead), String> {
    let parts: Parts = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    check_maps(&parts.normalizer)?;
    // The crate's readers have an assertion or two left; one of them must not end the process.
    let tokenizer = std::panic::catch_unwind(|| Tokenizer::from_bytes(bytes))
        .map_err(|_| "the tokenizers crate panicked on it".to_owned())?
        .map_err(|error| error.to_string())?;
    Ok((tokenizer, parts.model))
}

/// Checks every precompiled map of a normaliser; how deep it is nested, the JSON reader bounds.
fn check_maps(normalizer: &Value) -> Result<(), String> {
    const MAP: &str = "precompiled_charsmap";
    match normalizer {
        Value::Array(values) => values.iter().try_for_each(check_maps),
        Value::Object(fields) => {
            let precompiled = fields.get("type").is_some_and(|name| name == "Precompiled");
            if precompiled || fields.contains_key(MAP) {
                let map = fields.get(MAP).and_then(Value::as_str);
                check_map(map.ok_or("it lacks the text of the map")?)
                    .map_err(|what| format!("the {MAP} of its normalizer is broken: {what}"))?;
            }
            fields.values().try_for_each(check_maps)
        }
        _ => Ok(()),
    }
}

/// Checks a map of SentencePiece: the bytes of a trie, as a little-endian `u32`; the trie, one `u32` a unit; and the
/// replacements, as text with a zero behind each.
fn check_map(base64: &str) -> Result<(), String> {
    let bytes = base64::decode(base64).map_err(|error| error.to_string())?;
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("it has no length")?;
    let length = u32::from_le_bytes(*length) as usize / 4 * 4;
    let (trie, texts) = rest.split_at_checked(length).ok_or("its trie is longer than the map")?;
    let texts = std::str::from_utf8(texts).map_err(|_| "its replacements are no UTF-8")?;
    let trie: Vec<Unit> = trie
        .chunks_exact(4)
        .map(|unit| Unit(u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]])))
        .collect();
    Ok(check_trie(&trie, texts)?)
}

/// One place of a double-array trie (Aoe, 1989), packed as the Darts-clone library does.
#[derive(Clone, Copy)]
struct Unit(u32);

impl Unit {
    fn offset(self) -> usize {
        ((u64::from(self.0) >> 10) << ((self.0 & 1 << 9) >> 6)) as usize
    }

    /// The byte that leads here; no byte leads to a unit that holds a value.
    fn label(self) -> usize {
        (self.0 & (1 << 31 | 0xff)) as usize
    }

    fn has_leaf(self) -> bool {
        self.0 >> 8 & 1 == 1
    }

    fn value(self) -> usize {
        (self.0 & !(1 << 31)) as usize
    }
}

/// Walks all of the trie that any key can reach: each place once.
fn check_trie(trie: &[Unit], texts: &str) -> Result<(), &'static str> {
    const OUTSIDE: &str = "its trie leads out of itself";
    let root = trie.first().ok_or("its trie is empty")?.offset();
    let mut seen = vec![false; trie.len()];
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if std::mem::replace(seen.get_mut(node).ok_or(OUTSIDE)?, true) {
            continue;
        }
        for byte in 1..=0xff {
            let at = node ^ byte;
            let unit = *trie.get(at).ok_or(OUTSIDE)?;
            if unit.label() != byte {
                continue;
            }
            let next = at ^ unit.offset();
            if unit.has_leaf() && !texts.is_char_boundary(trie.get(next).ok_or(OUTSIDE)?.value()) {
                return Err("its trie leads out of its replacements");
            }
            open.push(next);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"version":"1.0","added_tokens":[],"normalizer":NORMALIZER,
        "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":DECODER,"truncation":null,"padding":null,
        "model":{"type":"WordLevel","vocab":{"[UNK]":0,"whale":1},"unk_token":"[UNK]"}}"#;

    fn file(normalizer: &str, decoder: &str) -> Vec<u8> {
        FILE.replace("NORMALIZER", normalizer).replace("DECODER", decoder).into_bytes()
    }

    fn precompiled(map: &[u8]) -> Vec<u8> {
        let map = base64::encode(map);
        let normalizer = format!(r#"{{"type":"Precompiled","precompiled_charsmap":"{map}"}}"#);
        file(&format!(r#"{{"type":"Sequence","normalizers":[{normalizer}]}}"#), "null")
    }

    /// A map whose trie leads from `W` to the replacement at `value`.
    fn map(units: usize, value: u32, texts: &str) -> Vec<u8> {
        let mut trie = vec![0_u32; units];
        // The root's children stand from 256 on, and those of `W` from 512 on.
        trie[0] = 256 << 10;
        trie[256 ^ usize::from(b'W')] = ((256 ^ u32::from(b'W') ^ 512) << 10) | 1 << 8 | u32::from(b'W');
        if let Some(leaf) = trie.get_mut(512) {
            *leaf = value | 1 << 31;
        }
        let mut bytes = (units as u32 * 4).to_le_bytes().to_vec();
        bytes.extend(trie.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(texts.as_bytes());
        bytes
    }

    #[track_caller]
    fn refused(bytes: &[u8], words: &str) {
        let told = read(bytes).map(drop).unwrap_err();
        assert!(told.contains(words), "{told:?} lacks {words:?}");
        assert!(!told.contains("panicked"), "{told}");
    }

    #[test]
    fn a_sound_map_replaces_characters() {
        let (tokenizer, head) = read(&precompiled(&map(768, 2, "x\0w\0"))).unwrap();
        assert_eq!(head.unk_token.as_deref(), Some("[UNK]"));
        assert_eq!(tokenizer.encode("Whale", false).unwrap().get_ids(), [1]);
    }

    #[test]
    fn syntax_errors_anywhere_are_errors() {
        let sound = file("null", r#"{"type":"WordPiece","prefix":"\u0023#","cleanup":true}"#);
        assert!(read(&sound).is_ok());
        for length in 0..sound.len() {
            assert!(read(&sound[..length]).is_err());
        }
        refused(&file("null", r#"{"type":"WordPiece","prefix":"\u00zz","cleanup":true}"#), "escape");
        refused(&file("null", r#"{"type":1e999}"#), "out of range");
        refused(&file(r#"{"type":"Lowercase"}"#, r#"{"type":"Nothing"}"#), "");
    }

    #[test]
    fn maps_that_lie_are_refused() {
        refused(&precompiled(&[]), "no length");
        refused(&precompiled(&u32::MAX.to_le_bytes()), "longer than the map");
        refused(&precompiled(&0_u32.to_le_bytes()), "empty");
        refused(&precompiled(&map(512, 0, "w\0")), "leads out of itself");
        refused(&precompiled(&map(700, 0, "w\0")), "leads out of itself");
        refused(&precompiled(&map(768, 9, "w\0")), "out of its replacements");
        refused(&precompiled(&map(768, 1, "é\0")), "out of its replacements");
        refused(&file(r#"{"type":"Precompiled"}"#, "null"), "lacks the text");
        refused(&file(r#"{"type":"Precompiled","precompiled_charsmap":"?"}"#, "null"), "broken");
        refused(&file(r#"{"precompiled_charsmap":"AAAA"}"#, "null"), "no length");
    }
}
