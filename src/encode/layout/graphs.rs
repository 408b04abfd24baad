//! The graphs of a directory: `model.onnx`, and variants of it that are taken only if they are asked for.

use std::path::PathBuf;

use crate::encode::directory::ModelDirectory;
use crate::encode::{EncodeError, ModelOptions};

/// The folders of a directory that hold graphs.
const FOLDERS: [&str; 2] = ["", "onnx/"];

/// A graph of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::encode) struct Variant {
    /// What asks for it (`int8`); none for the one that is taken by default.
    pub(in crate::encode) name: Option<String>,
    pub(in crate::encode) path: PathBuf,
}

/// All graphs, in the order in which they would be found.
pub(in crate::encode) fn variants(directories: &[&ModelDirectory]) -> Vec<Variant> {
    let mut all: Vec<Variant> = Vec::new();
    for directory in directories {
        for folder in FOLDERS {
            for name in directory.names(folder) {
                let Some(stem) = name.strip_suffix(".onnx") else { continue };
                let name = stem.strip_prefix("model_").or(Some(stem)).filter(|&name| name != "model");
                let found = Variant {
                    name: name.map(str::to_owned),
                    path: directory.path(&format!("{folder}{stem}.onnx")),
                };
                // The second of two with one name is never taken.
                if !all.iter().any(|other| other.name == found.name) {
                    all.push(found);
                }
            }
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn names(variant: Option<&str>) -> Vec<String> {
    let stems = match variant {
        Some(variant) => vec![variant.to_owned(), format!("model_{variant}")],
        None => vec!["model".to_owned()],
    };
    stems.iter().flat_map(|stem| FOLDERS.map(|folder| format!("{folder}{stem}.onnx"))).collect()
}

/// The graph in the first of `directories` that has one.
pub(super) fn find_graph(directories: &[&ModelDirectory], variant: Option<&str>) -> Option<PathBuf> {
    let names = names(variant);
    directories.iter().find_map(|directory| directory.first(&names))
}

/// The graph, or why there is none.
pub(in crate::encode) fn graph(
    directories: &[&ModelDirectory],
    options: &ModelOptions,
) -> Result<PathBuf, EncodeError> {
    let variant = options.variant.as_deref();
    if let Some(bad) = variant.filter(|v| v.contains(['/', '\\', ':']) || v.contains("..")) {
        return Err(EncodeError::Field {
            path: directories[0].root().to_owned(),
            field: "variant",
            found: bad.to_owned(),
            expected: "a plain name such as int8",
        });
    }
    find_graph(directories, variant).ok_or_else(|| no_graph(directories, variant))
}

pub(super) fn no_graph(directories: &[&ModelDirectory], variant: Option<&str>) -> EncodeError {
    let directory = directories[0].root().to_owned();
    let found: Vec<String> = variants(directories)
        .into_iter()
        .map(|one| one.name.unwrap_or_else(|| "(default)".to_owned()))
        .collect();
    if !found.is_empty() {
        return EncodeError::NoVariant { directory, variant: variant.map(str::to_owned), found };
    }
    let has_weights = directories.iter().any(|directory| directory.has("model.safetensors"));
    match directories.iter().find_map(|directory| directory.pickle()) {
        Some(path) if !has_weights => EncodeError::Pickle { path },
        _ => EncodeError::NoGraph { directory, looked_for: names(variant) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::write;

    #[test]
    fn variants_are_named_and_never_taken_unasked() {
        let root = tempfile::tempdir().unwrap();
        for name in ["onnx/model_int8.onnx", "onnx/model_O4.onnx", "model_int8.onnx", "decoder.onnx", "x.txt"]
        {
            write(root.path(), name, "");
        }
        let directory = ModelDirectory::open(root.path()).unwrap();
        let named = |variant: &str| {
            graph(
                &[&directory],
                &ModelOptions { variant: Some(variant.to_owned()), ..ModelOptions::default() },
            )
        };
        assert_eq!(named("int8").unwrap(), root.path().join("model_int8.onnx"), "the root comes first");
        assert_eq!(named("O4").unwrap(), root.path().join("onnx/model_O4.onnx"));
        assert_eq!(named("decoder").unwrap(), root.path().join("decoder.onnx"));
        let refused = graph(&[&directory], &ModelOptions::default()).unwrap_err().to_string();
        assert!(
            refused.contains("O4") && refused.contains("int8") && refused.contains("--variant"),
            "{refused}"
        );
        assert!(matches!(named("fp16"), Err(EncodeError::NoVariant { .. })));
        assert!(matches!(named("../int8"), Err(EncodeError::Field { field: "variant", .. })));
        write(root.path(), "onnx/model.onnx", "");
        assert_eq!(
            graph(&[&directory], &ModelOptions::default()).unwrap(),
            root.path().join("onnx/model.onnx")
        );
        let all: Vec<_> = variants(&[&directory]).into_iter().map(|one| one.name).collect();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(all, [None, name("O4"), name("decoder"), name("int8")]);
    }
}
