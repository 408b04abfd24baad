//! Small files that claim to be large: each is refused, and no memory is spent on the claim.
//!
//! A binary of its own, because its allocator counts every byte that is asked for.

#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use cap::Cap;

#[allow(dead_code, reason = "the fuzzers use all of it")]
#[path = "../../fuzz/src/format.rs"]
mod format;

mod files;
mod models;
mod texts;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// One test at a time: the count is of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// The most that may be asked for, in total, on the way to a refusal.
const LIMIT: usize = 16 << 20;

/// Runs a reader on a bomb; `Ok` means that the bomb was taken for sound.
type Case = (&'static str, Box<dyn Fn() -> Result<(), String>>);

fn case<E: std::fmt::Display>(name: &'static str, run: impl Fn() -> Result<(), E> + 'static) -> Case {
    (name, Box::new(move || run().map_err(|error| error.to_string())))
}

/// Little-endian numbers one after the other: `(value, bytes)`.
fn numbers(fields: &[(u64, usize)]) -> Vec<u8> {
    let number = |&(value, width): &(u64, usize)| {
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(width, 0);
        bytes
    };
    fields.iter().flat_map(number).collect()
}

/// Numbers, then zeros up to `length`.
fn record(fields: &[(u64, usize)], length: usize) -> Vec<u8> {
    let mut bytes = numbers(fields);
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}

const HUGE: u64 = 1 << 60;
const WIDE: u64 = u32::MAX as u64;

#[test]
fn no_claim_is_believed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // What the library makes once does not count.
    let _ = models::cases().last().unwrap().1();
    let cases: Vec<Case> = [files::cases(), texts::cases(), models::cases()].into_iter().flatten().collect();
    assert!(cases.len() >= 40);
    let mut failures = Vec::new();
    for (name, run) in &cases {
        let before = ALLOCATOR.total_allocated();
        let result = run();
        let spent = ALLOCATOR.total_allocated() - before;
        println!(
            "{spent:>9} bytes asked for: {name}: {}",
            result.as_ref().err().map_or("taken", String::as_str)
        );
        if result.is_ok() || spent > LIMIT {
            failures.push(format!("{name}: {spent} bytes asked for, {result:?}"));
        }
    }
    println!("{} cases", cases.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Bytes asked for while `run` runs.
fn spent(run: impl FnOnce()) -> usize {
    let before = ALLOCATOR.total_allocated();
    run();
    ALLOCATOR.total_allocated() - before
}
