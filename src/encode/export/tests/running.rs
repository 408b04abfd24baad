//! Runs exported models in every runtime there is.

use std::path::{Path, PathBuf};

/// Token ids of a batch, one row per text, and segment ids of the same lengths.
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) ids: Vec<i64>,
    pub(super) mask: Vec<i64>,
    pub(super) types: Vec<i64>,
}

impl Batch {
    /// Pads `rows` of (ids, types) to the longest.
    pub(super) fn new(rows: &[(Vec<u32>, Vec<u32>)]) -> Self {
        Self::padded(rows, 0, false)
    }

    /// Pads rows with `padding`, in front of them or behind.
    pub(super) fn padded(rows: &[(Vec<u32>, Vec<u32>)], padding: i64, left: bool) -> Self {
        let columns = rows.iter().map(|(ids, _)| ids.len()).max().unwrap();
        let mut batch = Self { rows: rows.len(), columns, ids: vec![], mask: vec![], types: vec![] };
        let around =
            |out: &mut Vec<i64>, values: &mut dyn Iterator<Item = i64>, filling: usize, value: i64| {
                out.extend(std::iter::repeat_n(value, if left { filling } else { 0 }));
                out.extend(values);
                out.extend(std::iter::repeat_n(value, if left { 0 } else { filling }));
            };
        for (ids, types) in rows {
            let filling = columns - ids.len();
            around(&mut batch.ids, &mut ids.iter().map(|&id| i64::from(id)), filling, padding);
            around(&mut batch.mask, &mut ids.iter().map(|_| 1), filling, 0);
            around(&mut batch.types, &mut types.iter().map(|&id| i64::from(id)), filling, 0);
        }
        batch
    }

    fn inputs(&self) -> [(&'static str, &[i64]); 3] {
        [("input_ids", &self.ids), ("attention_mask", &self.mask), ("token_type_ids", &self.types)]
    }
}

/// A loaded model; `run` gives its one output, flat.
pub(super) trait Runner {
    fn name(&self) -> &'static str;
    fn run(&mut self, batch: &Batch) -> Vec<f32>;
}

/// Loads `model` in each runtime that is there; says which one is not.
pub(super) fn runners(model: &Path, output: &str) -> Vec<Box<dyn Runner>> {
    let mut runners: Vec<Box<dyn Runner>> = Vec::new();
    #[cfg(feature = "rten")]
    runners.push(Box::new(Rten::load(model, output)));
    #[cfg(feature = "onnxruntime")]
    match std::env::var_os("ORT_DYLIB_PATH") {
        Some(library) => runners.push(Box::new(OnnxRuntime::load(library.as_ref(), model, output))),
        None => eprintln!("skipped: ONNX Runtime; set ORT_DYLIB_PATH to its library"),
    }
    runners
}

#[cfg(feature = "rten")]
struct Rten {
    model: rten::Model,
    output: rten::NodeId,
}

#[cfg(feature = "rten")]
impl Rten {
    fn load(path: &Path, output: &str) -> Self {
        let model = rten::Model::load_file(path).unwrap();
        let output = model.node_id(output).unwrap();
        assert_eq!(model.output_ids(), [output]);
        Self { model, output }
    }
}

#[cfg(feature = "rten")]
impl Runner for Rten {
    fn name(&self) -> &'static str {
        "rten"
    }

    fn run(&mut self, batch: &Batch) -> Vec<f32> {
        let value = |values: &[i64]| {
            let values = values.iter().map(|&value| value as i32).collect();
            rten::Value::from_shape([batch.rows, batch.columns], values).unwrap().into()
        };
        let inputs = batch.inputs().into_iter().filter_map(|(name, values)| {
            // Families without segments have no input for them.
            Some((self.model.find_node(name)?, value(values)))
        });
        let [output] = self.model.run_n(inputs.collect(), [self.output], None).unwrap();
        match output {
            rten::Value::FloatTensor(tensor) => tensor.into_data(),
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(feature = "onnxruntime")]
struct OnnxRuntime {
    session: ort::session::Session,
    output: String,
}

#[cfg(feature = "onnxruntime")]
impl OnnxRuntime {
    fn load(library: &Path, model: &Path, output: &str) -> Self {
        // A process has one environment.
        static ENVIRONMENT: std::sync::OnceLock<ort::environment::Environment> = std::sync::OnceLock::new();
        let environment = ENVIRONMENT.get_or_init(|| ort::init_from(library).unwrap().build().unwrap());
        let builder = ort::session::Session::builder(environment).unwrap();
        let session = builder.with_intra_threads(1).unwrap().commit_from_file(model).unwrap();
        assert_eq!(session.outputs().iter().map(|output| output.name()).collect::<Vec<_>>(), [output]);
        Self { session, output: output.to_owned() }
    }
}

#[cfg(feature = "onnxruntime")]
impl Runner for OnnxRuntime {
    fn name(&self) -> &'static str {
        "ONNX Runtime"
    }

    fn run(&mut self, batch: &Batch) -> Vec<f32> {
        let wanted: Vec<_> = self.session.inputs().iter().map(|input| input.name().to_owned()).collect();
        let inputs =
            batch.inputs().into_iter().filter(|(name, _)| wanted.iter().any(|wanted| wanted == name));
        let inputs: Vec<_> = inputs
            .map(|(name, values)| {
                let shape = [batch.rows, batch.columns];
                (name, ort::value::Tensor::from_array((shape, values.to_vec())).unwrap())
            })
            .collect();
        let outputs = self.session.run(inputs).unwrap();
        outputs[self.output.as_str()].try_extract_tensor::<f32>().unwrap().1.to_vec()
    }
}

/// The all-MiniLM-L6-v2 checkpoint, if this machine has it.
pub(super) fn minilm() -> Option<PathBuf> {
    let directory = std::env::var_os("LATEEN_MINILM").map(PathBuf::from);
    match directory.filter(|directory| directory.join("model.safetensors").exists()) {
        None => {
            eprintln!("skipped: set LATEEN_MINILM to a folder with all-MiniLM-L6-v2's model.safetensors");
            None
        }
        found => found,
    }
}

/// The largest difference; panics on different lengths.
pub(super) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Reads an f32 `.npy` file of two dimensions: the row length, and the numbers.
pub(super) fn read_npy(path: &Path) -> (usize, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let body = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let head = std::str::from_utf8(&bytes[10..body]).unwrap();
    assert!(head.contains("'<f4'") && head.contains("'fortran_order': False"), "{head}");
    let shape = head.split(['(', ')']).nth(1).unwrap();
    let columns = shape.split(',').nth(1).unwrap().trim().parse().unwrap();
    (columns, bytes[body..].as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect())
}
