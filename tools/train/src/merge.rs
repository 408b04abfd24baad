//! Averages the weights of checkpoints: the usual answer to a fine-tuned model that forgot what it knew.
//!
//! `w = Σ αᵢ wᵢ / Σ αᵢ`, tensor by tensor (Wortsman et al., "Model soups", ICML 2022, arXiv:2203.05482; Xiao et al.,
//! "LM-Cocktail", arXiv:2311.13534). Memory: a buffer a checkpoint, whatever the models' size.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why checkpoints cannot be averaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Check the path, its permissions, and the room on the disk.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Name a folder with `.safetensors` files, or such a file.
    #[error("{}: no .safetensors file here", .path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// The file is no safetensors file, or damaged.
    #[error("{}: not a safetensors file: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Only checkpoints of one architecture can be averaged.
    #[error("{}: tensor {tensor:?} {reason}", .path.display())]
    Differs {
        /// The checkpoint that differs from the first.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// How.
        reason: String,
    },
    /// Weights must be numbers of at least 0 that are not all 0, one a checkpoint.
    #[error("the weights {weights:?} cannot average {checkpoints} checkpoints")]
    Weights {
        /// As given.
        weights: Vec<f64>,
        /// How many there are.
        checkpoints: usize,
    },
}

/// What was averaged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MergeReport {
    /// Tensors whose weights were averaged.
    pub averaged: usize,
    /// Tensors of whole numbers, which are the same in all checkpoints.
    pub copied: usize,
    /// Other files of the first checkpoint, such as its tokenizer.
    pub files: usize,
    /// The shares used.
    pub shares: Vec<f64>,
}

/// The largest header that is read: that of safetensors itself.
const HEADER: u64 = 100_000_000;
/// Numbers averaged at once.
const CHUNK: usize = 1 << 18;

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// A file of weights.
struct Weights {
    path: PathBuf,
    file: File,
    header: Vec<u8>,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    fn open(path: PathBuf) -> Result<Self, MergeError> {
        let damaged = |reason: String| MergeError::Damaged { path: path.clone(), reason };
        let mut file = File::open(&path).map_err(at(&path))?;
        let total = file.metadata().map_err(at(&path))?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| damaged("no header".to_owned()))?;
        let length = u64::from_le_bytes(length);
        if length > HEADER.min(total.saturating_sub(8)) {
            return Err(damaged(format!("a header of {length} bytes in a file of {total}")));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(at(&path))?;
        let mut entries: BTreeMap<String, Value> =
            serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
        entries.remove("__metadata__");
        let mut tensors = BTreeMap::new();
        for (name, entry) in entries {
            let tensor: Tensor = serde_json::from_value(entry).map_err(|error| damaged(error.to_string()))?;
            let (start, end) = tensor.data_offsets;
            let bytes = tensor.shape.iter().try_fold(width(&tensor.dtype), |bytes, &d| bytes.checked_mul(d));
            if start > end || end > total - 8 - length || bytes != Some(end - start) {
                return Err(damaged(format!("tensor {name:?} has impossible bounds")));
            }
            tensors.insert(name, tensor);
        }
        Ok(Self { path, file, header, tensors })
    }

    fn seek(&mut self, tensor: &Tensor) -> Result<(), MergeError> {
        let start = 8 + self.header.len() as u64 + tensor.data_offsets.0;
        self.file.seek(SeekFrom::Start(start)).map(drop).map_err(at(&self.path))
    }
}

/// All files of weights of a checkpoint.
struct Checkpoint {
    path: PathBuf,
    files: Vec<Weights>,
}

impl Checkpoint {
    fn open(path: &Path) -> Result<Self, MergeError> {
        let mut names = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(at(path))? {
                let entry = entry.map_err(at(path))?.path();
                if entry.extension().is_some_and(|extension| extension == "safetensors") {
                    names.push(entry);
                }
            }
        } else {
            names.push(path.to_owned());
        }
        names.sort();
        if names.is_empty() {
            return Err(MergeError::NoWeights { path: path.to_owned() });
        }
        let files = names.into_iter().map(Weights::open).collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_owned(), files })
    }

    /// Goes to the tensor `name`, which must look like `like`.
    fn find(&mut self, name: &str, like: &Tensor) -> Result<&mut Weights, MergeError> {
        let differs =
            |reason: String| MergeError::Differs { path: self.path.clone(), tensor: name.to_owned(), reason };
        let Some(at) = self.files.iter().position(|file| file.tensors.contains_key(name)) else {
            return Err(differs("is missing".to_owned()));
        };
        let tensor = self.files[at].tensors[name].clone();
        if (&tensor.dtype, &tensor.shape) != (&like.dtype, &like.shape) {
            let (found, needed) = (&tensor, like);
            return Err(differs(format!(
                "is {} {:?}, not {} {:?}",
                found.dtype, found.shape, needed.dtype, needed.shape
            )));
        }
        let file = &mut self.files[at];
        file.seek(&tensor)?;
        Ok(file)
    }
}

/// Averages checkpoints (folders in Hugging Face layout, or single files) into the folder `out`, with everything else that
/// lies in the first one. `weights`: one a checkpoint, or none for equal shares.
///
/// # Errors
/// [`MergeError`].
pub fn merge(checkpoints: &[PathBuf], weights: &[f64], out: &Path) -> Result<MergeReport, MergeError> {
    let shares = shares(checkpoints.len(), weights)?;
    let mut opened = checkpoints.iter().map(|path| Checkpoint::open(path)).collect::<Result<Vec<_>, _>>()?;
    for other in &opened[1..] {
        let known = |name: &String| opened[0].files.iter().any(|file| file.tensors.contains_key(name));
        if let Some(tensor) =
            other.files.iter().flat_map(|file| file.tensors.keys()).find(|name| !known(name))
        {
            let (path, tensor) = (other.path.clone(), tensor.clone());
            return Err(MergeError::Differs {
                path,
                tensor,
                reason: "is not in the first checkpoint".to_owned(),
            });
        }
    }
    fs::create_dir_all(out).map_err(at(out))?;
    let mut report = MergeReport { averaged: 0, copied: 0, files: 0, shares };
    for number in 0..opened[0].files.len() {
        write_file(&mut opened, number, out, &mut report)?;
    }
    report.files = copy_others(&checkpoints[0], out)?;
    for name in folders_of_weights(&checkpoints[0])? {
        let inner: Vec<PathBuf> = checkpoints.iter().map(|path| path.join(&name)).collect();
        let more = merge(&inner, weights, &out.join(&name))?;
        report.averaged += more.averaged;
        report.copied += more.copied;
        report.files += more.files;
    }
    Ok(report)
}

/// Folders of modules with weights of their own, such as `2_Dense`.
fn folders_of_weights(checkpoint: &Path) -> Result<Vec<std::ffi::OsString>, MergeError> {
    if !checkpoint.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(checkpoint).map_err(at(checkpoint))? {
        let entry = entry.map_err(at(checkpoint))?;
        if entry.path().join("model.safetensors").is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names)
}

fn shares(checkpoints: usize, weights: &[f64]) -> Result<Vec<f64>, MergeError> {
    let given = if weights.is_empty() { vec![1.0; checkpoints] } else { weights.to_vec() };
    let sum: f64 = given.iter().sum();
    let fine = given.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
    if checkpoints == 0 || given.len() != checkpoints || !fine || sum <= 0.0 {
        return Err(MergeError::Weights { weights: weights.to_vec(), checkpoints });
    }
    Ok(given.into_iter().map(|weight| weight / sum).collect())
}

/// Writes file `number` of the first checkpoint anew: the same header, other numbers.
fn write_file(
    opened: &mut [Checkpoint],
    number: usize,
    out: &Path,
    report: &mut MergeReport,
) -> Result<(), MergeError> {
    let (name, header, mut tensors) = {
        let file = &opened[0].files[number];
        let tensors: Vec<(String, Tensor)> =
            file.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        (file.path.file_name().unwrap_or_default().to_owned(), file.header.clone(), tensors)
    };
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let path = out.join(name);
    let unfinished = path.with_extension("safetensors.part");
    let mut writer = BufWriter::new(File::create(&unfinished).map_err(at(&unfinished))?);
    let write = |writer: &mut BufWriter<File>, bytes: &[u8]| writer.write_all(bytes).map_err(at(&unfinished));
    write(&mut writer, &(header.len() as u64).to_le_bytes())?;
    write(&mut writer, &header)?;
    let mut place = 0;
    for (name, tensor) in &tensors {
        if tensor.data_offsets.0 != place {
            let reason = format!("a gap before tensor {name:?}");
            return Err(MergeError::Damaged { path: opened[0].files[number].path.clone(), reason });
        }
        place = tensor.data_offsets.1;
        if is_real(&tensor.dtype) {
            report.averaged += 1
        } else {
            report.copied += 1
        }
        let mut left = (tensor.data_offsets.1 - tensor.data_offsets.0) as usize;
        for checkpoint in opened.iter_mut() {
            checkpoint.find(name, tensor)?;
        }
        while left > 0 {
            let taken = left.min(CHUNK * width(&tensor.dtype) as usize);
            let bytes = average(opened, name, tensor, taken, &report.shares)?;
            write(&mut writer, &bytes)?;
            left -= taken;
        }
    }
    let file = writer.into_inner().map_err(|error| error.into_error()).map_err(at(&unfinished))?;
    file.sync_all().and_then(|()| fs::rename(&unfinished, &path)).map_err(at(&path))
}

/// The next `taken` bytes of a tensor, averaged.
fn average(
    opened: &mut [Checkpoint],
    name: &str,
    tensor: &Tensor,
    taken: usize,
    shares: &[f64],
) -> Result<Vec<u8>, MergeError> {
    let mut first = Vec::new();
    let mut sums: Vec<f64> = Vec::new();
    for (number, (checkpoint, share)) in opened.iter_mut().zip(shares).enumerate() {
        let path = checkpoint.path.clone();
        let file = checkpoint.files.iter_mut().find(|file| file.tensors.contains_key(name));
        let Some(file) = file else { continue };
        let mut bytes = vec![0; taken];
        file.file.read_exact(&mut bytes).map_err(at(&file.path))?;
        if is_real(&tensor.dtype) {
            let numbers = numbers(&tensor.dtype, &bytes);
            sums.resize(numbers.len(), 0.0);
            sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += share * number);
        } else if number > 0 && bytes != first {
            let reason = "holds other whole numbers than in the first checkpoint".to_owned();
            return Err(MergeError::Differs { path, tensor: name.to_owned(), reason });
        }
        if number == 0 {
            first = bytes;
        }
    }
    Ok(if is_real(&tensor.dtype) { bytes_of(&tensor.dtype, &sums) } else { first })
}

fn is_real(dtype: &str) -> bool {
    matches!(dtype, "F64" | "F32" | "F16" | "BF16")
}

fn width(dtype: &str) -> u64 {
    match dtype {
        "F64" | "I64" | "U64" => 8,
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" | "I16" | "U16" => 2,
        _ => 1,
    }
}

fn numbers(dtype: &str, bytes: &[u8]) -> Vec<f64> {
    let two = |bytes: &[u8]| [bytes[0], bytes[1]];
    let four = |bytes: &[u8]| [bytes[0], bytes[1], bytes[2], bytes[3]];
    match dtype {
        "F32" => bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
        "F16" => bytes.chunks_exact(2).map(|b| f16::from_le_bytes(two(b)).to_f64()).collect(),
        "BF16" => bytes.chunks_exact(2).map(|b| bf16::from_le_bytes(two(b)).to_f64()).collect(),
        _ => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
    }
}

fn bytes_of(dtype: &str, numbers: &[f64]) -> Vec<u8> {
    match dtype {
        "F32" => numbers.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
        "F16" => numbers.iter().flat_map(|&x| f16::from_f64(x).to_le_bytes()).collect(),
        "BF16" => numbers.iter().flat_map(|&x| bf16::from_f64(x).to_le_bytes()).collect(),
        _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// Copies what is neither weights nor an export of them: an ONNX graph of the first model would not fit the average.
fn copy_others(from: &Path, out: &Path) -> Result<usize, MergeError> {
    if !from.is_dir() {
        return Ok(0);
    }
    let mut copied = 0;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let path = entry.map_err(at(from))?.path();
        let name = path.file_name().unwrap_or_default();
        let kept = |ending: &str| matches!(ending, "json" | "txt" | "model" | "jinja");
        if path.is_file() && path.extension().and_then(|ending| ending.to_str()).is_some_and(kept) {
            fs::copy(&path, out.join(name)).map_err(at(&path))?;
            copied += 1;
        } else if path.join("config.json").is_file()
            && !path.join("model.safetensors").exists()
            && name != "onnx"
        {
            let folder = out.join(name);
            fs::create_dir_all(&folder).map_err(at(&folder))?;
            fs::copy(path.join("config.json"), folder.join("config.json")).map_err(at(&path))?;
            copied += 1;
        }
    }
    Ok(copied)
}

fn at(path: &Path) -> impl Fn(io::Error) -> MergeError + use<> {
    let path = path.to_owned();
    move |source| MergeError::Io { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one matrix, one half-precision vector and one list of whole numbers.
    fn write(folder: &Path, numbers: [f32; 4], halves: [f32; 2], whole: i64) {
        let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]},"c":{"dtype":"I64","shape":[1],"data_offsets":[20,28]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(halves.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()));
        bytes.extend(whole.to_le_bytes());
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("model.safetensors"), bytes).unwrap();
    }

    #[test]
    fn weights_are_averaged_and_files_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, out) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("out"));
        for (path, number) in [(&a, 1.0), (&b, 5.0)] {
            write(path, [number, 2.0, 3.0, 4.0], [number, 2.0], 7);
            write(&path.join("2_Dense"), [number; 4], [number; 2], 7);
        }
        fs::write(a.join("tokenizer.json"), "{}").unwrap();
        fs::write(a.join("model.onnx"), "x").unwrap();
        let report = merge(&[a, b], &[3.0, 1.0], &out).unwrap();
        assert_eq!((report.averaged, report.copied, report.files), (4, 2, 1));
        assert_eq!(report.shares, [0.75, 0.25]);
        write(&folder.path().join("expected"), [2.0, 2.0, 3.0, 4.0], [2.0, 2.0], 7);
        let read =
            |folder: &str| fs::read(out.parent().unwrap().join(folder).join("model.safetensors")).unwrap();
        assert_eq!(read("out"), read("expected"));
        assert!(out.join("tokenizer.json").exists() && !out.join("model.onnx").exists());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, out) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("out"));
        write(&a, [1.0; 4], [1.0; 2], 7);
        write(&b, [1.0; 4], [1.0; 2], 8);
        let merged = |a: &PathBuf, b: &PathBuf, weights: &[f64]| {
            merge(&[a.clone(), b.clone()], weights, &out).unwrap_err().to_string()
        };
        assert!(merged(&a, &b, &[]).contains("tensor \"c\" holds other whole numbers"));
        assert!(merged(&a, &b, &[1.0]).starts_with("the weights [1.0] cannot average 2"));
        assert!(merged(&a, &b, &[0.0, 0.0]).starts_with("the weights"));
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(merged(&a, &empty, &[]).contains("no .safetensors file"));
        // Every cut of the file is refused, and none panics.
        let whole = fs::read(a.join("model.safetensors")).unwrap();
        for length in 0..whole.len() {
            fs::write(b.join("model.safetensors"), &whole[..length]).unwrap();
            assert!(matches!(
                merge(&[a.clone(), b.clone()], &[], &out),
                Err(MergeError::Damaged { .. } | MergeError::Io { .. })
            ));
        }
    }
}
