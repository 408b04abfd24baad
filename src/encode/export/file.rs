//! A graph and its weights as files.
//!
//! A file is written front to back with one weight in memory at a time: every length is known from the shapes, so
//! protobuf's length prefixes can be written before the bytes they count. A model that does not fit into one protobuf
//! message keeps its large weights in a second file, as ONNX's external data:
//!
//! ```text
//! model.onnx       nodes, small constants, and for each large weight: location, offset, length
//! model.onnx_data  the large weights, each at a multiple of 4096 bytes
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::ExportError;
use super::graph::GraphBuilder;
use super::initializer::{Initializer, WeightSource};
use super::messages::{
    EXTERNAL, Entry, GRAPH_INITIALIZER_FIELD, MODEL_GRAPH_FIELD, ModelHead, OperatorSet,
    TENSOR_RAW_DATA_FIELD,
};

/// The operator set: the oldest with a `LayerNormalization` node, which every current runtime reads.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// Counts changes of the graphs that are written, not releases: an index names its model by a hash of the graph, and a
/// release that writes the same graphs must open it.
pub(super) const GRAPHS: &str = "1";
/// Protobuf's limit for one message.
pub(super) const MAX_BYTES: u64 = i32::MAX as u64;
/// Weights below this many bytes stay in the graph's own file.
const LEAST_EXTERNAL: u64 = 64 << 10;
/// Runtimes map external weights: they start on a page.
const ALIGNMENT: u64 = 4096;

/// What was written.
pub(super) struct Written {
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// The file of external weights, if there is one.
    pub(super) external: Option<PathBuf>,
}

/// Writes the model to `path`, and beside it what does not fit into `limit` bytes. Each file appears whole or not at
/// all, the graph's last.
pub(super) fn write(
    mut graph: GraphBuilder,
    weights: &dyn WeightSource,
    path: &Path,
    limit: u64,
) -> Result<Written, ExportError> {
    let data = path.with_extension("onnx_data");
    let mut external = None;
    if encoded_len(&graph) > limit {
        let name = data.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let outside = place(&mut graph.initializers, &name);
        whole(&data, |out, fail| {
            let mut at = 0;
            for (tensor, offset) in outside.iter().map(|&(at, offset)| (&graph.initializers[at], offset)) {
                let gap = usize::try_from(offset - at).unwrap_or_default();
                out.write_all(&vec![0; gap]).map_err(fail)?;
                tensor.write(weights, out, fail)?;
                at = offset + tensor.len;
            }
            Ok(())
        })?;
        external = Some(data);
    }
    let bytes = encoded_len(&graph);
    if bytes > MAX_BYTES {
        return Err(ExportError::TooLarge { bytes, limit: MAX_BYTES });
    }
    whole(path, |out, fail| write_model(&graph, weights, out, fail))?;
    let outside = match &external {
        None => 0,
        Some(data) => fs::metadata(data).map_or(0, |meta| meta.len()),
    };
    Ok(Written { bytes: bytes + outside, external })
}

/// Takes large weights out of the file; gives their numbers and offsets.
fn place(initializers: &mut [Initializer], location: &str) -> Vec<(usize, u64)> {
    let mut end: u64 = 0;
    let mut outside = Vec::new();
    for (at, tensor) in initializers.iter_mut().enumerate().filter(|(_, tensor)| tensor.len >= LEAST_EXTERNAL)
    {
        let offset = end.next_multiple_of(ALIGNMENT);
        end = offset + tensor.len;
        let entry = |key: &str, value: String| Entry { key: key.into(), value };
        tensor.head.external_data = vec![
            entry("location", location.into()),
            entry("offset", offset.to_string()),
            entry("length", tensor.len.to_string()),
        ];
        tensor.head.data_location = Some(EXTERNAL);
        outside.push((at, offset));
    }
    outside
}

pub(in crate::encode) type Fail<'a> = &'a dyn Fn(io::Error) -> ExportError;

/// Writes a file under another name, and renames it once it is whole and on the disk.
pub(in crate::encode) fn whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>, Fail<'_>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let fail = |source| ExportError::Io { path: part.clone(), source };
    let written = (|| {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&part).map_err(fail)?);
        fill(&mut out, &fail)?;
        out.flush().map_err(fail)?;
        out.get_ref().sync_all().map_err(fail)
    })();
    if written.is_err() {
        // The error at hand says more than a second one would.
        let _ = fs::remove_file(&part);
        return written;
    }
    fs::rename(&part, path).map_err(fail)
}

fn write_model(
    graph: &GraphBuilder,
    weights: &dyn WeightSource,
    out: &mut dyn Write,
    fail: Fail<'_>,
) -> Result<(), ExportError> {
    let mut head = model_head().encode_to_vec();
    prefix(MODEL_GRAPH_FIELD, graph_len(graph), &mut head);
    head.extend(graph.graph().encode_to_vec());
    out.write_all(&head).map_err(fail)?;
    for tensor in &graph.initializers {
        let mut head = Vec::new();
        prefix(GRAPH_INITIALIZER_FIELD, tensor_len(tensor), &mut head);
        head.extend(tensor.head.encode_to_vec());
        if is_outside(tensor) {
            out.write_all(&head).map_err(fail)?;
            continue;
        }
        prefix(TENSOR_RAW_DATA_FIELD, tensor.len, &mut head);
        out.write_all(&head).map_err(fail)?;
        tensor.write(weights, out, fail)?;
    }
    Ok(())
}

/// How many bytes the graph's own file takes.
fn encoded_len(graph: &GraphBuilder) -> u64 {
    let len = graph_len(graph);
    model_head().encoded_len() as u64 + prefix_len(MODEL_GRAPH_FIELD, len) + len
}

fn graph_len(graph: &GraphBuilder) -> u64 {
    let tensors = graph.initializers.iter().map(|tensor| {
        let len = tensor_len(tensor);
        prefix_len(GRAPH_INITIALIZER_FIELD, len) + len
    });
    graph.graph().encoded_len() as u64 + tensors.sum::<u64>()
}

fn is_outside(tensor: &Initializer) -> bool {
    tensor.head.data_location == Some(EXTERNAL)
}

fn tensor_len(tensor: &Initializer) -> u64 {
    let raw = match is_outside(tensor) {
        true => 0,
        false => prefix_len(TENSOR_RAW_DATA_FIELD, tensor.len) + tensor.len,
    };
    tensor.head.encoded_len() as u64 + raw
}

fn model_head() -> ModelHead {
    ModelHead {
        ir_version: IR_VERSION,
        producer_name: "lateen".into(),
        producer_version: GRAPHS.into(),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
    }
}

fn prefix(field: u32, len: u64, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len, out);
}

fn prefix_len(field: u32, len: u64) -> u64 {
    (key_len(field) + encoded_len_varint(len)) as u64
}
