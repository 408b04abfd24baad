//! Some layers of a model.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::{Map, Value};

use super::PruneError;

/// The layers that stay, ascending; all of them unless some are chosen.
pub(super) fn check(
    config: &Map<String, Value>,
    chosen: Option<&[usize]>,
    count: usize,
    path: &Path,
) -> Result<Vec<usize>, PruneError> {
    let Some(chosen) = chosen else { return Ok((0..count).collect()) };
    let mut layers = chosen.to_vec();
    layers.sort_unstable();
    layers.dedup();
    if layers.is_empty() || layers.len() != chosen.len() || layers.last().is_some_and(|last| *last >= count) {
        return Err(PruneError::Layers { layers: chosen.to_vec(), count });
    }
    // Its layers take turns in how far they look, by their numbers.
    if layers.len() < count && config.get("model_type").and_then(Value::as_str) == Some("modernbert") {
        return Err(PruneError::Unsupported {
            path: path.to_owned(),
            found: "model_type is modernbert".to_owned(),
            expected: "layers of other families can be left out",
        });
    }
    Ok(layers)
}

/// Leaves out the other layers and numbers those that stay from 0.
pub(super) fn choose(
    tensors: &mut BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    config: &mut Map<String, Value>,
    chosen: &[usize],
) {
    let new: HashMap<usize, usize> = chosen.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let all = std::mem::take(tensors);
    for (name, tensor) in all {
        match place(&name) {
            None => drop(tensors.insert(name, tensor)),
            Some((start, end, layer)) => {
                if let Some(layer) = new.get(&layer) {
                    tensors.insert(format!("{}{layer}{}", &name[..start], &name[end..]), tensor);
                }
            }
        }
    }
    config.insert("num_hidden_layers".to_owned(), chosen.len().into());
    if let Some(Value::Array(types)) = config.get_mut("layer_types") {
        let kept = chosen.iter().filter_map(|layer| types.get(*layer)).cloned().collect();
        *types = kept;
    }
}

/// Where a name holds a layer's number, and the number: that behind the first `layer.` or `layers.`.
fn place(name: &str) -> Option<(usize, usize, usize)> {
    let mut start = 0;
    for part in name.split_inclusive('.') {
        start += part.len();
        if part == "layer." || part == "layers." {
            let digits = name[start..].find('.')?;
            let number = name[start..start + digits].parse().ok()?;
            return Some((start, start + digits, number));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_layers_are_numbered_anew() {
        let names =
            ["encoder.layer.0.a.weight", "encoder.layer.1.a.weight", "encoder.layer.11.a.weight", "pooler.b"];
        let mut tensors: BTreeMap<_, _> = names
            .iter()
            .enumerate()
            .map(|(at, name)| ((*name).to_owned(), (vec![1], vec![at as f32])))
            .collect();
        let mut config = Map::new();
        choose(&mut tensors, &mut config, &[0, 11]);
        let found: Vec<_> = tensors.iter().map(|(name, (_, values))| (name.as_str(), values[0])).collect();
        assert_eq!(
            found,
            [("encoder.layer.0.a.weight", 0.0), ("encoder.layer.1.a.weight", 2.0), ("pooler.b", 3.0)]
        );
        assert_eq!(config["num_hidden_layers"], 2);
        let refused = |chosen: &[usize]| check(&Map::new(), Some(chosen), 3, Path::new("c")).is_err();
        assert!(refused(&[]) && refused(&[3]) && refused(&[1, 1]) && !refused(&[2, 0]));
    }
}
