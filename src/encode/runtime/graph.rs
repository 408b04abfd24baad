use std::fs;
use std::path::{Path, PathBuf};

use super::super::EncodeError;
use super::super::directory::{self, GRAPH_LIMIT, ModelDirectory};
use super::super::fingerprint::Fingerprint;
use super::wire;

/// An ONNX file, read once, with its external weights checked.
#[derive(Debug)]
pub(in super::super) struct Graph {
    pub(in super::super) path: PathBuf,
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) has_external_data: bool,
    /// Whether the path is a link to the file.
    pub(in super::super) is_link: bool,
    /// Whether the graph quantises activations by the range of the whole batch.
    pub(in super::super) has_dynamic_quantisation: bool,
    /// The names of its inputs.
    pub(in super::super) inputs: Vec<String>,
    /// The names of its outputs.
    pub(in super::super) outputs: Vec<String>,
    /// The external weights' files, in the order of their names.
    pub(in super::super) external: Vec<PathBuf>,
}

impl Graph {
    /// Reads the graph and refuses external weights that are not plain files beside it.
    pub(in super::super) fn open(path: &Path) -> Result<Self, EncodeError> {
        Self::of(path, directory::read(path, "the ONNX graph", GRAPH_LIMIT)?)
    }

    /// The same of a graph in a directory that may be compiled in.
    pub(in super::super) fn open_in(model: &ModelDirectory, path: &Path) -> Result<Self, EncodeError> {
        Self::of(path, model.read_path(path, "the ONNX graph", GRAPH_LIMIT)?.into_owned())
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, EncodeError> {
        let scan = wire::scan(&bytes).map_err(|what| EncodeError::Graph { path: path.to_owned(), what })?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut external = Vec::with_capacity(scan.locations.len());
        for location in scan.locations {
            let refused =
                |why| EncodeError::ExternalData { path: path.to_owned(), location: location.clone(), why };
            external.push(plain_file(directory, &location).map_err(refused)?);
        }
        Ok(Self {
            path: path.to_owned(),
            bytes,
            has_external_data: !external.is_empty(),
            is_link: fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_symlink()),
            has_dynamic_quantisation: scan.dynamic_quantisation,
            inputs: scan.inputs,
            outputs: scan.outputs,
            external,
        })
    }

    /// Adds the graph and its external weights.
    pub(in super::super) fn add_to(&self, fingerprint: &mut Fingerprint) -> Result<(), EncodeError> {
        fingerprint.add("graph", &self.bytes);
        for path in &self.external {
            let bytes = directory::read(path, "external weights", directory::WEIGHTS_LIMIT)?;
            fingerprint.add("external", &bytes);
        }
        Ok(())
    }
}

/// The file beside a graph that `location` names: one name, no links out of the model's own files.
fn plain_file(directory: &Path, location: &str) -> Result<PathBuf, &'static str> {
    let plain = !location.is_empty()
        && location != "."
        && location != ".."
        && !location.contains(['/', '\\', ':', '\0'])
        && !location.starts_with('*');
    if !plain {
        return Err("it is not the plain name of a file beside the graph");
    }
    let path = directory.join(location);
    let link = fs::symlink_metadata(&path).map_err(|_| "there is no such file")?;
    let meta = fs::metadata(&path).map_err(|_| "the link leads nowhere")?;
    if !meta.is_file() {
        return Err("it is not a regular file");
    }
    // The hub's cache keeps every file as a link into `blobs`, the graph too.
    if link.file_type().is_symlink() && !in_hub_cache(&path) {
        return Err("it is a link to a file elsewhere");
    }
    if !link.file_type().is_symlink() && hard_links(&meta) > 1 {
        return Err("it is a hard link: the same file has another name");
    }
    Ok(path)
}

/// Whether a link points into the `blobs` of the hub cache that it lies in.
fn in_hub_cache(path: &Path) -> bool {
    let Some(root) = path.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "snapshots"))
    else {
        return false;
    };
    let blobs = root.with_file_name("blobs").canonicalize();
    matches!((path.canonicalize(), blobs), (Ok(target), Ok(ref blobs)) if target.starts_with(blobs))
}

#[cfg(unix)]
fn hard_links(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(meta)
}

#[cfg(not(unix))]
fn hard_links(_meta: &fs::Metadata) -> u64 {
    1
}
