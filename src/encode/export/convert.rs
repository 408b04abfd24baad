use std::fs;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::family::{self, Family};
use super::head::{self, HeadParts};
use super::int8::Int8;
use super::layout::{self, Declared};
use super::measure::{self, Parity, Runner};
use super::net::Net;
use super::{ConvertOptions, Converted, ExportError, Head, Int8Options, file};

/// The longest text of a model that states no length: attention takes memory with its square.
const LONGEST_UNSTATED: usize = 8192;
/// What a conversion to 8 bits leaves beside the graph.
const PARITY: &str = "parity.json";

/// Writes the checkpoint in `source` as an ONNX model directory into `target`.
///
/// `target` is made if it is not there; files of the same names in it are replaced, the ONNX file atomically. One
/// weight at a time is in memory, except that a conversion to 8 bits runs the model. The bytes depend on the
/// checkpoint and the options alone, until a release says otherwise.
///
/// # Errors
/// [`ExportError`], which names the file and the tensor or setting. A failed conversion leaves no `onnx/model.onnx` of
/// its own behind.
///
/// ```no_run
/// use lateen::encode::export::{ConvertOptions, Head, convert};
/// # use std::path::Path;
/// let made = convert(Path::new("all-MiniLM-L6-v2"), Path::new("minilm"), &ConvertOptions::new(Head::Dense))?;
/// println!("{} dimensions, {} MB", made.dim, made.bytes / 1_000_000);
/// # Ok::<(), lateen::encode::export::ExportError>(())
/// ```
pub fn convert(source: &Path, target: &Path, options: &ConvertOptions) -> Result<Converted, ExportError> {
    check_options(options)?;
    if same_directory(source, target) {
        return Err(ExportError::SameDirectory { path: target.to_owned() });
    }
    for needed in ["config.json", "tokenizer.json"] {
        let path = source.join(needed);
        if !path.exists() {
            return Err(ExportError::MissingFile { path });
        }
    }
    let family = family::read(source)?;
    let declared = Declared::read(source, options.head)?;
    let max_tokens = max_tokens(source, &*family, options, declared.max_tokens)?;
    let checkpoint = Checkpoint::open(source)?.with_prefix(family.prefix());
    let parts = HeadParts {
        pooling: options.pooling.or(declared.pooling),
        projection: options.projection.as_ref().or(declared.projection.as_ref()),
        several: if options.head == Head::Several { layout::several(source)? } else { Default::default() },
    };
    let job = Job { source, target, options, family: &*family, checkpoint: &checkpoint, parts: &parts };
    let (written, dim, parity) = match &options.int8 {
        None => {
            let (net, dim) = job.build(None)?;
            (job.write(net, "model.onnx")?, dim, None)
        }
        Some(int8) => job.write_int8(int8)?,
    };
    let pooling = parts.pooling.unwrap_or(family.pooling());
    layout::write(source, target, options, layout::Shape { pooling, dim, max_tokens })?;
    Ok(Converted {
        family: family.name(),
        onnx: target.join("onnx/model.onnx"),
        external: written.external,
        bytes: written.bytes,
        dim,
        max_tokens,
        parity,
    })
}

/// Writes the graph of the checkpoint in `source` into `target`, and nothing beside it.
pub(super) fn write_graph(source: &Path, target: &Path, options: &ConvertOptions) -> Result<(), ExportError> {
    let family = family::read(source)?;
    let checkpoint = Checkpoint::open(source)?.with_prefix(family.prefix());
    let parts = HeadParts::default();
    let job = Job { source, target, options, family: &*family, checkpoint: &checkpoint, parts: &parts };
    let (net, _) = job.build(None)?;
    job.write(net, "model.onnx").map(drop)
}

/// One conversion.
struct Job<'a> {
    source: &'a Path,
    target: &'a Path,
    options: &'a ConvertOptions,
    family: &'a dyn Family,
    checkpoint: &'a Checkpoint,
    parts: &'a HeadParts<'a>,
}

impl Job<'_> {
    /// The graph, and the head's dimension.
    fn build(&self, int8: Option<Int8>) -> Result<(Net<'_>, usize), ExportError> {
        let mut net = Net::new(self.options.head.name(), self.family.inputs(), self.checkpoint, int8);
        let dim = head::build(self.family, &mut net, self.options.head, self.parts)?;
        Ok((net, dim))
    }

    fn write(&self, net: Net<'_>, name: &str) -> Result<file::Written, ExportError> {
        let folder = self.target.join("onnx");
        fs::create_dir_all(&folder).map_err(|source| ExportError::Io { path: folder.clone(), source })?;
        let limit = self.options.external_above.min(file::MAX_BYTES);
        file::write(net.graph, self.checkpoint, &folder.join(name), limit)
    }

    /// Measures the model in f32, writes it in 8 bits, and compares both.
    fn write_int8(&self, int8: &Int8Options) -> Result<(file::Written, usize, Option<Parity>), ExportError> {
        let mut net = Net::new(self.options.head.name(), self.family.inputs(), self.checkpoint, None);
        net.watched = Some(Vec::new());
        head::build(self.family, &mut net, self.options.head, self.parts)?;
        measure::add_peaks(&mut net);
        let name = format!("measured-{}.onnx", std::process::id());
        let written = self.write(net, &name)?;
        let measured = self.target.join("onnx").join(&name);
        let ran = self.run(&measured, int8);
        for path in std::iter::once(&measured).chain(&written.external) {
            fs::remove_file(path).map_err(|source| ExportError::Io { path: path.clone(), source })?;
        }
        let exact = ran?;

        let mut peaks: Vec<Vec<f32>> = Vec::new();
        for outputs in &exact {
            for (at, found) in outputs.iter().skip(self.answers()).enumerate() {
                match peaks.get_mut(at) {
                    None => peaks.push(found.clone()),
                    Some(peaks) => {
                        peaks.iter_mut().zip(found).for_each(|(peak, found)| *peak = peak.max(*found))
                    }
                }
            }
        }
        let (net, dim) = self.build(Some(Int8::new(measure::outstanding(&peaks), int8.tables_only)))?;
        let written = self.write(net, "model.onnx")?;
        let coded = self.run(&self.target.join("onnx/model.onnx"), int8)?;
        let first = |all: Vec<Vec<Vec<f32>>>| -> Vec<Vec<f32>> {
            all.into_iter().filter_map(|outputs| outputs.into_iter().next()).collect()
        };
        let parity = Parity::of(&first(exact), &first(coded));
        layout::write_json(&self.target.join(PARITY), &serde_json::json!({ "int8": parity }))?;
        Ok((written, dim, Some(parity)))
    }

    /// How many outputs the head has.
    fn answers(&self) -> usize {
        match self.options.head {
            Head::Several => {
                let several = &self.parts.several;
                1 + usize::from(several.sparse.is_some()) + usize::from(several.tokens.is_some())
            }
            _ => 1,
        }
    }

    fn run(&self, onnx: &Path, int8: &Int8Options) -> Result<Vec<Vec<Vec<f32>>>, ExportError> {
        let (tokenizer, most) = (self.source.join("tokenizer.json"), self.family.max_tokens());
        let runner = Runner::load(onnx, &tokenizer, most, &int8.engine)?;
        let outputs: Vec<_> = match int8.texts.as_slice() {
            [] => measure::TEXTS.iter().map(|text| runner.run(text)).collect::<Result<_, _>>()?,
            texts => texts.iter().map(|text| runner.run(text)).collect::<Result<_, _>>()?,
        };
        Ok(outputs)
    }
}

fn check_options(options: &ConvertOptions) -> Result<(), ExportError> {
    let head = options.head.name();
    match options.head {
        Head::Dense => {}
        _ if options.pooling.is_some() => return Err(ExportError::Option { option: "pooling", head }),
        _ => {}
    }
    if options.head != Head::Tokens && options.projection.is_some() {
        return Err(ExportError::Option { option: "projection", head });
    }
    Ok(())
}

fn max_tokens(
    source: &Path,
    family: &dyn Family,
    options: &ConvertOptions,
    declared: Option<usize>,
) -> Result<usize, ExportError> {
    let limit = family.max_tokens();
    let unstated = limit.min(LONGEST_UNSTATED);
    let suited = match options.head {
        Head::Dense => declared.unwrap_or(unstated),
        _ => unstated,
    };
    match options.max_tokens {
        None => Ok(suited.min(limit)),
        Some(tokens) if (2..=limit).contains(&tokens) => Ok(tokens),
        Some(_) => Err(ExportError::Config {
            file: source.join("config.json"),
            field: "max_position_embeddings",
            found: limit.to_string(),
            expected: "max_tokens must lie between 2 and it",
        }),
    }
}

fn same_directory(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
