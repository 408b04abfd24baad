//! Holds the house rules of `ARCHITECTURE.md`: who may import whom, who may name which crate, where `unsafe`
//! may stand, and how long a file may grow.
//!
//! Sources are read as tokens, so code inside macros counts and comments and strings do not.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rooms and their floors. A room may import rooms on lower floors; rooms on one floor do not know each other.
const FLOORS: &[(&str, u8)] = &[
    ("format", 0),
    ("types", 1),
    ("kernel", 1),
    ("quant", 2),
    ("ann", 2),
    ("encode", 2),
    ("lexical", 2),
    ("eval", 2),
    ("corpus", 2),
    ("index", 3),
    ("search", 4),
    ("rerank", 5),
    ("retriever", 6),
];

/// The shared nouns: the one room that its own floor may import.
const NOUNS: &str = "types";

/// Crates that only one room may name.
const OWNED_CRATES: &[(&str, &str)] = &[
    ("ort", "encode"),
    ("rten", "encode"),
    ("rten_tensor", "encode"),
    ("tokenizers", "encode"),
    ("frostem", "lexical"),
];

/// The only places for `unsafe`.
const UNSAFE_ALLOWED: &[&str] = &["src/kernel/simd/", "src/index/mmap.rs"];

/// The most lines of a file, tests aside.
const MAX_LINES: usize = 450;

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Violation {
    Import { file: String, line: usize, room: String, imports: String },
    UnknownRoom { file: String, line: usize, name: String },
    ForeignCrate { file: String, line: usize, name: String, owner: &'static str },
    Unsafe { file: String, line: usize },
    TooLong { file: String, lines: usize },
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The modules a file is: `src/index/mmap.rs` is `["index", "mmap"]`, `src/lib.rs` is `[]`.
fn module_path(file: &str) -> Vec<String> {
    let path = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

struct Reader<'a> {
    file: &'a str,
    room: Option<String>,
    found: BTreeSet<Violation>,
}

impl Reader<'_> {
    /// Walks the tokens of one module; `modules` is its path from the crate's root.
    fn walk(&mut self, tokens: TokenStream, modules: &[String]) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            match &trees[at] {
                TokenTree::Group(group) => {
                    let inner = inline_module(&trees[..at]).filter(|_| group.delimiter() == Delimiter::Brace);
                    let mut path = modules.to_vec();
                    path.extend(inner);
                    self.walk(group.stream(), &path);
                }
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    let name = ident.to_string();
                    if name == "unsafe" {
                        self.unsafe_at(line);
                    }
                    if !follows_colons(&trees[..at]) {
                        self.path_at(&name, &trees[at + 1..], modules, line, &trees[..at]);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn unsafe_at(&mut self, line: usize) {
        if !UNSAFE_ALLOWED.iter().any(|place| self.file.starts_with(place)) {
            self.found.insert(Violation::Unsafe { file: self.file.to_owned(), line });
        }
    }

    /// A path begins with `first`; `rest` is what follows.
    fn path_at(
        &mut self,
        first: &str,
        rest: &[TokenTree],
        modules: &[String],
        line: usize,
        before: &[TokenTree],
    ) {
        match first {
            "crate" | "lateen" => self.rooms_after(rest, &[], line),
            "super" => {
                let (ups, rest) = supers(rest);
                let base = &modules[..modules.len().saturating_sub(ups)];
                self.rooms_after(rest, base, line);
            }
            "lateen_index_format" => self.import("format", line),
            name => {
                let is_path = colons(rest).is_some() || ends_use(before) && !is_local(rest);
                if let Some((_, owner)) = OWNED_CRATES.iter().find(|(krate, _)| *krate == name && is_path)
                    && self.room.as_deref() != Some(owner)
                {
                    let (file, name) = (self.file.to_owned(), name.to_owned());
                    self.found.insert(Violation::ForeignCrate { file, line, name, owner });
                }
            }
        }
    }

    /// The names reached through `:: name` or `:: { name, … }` from the module `base`.
    fn rooms_after(&mut self, rest: &[TokenTree], base: &[String], line: usize) {
        if let Some(room) = base.first() {
            self.import(&room.clone(), line);
            return;
        }
        let Some(after) = colons(rest) else { return };
        match after.first() {
            Some(TokenTree::Ident(name)) => self.import(&name.to_string(), line),
            Some(TokenTree::Group(group)) => {
                let mut fresh = true;
                for tree in group.stream() {
                    match tree {
                        TokenTree::Ident(name) if fresh => {
                            self.import(&name.to_string(), name.span().start().line);
                            fresh = false;
                        }
                        TokenTree::Punct(mark) if mark.as_char() == ',' => fresh = true,
                        _ => fresh = false,
                    }
                }
            }
            _ => {}
        }
    }

    fn import(&mut self, name: &str, line: usize) {
        let Some(room) = self.room.clone() else { return };
        if name == room || name == "self" {
            return;
        }
        let file = self.file.to_owned();
        match (floor(&room), floor(name)) {
            (Some(_), None) => {
                self.found.insert(Violation::UnknownRoom { file, line, name: name.to_owned() });
            }
            (Some(own), Some(other)) if other < own || (other == own && name == NOUNS) => {}
            _ => {
                self.found.insert(Violation::Import { file, line, room, imports: name.to_owned() });
            }
        }
    }
}

/// What follows `::`, if that is what comes next.
fn colons(rest: &[TokenTree]) -> Option<&[TokenTree]> {
    match rest {
        [TokenTree::Punct(a), TokenTree::Punct(b), after @ ..]
            if a.as_char() == ':' && b.as_char() == ':' =>
        {
            Some(after)
        }
        _ => None,
    }
}

fn follows_colons(before: &[TokenTree]) -> bool {
    matches!(before, [.., TokenTree::Punct(a), TokenTree::Punct(b)] if a.as_char() == ':' && b.as_char() == ':')
}

/// Counts `super` and the `:: super` that follow; returns also what is left.
fn supers(mut rest: &[TokenTree]) -> (usize, &[TokenTree]) {
    let mut ups = 1;
    while let Some([TokenTree::Ident(next), after @ ..]) = colons(rest) {
        if next != "super" {
            break;
        }
        ups += 1;
        rest = after;
    }
    (ups, rest)
}

/// `use name;`, `extern crate name` or `use name as …`: a path of one segment.
fn ends_use(before: &[TokenTree]) -> bool {
    matches!(before.last(), Some(TokenTree::Ident(word)) if word == "use" || word == "crate")
}

fn is_local(rest: &[TokenTree]) -> bool {
    matches!(rest.first(), Some(TokenTree::Punct(mark)) if mark.as_char() == '=' || mark.as_char() == '.')
}

/// `mod name` right before a brace group.
fn inline_module(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" => Some(name.to_string()),
        _ => None,
    }
}

/// Lines before the tests at the end of a file; 0 for files of tests.
fn counted_lines(file: &str, text: &str) -> usize {
    if file.ends_with("tests.rs") || file.contains("/tests/") {
        return 0;
    }
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod tests"));
    tests.unwrap_or(lines.len())
}

/// Checks one file, named relative to the repository's root.
fn check(file: &str, text: &str) -> Vec<Violation> {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file} is no Rust: {error}"));
    let modules = module_path(file);
    let mut reader = Reader { file, room: modules.first().cloned(), found: BTreeSet::new() };
    reader.walk(tokens, &modules);
    let lines = counted_lines(file, text);
    if lines > MAX_LINES {
        reader.found.insert(Violation::TooLong { file: file.to_owned(), lines });
    }
    reader.found.into_iter().collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(&root().join(folder), &mut files);
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|path| (relative(path), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_library_keeps_its_floors() {
    let found: Vec<Violation> = sources("src").iter().flat_map(|(file, text)| check(file, text)).collect();
    assert!(found.is_empty(), "house rules broken (see ARCHITECTURE.md):\n{found:#?}");
}

#[test]
fn every_room_has_a_floor() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rooms: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ").or_else(|| line.trim().strip_prefix("mod ")))
        .filter_map(|rest| rest.strip_suffix(';'))
        .collect();
    assert!(!rooms.is_empty());
    for room in rooms {
        assert!(floor(room).is_some(), "src/lib.rs declares `{room}`: give it a floor in tests/it/floors.rs");
    }
}

/// The format crate is floor 0: it knows no room, and asks nothing of the operating system.
#[test]
fn the_format_crate_stands_alone() {
    let manifest = std::fs::read_to_string(root().join("index_format/Cargo.toml")).unwrap();
    let dependencies = dependency_names(&manifest, "dependencies");
    for forbidden in ["lateen", "memmap2", "rayon", "tokenizers", "ort", "rten", "frostem"] {
        assert!(!dependencies.iter().any(|name| name == forbidden), "index_format depends on {forbidden}");
    }
    let library = std::fs::read_to_string(root().join("index_format/src/lib.rs")).unwrap();
    assert!(
        library.contains("#![forbid(unsafe_code)]"),
        "index_format/src/lib.rs does not forbid unsafe code"
    );
    for (file, text) in sources("index_format/src") {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for forbidden in ["std::fs", "std::net", "std::env", "std::process"] {
            let used =
                code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(forbidden));
            assert!(!used, "{file} names {forbidden}");
        }
    }
}

/// People and machines (floor 7) are not dependencies of the library.
#[test]
fn the_library_depends_on_no_tool() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let dependencies = dependency_names(&manifest, "dependencies");
    for tool in ["lateen-cli", "lateen-train", "xtask", "clap", "indicatif", "anyhow"] {
        assert!(!dependencies.iter().any(|name| name == tool), "the library depends on {tool}");
    }
}

/// The keys of one `[table]` of a manifest.
fn dependency_names(manifest: &str, table: &str) -> Vec<String> {
    let header = format!("[{table}]");
    let lines = manifest.lines().skip_while(|line| line.trim() != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let key = |line: &str| line.split(['=', '.']).next().map(|name| name.trim().to_owned());
    lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#')).filter_map(key).collect()
}

mod examples {
    //! Every rule is seen to fail on an example that breaks it.

    use super::*;

    fn imports(file: &str, text: &str) -> Vec<(String, usize)> {
        let only = |violation| match violation {
            Violation::Import { imports, line, .. } => Some((imports, line)),
            _ => None,
        };
        check(file, text).into_iter().filter_map(only).collect()
    }

    #[test]
    fn upward_and_sideways_imports_are_found() {
        assert_eq!(imports("src/quant/codec.rs", "use crate::index::Index;"), [("index".into(), 1)]);
        assert_eq!(imports("src/quant/mod.rs", "\nuse crate::{types::DocId, ann};"), [("ann".into(), 2)]);
        assert_eq!(imports("src/kernel/mod.rs", "fn f() { crate::quant::g() }"), [("quant".into(), 1)]);
        assert_eq!(imports("src/types.rs", "use crate::kernel::Isa;"), [("kernel".into(), 1)]);
        assert_eq!(imports("src/encode/mod.rs", "use super::index::Index;"), [("index".into(), 1)]);
        assert_eq!(
            imports("src/encode/onnx/run.rs", "use super::super::super::search;"),
            [("search".into(), 1)]
        );
        assert_eq!(
            imports("src/ann/hnsw.rs", "macro_rules! m { () => { $crate::eval::x() } }"),
            [("eval".into(), 1)]
        );
        assert_eq!(
            imports("src/ann/hnsw.rs", "mod inner { use super::super::super::index; }"),
            [("index".into(), 1)]
        );
    }

    #[test]
    fn downward_imports_are_fine() {
        let text = "use crate::{kernel::Isa, types::{DocId, Hit}, quant, format};\nuse super::other;\n\
                    use lateen_index_format::X; fn f(r: &crate::ann::Graph) { crate::index::g(); super::super::types::h() }\n\
                    // crate::retriever\nconst S: &str = \"use crate::search;\";";
        assert_eq!(check("src/index/writer.rs", text), []);
        assert_eq!(check("src/kernel/maxsim.rs", "use crate::types::TokenMatrix;"), []);
        assert_eq!(check("src/lib.rs", "pub mod x; pub use crate::retriever::Retriever;"), []);
    }

    #[test]
    fn unknown_rooms_are_found() {
        let expected =
            [Violation::UnknownRoom { file: "src/ann/a.rs".into(), line: 1, name: "utils".into() }];
        assert_eq!(check("src/ann/a.rs", "use crate::utils::x;"), expected);
    }

    #[test]
    fn crates_have_one_owner() {
        for text in
            ["use ort::Session;", "use ort;", "fn f() { ort::init(); }", "extern crate ort;", "use {ort::x};"]
        {
            let expected = [Violation::ForeignCrate {
                file: "src/index/a.rs".into(),
                line: 1,
                name: "ort".into(),
                owner: "encode",
            }];
            assert_eq!(check("src/index/a.rs", text), expected, "{text}");
        }
        assert_eq!(check("src/encode/a.rs", "use ort::Session; use tokenizers::Tokenizer;"), []);
        assert_eq!(check("src/encode/a.rs", "use frostem::Stemmer;").len(), 1);
        assert_eq!(check("src/lexical/a.rs", "use frostem::Stemmer; let ort = 1; f(ort);"), []);
        assert_eq!(check("src/encode/a.rs", "use super::ort::Session; use self::rten::Model;"), []);
    }

    #[test]
    fn unsafe_has_its_places() {
        let text = "fn f() { unsafe { g() } }";
        assert_eq!(
            check("src/index/writer.rs", text),
            [Violation::Unsafe { file: "src/index/writer.rs".into(), line: 1 }]
        );
        assert_eq!(check("src/index/mmap.rs", text), []);
        assert_eq!(check("src/kernel/simd/avx2.rs", text), []);
        assert_eq!(check("src/kernel/dot.rs", "// unsafe\n#![deny(unsafe_code)]"), []);
        assert_eq!(check("src/kernel/dot.rs", "unsafe impl Send for X {}").len(), 1);
    }

    #[test]
    fn long_files_are_found() {
        let long = "fn f() {}\n".repeat(MAX_LINES + 1);
        assert_eq!(
            check("src/eval/a.rs", &long),
            [Violation::TooLong { file: "src/eval/a.rs".into(), lines: MAX_LINES + 1 }]
        );
        let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(check("src/eval/a.rs", &tested), []);
        assert_eq!(check("src/eval/a/tests.rs", &long), []);
    }
}
