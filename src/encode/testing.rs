//! What several tests of this room need.

use std::fs;
use std::path::{Path, PathBuf};

use super::{EncodeError, ModelOptions, RuntimeChoice};

/// A path in the shared test data (`LATEEN_DATA`, else `../shared/data` beside the checkout); none, with a word about
/// it, if it is not there.
pub(super) fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LATEEN_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {} is not there", found.display());
    None
}

/// A copy of a model of the shared test data that a test may change.
pub(super) fn copy(path: &str) -> Option<tempfile::TempDir> {
    let from = data(path)?;
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::write(to.path().join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
    }
    Some(to)
}

/// A copy of a directory that a test may change.
pub(super) fn copy_all(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

/// Copies what is in `from`, and below it, into `to`.
pub(super) fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// Writes `text` to `name` below `directory`.
pub(super) fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A safetensors file of `f32` tensors.
pub(super) fn tensors(all: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        all.iter().map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = all.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        (*name, view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Writes a dense layer whose weights are `sin(row · inputs + column + 1)`, and biases `cos(row)`.
pub(super) fn dense_layer(directory: &Path, inputs: usize, outputs: usize, bias: bool, activation: &str) {
    let config = format!(
        r#"{{"in_features":{inputs},"out_features":{outputs},"bias":{bias},"activation_function":"{activation}"}}"#
    );
    write(directory, "config.json", config);
    let weight: Vec<f32> = (0..inputs * outputs).map(|at| ((at + 1) as f64).sin() as f32).collect();
    let biases: Vec<f32> = (0..outputs).map(|at| (at as f64).cos() as f32).collect();
    let (shape, length) = ([outputs, inputs], [outputs]);
    let mut all: Vec<(&str, &[usize], &[f32])> = vec![("linear.weight", &shape, &weight)];
    if bias {
        all.push(("linear.bias", &length, &biases));
    }
    write(directory, "model.safetensors", tensors(&all));
}

/// Loads something in both runtimes; ONNX Runtime is left out, with a word about it, where it is not found.
pub(super) fn in_both<T>(load: impl Fn(&ModelOptions) -> Result<T, EncodeError>) -> Vec<T> {
    let mut all = Vec::new();
    for runtime in [RuntimeChoice::Rten, RuntimeChoice::OnnxRuntime] {
        match load(&ModelOptions { runtime, ..ModelOptions::default() }) {
            Ok(loaded) => all.push(loaded),
            Err(EncodeError::RuntimeNotFound { tried }) => {
                eprintln!("skipped: no ONNX Runtime; tried:{tried}")
            }
            Err(EncodeError::RuntimeNotCompiled { runtime, .. }) => {
                eprintln!("skipped: this build has no {runtime}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    all
}

/// Asserts that two lists of numbers agree to `tolerance`.
#[track_caller]
pub(super) fn assert_close(found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found - wanted).abs() <= tolerance, "number {at}: {found} is not {wanted}");
    }
}
