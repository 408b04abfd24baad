//! Low-rank changes of frozen maps: `W + α/r · B·A` (Hu et al., "LoRA", arXiv:2106.09685).
//!
//! `A` and `B` are weights of their own beside the map's, under PEFT's names; a saved model has them added in, and reads
//! like any other.

use super::Model;
use super::params::{Params, Start};
use super::weights::draw;

/// The names of a map's two factors.
pub(super) fn names(map: &str) -> [String; 2] {
    [format!("{map}.lora_A.weight"), format!("{map}.lora_B.weight")]
}

impl Model {
    /// Freezes the backbone and puts a change of rank `rank` beside each of its linear maps; the head stays trainable.
    ///
    /// `B` starts at 0, so that the model is what it was; `A` is drawn with `seed`.
    pub fn add_lora(&mut self, rank: usize, alpha: f64, seed: u64) {
        let backbone = self.backbone.declare();
        let maps: Vec<_> = (backbone.iter())
            .filter_map(|declared| match (declared.shape.as_slice(), declared.name.strip_suffix(".weight")) {
                ([outputs, inputs], Some(map)) if !map.contains("embed") => {
                    Some((map.to_owned(), *outputs, *inputs))
                }
                _ => None,
            })
            .collect();
        for (map, outputs, inputs) in maps {
            let [a, b] = names(&map);
            let rank = rank.min(inputs).min(outputs);
            self.params.insert(&a, &[rank, inputs], draw(Start::Normal, &a, rank * inputs, seed));
            self.params.insert(&b, &[outputs, rank], vec![0.0; outputs * rank]);
        }
        self.params.set_lora_scale(alpha / rank.max(1) as f64);
        let frozen: std::collections::BTreeSet<_> =
            backbone.into_iter().map(|declared| declared.name).collect();
        self.params.set_trainable(|name| !frozen.contains(name));
    }
}

/// The numbers of weight `name` with its change added in; `None` for the factors themselves.
pub(super) fn merged(params: &Params, name: &str) -> Option<Vec<f32>> {
    if name.contains(".lora_") {
        return None;
    }
    let parameter = params.get(name)?;
    let mut values = parameter.values();
    let map = name.strip_suffix(".weight").unwrap_or(name);
    let [a, b] = names(map).map(|name| params.get(&name));
    let (Some(a), Some(b), [_, inputs]) = (a, b, parameter.shape()) else { return Some(values) };
    let (rank, scale) = (a.shape()[0], params.lora_scale() as f32);
    let (a, b) = (a.values(), b.values());
    for (row, factors) in values.chunks_mut(*inputs).zip(b.chunks(rank)) {
        for (factor, change) in factors.iter().zip(a.chunks(*inputs)) {
            row.iter_mut().zip(change).for_each(|(value, change)| *value += scale * factor * change);
        }
    }
    Some(values)
}
