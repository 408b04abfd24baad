//! lab
use lateen::index::Index;
use lateen::search::*;
use std::path::Path;
use std::time::Instant;
#[path = "../benches/support/encoded.rs"]
mod encoded;
use encoded::Encoded;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(&args[0]);
    let nq: usize = args[2].parse()?;
    let rounds: usize = args[3].parse()?;
    let k: usize = args[4].parse()?;
    let path = Path::new(&args[1]);
    let most: usize = std::env::var("DOCS").map_or(usize::MAX, |x| x.parse().unwrap());
    let enc = Encoded::open(dir, if path.exists() { 0 } else { most })?;
    if !path.exists() {
        use lateen::format::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage};
        use lateen::index::{NewDocument, WriterOptions};
        let settings = IndexSettings {
            token_dim: 128,
            token_storage: TokenStorage::Residual4,
            dense_dim: 0,
            dense_storage: DenseStorage::None,
            store_documents: false,
            seed: 42,
        };
        let start = Instant::now();
        let index = Index::create(path, &settings, &ModelIdentity::default())?;
        let mut writer =
            index.writer(WriterOptions { memory_budget_bytes: 6 << 30, ..WriterOptions::default() })?;
        for (id, tokens) in enc.ids.iter().zip(enc.documents) {
            writer.add(NewDocument {
                id: id.clone(),
                tokens: Some(tokens),
                dense: None,
                stored: None,
                content_hash: 0,
            })?;
        }
        writer.commit()?;
        println!("built in {:?}", start.elapsed());
    }
    let index = Index::open(Path::new(&args[1]))?;
    let snapshot = index.snapshot();
    let nq = nq.min(enc.queries.len());
    let step = enc.queries.len() / nq;
    let queries: Vec<_> = (0..nq).map(|i| &enc.queries[i * step]).collect();
    let truth_file = format!("{}.truth-{nq}-{k}", args[1]);
    let truth: Vec<Vec<u32>> = match std::fs::read_to_string(&truth_file) {
        Ok(text) => text.lines().map(|l| l.split(' ').map(|x| x.parse().unwrap()).collect()).collect(),
        Err(_) => {
            let start = Instant::now();
            let options = SearchOptions { plan: PlanChoice::Exact, ..SearchOptions::top(k) };
            let t: Vec<Vec<u32>> = queries
                .iter()
                .map(|q| {
                    search_tokens(&snapshot, q.view(), &options)
                        .unwrap()
                        .hits
                        .iter()
                        .map(|h| h.doc.0)
                        .collect()
                })
                .collect();
            println!("exact: {:.2} ms", start.elapsed().as_secs_f64() * 1e3 / nq as f64);
            let text: Vec<String> =
                t.iter().map(|v| v.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")).collect();
            std::fs::write(&truth_file, text.join("\n"))?;
            t
        }
    };
    let efforts: Vec<Effort> = args[5..]
        .iter()
        .map(|a| {
            let p: Vec<&str> = a.split(',').collect();
            Effort {
                nprobe: p[0].parse().unwrap(),
                refine: p[1].parse().unwrap(),
                candidates: p[2].parse().unwrap(),
                margin: p[3].parse().unwrap(),
            }
        })
        .collect();
    let mut best = vec![vec![(f64::INFINITY, None); nq]; efforts.len()];
    let mut recall = vec![[0.0f64; 2]; efforts.len()];
    for round in 0..rounds {
        for (e, effort) in efforts.iter().enumerate() {
            let options =
                SearchOptions { plan: PlanChoice::TwoStage, effort: Some(*effort), ..SearchOptions::top(k) };
            for (i, q) in queries.iter().enumerate() {
                let start = Instant::now();
                let outcome = search_tokens(&snapshot, q.view(), &options)?;
                let s = start.elapsed().as_secs_f64();
                if round == 0 {
                    let f: Vec<u32> = outcome.hits.iter().map(|h| h.doc.0).collect();
                    recall[e][0] +=
                        f.iter().filter(|d| truth[i].contains(d)).count() as f64 / truth[i].len() as f64;
                    recall[e][1] +=
                        f.iter().take(10).filter(|d| truth[i][..10.min(truth[i].len())].contains(d)).count()
                            as f64
                            / 10.0;
                }
                if s < best[e][i].0 {
                    best[e][i] = (s, Some(outcome.report));
                }
            }
        }
    }
    println!(
        "docs {} tokens {} rows {:.1}",
        snapshot.documents(),
        snapshot.tokens(),
        queries.iter().map(|q| q.view().rows()).sum::<usize>() as f64 / nq as f64
    );
    for (e, effort) in efforts.iter().enumerate() {
        let mut t: Vec<f64> = best[e].iter().map(|b| b.0).collect();
        t.sort_by(f64::total_cmp);
        let names = ["centroids", "lists", "refine", "rescore", "select"];
        let med = |n: &str, f: &dyn Fn(&StageReport) -> f64| {
            let mut v: Vec<f64> = best[e]
                .iter()
                .filter_map(|b| {
                    b.1.as_ref()
                        .and_then(|r: &SearchReport| r.stages.iter().find(|s| s.name == n).map(|s| f(s)))
                })
                .collect();
            v.sort_by(f64::total_cmp);
            v.get(v.len() / 2).copied().unwrap_or(0.0)
        };
        let stages: String =
            names.iter().map(|n| format!(" {n} {:.3}", med(n, &|s| s.nanos as f64 / 1e6))).collect();
        println!(
            "{:?} recall {:.4}/{:.3} p50 {:.3} p95 {:.3} |{stages} | postings {} scored {}",
            (effort.nprobe, effort.refine, effort.candidates, effort.margin),
            recall[e][0] / nq as f64,
            recall[e][1] / nq as f64,
            t[nq / 2] * 1e3,
            t[nq * 95 / 100] * 1e3,
            med("lists", &|s| s.examined as f64),
            med("rescore", &|s| s.kept as f64)
        );
    }
    Ok(())
}
