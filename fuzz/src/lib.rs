//! Entry functions of the fuzzers, one per reader of foreign bytes.

#[cfg(feature = "engine")]
pub mod engine;
pub mod format;
#[path = "../../src/encode/runtime/wire.rs"]
mod wire;

/// An ONNX file, as far as it is looked at before a runtime gets it.
pub fn onnx(data: &[u8]) {
    if let Ok(scan) = wire::scan(data) {
        assert!(scan.locations.iter().map(String::len).sum::<usize>() <= data.len(), "places from nowhere");
        let _ = scan.dynamic_quantisation;
    }
}
