//! The files of a model, as the hub lists them, and those of them that are needed.

use std::path::{Component, Path};

use serde::Deserialize;

use super::id::is_commit;
use super::pull::PullError;

/// More files than any model has.
const MOST_FILES: usize = 10_000;
/// The deepest folder that a file is taken from.
const DEEPEST: usize = 6;

/// What the hub says of a revision.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

/// A file of a model, its name checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
}

/// What a file's bytes must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    /// Of the bytes, for large files.
    Sha256(String),
    /// Of git's object, for small ones.
    GitSha1(String),
}

impl Checksum {
    /// The file's name among the blobs.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Sha256(sum) | Self::GitSha1(sum) => sum,
        }
    }
}

impl Listing {
    /// Reads a listing: the commit, and the files that are needed for `variant`.
    pub(super) fn read(bytes: &[u8], variant: Option<&str>) -> Result<(String, Vec<RemoteFile>), PullError> {
        let listing: Self = serde_json::from_slice(bytes).map_err(|source| PullError::Listing {
            problem: format!("it is not the JSON expected: {source}"),
        })?;
        let wrong = |problem: String| PullError::Listing { problem };
        if !is_commit(&listing.sha) {
            return Err(wrong(format!("its commit is {:?}", listing.sha)));
        }
        if listing.siblings.len() > MOST_FILES {
            return Err(wrong(format!(
                "it lists {} files; at most {MOST_FILES} are read",
                listing.siblings.len()
            )));
        }
        let files: Vec<RemoteFile> =
            listing.siblings.into_iter().map(Sibling::checked).collect::<Result<_, _>>()?;
        Ok((listing.sha, needed(files, variant)))
    }
}

impl Sibling {
    fn checked(self) -> Result<RemoteFile, PullError> {
        let name = self.rfilename;
        if !is_plain(&name) {
            return Err(PullError::Listing {
                problem: format!("it lists a file {name:?}, outside the model"),
            });
        }
        let hexadecimal = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let (size, checksum) = match (self.lfs, self.blob_id, self.size) {
            (Some(lfs), ..) if hexadecimal(&lfs.sha256, 64) => (lfs.size, Checksum::Sha256(lfs.sha256)),
            (None, Some(sum), Some(size)) if hexadecimal(&sum, 40) => (size, Checksum::GitSha1(sum)),
            _ => return Err(PullError::Listing { problem: format!("it gives no checksum of {name:?}") }),
        };
        Ok(RemoteFile { name, size, checksum })
    }
}

/// Whether a name stays within the model's folder, on any system.
fn is_plain(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty()
        && name.len() <= 512
        && !name.contains(['\\', ':', '\0'])
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && path.components().all(|part| matches!(part, Component::Normal(_)))
        && path.components().count() <= DEEPEST
}

/// The settings that a model may have at the top and in the folders of its modules.
const SETTINGS: [&str; 11] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "modules.json",
    "config_sentence_transformers.json",
    "artifact.metadata",
    "onnx_config.json",
    "lateen.json",
    "README.md",
    "LICENSE",
];

/// What loading a model reads: settings, tokenizer, module weights, one graph with its external weights; the checkpoint's
/// own weights where there is no graph, or where the projection is among them. Never pickles or code.
fn needed(files: Vec<RemoteFile>, variant: Option<&str>) -> Vec<RemoteFile> {
    let has = |name: &str| files.iter().any(|file| file.name == name);
    let stems = match variant {
        Some(variant) => vec![variant.to_owned(), format!("model_{variant}")],
        None => vec!["model".to_owned()],
    };
    let graphs = stems.iter().flat_map(|stem| [format!("{stem}.onnx"), format!("onnx/{stem}.onnx")]);
    let graph = graphs.into_iter().find(|name| has(name));
    let encoder = ["onnx/encoder_model.onnx", "encoder_model.onnx"].into_iter().find(|name| has(name));
    let pair = encoder.filter(|_| graph.is_none());
    let wants_weights = (graph.is_none() && pair.is_none()) || has("artifact.metadata");
    let wanted = |name: &str| {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let is_module = folder.split_once('_').is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && !folder.contains('/')
        });
        let is_setting =
            SETTINGS.contains(&file) || (file.starts_with("sentence_") && file.ends_with(".json"));
        let of_graph = |graph: &str| name == graph || (name.starts_with(graph) && name.contains("data"));
        match (folder, file) {
            ("", _) if is_setting => true,
            ("", "colbert_linear.safetensors" | "sparse_linear.safetensors") => true,
            ("", "model.safetensors" | "model.safetensors.index.json") => wants_weights,
            ("", _) if file.starts_with("model-") && file.ends_with(".safetensors") => wants_weights,
            _ if is_module => is_setting || file == "model.safetensors",
            _ => {
                graph.as_deref().is_some_and(of_graph)
                    || pair.is_some_and(of_graph)
                    || pair.is_some()
                        && of_graph(&format!(
                            "{}decoder_model.onnx",
                            if folder.is_empty() { "" } else { "onnx/" }
                        ))
            }
        }
    };
    let keep: Vec<bool> = files.iter().map(|file| wanted(&file.name)).collect();
    files.into_iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str], variant: Option<&str>) -> Vec<String> {
        let file = |name: &&str| RemoteFile {
            name: (*name).to_owned(),
            size: 1,
            checksum: Checksum::GitSha1("0".repeat(40)),
        };
        needed(all.iter().map(file).collect(), variant).into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn only_what_loading_reads_is_needed() {
        let all = [
            "config.json",
            "modules.json",
            "model.safetensors",
            "pytorch_model.bin",
            "modeling_x.py",
            "tokenizer.json",
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
            "2_Dense/pytorch_model.bin",
            "onnx/model.onnx",
            "onnx/model.onnx_data",
            "onnx/model_int8.onnx",
            "openvino/openvino_model.bin",
            "sentence_bert_config.json",
            "imgs/curve.png",
        ];
        let common = ["config.json", "modules.json"];
        let rest = ["tokenizer.json", "1_Pooling/config.json", "2_Dense/model.safetensors"];
        let plain =
            [&common[..], &rest, &["onnx/model.onnx", "onnx/model.onnx_data", "sentence_bert_config.json"]];
        assert_eq!(names(&all, None), plain.concat());
        let int8 = [&common[..], &rest, &["onnx/model_int8.onnx", "sentence_bert_config.json"]];
        assert_eq!(names(&all, Some("int8")), int8.concat());
        let weights = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "rust_model.ot",
        ];
        assert_eq!(names(&weights, None), weights[..3]);
        let stanford = ["artifact.metadata", "model.safetensors", "model.onnx"];
        assert_eq!(names(&stanford, None), stanford);
    }

    #[test]
    fn listings_that_lead_outside_are_refused() {
        let listing = |name: &str| {
            let file = serde_json::json!({"rfilename": name, "size": 1, "blobId": "0".repeat(40)});
            serde_json::json!({"sha": "a".repeat(40), "siblings": [file]}).to_string()
        };
        assert!(Listing::read(listing("onnx/model.onnx").as_bytes(), None).is_ok());
        for name in [
            "../x",
            "/etc/passwd",
            "a/../../b",
            "a\\..\\b",
            "C:x",
            "a//b",
            "./a",
            "",
            "a/b/c/d/e/f/g",
            "a\nb",
        ] {
            let refused = Listing::read(listing(name).as_bytes(), None);
            assert!(matches!(refused, Err(PullError::Listing { .. })), "{name:?}");
        }
        for broken in ["{}", "[]", r#"{"sha": "main", "siblings": []}"#, &listing("a").replace("blobId", "x")]
        {
            assert!(Listing::read(broken.as_bytes(), None).is_err(), "{broken}");
        }
    }
}
