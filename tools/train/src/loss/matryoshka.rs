//! Vectors whose prefixes are vectors.
//!
//! `L = Σ_d w_d · base(prefix d) / Σ_d w_d`: the base loss on the first `d` numbers, brought to unit length again, for each
//! `d` of a list (Kusupati et al., "Matryoshka Representation Learning", arXiv:2205.13147). One matrix serves all
//! prefixes.
//!
//! Relatives: any loss on cosines can be the base.

use burn_tensor::Tensor;

/// The mean of `base` over `dims`, on `queries` and `documents`, `[rows, dim]`.
///
/// Dimensions beyond the vectors' own are left out; with none left the whole vectors are used.
pub fn matryoshka(
    queries: &Tensor<2>,
    documents: &Tensor<2>,
    dims: &[usize],
    mut base: impl FnMut(Tensor<2>, Tensor<2>) -> Tensor<1>,
) -> Tensor<1> {
    let width = queries.dims()[1];
    let dims: Vec<usize> = dims.iter().copied().filter(|dim| (1..=width).contains(dim)).collect();
    let dims = if dims.is_empty() { vec![width] } else { dims };
    let mut sum: Option<Tensor<1>> = None;
    for dim in &dims {
        let loss = base(queries.clone().narrow(1, 0, *dim), documents.clone().narrow(1, 0, *dim));
        sum = Some(match sum {
            Some(sum) => sum + loss,
            None => loss,
        });
    }
    match sum {
        Some(sum) => sum / dims.len() as f64,
        None => base(queries.clone(), documents.clone()),
    }
}
