//! Section `Codec`: what turns codes back into token vectors.

use std::io::Write;

use super::parts::{Parts, PartsWriter, check_dim, expect};
use crate::code_width::CodeWidth;
use crate::error::FormatError;
use crate::layout::codec as fields;
use crate::record::RecordBuf;

/// A residual codec, in memory or in a section.
///
/// In the rotated space, the token with centroid `c`, scale byte `s` and codes `x` is
/// `centroid_scales[c] · centroids[c] + 2^(scale_log2_min + s · scale_log2_step) · levels[x]`; `s` was chosen so
/// that this has unit norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecView<'a> {
    /// Dimension of the vectors: 1 to [`MAX_DIM`](crate::MAX_DIM).
    pub dim: u32,
    /// How wide a code is.
    pub width: CodeWidth,
    /// Seed of the random rotation.
    pub rotation_seed: u64,
    /// Value of each code; zero beyond those that there are.
    pub levels: [i8; 16],
    /// Binary logarithm of scale 0.
    pub scale_log2_min: f32,
    /// Its growth from one scale to the next: not negative.
    pub scale_log2_step: f32,
    /// One factor per centroid, `[centroids]`.
    pub centroid_scales: &'a [f32],
    /// `[centroids, dim]`, row-major.
    pub centroids: &'a [i8],
}

impl<'a> CodecView<'a> {
    /// Views a section. Cost: `O(1)`.
    ///
    /// # Errors
    /// [`FormatError`] if a field is out of its range or the arrays have another length than it says.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut parts = Parts::new(bytes);
        let head = parts.record(&fields::LAYOUT)?;
        let (dim, count) = (head.u32(fields::DIM), u64::from(head.u32(fields::CENTROIDS)));
        check_dim(dim)?;
        let centroid_scales = parts.array("centroid scales", count)?;
        parts.padding()?;
        let centroids = parts.array("centroids", count * u64::from(dim))?;
        parts.finish()?;
        let view = Self {
            dim,
            width: CodeWidth::from_number(head.u8(fields::BITS))?,
            rotation_seed: head.u64(fields::ROTATION_SEED),
            levels: head.array(fields::LEVELS).map(|level| i8::from_le_bytes([level])),
            scale_log2_min: head.f32(fields::SCALE_LOG2_MIN),
            scale_log2_step: head.f32(fields::SCALE_LOG2_STEP),
            centroid_scales,
            centroids,
        };
        view.check_head()?;
        Ok(view)
    }

    /// How many centroids.
    #[must_use]
    pub fn centroid_count(&self) -> u32 {
        self.centroid_scales.len() as u32
    }

    /// Checks that every factor is finite, which [`new`](Self::new) does not. Cost: `O(centroids)`.
    ///
    /// # Errors
    /// [`FormatError::BadNumber`] of the first that is not.
    pub fn check(&self) -> Result<(), FormatError> {
        match self.centroid_scales.iter().find(|scale| !scale.is_finite()) {
            None => Ok(()),
            Some(&found) => Err(FormatError::BadNumber { what: "a centroid scale", found }),
        }
    }

    /// The fields of the head. Every scale is a normal, finite `f32`: its exponent stays in `[-126, 127]`.
    fn check_head(&self) -> Result<(), FormatError> {
        check_dim(self.dim)?;
        if let Some(&level) = self.levels[self.width.levels()..].iter().find(|&&level| level != 0) {
            expect("an unused level", 0, u64::from(level.unsigned_abs()))?;
        }
        let last = self.scale_log2_min + 255.0 * self.scale_log2_step;
        for (what, found, range) in [
            ("scale_log2_min", self.scale_log2_min, -126.0..=127.0),
            ("scale_log2_step", self.scale_log2_step, 0.0..=1.0),
            ("the binary logarithm of the last scale", last, -126.0..=127.0),
        ] {
            if !range.contains(&found) {
                return Err(FormatError::BadNumber { what, found });
            }
        }
        Ok(())
    }
}

/// Writes the section.
///
/// # Errors
/// [`FormatError::Inconsistent`], [`FormatError::TooLarge`] or [`FormatError::BadNumber`] if `codec` is none,
/// [`FormatError::Io`] if `out` refuses the bytes.
pub fn write_codec(out: &mut impl Write, codec: &CodecView<'_>) -> Result<(), FormatError> {
    codec.check_head()?;
    codec.check()?;
    let count = codec.centroid_scales.len() as u64;
    super::parts::at_most("the number of centroids", u32::MAX.into(), count)?;
    let values = count * u64::from(codec.dim);
    expect("the number of centroid values", values, codec.centroids.len() as u64)?;
    let head = RecordBuf::<64>::new(&fields::LAYOUT)
        .set(fields::DIM, codec.dim.to_le_bytes())
        .set(fields::BITS, [codec.width.number()])
        .set(fields::ROTATION_SEED, codec.rotation_seed.to_le_bytes())
        .set(fields::LEVELS, codec.levels.map(|level| level.to_le_bytes()[0]))
        .set(fields::SCALE_LOG2_MIN, codec.scale_log2_min.to_le_bytes())
        .set(fields::SCALE_LOG2_STEP, codec.scale_log2_step.to_le_bytes())
        .set(fields::CENTROIDS, codec.centroid_count().to_le_bytes());
    let mut out = PartsWriter::new(out);
    out.put(&head.into_bytes())?;
    out.put(bytemuck::cast_slice(codec.centroid_scales))?;
    out.padding()?;
    out.put(bytemuck::cast_slice(codec.centroids))
}
