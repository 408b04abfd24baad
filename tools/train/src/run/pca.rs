//! Where a new token projection starts.

use lateen::encode::export::Pca;
use lateen::types::TokenMatrix;

use super::error::RunError;
use super::source::Source;
use crate::feed::Batch;
use crate::model::{Head, Model, Pass, floats};

/// Token vectors that the components are fitted on.
const SAMPLE: u64 = 20_000;

/// Puts the principal components of the model's own token states in the place of a fresh projection that has no bias:
/// a ColBERT model then begins near the model it is made of, not at random.
///
/// Documents of the first epoch's first batches are the sample.
pub(super) fn start_from_components(
    model: &mut Model,
    source: &mut dyn Source,
    bias: bool,
) -> Result<(), RunError> {
    let Head::ColBert(colbert) = &model.head else { return Ok(()) };
    let (name, outputs) = (format!("{}.weight", colbert.linear.name()), colbert.linear.outputs);
    let hidden = model.backbone.hidden();
    if bias || outputs > hidden || !model.fresh.contains(&name) {
        return Ok(());
    }
    let mut pca = Pca::new(hidden);
    let batches = super::source::batches(source, 0)?;
    for number in 0..batches {
        let failed = |source| RunError::Data { epoch: 0, batch: number, source };
        let batch = source.batch(0, number).map_err(failed)?;
        let tokens = match &batch {
            Batch::Texts(batch) => &batch.documents,
            Batch::Tokens(batch) => &batch.texts,
            Batch::Pairs(_) | Batch::Vectors(_) => break,
        };
        let states = floats(model.backbone.states(&Pass::inference(&model.params), tokens)?);
        let kept = states.chunks(hidden).zip(&tokens.mask).filter(|(_, mask)| **mask != 0);
        let rows: Vec<f32> = kept.flat_map(|(row, _)| row.iter().copied()).collect();
        if let Ok(matrix) = TokenMatrix::new(&rows, hidden) {
            // States of one model have one width.
            let _ = pca.add(matrix);
        }
        if pca.rows() >= SAMPLE {
            break;
        }
    }
    // With too few tokens the random start stays.
    if let Ok(fitted) = pca.fit(outputs) {
        model.params.set(&name, fitted.projection.weight().to_vec());
    }
    Ok(())
}
