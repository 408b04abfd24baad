//! Building the `lateen` binary.

use crate::process;
use anyhow::Context as _;
use serde_json::Value;
use std::path::PathBuf;

/// Builds `lateen` and returns where it is.
pub fn lateen(release: bool) -> anyhow::Result<PathBuf> {
    let mut command = process::cargo();
    command.args(["build", "--package", "lateen-cli", "--message-format", "json-render-diagnostics"]);
    if release {
        command.arg("--release");
    }
    let messages = process::read(&mut command)?;
    messages.lines().filter_map(executable).next_back().context("cargo built no binary `lateen`")
}

fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    (message["target"]["name"] == "lateen").then_some(())?;
    message["executable"].as_str().map(PathBuf::from)
}

/// Where cargo puts what it builds.
pub fn target_directory() -> anyhow::Result<PathBuf> {
    let mut command = process::cargo();
    let metadata = process::read(command.args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("output of cargo metadata")?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .context("cargo metadata names no target directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_in_cargos_messages() {
        let library = r#"{"reason":"compiler-artifact","target":{"name":"lateen"},"executable":null}"#;
        let binary = r#"{"reason":"compiler-artifact","target":{"name":"lateen"},"executable":"/t/lateen"}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(binary), Some("/t/lateen".into()));
        assert_eq!(executable("warning: text"), None);
    }
}
