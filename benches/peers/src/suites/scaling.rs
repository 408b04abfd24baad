//! How latency, build time and memory grow with the collection.

use serde_json::{Value, json};

use super::tokens::{folder, measure};
use crate::arguments::Arguments;
use crate::measure::{exponent, rounded};
use crate::suite::write;
use crate::systems;

/// The largest collection that the peer is built on; its build takes hours beyond.
const PEER_TOKENS: u64 = 5_000_000;

/// Lateen at several sizes, and next-plaid beside it where its build is affordable.
pub fn scaling(arguments: &Arguments) -> anyhow::Result<()> {
    let mut points = Vec::new();
    for &tokens in &arguments.sizes {
        let work = folder(arguments, tokens);
        let mut systems = systems::tokens(arguments.memory_mib);
        systems.retain(|system| {
            let ours = system.name == "lateen";
            let peer = system.name == "next-plaid" && tokens <= PEER_TOKENS;
            system.variant.starts_with("4 bits") && (ours || peer)
        });
        let mut point = measure(arguments, Some(tokens), &work, systems)?;
        point["asked_tokens"] = tokens.into();
        points.push(point);
    }
    let fits: Vec<Value> = ["lateen", "next-plaid"].iter().flat_map(|system| fits(&points, system)).collect();
    let first = points.first().cloned().unwrap_or_default();
    let record = json!({
        "bench": "scaling", "commit": arguments.effort.commit, "cpu": first["cpu"], "memory_mib": first["memory_mib"],
        "memory_budget_mib": arguments.memory_mib, "k": first["k"], "points": points, "fits": fits,
    });
    write(&arguments.record, &record)
}

/// Exponents of what grows, over the points that a system was measured at.
fn fits(points: &[Value], system: &str) -> Vec<Value> {
    let figures: [(&str, fn(&Value) -> Option<f64>); 6] = [
        ("latency p50 at the default", |found| default(found)["ms_p50"].as_f64()),
        ("latency p95 at the default", |found| default(found)["ms_p95"].as_f64()),
        ("build, processor seconds", |found| found["build"]["cpu_seconds"].as_f64()),
        ("build, peak memory", |found| found["build"]["peak_mib"].as_f64()),
        ("bytes", |found| found["build"]["bytes"].as_f64()),
        ("open", |found| found["open_ms"].as_f64()),
    ];
    let fit = |(name, figure): (&str, fn(&Value) -> Option<f64>)| {
        let values = points.iter().filter_map(|point| {
            let systems = point["systems"].as_array()?;
            let found = systems.iter().find(|found| found["system"] == system)?;
            Some((point["tokens"].as_f64()?, figure(found).filter(|&value| value > 0.0)?))
        });
        let values: Vec<_> = values.collect();
        let (slope, rest) = exponent(&values)?;
        Some(json!({
            "system": system, "figure": name, "exponent": rounded(slope), "residual": rounded(rest),
            "points": values.len(),
        }))
    };
    figures.into_iter().filter_map(fit).collect()
}

/// The row of the default setting.
fn default(system: &Value) -> Value {
    let rows = system["settings"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().find(|row| row["default"] == true).cloned().unwrap_or_default()
}
