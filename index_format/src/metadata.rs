//! How metadata records become bytes: the only file that names `bincode`.
//!
//! Integers are fixed-width and little-endian, a string is its length (`u64`) and its UTF-8 bytes, an option is
//! a byte 0 or 1 and perhaps the value, a list is its length (`u32`) and its items. `FORMAT.md` has the records
//! field by field and golden bytes pin them, so that another codec can take over without a new format.
//!
//! Decoding borrows strings from the input and takes list items one by one: a lying length runs out of bytes
//! before anything is allocated.

use bincode::config::{self, Configuration, Fixint, Limit, LittleEndian};
use bincode::{BorrowDecode, Decode, Encode};

use crate::error::FormatError;
use crate::manifest::{Manifest, SegmentRecord, TombstoneRecord};
use crate::meta_record::MetaRecord;
use crate::settings::{DenseStorage, IndexSettings, ModelIdentity, TokenStorage, Words};
use crate::tuning::{Knob, QuerySource, TunedTarget, Tuning};

/// The longest metadata record in bytes.
pub const MAX_METADATA_LEN: usize = 16 << 20;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<MAX_METADATA_LEN>> =
    config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MAX_METADATA_LEN>();

#[derive(Encode, Decode)]
struct SettingsWire {
    token_dim: u32,
    token_storage: u8,
    dense_dim: u32,
    dense_storage: u8,
    store_documents: bool,
    seed: u64,
    words: u8,
}

#[derive(Encode, BorrowDecode)]
struct ModelWire<'a> {
    name: &'a str,
    location: &'a str,
    fingerprint: [u8; 16],
    description: &'a str,
}

#[derive(Encode, BorrowDecode)]
struct ManifestWire<'a> {
    generation: u64,
    next_number: u64,
    settings: SettingsWire,
    model: ModelWire<'a>,
    segments: u32,
}

#[derive(Encode, Decode)]
struct SegmentWire {
    number: u64,
    documents: u32,
    tokens: u64,
    bytes: u64,
    identity: u64,
    tombstones: Option<TombstoneWire>,
}

#[derive(Encode, Decode)]
struct TombstoneWire {
    number: u64,
    deleted: u32,
    checksum: u64,
}

/// What stands before a [`TuningWire`], as an option's first byte does.
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

#[derive(Encode, Decode)]
struct TuningWire {
    documents: u64,
    tokens: u64,
    queries: u32,
    source: u8,
    seed: u64,
    targets: u32,
}

#[derive(Encode, Decode)]
struct TargetWire {
    k: u32,
    recall: u32,
    measured: u32,
    lower: u32,
    knobs: u32,
}

#[derive(Encode, BorrowDecode)]
struct KnobWire<'a> {
    name: &'a str,
    value: u64,
}

#[derive(Encode, BorrowDecode)]
struct MetaWire<'a> {
    documents: u32,
    tokens: u64,
    dim: u32,
    bits: u8,
    dense_dim: u32,
    writer: &'a str,
    settings: SettingsWire,
    build: u32,
}

#[derive(Encode, BorrowDecode)]
struct BuildWire<'a> {
    name: &'a str,
    value: &'a str,
}

pub(crate) fn encode_manifest(manifest: &Manifest) -> Result<Vec<u8>, FormatError> {
    let Manifest { generation, next_number, settings, model, segments, tuning } = manifest;
    let mut out = Encoder::new("the manifest");
    let model = ModelWire {
        name: &model.name,
        location: &model.location,
        fingerprint: model.fingerprint,
        description: &model.description,
    };
    out.put(ManifestWire {
        generation: *generation,
        next_number: *next_number,
        settings: settings.into(),
        model,
        segments: list_len(segments.len())?,
    })?;
    segments.iter().try_for_each(|segment| out.put(SegmentWire::from(segment)))?;
    put_tuning(&mut out, tuning.as_ref())?;
    out.finish()
}

fn put_tuning(out: &mut Encoder, tuning: Option<&Tuning>) -> Result<(), FormatError> {
    let Some(Tuning { documents, tokens, queries, source, seed, targets }) = tuning else {
        return out.put(ABSENT);
    };
    out.put(PRESENT)?;
    out.put(TuningWire {
        documents: *documents,
        tokens: *tokens,
        queries: *queries,
        source: source.code(),
        seed: *seed,
        targets: list_len(targets.len())?,
    })?;
    for TunedTarget { k, recall, measured, lower, knobs } in targets {
        let knob_count = list_len(knobs.len())?;
        out.put(TargetWire {
            k: *k,
            recall: *recall,
            measured: *measured,
            lower: *lower,
            knobs: knob_count,
        })?;
        knobs.iter().try_for_each(|Knob { name, value }| out.put(KnobWire { name, value: *value }))?;
    }
    Ok(())
}

fn take_tuning(bytes: &mut Decoder<'_>) -> Result<Option<Tuning>, FormatError> {
    match bytes.take::<u8>()? {
        ABSENT => return Ok(None),
        PRESENT => {}
        found => {
            let (expected, found) = (PRESENT.into(), found.into());
            return Err(FormatError::Inconsistent { what: "whether there is a tuning", expected, found });
        }
    }
    let TuningWire { documents, tokens, queries, source, seed, targets: count } = bytes.take()?;
    let mut targets = Vec::new();
    for _ in 0..count {
        let TargetWire { k, recall, measured, lower, knobs: count } = bytes.take()?;
        let mut knobs = Vec::new();
        for _ in 0..count {
            let KnobWire { name, value } = bytes.take()?;
            knobs.push(Knob { name: name.to_owned(), value });
        }
        targets.push(TunedTarget { k, recall, measured, lower, knobs });
    }
    let source = QuerySource::from_code(source)?;
    Ok(Some(Tuning { documents, tokens, queries, source, seed, targets }))
}

pub(crate) fn decode_manifest(bytes: &[u8]) -> Result<Manifest, FormatError> {
    let mut bytes = Decoder::new("the manifest", bytes)?;
    let wire: ManifestWire<'_> = bytes.take()?;
    let mut segments = Vec::new();
    for _ in 0..wire.segments {
        segments.push(bytes.take::<SegmentWire>()?.into());
    }
    let tuning = take_tuning(&mut bytes)?;
    bytes.finish()?;
    Ok(Manifest {
        generation: wire.generation,
        next_number: wire.next_number,
        settings: wire.settings.try_into()?,
        model: ModelIdentity {
            name: wire.model.name.to_owned(),
            location: wire.model.location.to_owned(),
            fingerprint: wire.model.fingerprint,
            description: wire.model.description.to_owned(),
        },
        segments,
        tuning,
    })
}

pub(crate) fn encode_meta(record: &MetaRecord) -> Result<Vec<u8>, FormatError> {
    let MetaRecord { documents, tokens, dim, bits, dense_dim, writer, settings, build } = record;
    let mut out = Encoder::new("the segment's metadata");
    out.put(MetaWire {
        documents: *documents,
        tokens: *tokens,
        dim: *dim,
        bits: *bits,
        dense_dim: *dense_dim,
        writer,
        settings: settings.into(),
        build: list_len(build.len())?,
    })?;
    build.iter().try_for_each(|(name, value)| out.put(BuildWire { name, value }))?;
    out.finish()
}

pub(crate) fn decode_meta(bytes: &[u8]) -> Result<MetaRecord, FormatError> {
    let mut bytes = Decoder::new("the segment's metadata", bytes)?;
    let wire: MetaWire<'_> = bytes.take()?;
    let mut build = Vec::new();
    for _ in 0..wire.build {
        let BuildWire { name, value } = bytes.take()?;
        build.push((name.to_owned(), value.to_owned()));
    }
    bytes.finish()?;
    Ok(MetaRecord {
        documents: wire.documents,
        tokens: wire.tokens,
        dim: wire.dim,
        bits: wire.bits,
        dense_dim: wire.dense_dim,
        writer: wire.writer.to_owned(),
        settings: wire.settings.try_into()?,
        build,
    })
}

struct Encoder {
    what: &'static str,
    bytes: Vec<u8>,
}

impl Encoder {
    fn new(what: &'static str) -> Self {
        Self { what, bytes: Vec::new() }
    }

    fn put(&mut self, value: impl Encode) -> Result<(), FormatError> {
        match bincode::encode_into_std_write(value, &mut self.bytes, CONFIG) {
            Ok(_) => Ok(()),
            Err(source) => Err(FormatError::Record { what: self.what, source: source.into() }),
        }
    }

    fn finish(self) -> Result<Vec<u8>, FormatError> {
        check_len(self.what, self.bytes.len())?;
        Ok(self.bytes)
    }
}

struct Decoder<'a> {
    what: &'static str,
    bytes: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn new(what: &'static str, bytes: &'a [u8]) -> Result<Self, FormatError> {
        check_len(what, bytes.len())?;
        Ok(Self { what, bytes })
    }

    fn take<T: BorrowDecode<'a, ()>>(&mut self) -> Result<T, FormatError> {
        match bincode::borrow_decode_from_slice(self.bytes, CONFIG) {
            Ok((value, read)) => {
                self.bytes = self.bytes.get(read..).unwrap_or_default();
                Ok(value)
            }
            Err(source) => Err(FormatError::Record { what: self.what, source: source.into() }),
        }
    }

    fn finish(self) -> Result<(), FormatError> {
        match self.bytes.len() as u64 {
            0 => Ok(()),
            found => Err(FormatError::Inconsistent {
                what: "the bytes after a metadata record",
                expected: 0,
                found,
            }),
        }
    }
}

fn check_len(what: &'static str, len: usize) -> Result<(), FormatError> {
    if len <= MAX_METADATA_LEN {
        return Ok(());
    }
    Err(FormatError::TooLarge { what, limit: MAX_METADATA_LEN as u64, found: len as u64 })
}

fn list_len(len: usize) -> Result<u32, FormatError> {
    u32::try_from(len).map_err(|_| FormatError::TooLarge {
        what: "the length of a list",
        limit: u32::MAX.into(),
        found: len as u64,
    })
}

impl From<&IndexSettings> for SettingsWire {
    fn from(settings: &IndexSettings) -> Self {
        Self {
            token_dim: settings.token_dim,
            token_storage: settings.token_storage.code(),
            dense_dim: settings.dense_dim,
            dense_storage: settings.dense_storage.code(),
            store_documents: settings.store_documents,
            seed: settings.seed,
            words: settings.words.code(),
        }
    }
}

impl TryFrom<SettingsWire> for IndexSettings {
    type Error = FormatError;

    fn try_from(wire: SettingsWire) -> Result<Self, FormatError> {
        Ok(Self {
            token_dim: wire.token_dim,
            token_storage: TokenStorage::from_code(wire.token_storage)?,
            dense_dim: wire.dense_dim,
            dense_storage: DenseStorage::from_code(wire.dense_storage)?,
            store_documents: wire.store_documents,
            seed: wire.seed,
            words: Words::from_code(wire.words)?,
        })
    }
}

impl From<&SegmentRecord> for SegmentWire {
    fn from(record: &SegmentRecord) -> Self {
        let &SegmentRecord { number, documents, tokens, bytes, identity, tombstones } = record;
        let tombstones = tombstones.map(|TombstoneRecord { number, deleted, checksum }| TombstoneWire {
            number,
            deleted,
            checksum,
        });
        Self { number, documents, tokens, bytes, identity, tombstones }
    }
}

impl From<SegmentWire> for SegmentRecord {
    fn from(wire: SegmentWire) -> Self {
        let SegmentWire { number, documents, tokens, bytes, identity, tombstones } = wire;
        let tombstones = tombstones.map(|TombstoneWire { number, deleted, checksum }| TombstoneRecord {
            number,
            deleted,
            checksum,
        });
        Self { number, documents, tokens, bytes, identity, tombstones }
    }
}
