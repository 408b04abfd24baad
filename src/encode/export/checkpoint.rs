//! Weights on disk, read tensor by tensor.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;

use super::ExportError;
use super::initializer::WeightSource;

/// The safetensors format caps its header at this many bytes.
const MAX_HEADER: u64 = 100_000_000;

/// A checkpoint's weights: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
///
/// Headers are in memory, numbers stay on disk until they are asked for.
#[derive(Debug)]
pub struct Checkpoint {
    main: PathBuf,
    tensors: HashMap<String, Stored>,
    prefix: &'static str,
}

#[derive(Debug, Clone)]
struct Stored {
    file: PathBuf,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    len: usize,
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

impl Checkpoint {
    /// Reads the headers of the weights in `directory`.
    ///
    /// # Errors
    /// [`ExportError::MissingFile`] if there are no safetensors weights, [`ExportError::Safetensors`] or
    /// [`ExportError::Json`] if a file is damaged, [`ExportError::Io`] if it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, ExportError> {
        let main = directory.join("model.safetensors");
        if main.exists() {
            return Self::open_file(&main);
        }
        let index = directory.join("model.safetensors.index.json");
        if !index.exists() {
            return Err(ExportError::MissingFile { path: main });
        }
        let shards: ShardIndex = super::read_json(&index)?;
        let mut names: Vec<_> = shards.weight_map.into_values().collect();
        names.sort();
        names.dedup();
        let mut tensors = HashMap::new();
        for name in names {
            // A shard lies beside its index; a path that leaves the folder is not followed.
            if Path::new(&name).file_name() != Some(name.as_ref()) {
                let expected = "a file name is expected";
                return Err(ExportError::Config { file: index, field: "weight_map", found: name, expected });
            }
            read_header(&directory.join(name), &mut tensors)?;
        }
        Ok(Self { main: index, tensors, prefix: "" })
    }

    /// Reads the header of one safetensors file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_file(path: &Path) -> Result<Self, ExportError> {
        let mut tensors = HashMap::new();
        read_header(path, &mut tensors)?;
        Ok(Self { main: path.to_owned(), tensors, prefix: "" })
    }

    /// The file that errors name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.main
    }

    /// Lets names stand with or without `prefix` in front, as checkpoints with and without a head have them.
    #[must_use]
    pub fn with_prefix(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    /// The stored name and shape of the tensor called `name`, with or without the prefix, and with LayerNorm's old
    /// names `gamma` and `beta`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&str, &[usize])> {
        let old = match name.strip_suffix("LayerNorm.weight") {
            Some(layer) => Some(format!("{layer}LayerNorm.gamma")),
            None => name.strip_suffix("LayerNorm.bias").map(|layer| format!("{layer}LayerNorm.beta")),
        };
        let names = [
            Some(name.to_owned()),
            Some(format!("{}{name}", self.prefix)),
            old.clone(),
            old.map(|name| format!("{}{name}", self.prefix)),
        ];
        let found = names.into_iter().flatten().find_map(|name| self.tensors.get_key_value(&name));
        found.map(|(name, stored)| (name.as_str(), stored.shape.as_slice()))
    }

    /// The stored name of the tensor called `name`, whose shape must be `expected`.
    ///
    /// # Errors
    /// [`ExportError::MissingTensor`], [`ExportError::Shape`].
    pub fn expect(&self, name: &str, expected: &[usize]) -> Result<String, ExportError> {
        match self.find(name) {
            None => Err(ExportError::MissingTensor { tensor: name.into(), file: self.main.clone() }),
            Some((stored, shape)) if shape != expected => Err(ExportError::Shape {
                tensor: stored.into(),
                file: self.tensors[stored].file.clone(),
                expected: expected.to_vec(),
                found: shape.to_vec(),
            }),
            Some((stored, _)) => Ok(stored.to_owned()),
        }
    }
}

/// Bytes read at once.
const PART: usize = 4 << 20;

impl WeightSource for Checkpoint {
    fn stream(
        &self,
        name: &str,
        row: usize,
        take: &mut dyn FnMut(&[f32]) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let Some(stored) = self.tensors.get(name) else {
            return Err(ExportError::MissingTensor { tensor: name.into(), file: self.main.clone() });
        };
        let Some(size) = size_of_number(stored.dtype) else {
            let dtype = format!("{:?}", stored.dtype);
            return Err(ExportError::DType { tensor: name.into(), file: stored.file.clone(), dtype });
        };
        let fail = |source| ExportError::Io { path: stored.file.clone(), source };
        let mut file = File::open(&stored.file).map_err(fail)?;
        file.seek(SeekFrom::Start(stored.start)).map_err(fail)?;
        let row = row.max(1) * size;
        let part = (PART / row).max(1) * row;
        let mut bytes = vec![0; part.min(stored.len)];
        for start in (0..stored.len).step_by(part) {
            let bytes = &mut bytes[..part.min(stored.len - start)];
            file.read_exact(bytes).map_err(fail)?;
            let values = decode(bytes, stored.dtype);
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let at = start / size + at;
                return Err(ExportError::NotFinite { tensor: name.into(), file: stored.file.clone(), at });
            }
            take(&values)?;
        }
        Ok(())
    }
}

/// Bytes of a number, if it can be read.
fn size_of_number(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

fn decode(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    let pairs = || bytes.as_chunks::<2>().0.iter().copied();
    match dtype {
        Dtype::F16 => pairs().map(f16::from_le_bytes).map(f32::from).collect(),
        Dtype::BF16 => pairs().map(bf16::from_le_bytes).map(f32::from).collect(),
        _ => bytes.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect(),
    }
}

fn read_header(path: &Path, tensors: &mut HashMap<String, Stored>) -> Result<(), ExportError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ExportError::MissingFile { path: path.to_owned() },
        _ => ExportError::Io { path: path.to_owned(), source },
    };
    let mut file = File::open(path).map_err(fail)?;
    let file_len = file.metadata().map_err(fail)?.len();
    let damaged = |source| ExportError::Safetensors { path: path.to_owned(), source };
    let mut len = [0; 8];
    if file_len < 8 {
        return Err(damaged(SafeTensorError::HeaderTooSmall));
    }
    file.read_exact(&mut len).map_err(fail)?;
    let header_len = u64::from_le_bytes(len);
    if header_len > MAX_HEADER {
        return Err(damaged(SafeTensorError::HeaderTooLarge));
    }
    if header_len > file_len - 8 {
        return Err(damaged(SafeTensorError::InvalidHeaderLength));
    }
    let mut header = vec![0; header_len as usize];
    file.read_exact(&mut header).map_err(fail)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|source| damaged(SafeTensorError::InvalidHeaderDeserialization(source)))?;
    let start = 8 + header_len;
    if start + metadata.data_len() as u64 != file_len {
        return Err(damaged(SafeTensorError::MetadataIncompleteBuffer));
    }
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let stored = Stored {
            file: path.to_owned(),
            dtype: info.dtype,
            shape: info.shape.clone(),
            start: start + from as u64,
            len: to - from,
        };
        tensors.insert(name, stored);
    }
    Ok(())
}
