//! `lateen-train`.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("nothing to train yet")
}
