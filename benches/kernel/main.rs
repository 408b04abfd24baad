//! MaxSim kernels against the peaks of the core they run on.
//!
//! `cargo bench --bench kernel -- [--json FILE] [--commit HASH] [--rounds N] [--only TEXT]`
//!
//! The query is 32 × 128, but for the shapes at the end, where the name says what it is; a collection is 1,000 documents. Peaks and kernels take turns, round after round, so that all see the same
//! clock and the same neighbours. Whatever else runs can only slow one down, so the best round counts, of each slice of the collection
//! by itself: a slice is shorter than a scheduler's turn, and the sum over the slices is the time of an undisturbed run. One thread.

use std::time::Instant;

use lateen::kernel::Isa;
use serde_json::json;

mod data;
use data::Data;

const DIM: usize = 128;
const QUERY_ROWS: usize = 32;
const DOCUMENTS: usize = 1000;
const TOKENS: usize = 300;
/// Documents that are timed together.
const SLICE: usize = 20;
const CODE_TOKENS: usize = 180;
const CENTROIDS: usize = 16_384;
/// Query rows and dimensions beside 32 × 128.
const SHAPES: [(usize, usize); 9] =
    [(8, 128), (16, 128), (22, 128), (48, 128), (64, 128), (32, 48), (32, 64), (32, 96), (32, 256)];

/// Which of the core's peaks a kernel is measured against.
#[derive(Clone, Copy, PartialEq)]
enum Against {
    F32,
    Bf16,
    Int8,
    Nothing,
}

/// Does one slice of the work.
type Run<'a> = Box<dyn FnMut(usize) + 'a>;

/// One kernel on one instruction set.
struct Case<'a> {
    name: String,
    isa: Isa,
    against: Against,
    /// Operations of all slices, a multiply-add being two.
    operations: usize,
    run: Run<'a>,
    /// Seconds of each slice.
    best: Vec<f64>,
    /// Whether its query has another shape than most.
    shaped: bool,
}

fn main() {
    let options = Options::parse();
    let data = Data::new();
    let mut cases: Vec<Case<'_>> = Isa::available().into_iter().flat_map(|isa| data.cases(isa)).collect();
    cases.retain(|case| options.only.as_ref().is_none_or(|only| case.name.contains(only)));
    let mut peaks = Peaks::default();
    for round in 0..options.rounds {
        peaks.raise();
        // Plain Rust takes ten times as long as the rest together.
        let slow = |case: &&mut Case<'_>| round % 10 == 0 || case.isa != Isa::SCALAR;
        for case in cases.iter_mut().filter(slow) {
            for slice in 0..case.best.len() {
                let start = Instant::now();
                (case.run)(slice);
                case.best[slice] = case.best[slice].min(start.elapsed().as_secs_f64());
            }
        }
    }
    peaks.print();
    for case in &cases {
        case.print(&peaks);
    }
    if let Some(file) = &options.json {
        let report = report(&options, &peaks, &cases);
        let text = serde_json::to_string_pretty(&report).expect("a report is plain JSON");
        std::fs::write(file, text + "\n").unwrap_or_else(|error| panic!("writing {file}: {error}"));
    }
}

#[derive(Default)]
struct Options {
    json: Option<String>,
    commit: String,
    only: Option<String>,
    rounds: usize,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self { commit: "unknown".to_owned(), rounds: 60, ..Self::default() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--json" => options.json = Some(value()),
                "--commit" => options.commit = value(),
                "--only" => options.only = Some(value()),
                "--rounds" => options.rounds = value().parse().expect("--rounds takes a number"),
                "--bench" => {}
                other => panic!("unknown option {other}"),
            }
        }
        options
    }
}

/// Best of what the core has shown, in 10⁹ operations a second.
#[derive(Default)]
struct Peaks {
    f32: f64,
    bf16: f64,
    int8: f64,
}

impl Peaks {
    fn raise(&mut self) {
        #[cfg(target_arch = "x86_64")]
        for _ in 0..5 {
            let peaks = lateen::kernel::peak::measure(Isa::detect());
            self.f32 = self.f32.max(peaks.f32);
            self.bf16 = self.bf16.max(peaks.bf16);
            self.int8 = self.int8.max(peaks.int8);
        }
    }

    fn of(&self, against: Against) -> f64 {
        match against {
            Against::F32 => self.f32,
            Against::Bf16 => self.bf16,
            Against::Int8 => self.int8,
            Against::Nothing => 0.0,
        }
    }

    fn print(&self) {
        println!(
            "peaks of this core: f32 {:.0}, bf16 {:.0}, int8 {:.0} Gop/s",
            self.f32, self.bf16, self.int8
        );
        println!("{:<28} {:<18} {:>10} {:>9} {:>8}", "kernel", "isa", "ms", "Gop/s", "of peak");
    }
}

impl Case<'_> {
    fn seconds(&self) -> f64 {
        self.best.iter().sum()
    }

    fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds() / 1e9
    }

    fn share(&self, peaks: &Peaks) -> Option<f64> {
        let peak = peaks.of(self.against);
        (peak > 0.0).then(|| self.rate() / peak)
    }

    fn print(&self, peaks: &Peaks) {
        let share = self.share(peaks).map_or(String::new(), |share| format!("{:.1} %", 100.0 * share));
        let ms = self.seconds() * 1e3;
        println!("{:<28} {:<18} {:>10.4} {:>9.1} {:>8}", self.name, self.isa, ms, self.rate(), share);
    }
}

fn report(options: &Options, peaks: &Peaks, cases: &[Case<'_>]) -> serde_json::Value {
    let record = |case: &Case<'_>| {
        json!({
            "kernel": case.name, "isa": case.isa.name(), "milliseconds": case.seconds() * 1e3,
            "gop_per_second": case.rate(), "share_of_peak": case.share(peaks),
        })
    };
    let some = |shaped| -> Vec<_> { cases.iter().filter(|case| case.shaped == shaped).map(record).collect() };
    json!({
        "what": "MaxSim kernels, one thread, best of interleaved rounds",
        "query": { "rows": QUERY_ROWS, "dim": DIM },
        "documents": DOCUMENTS, "tokens_per_document": TOKENS, "code_tokens_per_document": CODE_TOKENS,
        "centroids": CENTROIDS, "rounds": options.rounds, "commit": options.commit,
        "machine": std::env::consts::ARCH, "cpu": cpu_model(),
        "cores": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "peak_gop_per_second": { "f32": peaks.f32, "bf16": peaks.bf16, "int8": peaks.int8 },
        "kernels": some(false), "shapes": some(true),
    })
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1)).map_or("?", str::trim).to_owned()
    };
    format!("{} (family {}, model {})", field("model name"), field("cpu family"), field("model\t"))
}

impl<'a> Case<'a> {
    fn new(name: &str, isa: Isa, against: Against, operations: usize, run: Run<'a>) -> Self {
        let slices =
            if against == Against::Nothing || name.contains("centroids") { 1 } else { DOCUMENTS / SLICE };
        Self {
            name: name.to_owned(),
            isa,
            against,
            operations,
            run,
            best: vec![f64::INFINITY; slices],
            shaped: false,
        }
    }
}
