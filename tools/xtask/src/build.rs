//! Building the `lateen` binary.

use crate::process;
use anyhow::Context as _;
use serde_json::Value;
use std::path::PathBuf;

/// Builds the release binary and returns where it is.
pub fn release() -> anyhow::Result<PathBuf> {
    lateen(&["build", "--package", "lateen-cli", "--release"])
}

/// Builds all tests, and the binary with them: the dependencies then have the features that the tests run with, and
/// are built once.
pub fn tests() -> anyhow::Result<PathBuf> {
    lateen(&["test", "--workspace", "--no-run"])
}

fn lateen(arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let mut command = process::cargo();
    let messages =
        process::read(command.args(arguments).args(["--message-format", "json-render-diagnostics"]))?;
    messages.lines().filter_map(executable).next_back().context("cargo built no binary `lateen`")
}

fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    (message["target"]["name"] == "lateen" && message["profile"]["test"] == false).then_some(())?;
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
        let message = |test: bool, executable: &str| {
            format!(
                r#"{{"target":{{"name":"lateen"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let (library, tests) = (message(false, "null"), message(true, "\"/t/lateen-0\""));
        let binary = &message(false, "\"/t/lateen\"");
        assert_eq!((executable(&library), executable(&tests)), (None, None));
        assert_eq!(executable(binary), Some("/t/lateen".into()));
        assert_eq!(executable("warning: text"), None);
    }
}
