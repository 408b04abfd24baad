//! A folder of its own for each test, and the binary run in it.

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Documents of the small collection that most tests use.
pub const DOCUMENTS: &str = r#"{"_id": "moon", "title": "The Moon", "text": "It raises the tides of the sea twice a day."}
{"_id": "bread", "text": "Bread rises because yeast makes gas in the dough.", "year": 1847}
{"_id": "bees", "title": "Honey bees", "text": "They dance to tell each other where flowers grow."}
"#;

/// A temporary folder; removed with its files when dropped.
pub struct Workspace(tempfile::TempDir);

/// What a run of the binary gave.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Workspace {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A workspace with the small collection in `docs.jsonl`, indexed as `ix`.
    pub fn indexed() -> Self {
        let space = Self::new();
        space.write("docs.jsonl", DOCUMENTS);
        let ran = space.run(&["index", "docs.jsonl", "--out", "ix"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        space
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The binary, in this folder, knowing nothing of the user's environment.
    pub fn command(&self) -> Command {
        let mut command = Command::cargo_bin("lateen").unwrap();
        command.current_dir(self.0.path());
        for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("LATEEN_CACHE", self.path("cache"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        let output = self.command().args(arguments).write_stdin(stdin).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The files of an index, by name.
    pub fn files(&self, index: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path(index)).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The one segment of an index.
    pub fn segment(&self, index: &str) -> PathBuf {
        let is_segment = |path: &PathBuf| has_extension(path, "lts");
        self.files(index).into_iter().find(is_segment).expect("a segment")
    }

    pub fn manifest(&self, index: &str) -> PathBuf {
        let is_manifest = |path: &PathBuf| has_extension(path, "ltm");
        self.files(index).into_iter().rfind(is_manifest).expect("a manifest")
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

impl Ran {
    /// The JSON documents on standard output.
    pub fn documents(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }

    /// Asserts that the command failed with `code` and said all of `words`.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}
