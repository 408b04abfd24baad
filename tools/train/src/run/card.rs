//! The model card: what a model is, what it was made of, and what it is worth.

use std::fmt::Write as _;
use std::path::Path;

use super::error::RunError;
use super::session::Report;
use super::trainer::End;
use crate::config::{LossName, RunConfig, Task};
use crate::model::write_whole;

/// What is told.
pub(super) struct Card<'a> {
    pub(super) config: &'a RunConfig,
    pub(super) task: Task,
    pub(super) loss: LossName,
    pub(super) report: &'a Report,
}

/// Writes `README.md` into the model's folder.
pub(super) fn write_card(card: &Card<'_>, folder: &Path) -> Result<(), RunError> {
    let path = folder.join("README.md");
    write_whole(&path, text(card).as_bytes()).map_err(|source| RunError::Io { path, source })
}

fn text(card: &Card<'_>) -> String {
    let config = card.config;
    let name =
        |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let kind = match card.task {
        Task::Embedding => "embedding model: one vector a text",
        Task::Colbert => "ColBERT model: one vector a token, compared by late interaction",
        Task::Reranker => "reranker: one score for a query and a document",
    };
    let mut text = format!("# {}\n\nAn {kind}.\n\n", name(&config.output)).replace("An ColBERT", "A ColBERT");
    text = text.replace("An reranker", "A reranker");
    let steps = match card.report.end {
        End::Finished { steps, .. } | End::Stopped { steps } => steps,
    };
    let _ = writeln!(text, "| | |\n|---|---|");
    let files: Vec<_> = config.data.train.iter().map(|file| name(&file.path)).collect();
    let rows = [
        ("base", name(&config.model.base)),
        ("data", files.join(", ")),
        ("loss", format!("{:?}, temperature {}", card.loss, config.loss.temperature)),
        ("steps", steps.to_string()),
        ("examples a step", (config.training.batch_size * config.training.accumulate).to_string()),
        ("learning rate", format!("{:e}", config.optimizer.learning_rate)),
        ("seed", config.seed.to_string()),
    ];
    for (what, value) in rows {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    if let Some((before, after)) = &card.report.metrics {
        let folder = name(&config.evaluation.folder);
        let first = card.report.first_stage.as_ref();
        let columns = if first.is_some() { ("BM25 | ", "---:|") } else { ("", "") };
        let _ =
            writeln!(text, "\n| {folder} | {}base | this model |\n|---|{}---:|---:|", columns.0, columns.1);
        for (metric, value) in after {
            let base = before.get(metric).copied().unwrap_or(0.0);
            let first = first.and_then(|first| first.get(metric));
            let first = first.map_or_else(String::new, |value| format!("{value:.4} | "));
            let _ = writeln!(text, "| {metric} | {first}{base:.4} | {value:.4} |");
        }
        text.push_str(&match first {
            Some(_) => format!("\nThe {} best documents of BM25 were reordered.\n", config.evaluation.depth),
            None => "\nEvery document was scored for every query, in full precision.\n".to_owned(),
        });
    }
    let _ = writeln!(text, "\n## Settings\n\n```toml\n{}```", config.to_toml(card.task));
    text
}
