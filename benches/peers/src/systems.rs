//! Which systems are compared, as what, and with which settings.

use serde_json::{Value, json};

use crate::worker::Home;

/// One system as it is built in one way.
pub struct System {
    /// The system's name.
    pub name: &'static str,
    /// How this build differs from the system's others.
    pub variant: &'static str,
    /// The name of its engine.
    pub engine: &'static str,
    pub home: Home,
    /// What it is built with.
    pub build: Value,
    /// The name of the folder of its index; systems of the same one share it.
    pub index: &'static str,
    /// The ways it is searched.
    pub settings: Vec<Setting>,
}

/// One way of searching.
pub struct Setting {
    pub label: String,
    pub settings: Value,
    /// Whether it is what the system does when nothing is asked of it.
    pub default: bool,
}

impl Setting {
    fn new(label: impl Into<String>, settings: Value) -> Self {
        Self { label: label.into(), settings, default: false }
    }

    fn default(settings: Value) -> Self {
        Self { label: "default".to_owned(), settings, default: true }
    }
}

/// Late interaction: token vectors.
pub fn tokens(memory_mib: u64) -> Vec<System> {
    let lateen = |variant, bits, index| System {
        name: "lateen",
        variant,
        engine: "lateen",
        home: Home::Rust,
        build: json!({ "bits": bits, "memory_mib": memory_mib }),
        index,
        settings: lateen_searches(),
    };
    // Where OpenBLAS is there, it also builds the index that the pure Rust variant searches: it takes a fraction of the
    // time, and the index is the same.
    let next_plaid = |variant, home, bits, index| System {
        name: "next-plaid",
        variant,
        engine: "next-plaid",
        home,
        build: json!({ "bits": bits }),
        index,
        settings: plaid_searches(),
    };
    vec![
        lateen("4 bits", 4, "lateen-4"),
        lateen("2 bits", 2, "lateen-2"),
        next_plaid("4 bits, OpenBLAS", Home::RustOpenBlas, 4, "next-plaid-4"),
        next_plaid("4 bits", Home::Rust, 4, "next-plaid-4"),
        next_plaid("2 bits, OpenBLAS", Home::RustOpenBlas, 2, "next-plaid-2"),
        System {
            name: "fast-plaid",
            variant: "4 bits",
            engine: "fast-plaid",
            home: Home::Python,
            build: json!({ "bits": 4 }),
            index: "fast-plaid-4",
            settings: vec![
                Setting::default(json!({})),
                plaid(4, 1024, Value::Null),
                plaid(2, 256, Value::Null),
            ],
        },
    ]
}

/// Recalls of the stored vectors that the index knows how to reach, and efforts set by hand.
fn lateen_searches() -> Vec<Setting> {
    let recall = |share: &str| Setting::new(format!("recall {share}"), json!({ "recall": share }));
    let effort = |nprobe: usize, candidates: usize| {
        let settings = json!({ "plan": "two-stage", "nprobe": nprobe, "candidates": candidates });
        Setting::new(format!("{nprobe} probes, {candidates} candidates"), settings)
    };
    vec![
        Setting::default(json!({})),
        recall("0.9"),
        recall("0.95"),
        effort(4, 100),
        effort(8, 128),
        effort(16, 192),
        effort(32, 256),
        effort(32, 512),
        effort(64, 1024),
        Setting::new("exact scan", json!({ "plan": "exact" })),
    ]
}

fn plaid(probes: usize, full: usize, threshold: Value) -> Setting {
    let cut = if threshold == Value::Bool(false) { ", no threshold" } else { "" };
    let settings = json!({ "n_ivf_probe": probes, "n_full_scores": full, "threshold": threshold });
    Setting::new(format!("{probes} probes, {full} full scores{cut}"), settings)
}

fn plaid_searches() -> Vec<Setting> {
    vec![
        Setting::default(json!({})),
        plaid(1, 256, Value::Null),
        plaid(2, 256, Value::Null),
        plaid(4, 256, Value::Null),
        plaid(4, 512, Value::Null),
        plaid(8, 512, Value::Null),
        plaid(8, 1024, Value::Null),
        plaid(16, 4096, Value::Null),
        plaid(32, 4096, Value::Bool(false)),
    ]
}

/// One vector per document, in graphs.
pub fn dense() -> Vec<System> {
    let graph = |name, engine, home, storage: &'static str, index| System {
        name,
        variant: storage,
        engine,
        home,
        build: json!({ "storage": storage, "links": 16, "ef_construction": 200, "memory_mib": 4096 }),
        index,
        settings: [16, 32, 64, 128, 256].map(ef).into_iter().collect(),
    };
    let mut systems = vec![
        graph("lateen", "lateen-dense", Home::Rust, "f32", "lateen-f32"),
        graph("lateen", "lateen-dense", Home::Rust, "f16", "lateen-f16"),
        graph("lateen", "lateen-dense", Home::Rust, "i8", "lateen-i8"),
        graph("hnswlib", "hnswlib", Home::Python, "f32", "hnswlib"),
        graph("usearch", "usearch", Home::Python, "f32", "usearch-f32"),
        graph("usearch", "usearch", Home::Python, "f16", "usearch-f16"),
        graph("usearch", "usearch", Home::Python, "i8", "usearch-i8"),
        graph("faiss", "faiss", Home::Python, "f32", "faiss-f32"),
        graph("faiss", "faiss", Home::Python, "i8", "faiss-i8"),
        graph("kannolo", "kannolo", Home::Python, "f32", "kannolo"),
    ];
    systems[0].settings.push(Setting::new("exact scan", json!({ "exact": true })));
    systems
}

fn ef(ef: usize) -> Setting {
    Setting::new(format!("ef {ef}"), json!({ "ef": ef }))
}

/// Terms instead of vectors.
pub fn text() -> Vec<System> {
    let bm25 = |name, engine, home, index| System {
        name,
        variant: "BM25",
        engine,
        home,
        build: json!({}),
        index,
        settings: vec![Setting::default(json!({}))],
    };
    vec![
        bm25("lateen", "lateen-bm25", Home::Rust, "lateen-bm25"),
        bm25("bm25s", "bm25s", Home::Python, "bm25s"),
    ]
}
