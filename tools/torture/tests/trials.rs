//! The short versions of the trials. Those that need a file system of their own skip visibly where they may not
//! mount one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// Runs a trial and shows what it reports.
fn run(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_lateen-torture")).args(arguments).output().unwrap();
    let (out, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{out}");
    assert!(output.status.success(), "{arguments:?}: {}\n{told}", output.status);
    assert!(out.contains("\"trial\"") || out.starts_with("skipped:"), "{out}");
}

#[test]
fn fifty_kills() {
    run(&["kill", "--rounds", "50"]);
}

#[test]
fn power_cuts_on_ext4() {
    run(&["power", "--fs", "ext4", "--cuts", "20", "--longest-ms", "200"]);
}

#[test]
fn power_cuts_on_xfs() {
    run(&["power", "--fs", "xfs", "--cuts", "20", "--longest-ms", "200"]);
}

#[test]
fn a_full_disk() {
    run(&["full", "--rounds", "1"]);
}

#[test]
fn files_damaged_under_a_reader() {
    run(&["hazards", "--rounds", "5"]);
}

#[test]
fn a_quarter_of_a_minute_of_load() {
    run(&["soak", "--minutes", "0.25"]);
}
