//! What sections contain: one file per section, a writer and a view in each.
//!
//! Views cost `O(1)` to make: they hold the lengths of arrays against their heads and leave the numbers
//! inside to the accessors, which check what they read, and to `check`, which reads everything.

mod centroid_ids;
mod codec;
mod codes;
mod content_hashes;
mod external_ids;
mod graph_links;
mod inverted_lists;
mod leb128;
mod matrix;
mod offsets;
mod parts;
mod stored_fields;
mod stored_fields_writer;
mod terms;
mod terms_builder;
mod token_offsets;

pub use centroid_ids::{CentroidIdsView, centroid_id_width, write_centroid_ids};
pub use codec::{CodecView, write_codec};
pub use codes::{CodesView, ScalesView};
pub use content_hashes::{ContentHashesView, write_content_hashes};
pub use external_ids::{ExternalIdsView, MAX_ID_LEN, write_external_ids};
pub use graph_links::{GraphLinksView, GraphShape, GraphSource, MAX_LEVEL, MAX_LINKS, write_graph_links};
pub use inverted_lists::{InvertedList, InvertedListsView, write_inverted_lists};
pub use matrix::{
    DenseVectorsView, Dtype, MatrixData, MatrixView, RawTokensView, begin_matrix, write_matrix,
};
pub use stored_fields::{StoredBlock, StoredDocument, StoredFieldsView};
pub use stored_fields_writer::StoredFieldsWriter;
pub use terms::{Postings, TermsView};
pub use terms_builder::{MAX_TERM_LEN, TermsBuilder};
pub use token_offsets::{TokenOffsetsView, write_token_offsets};
