use std::env;
use std::path::{Path, PathBuf};

/// The places where the ONNX Runtime library may lie, in the order in which they are tried.
///
/// [`RuntimeSearch::from_environment`] is the only function of this room that reads the environment; a search made by
/// hand, or [`RuntimeSearch::nowhere`], makes loading independent of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeSearch {
    /// The library that `ORT_DYLIB_PATH` names.
    pub named: Option<PathBuf>,
    /// The directory of the running program.
    pub beside_program: Option<PathBuf>,
    /// Lateen's cache directory, into which `lateen runtime install` puts the library.
    pub cache: Option<PathBuf>,
    /// Roots of the active Python environments, whose package `onnxruntime` carries the library.
    pub python: Vec<PathBuf>,
    /// Whether to ask the system's loader for the library's plain name.
    pub system: bool,
}

/// One file, or one name for the system's loader, to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) place: &'static str,
    /// Why there is nothing to load here; the candidate is only reported.
    pub(crate) absent: Option<&'static str>,
}

impl RuntimeSearch {
    /// Takes the places from `ORT_DYLIB_PATH`, the program's path, `LATEEN_CACHE` (else the user's cache directory:
    /// `XDG_CACHE_HOME/lateen`, `~/.cache/lateen`, `~/Library/Caches/lateen` or `%LOCALAPPDATA%\lateen`),
    /// `VIRTUAL_ENV` and `CONDA_PREFIX`.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            named: variable("ORT_DYLIB_PATH"),
            beside_program: env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)),
            cache: cache_directory(),
            python: ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).collect(),
            system: true,
        }
    }

    /// Looks nowhere: only [`ModelOptions::onnxruntime_path`](super::super::ModelOptions) can name a library.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// What to try, in order; places without a library come out marked as such.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        if let Some(path) = &self.named {
            push(&mut found, path, "ORT_DYLIB_PATH", libraries_at(path));
        }
        if let Some(path) = &self.beside_program {
            push(&mut found, path, "beside the program", libraries_at(path));
        }
        if let Some(path) = &self.cache {
            let root = path.join("onnxruntime");
            let mut all: Vec<PathBuf> = directories(&root).iter().flat_map(|dir| libraries_at(dir)).collect();
            all.sort_by_key(|path| std::cmp::Reverse(version(path)));
            push(&mut found, &root, "Lateen's cache", all);
        }
        for root in &self.python {
            let all =
                site_packages(root).into_iter().flat_map(|dir| libraries_at(&dir.join("onnxruntime/capi")));
            push(&mut found, root, "Python package onnxruntime", all.collect());
        }
        if self.system {
            let path =
                PathBuf::from(format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX));
            found.push(Candidate { path, place: "system loader", absent: None });
        }
        found
    }
}

fn push(found: &mut Vec<Candidate>, place_path: &Path, place: &'static str, libraries: Vec<PathBuf>) {
    if libraries.is_empty() {
        let absent = Some("no ONNX Runtime library there");
        found.push(Candidate { path: place_path.to_owned(), place, absent });
    }
    found.extend(libraries.into_iter().map(|path| Candidate { path, place, absent: None }));
}

/// Lateen's cache directory: `LATEEN_CACHE`, else `lateen` in the user's cache directory.
#[must_use]
pub fn cache_directory() -> Option<PathBuf> {
    if let Some(path) = variable("LATEEN_CACHE") {
        return Some(path);
    }
    let home = || variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
    let user = if cfg!(windows) {
        variable("LOCALAPPDATA").or_else(|| home().map(|home| home.join("AppData/Local")))
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| home().map(|home| home.join(".cache")))
    };
    user.map(|user| user.join("lateen"))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The ONNX Runtime libraries at `path`: itself if it is a file, else those in it, newest first.
fn libraries_at(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found: Vec<PathBuf> = entries(path)
        .into_iter()
        .filter(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(is_library))
        .collect();
    found.sort_by_key(|path| std::cmp::Reverse(version(path)));
    found
}

/// Whether a file of this name is the library itself, not one of its providers.
pub(crate) fn is_library(name: &str) -> bool {
    match name.strip_prefix("libonnxruntime.") {
        Some(rest) => rest == "so" || rest.starts_with("so.") || rest == "dylib" || rest.ends_with(".dylib"),
        None => name == "onnxruntime.dll",
    }
}

/// The numbers in a library's file name or its directory, for ordering.
fn version(path: &Path) -> Vec<u64> {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let name = path.file_name().and_then(|name| name.to_str()).map(numbers).unwrap_or_default();
    if !name.is_empty() {
        return name;
    }
    path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).map(numbers).unwrap_or_default()
}

fn site_packages(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("Lib/site-packages")];
    for lib in directories(&root.join("lib")) {
        if lib.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")) {
            found.push(lib.join("site-packages"));
        }
    }
    found
}

fn directories(path: &Path) -> Vec<PathBuf> {
    entries(path).into_iter().filter(|path| path.is_dir()).collect()
}

/// What a directory holds, in the order of names; nothing if it cannot be read.
fn entries(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_not_the_library() {
        assert!(is_library("libonnxruntime.so") && is_library("libonnxruntime.so.1.32.0"));
        assert!(is_library("libonnxruntime.1.32.0.dylib") && is_library("onnxruntime.dll"));
        assert!(
            !is_library("libonnxruntime_providers_shared.so") && !is_library("onnxruntime_providers.dll")
        );
    }

    #[test]
    fn places_are_tried_in_order_and_newest_first() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, b"").unwrap();
            path
        };
        let named = file("named/libonnxruntime.so");
        let old = file("cache/onnxruntime/1.9.0/libonnxruntime.so.1.9.0");
        let new = file("cache/onnxruntime/1.32.0/libonnxruntime.so.1.32.0");
        let python = file("venv/lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.30.0");
        let search = RuntimeSearch {
            named: Some(named.clone()),
            beside_program: Some(root.path().join("bin")),
            cache: Some(root.path().join("cache")),
            python: vec![root.path().join("venv")],
            system: true,
        };
        let found = search.candidates();
        let paths: Vec<PathBuf> =
            found.iter().filter(|c| c.absent.is_none()).map(|c| c.path.clone()).collect();
        assert_eq!(paths[..4], [named, new, old, python]);
        assert_eq!(paths.len(), 5, "the system loader is last");
        assert_eq!(found.iter().filter(|c| c.absent.is_some()).count(), 1, "nothing is beside the program");
        assert!(RuntimeSearch::nowhere().candidates().is_empty());
    }
}
