//! The segment writer: places, sums, and sinks that fail.

use std::io::{self, Write};

use lateen_index_format::*;

use crate::sample;

/// Takes so many bytes, a few at a time, then fails.
struct Narrow {
    room: usize,
    taken: Vec<u8>,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(7).min(self.room);
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(sink: Narrow) -> Result<(Narrow, u64), FormatError> {
    let mut writer = SegmentWriter::new(sink)?;
    for kind in [SectionKind::Meta, SectionKind::Codec, SectionKind::Scales] {
        writer.begin(kind, Flags::REQUIRED)?;
        writer.write_all(&sample::section(kind))?;
        writer.end()?;
    }
    writer.finish()
}

#[test]
fn short_writes_make_the_same_file() {
    let sections = [SectionKind::Meta, SectionKind::Codec, SectionKind::Scales]
        .map(|kind| (kind, Flags::REQUIRED, sample::section(kind)));
    let (file, identity) = sample::segment_of(&sections);
    let (sink, same) = write(Narrow { room: usize::MAX, taken: Vec::new() }).unwrap();
    assert_eq!((sink.taken, same), (file, identity));
}

#[test]
fn a_full_sink_is_an_error_wherever_it_fills_up() {
    let len = write(Narrow { room: usize::MAX, taken: Vec::new() }).unwrap().0.taken.len();
    for room in 0..len {
        assert!(matches!(write(Narrow { room, taken: Vec::new() }), Err(FormatError::Io(_))), "{room}");
    }
}

#[test]
fn nothing_is_written_after_a_failure() {
    let mut writer = SegmentWriter::new(Narrow { room: 70, taken: Vec::new() }).unwrap();
    writer.begin(SectionKind::Scales, Flags::REQUIRED).unwrap();
    assert!(writer.write_all(&[0; 100]).is_err());
    assert!(writer.write(&[0]).is_err());
    assert!(matches!(writer.end(), Err(FormatError::WriterState { .. })));
    assert!(matches!(writer.finish(), Err(FormatError::WriterState { .. })));
}

#[test]
fn calls_out_of_order_are_refused() {
    let mut writer = SegmentWriter::new(Vec::new()).unwrap();
    assert!(writer.write(&[0]).is_err());
    assert!(matches!(writer.end(), Err(FormatError::WriterState { .. })));
    writer.begin(SectionKind::Scales, Flags::REQUIRED).unwrap();
    let again = writer.begin(SectionKind::Codes, Flags::REQUIRED);
    assert!(matches!(again, Err(FormatError::WriterState { .. })));
    writer.end().unwrap();
    let second = writer.begin(SectionKind::Scales, Flags::REQUIRED);
    assert!(matches!(second, Err(FormatError::Inconsistent { .. })));
    // The same kind under its number is the same kind.
    let second = writer.begin(SectionKind::Unknown(SectionKind::Scales.code()), Flags::REQUIRED);
    assert!(matches!(second, Err(FormatError::Inconsistent { .. })));
    writer.begin(SectionKind::Codes, Flags::REQUIRED).unwrap();
    assert!(matches!(writer.finish(), Err(FormatError::WriterState { .. })));
}

#[test]
fn unknown_sections_are_skipped_or_refused() {
    let future = SectionKind::Unknown(9_999);
    let known = (SectionKind::Scales, Flags::REQUIRED, vec![1, 2]);
    let (file, _) = sample::segment_of(&[(future, Flags::OPTIONAL, vec![9; 100]), known.clone()]);
    let layout = SegmentLayout::parse(&file).unwrap();
    layout.verify(&file).unwrap();
    assert_eq!(&file[layout.require(SectionKind::Scales).unwrap().range()], &[1, 2]);
    assert!(matches!(
        layout.require(SectionKind::Codes),
        Err(FormatError::MissingSection { kind: SectionKind::Codes })
    ));
    let (file, _) = sample::segment_of(&[known, (future, Flags::REQUIRED, vec![9; 100])]);
    assert!(matches!(SegmentLayout::parse(&file), Err(FormatError::UnknownRequiredSection { kind: 9_999 })));
}

#[test]
fn sections_are_aligned_and_may_be_empty() {
    for len in [0, 1, 63, 64, 65, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 2 * BLOCK_LEN] {
        let bytes = vec![0xa5; len];
        let (file, identity) = sample::segment_of(&[
            (SectionKind::Scales, Flags::REQUIRED, bytes.clone()),
            (SectionKind::Codes, Flags::OPTIONAL, Vec::new()),
            (SectionKind::Meta, Flags::OPTIONAL, bytes.clone()),
        ]);
        let layout = SegmentLayout::parse(&file).unwrap();
        layout.verify(&file).unwrap();
        assert_eq!(layout.identity(), identity);
        for (entry, bytes) in layout.entries().iter().zip([&bytes[..], &[], &bytes]) {
            assert_eq!(entry.range().start % ALIGNMENT, 0);
            assert_eq!(entry.bytes(&file).unwrap(), bytes);
            assert_eq!(entry.block_count(), len.div_ceil(BLOCK_LEN) * usize::from(!bytes.is_empty()));
        }
    }
}

#[test]
fn sections_are_limited() {
    let mut writer = SegmentWriter::new(Vec::new()).unwrap();
    for code in 0..MAX_SECTIONS as u32 {
        writer.begin(SectionKind::Unknown(1000 + code), Flags::OPTIONAL).unwrap();
        writer.end().unwrap();
    }
    let one_more = writer.begin(SectionKind::Meta, Flags::REQUIRED);
    assert!(matches!(one_more, Err(FormatError::TooLarge { .. })));
    let (file, _) = writer.finish().unwrap();
    assert_eq!(SegmentLayout::parse(&file).unwrap().entries().len(), MAX_SECTIONS);
}
