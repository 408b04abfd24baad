//! Where the fields of each fixed-size record lie.
//!
//! `FORMAT.md` prints the same tables for people; a test holds the two together.

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As `FORMAT.md` names it; `reserved` bytes are zero.
    pub name: &'static str,
    /// Bytes from the start of the record.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// One record: its fields tile it without gap or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordLayout {
    /// The heading of its table in `FORMAT.md`.
    pub title: &'static str,
    /// Bytes.
    pub len: usize,
    /// In order of their offsets.
    pub fields: &'static [Field],
}

impl RecordLayout {
    const fn is_tiled(&self) -> bool {
        let (mut at, mut i) = (0, 0);
        while i < self.fields.len() {
            if self.fields[i].offset != at {
                return false;
            }
            at += self.fields[i].size;
            i += 1;
        }
        at == self.len
    }
}

macro_rules! record {
    ($module:ident, $title:literal, $len:literal, { $($NAME:ident $name:literal $offset:literal $size:literal;)+ }) => {
        pub(crate) mod $module {
            use super::{Field, RecordLayout};
            $(pub(crate) const $NAME: Field = Field { name: $name, offset: $offset, size: $size };)+
            pub(crate) const LAYOUT: RecordLayout =
                RecordLayout { title: $title, len: $len, fields: &[$($NAME),+] };
            const _: () = assert!(LAYOUT.is_tiled(), "fields leave a gap or overlap");
        }
    };
}

record!(head, "File head", 64, {
    MAGIC "magic" 0 8;
    VERSION "version" 8 2;
    FILE_KIND "file_kind" 10 2;
    _RESERVED_0 "reserved" 12 4;
    BODY_LENGTH "body_length" 16 8;
    BODY_CHECKSUM "body_checksum" 24 8;
    _RESERVED_1 "reserved" 32 24;
    CHECKSUM "checksum" 56 8;
});

record!(trailer, "Segment trailer", 64, {
    DIRECTORY_OFFSET "directory_offset" 0 8;
    DIRECTORY_LENGTH "directory_length" 8 8;
    DIRECTORY_CHECKSUM "directory_checksum" 16 8;
    FILE_LENGTH "file_length" 24 8;
    HEAD_CHECKSUM "head_checksum" 32 8;
    _RESERVED "reserved" 40 16;
    CHECKSUM "checksum" 56 8;
});

record!(entry, "Directory entry", 48, {
    KIND "kind" 0 4;
    FLAGS "flags" 4 4;
    OFFSET "offset" 8 8;
    LENGTH "length" 16 8;
    SUMS_OFFSET "sums_offset" 24 8;
    SUMS_CHECKSUM "sums_checksum" 32 8;
    _RESERVED "reserved" 40 8;
});

record!(codec, "Codec head", 64, {
    DIM "dim" 0 4;
    BITS "bits" 4 1;
    _RESERVED_0 "reserved" 5 3;
    ROTATION_SEED "rotation_seed" 8 8;
    LEVELS "levels" 16 16;
    SCALE_LOG2_MIN "scale_log2_min" 32 4;
    SCALE_LOG2_STEP "scale_log2_step" 36 4;
    CENTROIDS "centroids" 40 4;
    _RESERVED_1 "reserved" 44 20;
});

record!(centroid_ids, "Centroid ids head", 64, {
    TOKENS "tokens" 0 8;
    WIDTH "width" 8 1;
    _RESERVED "reserved" 9 55;
});

record!(inverted_lists, "Inverted lists head", 64, {
    CENTROIDS "centroids" 0 4;
    DOCUMENTS "documents" 4 4;
    PAYLOAD_LENGTH "payload_length" 8 8;
    OFFSET_WIDTH "offset_width" 16 1;
    _RESERVED "reserved" 17 47;
});

record!(terms, "Terms head", 64, {
    DOCUMENTS "documents" 0 4;
    TERMS "terms" 4 4;
    TOTAL_LENGTH "total_length" 8 8;
    TEXT_LENGTH "text_length" 16 8;
    PAYLOAD_LENGTH "payload_length" 24 8;
    TEXT_OFFSET_WIDTH "text_offset_width" 32 1;
    PAYLOAD_OFFSET_WIDTH "payload_offset_width" 33 1;
    _RESERVED "reserved" 34 30;
});

record!(matrix, "Matrix head", 64, {
    ROWS "rows" 0 8;
    DIM "dim" 8 4;
    DTYPE "dtype" 12 1;
    _RESERVED "reserved" 13 51;
});

record!(graph, "Graph head", 64, {
    NODES "nodes" 0 4;
    M "m" 4 4;
    M0 "m0" 8 4;
    ENTRY "entry" 12 4;
    MAX_LEVEL "max_level" 16 4;
    UPPER_LISTS "upper_lists" 20 4;
    _RESERVED "reserved" 24 40;
});

record!(external_ids, "External ids head", 64, {
    DOCUMENTS "documents" 0 4;
    OFFSET_WIDTH "offset_width" 4 1;
    _RESERVED_0 "reserved" 5 3;
    TEXT_LENGTH "text_length" 8 8;
    _RESERVED_1 "reserved" 16 48;
});

record!(stored_block, "Stored block entry", 16, {
    FIRST_DOCUMENT "first_document" 0 4;
    RAW_LENGTH "raw_length" 4 4;
    OFFSET "offset" 8 8;
});

record!(stored_foot, "Stored fields foot", 64, {
    DOCUMENTS "documents" 0 4;
    BLOCKS "blocks" 4 4;
    PAYLOAD_LENGTH "payload_length" 8 8;
    _RESERVED "reserved" 16 48;
});

record!(stored_document, "Stored document head", 12, {
    TITLE_LENGTH "title_length" 0 4;
    TEXT_LENGTH "text_length" 4 4;
    METADATA_LENGTH "metadata_length" 8 4;
});

record!(tombstones, "Tombstones head", 16, {
    SEGMENT "segment" 0 8;
    DOCUMENTS "documents" 8 4;
    DELETED "deleted" 12 4;
});

/// Every fixed-size record of the format.
pub const RECORDS: &[RecordLayout] = &[
    head::LAYOUT,
    trailer::LAYOUT,
    entry::LAYOUT,
    codec::LAYOUT,
    centroid_ids::LAYOUT,
    inverted_lists::LAYOUT,
    matrix::LAYOUT,
    graph::LAYOUT,
    external_ids::LAYOUT,
    stored_block::LAYOUT,
    stored_foot::LAYOUT,
    stored_document::LAYOUT,
    terms::LAYOUT,
    tombstones::LAYOUT,
];
