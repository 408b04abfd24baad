//! The systems that are Rust: they run in workers of this program.

mod bm25;
mod dense;
mod maxsim;
mod next_plaid;
mod tokens;

use anyhow::bail;

use crate::protocol::Engine;

/// The engine of that name.
pub fn named(name: &str) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match name {
        "lateen" => Box::new(tokens::Lateen::default()),
        "lateen-dense" => Box::new(dense::Lateen::default()),
        "lateen-bm25" => Box::new(bm25::Lateen::default()),
        "lateen-maxsim" => Box::new(maxsim::Lateen::default()),
        "next-plaid-maxsim" => Box::new(maxsim::NextPlaid::default()),
        "next-plaid" => Box::new(next_plaid::NextPlaid::default()),
        other => bail!("there is no engine {other:?}"),
    })
}
