use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::{Dtype, SafeTensors};

use super::EncodeError;
use super::directory::{self, ModelDirectory, WEIGHTS_LIMIT};

const WHAT: &str = "the weights (safetensors)";
/// Headers longer than this are refused before they are parsed.
const HEADER_LIMIT: u64 = 16 << 20;

/// The tensors of one safetensors file, checked when they are taken.
///
/// The file starts with the length of its JSON header as a little-endian `u64`; the format's own reader checks
/// that offsets are in bounds and do not overlap.
#[derive(Debug)]
pub(super) struct Weights {
    path: PathBuf,
    bytes: Cow<'static, [u8]>,
}

/// Numbers of one tensor and its shape.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Weights {
    pub(super) fn open(path: &Path) -> Result<Self, EncodeError> {
        let bytes = directory::read(path, WHAT, WEIGHTS_LIMIT)?;
        Self::new(path, Cow::Owned(bytes))
    }

    /// The weights of a module: `model.safetensors`, and never a pickle.
    pub(super) fn of_module(directory: &ModelDirectory) -> Result<Self, EncodeError> {
        const FILE: &str = "model.safetensors";
        if !directory.has(FILE)
            && let Some(path) = directory.pickle()
        {
            return Err(EncodeError::Pickle { path });
        }
        Self::of_file(directory, FILE, WHAT)
    }

    /// The tensors of `name` in `directory`; `what` it is stands in the message if it is missing.
    pub(super) fn of_file(
        directory: &ModelDirectory,
        name: &str,
        what: &'static str,
    ) -> Result<Self, EncodeError> {
        let path = directory.path(name);
        Self::new(&path, directory.read_path(&path, what, WEIGHTS_LIMIT)?)
    }

    pub(super) fn new(path: &Path, bytes: Cow<'static, [u8]>) -> Result<Self, EncodeError> {
        if let Some(length) = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b))
            && length > HEADER_LIMIT
        {
            return Err(EncodeError::TooLarge { path: path.to_owned(), bytes: length, limit: HEADER_LIMIT });
        }
        let weights = Self { path: path.to_owned(), bytes };
        weights.tensors()?;
        Ok(weights)
    }

    fn tensors(&self) -> Result<SafeTensors<'_>, EncodeError> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|source| EncodeError::Weights { path: self.path.clone(), source })
    }

    /// The whole file.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Cow<'static, [u8]> {
        self.bytes
    }

    pub(super) fn has(&self, tensor: &str) -> bool {
        self.tensors().is_ok_and(|all| all.tensor(tensor).is_ok())
    }

    /// A tensor of any number type, as finite `f32`.
    pub(super) fn numbers(&self, tensor: &str) -> Result<Numbers, EncodeError> {
        let all = self.tensors()?;
        let view = self.view(&all, tensor)?;
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => {
                data.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
            }
            Dtype::I8 => data.iter().map(|&b| f32::from(b as i8)).collect(),
            _ => return Err(self.layout(&view, tensor, "f32, f64, f16, bf16 or i8".to_owned())),
        };
        match values.iter().position(|x| !x.is_finite()) {
            Some(index) => {
                Err(EncodeError::NotFinite { path: self.path.clone(), tensor: tensor.to_owned(), index })
            }
            None => Ok(Numbers { shape: view.shape().to_vec(), values }),
        }
    }

    /// As [`Weights::numbers`], of exactly `shape`.
    pub(super) fn shaped(&self, tensor: &str, shape: &[usize]) -> Result<Vec<f32>, EncodeError> {
        let numbers = self.numbers(tensor)?;
        if numbers.shape == shape {
            return Ok(numbers.values);
        }
        let all = self.tensors()?;
        Err(self.layout(&self.view(&all, tensor)?, tensor, format!("shape {shape:?}")))
    }

    /// A matrix of any number type: rows, columns, values.
    pub(super) fn matrix(&self, tensor: &str) -> Result<(usize, usize, Vec<f32>), EncodeError> {
        let numbers = self.numbers(tensor)?;
        match numbers.shape[..] {
            [rows, columns] if columns > 0 => Ok((rows, columns, numbers.values)),
            _ => {
                let all = self.tensors()?;
                Err(self.layout(&self.view(&all, tensor)?, tensor, "a matrix".to_owned()))
            }
        }
    }

    /// Where an `i8` matrix of `columns` columns lies in [`Weights::as_bytes`], and how many rows it has.
    pub(super) fn bytes_matrix(
        &self,
        tensor: &str,
        columns: usize,
    ) -> Result<(Range<usize>, usize), EncodeError> {
        let all = self.tensors()?;
        let view = self.view(&all, tensor)?;
        match view.shape()[..] {
            [rows, found] if found == columns && view.dtype() == Dtype::I8 => {
                let start = view.data().as_ptr() as usize - self.bytes.as_ptr() as usize;
                Ok((start..start + view.data().len(), rows))
            }
            _ => Err(self.layout(&view, tensor, format!("i8 [tokens, {columns}]"))),
        }
    }

    /// A vector of non-negative whole numbers.
    pub(super) fn indices(&self, tensor: &str) -> Result<Vec<u32>, EncodeError> {
        let all = self.tensors()?;
        let view = self.view(&all, tensor)?;
        let data = view.data();
        let values: Option<Vec<u32>> = match (view.dtype(), view.shape()) {
            (Dtype::I32, [_]) => {
                data.as_chunks().0.iter().map(|b| u32::try_from(i32::from_le_bytes(*b)).ok()).collect()
            }
            (Dtype::I64, [_]) => {
                data.as_chunks().0.iter().map(|b| u32::try_from(i64::from_le_bytes(*b)).ok()).collect()
            }
            (Dtype::U32, [_]) => Some(data.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()),
            _ => None,
        };
        values.ok_or_else(|| self.layout(&view, tensor, "a vector of non-negative integers".to_owned()))
    }

    fn view<'a>(
        &self,
        all: &SafeTensors<'a>,
        tensor: &str,
    ) -> Result<safetensors::tensor::TensorView<'a>, EncodeError> {
        all.tensor(tensor)
            .map_err(|_| EncodeError::MissingTensor { path: self.path.clone(), tensor: tensor.to_owned() })
    }

    fn layout(
        &self,
        view: &safetensors::tensor::TensorView<'_>,
        tensor: &str,
        expected: String,
    ) -> EncodeError {
        EncodeError::TensorLayout {
            path: self.path.clone(),
            tensor: tensor.to_owned(),
            dtype: format!("{:?}", view.dtype()),
            shape: view.shape().to_vec(),
            expected,
        }
    }
}
