//! `lateen-train merge`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use lateen_train::merge::merge;

use super::data::{count, document};
use crate::Global;
use crate::exit::{Outcome, usage};

/// Average the weights of checkpoints: the usual answer to a model that forgot what it knew
///
/// Writes a folder with the averaged weights and the first checkpoint's settings and tokenizer. ONNX graphs are not
/// copied, since they hold the weights of before: export the result anew.
#[derive(Debug, Args)]
pub struct Merge {
    /// Folders in Hugging Face layout, or .safetensors files, of one architecture
    #[arg(required = true, num_args = 2.., value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
    /// The folder to write to
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// One number a checkpoint; divided by their sum [default: equal shares]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    weights: Vec<f64>,
}

impl Merge {
    pub fn run(self, global: &Global, out: &mut impl Write) -> anyhow::Result<Outcome> {
        if self.checkpoints.contains(&self.out) {
            return usage("--out names one of the checkpoints; choose another folder");
        }
        let report = merge(&self.checkpoints, &self.weights, &self.out)?;
        if global.json {
            document(out, "merge", &report)?;
            return Ok(Outcome::Done);
        }
        for (checkpoint, share) in self.checkpoints.iter().zip(&report.shares) {
            writeln!(out, "{share:.3} of {}", checkpoint.display())?;
        }
        writeln!(out, "{} tensors averaged, in {}", count(report.averaged as u64), self.out.display())?;
        Ok(Outcome::Done)
    }
}
