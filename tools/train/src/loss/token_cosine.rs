//! A student that takes over a teacher's vectors of tokens.
//!
//! `L = mean over tokens of (1 - ⟨s, t⟩)`, which is half the mean squared distance, with `s` the student's unit vector of a token
//! and `t` the teacher's of the same token in the same text. Scores of late interaction are sums of such products, so the
//! student's scores come near the teacher's for all queries at once, without queries: any text teaches.
//!
//! Relatives: [`stella`](super::stella()) for one vector a text; the hidden-state loss of TinyBERT (Jiao et al., arXiv:1909.10351)
//! and the cosine loss of DistilBERT (Sanh et al., arXiv:1910.01108), which compare states of inner layers;
//! [`grouped_kl`](super::grouped_kl), which compares scores of pairs alone.

use burn_tensor::Tensor;

use super::scores::constant;
use super::stella::TeacherError;
use crate::model::TokenVectors;

/// The loss. `teacher` is `[rows, width, dim]`, row-major, unit vectors where a token counts.
///
/// # Errors
/// [`TeacherError::Dimension`].
pub fn token_cosine(student: &TokenVectors, teacher: &[f32]) -> Result<Tensor<1>, TeacherError> {
    let shape = student.vectors.dims();
    let (cells, dim) = (shape[0] * shape[1], shape[2]);
    if teacher.len() != cells * dim {
        return Err(TeacherError::Dimension { teacher: teacher.len() / cells.max(1), student: dim });
    }
    let device = student.vectors.device();
    let count = student.kept.iter().filter(|kept| **kept).count().max(1);
    let share = student.kept.iter().map(|kept| if *kept { 1.0 / count as f32 } else { 0.0 }).collect();
    let product = (student.vectors.clone() * constant(&device, teacher.to_vec(), shape)).sum_dim(2);
    let share = constant(&device, share, [shape[0], shape[1], 1]);
    Ok((product * share).sum().neg() + 1.0)
}
