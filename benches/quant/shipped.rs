//! Lateen's own codec, and its cells for the others.

use lateen::format::CodeWidth;
use lateen::quant::{CodecOptions, ResidualCodec, Rotation, TokenCodes, TokenRows};

use super::Codec;
use super::collection::Collection;

/// The codec that indexes have.
pub struct Shipped {
    codec: ResidualCodec,
    codes: TokenCodes,
    rotation: Rotation,
}

impl Shipped {
    pub fn build(collection: &Collection, with_ids: bool, options: &CodecOptions) -> anyhow::Result<Self> {
        let ids = if with_ids { &collection.token_ids[..] } else { &[] };
        let (codec, codes) = ResidualCodec::build(collection, ids, options)?;
        let rotation = codec.rotation();
        Ok(Self { codec, codes, rotation })
    }
}

/// Bytes of a token beside its codes and scale: the number of its centroid, and its share of centroids.
fn centroid_bytes(codec: &ResidualCodec, tokens: usize) -> f64 {
    let width = if codec.centroid_count() <= 1 << 16 { 2.0 } else { 3.0 };
    width + (codec.centroid_count() * (codec.dim + 4)) as f64 / tokens as f64
}

impl Codec for Shipped {
    fn bytes_per_token(&self) -> f64 {
        (self.codec.row_bytes() + 1) as f64 + centroid_bytes(&self.codec, self.codes.scales.len())
    }

    fn restore(&self, token: usize, row: &mut [f32]) {
        let bytes = self.codec.row_bytes();
        let codes = &self.codes.codes[token * bytes..(token + 1) * bytes];
        let (centroid, scale) = (self.codes.centroids[token], self.codes.scales[token]);
        self.codec.decode(centroid, scale, codes, row).expect("own codes are sound");
        self.rotation.apply_inverse(row);
    }
}

/// Centroids and who belongs to them, in rotated space.
pub struct Cells {
    codec: ResidualCodec,
    of: Vec<u32>,
    pub rotation: Rotation,
}

impl Cells {
    pub fn of(collection: &Collection) -> anyhow::Result<Self> {
        let options = CodecOptions::with_width(CodeWidth::One);
        let (codec, codes) = ResidualCodec::build(collection, &collection.token_ids, &options)?;
        let rotation = codec.rotation();
        Ok(Self { codec, of: codes.centroids, rotation })
    }

    /// The centroid of `token`.
    pub fn centroid(&self, token: usize, out: &mut [f32]) {
        let (cell, dim) = (self.of[token] as usize, self.codec.dim);
        let scale = self.codec.centroid_scales[cell];
        let row = &self.codec.centroids[cell * dim..(cell + 1) * dim];
        out.iter_mut().zip(row).for_each(|(out, &x)| *out = scale * f32::from(x));
    }

    pub fn bytes_per_token(&self) -> f64 {
        centroid_bytes(&self.codec, self.of.len())
    }

    /// `row`, rotated, and its centroid.
    pub fn rotated(&self, collection: &Collection, token: usize, row: &mut [f32], centroid: &mut [f32]) {
        collection.copy_row(token, row);
        self.rotation.apply(row);
        self.centroid(token, centroid);
    }
}
