//! Every cut and every flipped bit of a small complete index is noticed.

use lateen_index_format::*;

use crate::sample;

/// Opens a segment as a careful reader does.
fn open_segment(file: &[u8]) -> Result<SegmentLayout, FormatError> {
    let layout = SegmentLayout::parse(file)?;
    layout.verify(file)?;
    Ok(layout)
}

fn assert_damage_is_noticed<T: std::fmt::Debug>(file: &[u8], open: impl Fn(&[u8]) -> Result<T, FormatError>) {
    open(file).expect("undamaged");
    for len in 0..file.len() {
        assert!(open(&file[..len]).is_err(), "cut to {len} bytes");
    }
    for extra in [1, 63, 64, 4096] {
        let mut longer = file.to_vec();
        longer.resize(file.len() + extra, 0);
        assert!(open(&longer).is_err(), "{extra} bytes longer");
    }
    let mut damaged = file.to_vec();
    for at in 0..file.len() {
        for mask in [0xff, 1, 2, 4, 8, 16, 32, 64, 128] {
            damaged[at] ^= mask;
            assert!(open(&damaged).is_err(), "byte {at} xor {mask:#04x}");
            damaged[at] ^= mask;
        }
    }
}

#[test]
fn of_a_segment() {
    assert_damage_is_noticed(&sample::segment(), open_segment);
}

#[test]
fn of_a_segment_with_codes_of_any_width() {
    for width in CodeWidth::ALL {
        let (mut codec, mut codes) = (Vec::new(), vec![0; 5 * width.row_bytes(3)]);
        write_codec(&mut codec, &sample::codec_of(width)).unwrap();
        for (at, row) in codes.chunks_mut(width.row_bytes(3)).enumerate() {
            width.pack(&[0, 1, at as u8 % width.levels() as u8], row);
        }
        for len in 0..codec.len() {
            let cut = AlignedBytes::from_slice(&codec[..len]);
            assert!(CodecView::new(&cut).is_err(), "{width:?} cut to {len} bytes");
        }
        let required = Flags::REQUIRED;
        let sections = [(SectionKind::Codec, required, codec), (SectionKind::Codes, required, codes)];
        assert_damage_is_noticed(&sample::segment_of(&sections).0, open_segment);
    }
}

#[test]
fn of_an_empty_segment() {
    assert_damage_is_noticed(&sample::segment_of(&[]).0, open_segment);
}

#[test]
fn of_a_manifest() {
    assert_damage_is_noticed(&sample::manifest().encode().unwrap(), Manifest::decode);
}

#[test]
fn of_tombstones() {
    assert_damage_is_noticed(&sample::tombstones().encode().unwrap(), Tombstones::decode);
}

#[test]
fn is_named_by_section_and_block() {
    let bytes = vec![7; 3 * BLOCK_LEN / 2];
    let (mut file, _) = sample::segment_of(&[(SectionKind::Scales, Flags::REQUIRED, bytes)]);
    let at = HEAD_LEN + BLOCK_LEN + 5;
    file[at] ^= 1;
    let layout = SegmentLayout::parse(&file).unwrap();
    let entry = layout.require(SectionKind::Scales).unwrap();
    assert_eq!(entry.block_count(), 2);
    entry.verify_sums(&file).unwrap();
    entry.verify_block(&file, 0).unwrap();
    assert!(matches!(
        entry.verify_block(&file, 1),
        Err(FormatError::ChecksumMismatch { part: Part::Block(SectionKind::Scales, 1), .. })
    ));
    assert!(matches!(entry.verify_block(&file, 2), Err(FormatError::OutOfRange { index: 2, len: 2, .. })));
}

#[test]
fn swapped_sections_are_noticed() {
    let (a, b) = (vec![1; 64], vec![2; 64]);
    let (file, _) = sample::segment_of(&[
        (SectionKind::Scales, Flags::REQUIRED, a),
        (SectionKind::Codes, Flags::REQUIRED, b),
    ]);
    let mut swapped = file.clone();
    swapped[64..128].copy_from_slice(&file[128..192]);
    swapped[128..192].copy_from_slice(&file[64..128]);
    assert!(open_segment(&swapped).is_err());
}

#[test]
fn another_segment_has_another_identity() {
    let one = sample::segment_of(&[(SectionKind::Scales, Flags::REQUIRED, vec![1])]).1;
    let other = sample::segment_of(&[(SectionKind::Scales, Flags::REQUIRED, vec![2])]).1;
    assert_ne!(one, other);
}
