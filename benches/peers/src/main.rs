//! Lateen beside other engines, on the same vectors, threads, k and quality. `cargo xtask bench-peers` runs this.
//!
//! ```text
//! lateen-peers tokens   --name NAME --data DIR[,DIR…] --tokens N --record FILE …   late interaction
//! lateen-peers dense    --data DIR --record FILE …                                 one vector per document
//! lateen-peers maxsim   --data DIR --record FILE …                                 MaxSim kernels
//! lateen-peers text     --beir DIR --record FILE …                                 BM25
//! lateen-peers scaling  --data DIR[,DIR…] --sizes N,N,… --record FILE …            growth with the collection
//! lateen-peers worker NAME                                                         one engine; see `protocol`
//! ```
//!
//! Common: `--work DIR`, `--python FILE`, `--openblas FILE`, `--phases build,quality,latency`, `--systems NAME,…`,
//! `--rounds N`, `--timed N`, `--seconds N`, `--memory-mib N`, `--commit REV`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod against;
mod arguments;
mod collection;
mod compose;
mod engines;
mod machine;
mod measure;
mod protocol;
mod quality;
mod suite;
mod suites;
mod systems;
mod worker;

use anyhow::bail;

use crate::arguments::Arguments;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    if command == "worker" {
        return protocol::serve(&mut *engines::named(&words.next().unwrap_or_default())?);
    }
    let arguments = Arguments::parse(words)?;
    match command.as_str() {
        "tokens" => suites::tokens(&arguments),
        "dense" => suites::dense(&arguments),
        "maxsim" => suites::maxsim(&arguments),
        "text" => suites::text(&arguments),
        "scaling" => suites::scaling(&arguments),
        other => bail!("there is no comparison {other:?}: tokens, dense, maxsim, text or scaling"),
    }
}
