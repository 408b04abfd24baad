//! Weights on disk: safetensors under Hugging Face's names.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::error::ModelError;
use super::params::{Declared, Params, Start};

/// What the backbone's names may begin with: bare models have none of these, models with a task's head one.
const PREFIXES: [&str; 5] = ["bert.", "roberta.", "model.", "transformer.", "encoder_model."];

/// Tensors of a checkpoint, in memory as they were stored.
#[derive(Debug, Default)]
pub struct Stored {
    main: PathBuf,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Stored {
    /// Reads `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// [`ModelError::MissingFile`] if there is neither, and what is said there of damaged files.
    pub fn read(directory: &Path) -> Result<Self, ModelError> {
        let main = directory.join("model.safetensors");
        if main.exists() {
            return Self::read_file(&main);
        }
        let index = directory.join("model.safetensors.index.json");
        if !index.exists() {
            return Err(ModelError::MissingFile { path: main });
        }
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let shards: Index = super::config::read_json(&index)?;
        let mut names: Vec<_> = shards.weight_map.into_values().collect();
        names.sort();
        names.dedup();
        let mut all = Self { main: index.clone(), tensors: HashMap::new() };
        for name in names {
            // A shard lies beside its index; a path that leaves the folder is not followed.
            if Path::new(&name).file_name() != Some(name.as_ref()) {
                let expected = "a file name is expected";
                return Err(ModelError::Config { path: index, field: "weight_map", found: name, expected });
            }
            all.tensors.extend(Self::read_file(&directory.join(name))?.tensors);
        }
        Ok(all)
    }

    /// Reads one safetensors file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_file(path: &Path) -> Result<Self, ModelError> {
        let bytes = fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|source| ModelError::Safetensors { path: path.to_owned(), source })?;
        let mut tensors = HashMap::new();
        for (name, view) in file.iter() {
            // Position numbers and the like: nothing that is trained.
            if matches!(view.dtype(), Dtype::I64 | Dtype::I32 | Dtype::U8 | Dtype::BOOL) {
                continue;
            }
            let values = decode(&view).ok_or_else(|| ModelError::DType {
                path: path.to_owned(),
                tensor: name.into(),
                dtype: format!("{:?}", view.dtype()),
            })?;
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(ModelError::NotFinite { path: path.to_owned(), tensor: name.into(), at });
            }
            tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
        }
        Ok(Self { main: path.to_owned(), tensors })
    }

    /// The same tensors, with `prefix` before each name.
    #[must_use]
    pub fn named(self, prefix: &str) -> Self {
        let tensors =
            self.tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect();
        Self { main: self.main, tensors }
    }

    /// Shapes and numbers by name.
    #[must_use]
    pub fn into_tensors(self) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
        self.tensors.into_iter().collect()
    }

    /// All numbers by name.
    #[must_use]
    pub fn into_values(self) -> BTreeMap<String, Vec<f32>> {
        self.tensors.into_iter().map(|(name, (_, values))| (name, values)).collect()
    }

    /// Whether there is a tensor `name`, under any of the names it may have.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        candidates(name).any(|name| self.tensors.contains_key(&name))
    }

    /// The shape of tensor `name`, under any of the names it may have.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        candidates(name).find_map(|name| self.tensors.get(&name)).map(|(shape, _)| shape.as_slice())
    }

    /// Moves what is `declared` into `params`; what the checkpoint has not is drawn with `seed`.
    ///
    /// Returns the names that were not in the checkpoint.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] for a declared weight without a start, [`ModelError::Shape`].
    pub fn fill(
        mut self,
        declared: &[Declared],
        params: &mut Params,
        seed: u64,
    ) -> Result<Vec<String>, ModelError> {
        let mut fresh = Vec::new();
        for wanted in declared {
            let found = candidates(&wanted.name).find_map(|name| self.tensors.remove(&name));
            let values = match (found, wanted.start) {
                (Some((shape, values)), _) if shape == wanted.shape => values,
                (Some((found, _)), _) => {
                    let (path, tensor) = (self.main, wanted.name.clone());
                    return Err(ModelError::Shape { path, tensor, expected: wanted.shape.clone(), found });
                }
                (None, Some(start)) => {
                    fresh.push(wanted.name.clone());
                    draw(start, &wanted.name, wanted.shape.iter().product(), seed)
                }
                (None, None) => {
                    return Err(ModelError::MissingTensor { path: self.main, tensor: wanted.name.clone() });
                }
            };
            params.insert(&wanted.name, &wanted.shape, values);
        }
        Ok(fresh)
    }
}

/// The names under which a checkpoint may hold `name`, likeliest first.
fn candidates(name: &str) -> impl Iterator<Item = String> {
    let core = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let mut names = vec![name.to_owned(), core.to_owned()];
    names.extend(PREFIXES.iter().map(|prefix| format!("{prefix}{core}")));
    let old: Vec<String> = names.iter().filter_map(|name| old_name(name)).collect();
    names.into_iter().chain(old)
}

/// LayerNorm's names in the first BERT checkpoints.
fn old_name(name: &str) -> Option<String> {
    let gamma = name.strip_suffix("LayerNorm.weight").map(|layer| format!("{layer}LayerNorm.gamma"));
    gamma.or_else(|| name.strip_suffix("LayerNorm.bias").map(|layer| format!("{layer}LayerNorm.beta")))
}

/// The numbers that weight `name` starts from. Each weight has its own stream, so that one more changes no other.
pub(crate) fn draw(start: Start, name: &str, length: usize, seed: u64) -> Vec<f32> {
    match start {
        Start::Zero => vec![0.0; length],
        Start::One => vec![1.0; length],
        Start::Normal => {
            let mixed = name.bytes().fold(seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
            let mut rng = StdRng::seed_from_u64(mixed);
            (0..length).map(|_| 0.02 * normal(&mut rng)).collect()
        }
    }
}

/// A standard normal number (Box & Muller, 1958).
fn normal(rng: &mut StdRng) -> f32 {
    let (a, b): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    ((-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}

fn decode(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    let pairs = || bytes.as_chunks::<2>().0.iter().copied();
    match view.dtype() {
        Dtype::F32 => Some(bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect()),
        Dtype::F16 => Some(pairs().map(f16::from_le_bytes).map(f32::from).collect()),
        Dtype::BF16 => Some(pairs().map(bf16::from_le_bytes).map(f32::from).collect()),
        _ => None,
    }
}

/// Writes `tensors` (name, shape, numbers) as one safetensors file of float32, whole or not at all.
///
/// # Errors
/// [`ModelError::Io`], [`ModelError::Safetensors`].
pub fn write<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
) -> Result<(), ModelError> {
    let damaged = |source| ModelError::Safetensors { path: path.to_owned(), source };
    let mut held = Vec::new();
    for (name, shape, values) in tensors {
        held.push((name, shape.to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
    }
    let views: Result<Vec<_>, _> = held
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect();
    // Readers of this format want to know whose layout it is.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views.map_err(damaged)?, Some(metadata)).map_err(damaged)?;
    write_whole(path, &bytes).map_err(|source| ModelError::Io { path: path.to_owned(), source })
}

/// Puts `bytes` at `path` so that after a crash there is the old file or the new one, never part of one.
///
/// # Errors
/// What the operating system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Makes the names in `directory` survive a power cut.
///
/// # Errors
/// What the operating system says.
pub fn sync_directory(directory: &Path) -> std::io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and a rename is durable by itself.
    if cfg!(unix) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
