//! What each setting of a peer is to be compared with: the fastest setting of ours, at as many bits, that is as good.

use serde_json::{Value, json};

use crate::measure::rounded;

/// By how much nDCG@10 may be lower and still count as equal: less than one query of 300 contributes when its only
/// relevant document moves from the first rank to the second (0.37 / 300). Recall has no such allowance.
pub const NDCG_SLACK: f64 = 0.001;

/// One row per setting of each peer, beside the fastest of ours whose nDCG@10 (within [`NDCG_SLACK`]), recall@10 and
/// recall@100 are at least the peer's; `null` where there is none.
pub fn against(record: &Value) -> Value {
    let systems = record["systems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (ours, peers): (Vec<_>, Vec<_>) = systems.iter().partition(|system| system["system"] == "lateen");
    let mut rows = Vec::new();
    for peer in peers {
        let same_bits = ours.iter().filter(|own| bits(own) == bits(peer));
        let own: Vec<(&Value, &Value)> =
            same_bits.flat_map(|own| rows_of(own).map(move |row| (*own, row))).collect();
        for row in rows_of(peer) {
            let as_good = own.iter().filter(|(_, own)| is_as_good(own, row));
            let best = as_good.min_by(|a, b| time(a.1).total_cmp(&time(b.1)));
            rows.push(json!({
                "peer": peer["system"], "variant": peer["variant"], "setting": row["setting"], "default": row["default"],
                "theirs": figures(row), "ours": best.map(|(_, own)| figures(own)),
                "our_setting": best.map(|(system, own)| json!([system["variant"], own["setting"]])),
                "times_faster": best.map(|(_, own)| rounded(time(row) / time(own))),
                "build_times_faster": best.map(|(own, _)| rounded(build(peer, "cpu_seconds") / build(own, "cpu_seconds"))),
                "times_smaller": best.map(|(own, _)| rounded(build(peer, "bytes") / build(own, "bytes"))),
            }));
        }
    }
    Value::Array(rows)
}

/// `4 bits` of `4 bits, OpenBLAS`.
fn bits(system: &Value) -> Option<&str> {
    system["variant"].as_str()?.split(',').next()
}

/// The settings that were judged and timed.
fn rows_of(system: &Value) -> impl Iterator<Item = &Value> {
    let rows = system["settings"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter(|row| row["ms_p50"].is_number() && row["recall@100"].is_number())
}

fn is_as_good(own: &Value, theirs: &Value) -> bool {
    let at_least = |name: &str, slack: f64| {
        let figure = |row: &Value| row[name].as_f64();
        match (figure(own), figure(theirs)) {
            (Some(own), Some(theirs)) => own >= theirs - slack,
            // Without judgements, recall alone decides.
            _ => true,
        }
    };
    at_least("ndcg@10", NDCG_SLACK) && at_least("recall@10", 0.0) && at_least("recall@100", 0.0)
}

fn time(row: &Value) -> f64 {
    row["ms_p50"].as_f64().unwrap_or(f64::INFINITY)
}

fn build(system: &Value, figure: &str) -> f64 {
    system["build"][figure].as_f64().unwrap_or(f64::NAN)
}

fn figures(row: &Value) -> Value {
    json!({
        "ndcg@10": row["ndcg@10"], "recall@10": row["recall@10"], "recall@100": row["recall@100"],
        "ms_p50": row["ms_p50"], "ms_p95": row["ms_p95"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(name: &str, variant: &str, rows: &[(&str, f64, f64, f64)]) -> Value {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(label, ndcg, recall, ms)| {
                json!({
                    "setting": label, "ndcg@10": ndcg, "recall@10": recall, "recall@100": recall, "ms_p50": ms,
                })
            })
            .collect();
        let bytes = if name == "lateen" { 10 } else { 25 };
        json!({ "system": name, "variant": variant, "build": { "cpu_seconds": bytes, "bytes": bytes }, "settings": rows })
    }

    #[test]
    fn the_fastest_that_is_as_good_counts() {
        let ours = [("hasty", 0.70, 0.90, 1.0), ("good", 0.7095, 0.95, 2.0), ("slow", 0.71, 0.99, 8.0)];
        let theirs = [("default", 0.71, 0.94, 20.0), ("poor", 0.6, 0.5, 3.0), ("perfect", 0.71, 1.0, 90.0)];
        let record = json!({ "systems": [
            system("lateen", "4 bits", &ours), system("lateen", "2 bits", &[("x", 1.0, 1.0, 0.1)]),
            system("next-plaid", "4 bits, OpenBLAS", &theirs),
        ] });
        let rows = against(&record);
        assert_eq!((&rows[0]["times_faster"], &rows[0]["our_setting"][1]), (&json!(10.0), &json!("good")));
        assert_eq!((&rows[1]["times_faster"], &rows[1]["times_smaller"]), (&json!(3.0), &json!(2.5)));
        assert_eq!((&rows[2]["times_faster"], &rows[2]["ours"]), (&Value::Null, &Value::Null));
    }
}
