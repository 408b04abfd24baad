//! What is left when indexing is stopped: by a signal that can be caught, and by one that cannot.
#![cfg(unix)]

use crate::workspace::Workspace;
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DOCUMENTS: usize = 8_000;

/// A collection that takes a while, and indexing it begun.
fn begun() -> (Workspace, Child) {
    let space = Workspace::new();
    let mut lines = String::new();
    for at in 0..DOCUMENTS {
        let words =
            format!("number {at} of a long list {} tells about rivers harbours sails and winds", at * 7919);
        writeln!(lines, "{{\"_id\": \"d{at}\", \"text\": \"{words}\"}}").unwrap();
    }
    space.write("docs.jsonl", lines);
    let child = Command::new(assert_cmd::cargo::cargo_bin("lateen"))
        .current_dir(space.path("."))
        .args(["index", "docs.jsonl", "--out", "ix", "--commit-every", "256", "--threads", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (space, child)
}

/// Waits until the running command has committed documents more than once.
fn wait_for_commits(space: &Workspace, child: &mut Child) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        assert!(child.try_wait().unwrap().is_none(), "indexing ended before it could be stopped");
        let committed = space.path("ix").is_dir() && committed(space) >= 512;
        if committed {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no commit in two minutes");
}

/// Documents that a reader sees at this moment, by the numbers in the file names alone.
fn committed(space: &Workspace) -> usize {
    let names = space.files("ix");
    let manifests = names.iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("manifest-")?.strip_suffix(".ltm")?.parse::<usize>().ok()
    });
    // Generation 1 is the empty index.
    manifests.max().unwrap_or(0).saturating_sub(1) * 256
}

fn count(space: &Workspace) -> u64 {
    space.run(&["stats", "ix", "--json"]).ok().documents()[0]["documents"].as_u64().unwrap()
}

/// The index is whole, and the same command finishes the work without doing it again.
fn resumes(space: &Workspace) {
    let kept = count(space);
    assert!((512..DOCUMENTS as u64).contains(&kept), "{kept} documents are committed");
    space.run(&["verify", "ix"]).ok();
    space.run(&["search", "ix", "rivers and harbours", "-k", "1"]).ok();
    let report = space.run(&["index", "docs.jsonl", "--out", "ix", "--json"]).ok().documents();
    let number = |name: &str| report[0][name].as_u64().unwrap();
    assert_eq!((number("unchanged"), number("added")), (kept, DOCUMENTS as u64 - kept));
    assert_eq!(number("documents"), DOCUMENTS as u64);
    space.run(&["verify", "ix", "--full"]).ok();
}

#[test]
fn a_killed_run_leaves_the_last_commit_and_resumes() {
    let (space, mut child) = begun();
    wait_for_commits(&space, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    resumes(&space);
}

#[test]
fn ctrl_c_commits_what_is_complete() {
    let (space, mut child) = begun();
    wait_for_commits(&space, &mut child);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("stopping") && told.contains("stopped"), "{told}");
    resumes(&space);
}

/// Twenty times in a row at any moment, also before there is an index, and after the work is done.
#[test]
fn ctrl_c_at_any_moment_loses_nothing_committed() {
    let space = Workspace::new();
    let mut lines = String::new();
    for at in 0..DOCUMENTS {
        writeln!(lines, "{{\"_id\": \"d{at}\", \"text\": \"number {at} of a long list of rivers\"}}")
            .unwrap();
    }
    space.write("docs.jsonl", lines);
    let (mut kept, mut seed, mut codes) = (0, 17_u64, Vec::new());
    for _ in 0..20 {
        let child = Command::new(assert_cmd::cargo::cargo_bin("lateen"))
            .current_dir(space.path("."))
            .args(["index", "docs.jsonl", "--out", "ix", "--commit-every", "128", "--threads", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 300));
        // It may have ended already.
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        // None: the signal came before there was anything to finish.
        assert!(matches!(output.status.code(), Some(0 | 130) | None), "{:?}: {told}", output.status);
        assert!(!told.contains("panicked"), "{told}");
        codes.push(output.status.code());
        if space.path("ix").is_dir() && space.run(&["verify", "ix"]).code == 0 {
            let now = count(&space);
            assert!(now >= kept, "{now} documents after {kept}");
            kept = now;
        } else {
            assert_eq!(kept, 0, "an index is gone");
        }
    }
    assert!(codes.contains(&Some(130)), "{codes:?}");
    let report = space.run(&["index", "docs.jsonl", "--out", "ix", "--json"]).ok().documents();
    assert_eq!(report[0]["documents"], DOCUMENTS as u64);
    assert_eq!(report[0]["unchanged"], kept, "finished work was done again");
    space.run(&["verify", "ix", "--full"]).ok();
}
