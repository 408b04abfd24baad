//! What fuzzers and the smoke test of `index_format` run on hostile bytes of index files.
//!
//! Every entry function takes any bytes, reads them in every way the crate offers, and panics only if the crate
//! breaks a promise. Checksums would stop nearly all mutations at the door, so files are also tried with their
//! checksums made to match.

use lateen_index_format::{
    AlignedBytes, CentroidIdsView, CodeWidth, CodecView, CodesView, ContentHashesView, DenseVectorsView,
    ExternalIdsView, FormatError, GraphLinksView, HEAD_LEN, InvertedListsView, MAGIC, Manifest, MetaRecord,
    ScalesView, SectionKind, SegmentLayout, StoredFieldsView, TermsView, TokenOffsetsView, Tombstones,
};
use xxhash_rust::xxh3::xxh3_64;

/// A segment file.
pub fn segment(data: &[u8]) {
    read_segment(data);
    let mut file = data.to_vec();
    reseal_segment(&mut file);
    read_segment(&file);
}

/// A manifest file, or the body of one.
pub fn manifest(data: &[u8]) {
    let body = data.get(HEAD_LEN..).unwrap_or_default();
    for file in [data.to_vec(), sealed(2, data), sealed(2, body)] {
        if let Ok(manifest) = Manifest::decode(&file) {
            assert_eq!(
                manifest.encode().expect("what was read can be written"),
                file,
                "two ways to write it"
            );
        }
    }
}

/// A tombstones file, or the body of one.
pub fn tombstones(data: &[u8]) {
    let body = data.get(HEAD_LEN..).unwrap_or_default();
    for file in [data.to_vec(), sealed(3, data), sealed(3, body)] {
        if let Ok(tombstones) = Tombstones::decode(&file) {
            let file = tombstones.encode().expect("what was read can be written");
            assert_eq!(Tombstones::decode(&file).expect("what was written can be read"), tombstones);
        }
    }
}

/// One byte that chooses a kind, then a section.
pub fn sections(data: &[u8]) {
    if let Some((&kind, bytes)) = data.split_first() {
        let kind = SectionKind::KNOWN[usize::from(kind) % SectionKind::KNOWN.len()];
        let _ = read_section(kind, &AlignedBytes::from_slice(bytes));
    }
}

/// A section `StoredFields`.
pub fn stored_fields(data: &[u8]) {
    let _ = read_stored_fields(data);
}

/// Reads all there is in one section.
pub fn read_section(kind: SectionKind, bytes: &[u8]) -> Result<(), FormatError> {
    match kind {
        SectionKind::Meta => {
            let record = MetaRecord::decode(bytes)?;
            assert_eq!(record.encode().expect("what was read can be written"), bytes, "two ways to write it");
            Ok(())
        }
        SectionKind::TokenOffsets => {
            let view = TokenOffsetsView::new(bytes)?;
            for document in 0..=view.documents() {
                if let Ok(range) = view.range(document) {
                    assert!(range.start <= range.end && range.end as u64 <= view.tokens());
                }
            }
            view.check()
        }
        SectionKind::Codec => CodecView::new(bytes)?.check(),
        SectionKind::CentroidIds => {
            let view = CentroidIdsView::new(bytes)?;
            for token in [0, view.tokens().wrapping_sub(1), view.tokens(), usize::MAX] {
                assert_eq!(view.get(token).is_ok(), token < view.tokens());
            }
            view.check(view.iter().max().map_or(0, |id| id.saturating_add(1)))
        }
        SectionKind::Codes => read_codes(bytes),
        SectionKind::Scales => ScalesView::new(bytes)?.rows(1..usize::MAX).map(drop),
        SectionKind::InvertedLists => read_inverted_lists(bytes),
        SectionKind::RawTokens | SectionKind::DenseVectors => {
            let view = DenseVectorsView::new(bytes)?;
            assert!(view.rows() as u64 * u64::from(view.dim()) <= bytes.len() as u64);
            view.rows_f32().map(drop).or(view.rows_f16().map(drop)).or(view.rows_i8().map(drop))
        }
        SectionKind::GraphLinks => read_graph_links(bytes),
        SectionKind::ExternalIds => read_external_ids(bytes),
        SectionKind::ContentHashes => ContentHashesView::new(bytes)?.get(u32::MAX).map(drop),
        SectionKind::StoredFields => read_stored_fields(bytes),
        SectionKind::Terms => read_terms(bytes),
        _ => Ok(()),
    }
}

/// Makes the checksums of a segment file match what is there, as far as its places make sense.
pub fn reseal_segment(file: &mut [u8]) {
    if file.len() < 2 * HEAD_LEN {
        return;
    }
    file[..8].copy_from_slice(&MAGIC);
    let trailer = file.len() - 64;
    let head_checksum = seal(&mut file[..64]);
    put(file, trailer + 32, head_checksum);
    let (offset, length) = (get(file, trailer), get(file, trailer + 8));
    let directory = offset..offset.saturating_add(length).min(trailer);
    for entry in directory.clone().step_by(48) {
        if entry + 48 <= directory.end {
            reseal_section(file, entry);
        }
    }
    let directory_checksum = file.get(directory).map_or(0, xxh3_64);
    put(file, trailer + 16, directory_checksum);
    seal(&mut file[trailer..]);
}

fn reseal_section(file: &mut [u8], entry: usize) {
    let (offset, length, sums) = (get(file, entry + 8), get(file, entry + 16), get(file, entry + 24));
    let blocks: Option<Vec<u64>> = file
        .get(offset..offset.saturating_add(length))
        .map(|section| section.chunks(lateen_index_format::BLOCK_LEN).map(xxh3_64).collect());
    let Some(blocks) = blocks else { return };
    if sums.checked_add(8 * blocks.len()).is_none_or(|end| end > file.len()) {
        return;
    }
    for (index, &sum) in blocks.iter().enumerate() {
        put(file, sums + 8 * index, sum);
    }
    let sums_checksum = xxh3_64(&file[sums..sums + 8 * blocks.len()]);
    put(file, entry + 32, sums_checksum);
}

/// A file of `kind` with this body, its head as `FORMAT.md` has it.
pub fn sealed(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut file = vec![0; HEAD_LEN];
    file[..8].copy_from_slice(&MAGIC);
    file[8..10].copy_from_slice(&1_u16.to_le_bytes());
    file[10..12].copy_from_slice(&kind.to_le_bytes());
    put(&mut file, 16, body.len() as u64);
    put(&mut file, 24, xxh3_64(body));
    seal(&mut file);
    file.extend_from_slice(body);
    file
}

/// Sets the last eight bytes of a record to the checksum of the others.
fn seal(record: &mut [u8]) -> u64 {
    let (covered, sum) = record.split_at_mut(56);
    let checksum = xxh3_64(covered);
    sum.copy_from_slice(&checksum.to_le_bytes());
    checksum
}

fn get(file: &[u8], at: usize) -> usize {
    let bytes = file[at..at + 8].try_into().expect("eight bytes");
    usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}

fn put(file: &mut [u8], at: usize, value: u64) {
    file[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn read_segment(data: &[u8]) {
    let file = AlignedBytes::from_slice(data);
    let Ok(layout) = SegmentLayout::parse(&file) else { return };
    let _ = layout.verify(&file);
    for entry in layout.entries() {
        let _ = read_section(entry.kind(), entry.bytes(&file).expect("parsed sections lie inside"));
        // Another file under the same layout is an error, not a way out of bounds.
        let _ = entry.verify(&file[..file.len() / 2]);
    }
}

fn read_codes(bytes: &[u8]) -> Result<(), FormatError> {
    for (dim, width) in [1, 3, 5, 8].into_iter().flat_map(|dim| CodeWidth::ALL.map(|width| (dim, width))) {
        if let Ok(view) = CodesView::new(bytes, dim, width) {
            for token in 0..view.tokens() {
                for component in 0..dim {
                    assert!(view.code(token, component)? < width.levels() as u8);
                }
            }
            let _ = view.check();
        }
    }
    Ok(())
}

fn read_inverted_lists(bytes: &[u8]) -> Result<(), FormatError> {
    let view = InvertedListsView::new(bytes)?;
    for centroid in 0..view.centroids() {
        let mut last = None;
        for document in view.list(centroid).into_iter().flatten() {
            assert!(document < view.documents() && last < Some(document), "not ascending or no document");
            last = Some(document);
        }
    }
    view.check()
}

fn read_terms(bytes: &[u8]) -> Result<(), FormatError> {
    let view = TermsView::new(bytes)?;
    for term in 0..view.terms() {
        let mut last = None;
        for (document, count) in view.postings(term).into_iter().flatten() {
            assert!(document < view.documents() && last < Some(document), "not ascending or no document");
            assert!(count > 0, "a document has a term no time");
            last = Some(document);
        }
        let _ = view.term(term).map(|text| view.find(text));
    }
    view.check()
}

fn read_graph_links(bytes: &[u8]) -> Result<(), FormatError> {
    let view = GraphLinksView::new(bytes)?;
    for node in 0..view.nodes() {
        for level in 0..=view.max_level() {
            let links = view.links(level, node).unwrap_or_default();
            assert!(links.iter().all(|&link| link < view.nodes()), "a link leads nowhere");
        }
    }
    view.check()
}

fn read_external_ids(bytes: &[u8]) -> Result<(), FormatError> {
    let view = ExternalIdsView::new(bytes)?;
    let sound = view.check().is_ok();
    for document in 0..view.documents() {
        if let Ok(id) = view.get(document) {
            let found = view.find(id);
            assert!(!sound || matches!(found, Ok(Some(number)) if number == document), "an id is not found");
        }
    }
    let _ = view.find("");
    view.check()
}

fn read_stored_fields(bytes: &[u8]) -> Result<(), FormatError> {
    let view = StoredFieldsView::new(bytes)?;
    for document in [0, view.documents() / 2, view.documents().wrapping_sub(1), view.documents(), u32::MAX] {
        let _ = view.get(document);
    }
    view.check()
}
