//! A student that takes over a teacher's vectors.
//!
//! With `t` the teacher's unit vectors, `z` the student's, `u(·)` unit length, `D` prefix lengths:
//!
//! * `L_cos = mean(1 - ⟨u(z), t⟩)`
//! * `L_sim = mean over d ∈ D, i, j of (⟨u(zᵢ[:d]), u(zⱼ[:d])⟩ - ⟨tᵢ, tⱼ⟩)²`
//! * `L_tri = mean over d ∈ D and pairs of pairs a < b of relu(sign · (s_b - s_a) + 0.015)`, `s` the student's similarities of
//!   all pairs, `sign` +1 where the teacher has `t_b < t_a` and -1 otherwise
//! * `L = 10·L_cos + 200·L_sim + 20·L_tri`
//!
//! Stage 3 of Zhang et al., "Jasper and Stella", arXiv:2412.19048. Rows or dimensions that would make the loss undefined
//! are errors; fewer than three rows have no triplet term.
//!
//! Relatives: [`matryoshka`](super::matryoshka) for training without a teacher.

use burn_tensor::{Tensor, TensorData, activation};

use super::scores::constant;
use crate::model::normalize;

/// Pairs of pairs that are in memory at a time.
const BLOCK: usize = 1 << 24;

/// Weights of the three parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Stella {
    /// Of `L_cos`, `L_sim` and `L_tri`.
    pub weights: [f64; 3],
    /// How far apart the triplet term wants pairs.
    pub margin: f64,
    /// Prefix lengths; those beyond the student's dimension are left out.
    pub dims: Vec<usize>,
}

impl Default for Stella {
    /// 10, 200, 20, margin 0.015, the whole vector.
    fn default() -> Self {
        Self { weights: [10.0, 200.0, 20.0], margin: 0.015, dims: Vec::new() }
    }
}

/// Why a batch cannot be learnt from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TeacherError {
    /// The student needs as many dimensions as the teacher: add a Dense module of that size.
    #[error("the teacher has {teacher} dimensions, the student {student}")]
    Dimension {
        /// Of a teacher's row.
        teacher: usize,
        /// Of a student's vector.
        student: usize,
    },
    /// A row of zeros, or one with a number that is none: make the teacher's vectors again.
    #[error("row {row} of the teacher's vectors has no direction")]
    Row {
        /// Counted from 0 within the batch.
        row: usize,
    },
}

/// The loss and its three parts, before their weights. `teacher` is `[rows, dim]`, row-major, any length.
///
/// # Errors
/// [`TeacherError`].
pub fn stella(
    student: &Tensor<2>,
    teacher: &[f32],
    options: &Stella,
) -> Result<(Tensor<1>, [Tensor<1>; 3]), TeacherError> {
    let [rows, dim] = student.dims();
    if teacher.len() != rows * dim {
        let teacher = teacher.len() / rows.max(1);
        return Err(TeacherError::Dimension { teacher, student: dim });
    }
    let unit = unit_rows(teacher, dim)?;
    let similar = products(&unit, dim);
    let device = student.device();
    let target = constant(&device, unit, [rows, dim]);
    let cosine = (normalize(student.clone()) * target).sum_dim(1).mean().neg() + 1.0;
    let mut dims: Vec<usize> = options.dims.iter().copied().filter(|d| (1..=dim).contains(d)).collect();
    if dims.is_empty() {
        dims.push(dim);
    }
    let zero = || student.clone().sum() * 0.0;
    let (mut similarity, mut triplet) = (zero(), zero());
    for d in &dims {
        let prefix = normalize(student.clone().narrow(1, 0, *d));
        let own = prefix.clone().matmul(prefix.transpose());
        let gap = own.clone() - constant(&device, similar.clone(), [rows, rows]);
        similarity = similarity + (gap.clone() * gap).mean();
        if rows >= 3 {
            triplet = triplet + triplets(own, &similar, options.margin);
        }
    }
    let parts = [cosine, similarity / dims.len() as f64, triplet / dims.len() as f64];
    let [a, b, c] = options.weights;
    let sum = parts[0].clone() * a + parts[1].clone() * b + parts[2].clone() * c;
    Ok((sum, parts))
}

fn unit_rows(teacher: &[f32], dim: usize) -> Result<Vec<f32>, TeacherError> {
    let mut unit = Vec::with_capacity(teacher.len());
    for (row, numbers) in teacher.chunks(dim.max(1)).enumerate() {
        let norm = numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if !(norm.is_finite() && norm > 1e-12) {
            return Err(TeacherError::Row { row });
        }
        unit.extend(numbers.iter().map(|x| (f64::from(*x) / norm) as f32));
    }
    Ok(unit)
}

fn products(unit: &[f32], dim: usize) -> Vec<f32> {
    let rows = || unit.chunks(dim.max(1));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    rows().flat_map(|a| rows().map(move |b| dot(a, b) as f32)).collect()
}

/// The mean of the hinge over all pairs of pairs, in blocks.
fn triplets(own: Tensor<2>, teacher: &[f32], margin: f64) -> Tensor<1> {
    let rows = own.dims()[0];
    let device = own.device();
    let places: Vec<usize> = (0..rows).flat_map(|i| (i + 1..rows).map(move |j| i * rows + j)).collect();
    let pairs = places.len();
    let order: Vec<f32> = places.iter().map(|place| teacher[*place]).collect();
    let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
    let places = Tensor::from_data(TensorData::new(places, [pairs]), &device);
    let similar = own.reshape([rows * rows]).select(0, places);
    let mut sum = similar.clone().sum() * 0.0;
    let step = (BLOCK / pairs).max(1);
    for from in (0..pairs).step_by(step) {
        let taken = step.min(pairs - from);
        let (mut signs, mut counted) = (Vec::new(), Vec::new());
        for a in from..from + taken {
            signs.extend(order.iter().map(|b| if *b < order[a] { 1.0 } else { -1.0 }));
            counted.extend((0..pairs).map(|b| f32::from(u8::from(a < b))));
        }
        let shape = [taken, pairs];
        let first = similar.clone().narrow(0, from, taken).reshape([taken, 1]);
        let gaps = similar.clone().reshape([1, pairs]) - first;
        let hinge = activation::relu(gaps * constant(&device, signs, shape) + margin);
        sum = sum + (hinge * constant(&device, counted, shape)).sum();
    }
    sum / (pairs * (pairs - 1) / 2) as f64
}
