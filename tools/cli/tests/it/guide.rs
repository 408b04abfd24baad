//! Runs every command of the guide: lines that begin with `$ ` in a box marked `console`, page by page, in a folder with the samples.

use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("docs/guide")).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// The boxes of a page that are marked so.
fn boxes<'a>(page: &'a str, mark: &str) -> Vec<&'a str> {
    let fence = format!("```{mark}\n");
    page.split(fence.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

fn commands(page: &str) -> Vec<&str> {
    boxes(page, "console")
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("$ "))
        .collect()
}

fn copy_samples(space: &Workspace) {
    for name in ["corpus.jsonl", "queries.tsv", "qrels.tsv"] {
        space.write(
            &format!("samples/{name}"),
            std::fs::read(repository().join("samples").join(name)).unwrap(),
        );
    }
}

#[cfg(unix)]
#[test]
fn every_command_of_the_guide_runs() {
    let binary = assert_cmd::cargo::cargo_bin("lateen");
    let path =
        format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut ran = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let space = Workspace::new();
        copy_samples(&space);
        if let Some(study) = boxes(&text, "toml").first() {
            space.write("samples-study.toml", study);
        }
        for command in commands(&text) {
            let output = Command::new("sh")
                .args(["-c", command])
                .current_dir(space.path(""))
                .env("PATH", &path)
                .env("LATEEN_CACHE", space.path("cache"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: {command}\n{said}", page.display());
            ran += 1;
        }
    }
    assert!(ran >= 25, "{ran} commands");
}

/// What the pages show exists.
#[test]
fn every_link_of_the_guide_leads_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                let target = page.parent().unwrap().join(file);
                assert!(target.is_file(), "{}: {link}", page.display());
            }
        }
    }
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = std::fs::read_to_string(repository().join("docs/guide/SUMMARY.md")).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name}");
    }
}
