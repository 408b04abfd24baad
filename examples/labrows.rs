//! lab
use lateen::index::Index;
use lateen::kernel::Isa;
use lateen::search::*;
use std::path::Path;
#[path = "../benches/support/encoded.rs"]
mod encoded;
use encoded::Encoded;
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let enc = Encoded::open(Path::new(&args[0]), 0)?;
    let index = Index::open(Path::new(&args[1]))?;
    let snapshot = index.snapshot();
    let mut by: std::collections::BTreeMap<(usize, &str), (f64, f64, f64)> = Default::default();
    for q in enc.queries.iter().step_by(8) {
        for isa in [Isa::detect(), Isa::named("avx2")?] {
            let mut best = (f64::INFINITY, f64::INFINITY);
            for _ in 0..5 {
                let effort = Effort { nprobe: 32, refine: 400, candidates: 200, margin: f32::INFINITY };
                let o = search_tokens(
                    &snapshot,
                    q.view(),
                    &SearchOptions {
                        isa,
                        plan: PlanChoice::TwoStage,
                        effort: Some(effort),
                        ..SearchOptions::top(10)
                    },
                )?;
                let s = o.report.stages.iter().find(|s| s.name == "rescore").unwrap();
                let r = o.report.stages.iter().find(|s| s.name == "centroids").unwrap();
                let c = r.nanos as f64 / (r.examined as f64 / q.view().rows() as f64);
                let t = s.nanos as f64 / s.examined as f64;
                best.0 = best.0.min(t);
                best.1 = best.1.min(c);
            }
            let e = by.entry((q.view().rows().div_ceil(8) * 8, isa.name())).or_default();
            e.0 += best.0;
            e.1 += best.1;
            e.2 += 1.0;
        }
    }
    for (k, v) in by {
        println!("rows {k:?}: rescore {:.2} ns/token, centroid {:.2} ns, n {}", v.0 / v.2, v.1 / v.2, v.2);
    }
    Ok(())
}
