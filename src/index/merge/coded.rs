//! One codec for the tokens of several segments.

use std::borrow::Cow;

use super::rows::SegmentRows;
use super::{IndexError, Live, SegmentOptions, SegmentReader, Tokens};
use crate::format::CodecView;
use crate::index::content::{
    Coded, DRIFT, LISTS, RESIDUAL, TOKENS_PER_CENTROID, codec_options, early_tokens_per_centroid,
    lists_nearest, note, training_notes,
};
use crate::kernel::ResidualTokens;
use crate::quant::{CodecOptions, Extension, ResidualCodec};

type Built<'a> = (Tokens<'a>, Vec<(&'static str, String)>);

/// New rows per new centroid, at least: fewer make no mean.
const ROWS_PER_NEW_CENTROID: usize = 8;

const EARLY_CENTROIDS: usize = 3072;

/// Deletions may leave so many times the centroids that a new codec would have.
const FEW_TOKENS: usize = 3;
/// Smaller segments are not worth the fidelity that coding again costs.
const WORTH_RETRAINING: usize = 16_384;
/// Rows so much farther from their centroids than those of training are of another kind; where they are the majority,
/// the codec is theirs.
const DRIFT_TO_RETRAIN: f64 = 0.5;

/// Codes everything anew, from vectors as they are decoded; with these levels, if other segments share them.
pub(super) fn retrain<'a>(
    live: &Live<'a>,
    options: SegmentOptions<'_>,
    levels: Option<[i8; 16]>,
) -> Result<Built<'a>, IndexError> {
    let mut rows = SegmentRows::new(options.settings.token_dim as usize);
    for (reader, stretch) in live.stretches() {
        rows.push(reader, stretch)?;
    }
    train(&rows, &CodecOptions { levels, ..codec_options(options.settings, options.writer) })
}

/// As many as its tokens ask for. While an index is young it gets up to four times that, up to what an index of 200,000
/// tokens has: what is coded early keeps its codes for life, and should not be coded coarsely.
fn centroids_for(tokens: usize, tokens_per_centroid: usize) -> usize {
    let even = tokens.div_ceil(tokens_per_centroid.max(1));
    let early = tokens / early_tokens_per_centroid(tokens_per_centroid);
    even.max(early.min(EARLY_CENTROIDS))
}

fn train<'a>(rows: &SegmentRows<'_>, options: &CodecOptions) -> Result<Built<'a>, IndexError> {
    let (codec, codes) = ResidualCodec::build(rows, &[], options)?;
    let mut notes = training_notes(rows, &[], &codec, &codes);
    notes.insert(0, (TOKENS_PER_CENTROID, options.tokens_per_centroid.to_string()));
    Ok((Tokens::Coded(Coded::of_memory(codec, codes)), notes))
}

/// A segment whose codes are copied.
struct Part<'a> {
    reader: &'a SegmentReader,
    /// Only the centroids that live tokens use.
    codec: ResidualCodec,
    /// The number of each centroid among those; `u32::MAX` for the others.
    numbers: Vec<u32>,
}

/// Copies the codes of all segments that can be joined with the largest, and codes the rows of the others.
pub(super) fn join<'a>(live: &Live<'a>, options: SegmentOptions<'_>) -> Result<Built<'a>, IndexError> {
    let parts = parts(live)?;
    let mut rows = SegmentRows::new(options.settings.token_dim as usize);
    let mut copied = 0;
    for (reader, stretch) in live.stretches() {
        match parts.iter().any(|part| part.reader.number() == reader.number()) {
            true => copied += count(reader, stretch)?,
            false => drop(rows.push(reader, stretch)?),
        }
    }
    let settings = codec_options(options.settings, options.writer);
    if parts.is_empty() {
        return train(&rows, &settings);
    }
    let codecs: Vec<&ResidualCodec> = parts.iter().map(|part| &part.codec).collect();
    let (joined, maps) = ResidualCodec::join(&codecs)?;
    let new_rows = crate::quant::TokenRows::len(&rows);
    let wanted = centroids_for(copied + new_rows, settings.tokens_per_centroid);
    let too_many = joined.centroid_count() > FEW_TOKENS.saturating_mul(wanted);
    if too_many && copied + new_rows >= WORTH_RETRAINING {
        return retrain(live, options, Some(joined.levels));
    }
    let missing = wanted.saturating_sub(joined.centroid_count()).min(new_rows / ROWS_PER_NEW_CENTROID);
    let extension = joined.extend(&rows, missing, &settings)?;
    let mut notes = notes(&parts, &extension, (copied, new_rows));
    let drift =
        notes.iter().find(|(name, _)| *name == DRIFT).and_then(|(_, drift)| drift.parse::<f64>().ok());
    if new_rows >= copied && drift.is_some_and(|drift| drift > DRIFT_TO_RETRAIN) {
        return retrain(live, options, Some(joined.levels));
    }
    let mut coded = assemble(live, &parts, &maps, extension)?;
    if parts.len() > 1 || new_rows > 0 || parts.iter().any(|part| lists_nearest(part.reader)) {
        coded.lists = Some(nearest(live, &coded.codec, options)?);
        notes.push((LISTS.0, LISTS.1.to_owned()));
    }
    Ok((Tokens::Coded(coded), notes))
}

/// The centroid nearest to each token: one that came later than its codes may be nearer than the one they are relative to, and
/// a query looks for the token there.
fn nearest(
    live: &Live<'_>,
    codec: &ResidualCodec,
    options: SegmentOptions<'_>,
) -> Result<Vec<u32>, IndexError> {
    let mut rows = SegmentRows::new(options.settings.token_dim as usize);
    for (reader, stretch) in live.stretches() {
        rows.push(reader, stretch)?;
    }
    Ok(codec.nearest(&rows, options.settings.seed)?)
}

/// The coded segments with live tokens that are like the one with the most.
fn parts<'a>(live: &Live<'a>) -> Result<Vec<Part<'a>>, IndexError> {
    let mut parts = Vec::new();
    for (source, stretches) in &live.sources {
        let Some(residual) = source.reader.residual()? else { continue };
        let mut used = vec![false; residual.codec().centroid_count() as usize];
        for stretch in stretches {
            let tokens = residual.tokens(residual.rows(stretch.clone())?)?;
            (0..tokens.len()).for_each(|token| used[tokens.centroid(token) as usize] = true);
        }
        if used.contains(&true) {
            let (codec, numbers) = only_used(residual.codec(), &used);
            parts.push(Part { reader: source.reader, codec, numbers });
        }
    }
    if let Some(largest) = parts.iter().max_by_key(|part| part.codec.centroid_count()) {
        let largest = largest.codec.clone();
        parts.retain(|part| part.codec.is_like(&largest));
    }
    Ok(parts)
}

fn only_used(view: &CodecView<'_>, used: &[bool]) -> (ResidualCodec, Vec<u32>) {
    let dim = view.dim as usize;
    let (mut centroids, mut centroid_scales) = (Vec::new(), Vec::new());
    let mut numbers = vec![u32::MAX; used.len()];
    for (number, _) in used.iter().enumerate().filter(|&(_, &used)| used) {
        numbers[number] = centroid_scales.len() as u32;
        centroids.extend_from_slice(&view.centroids[number * dim..(number + 1) * dim]);
        centroid_scales.push(view.centroid_scales[number]);
    }
    let codec = ResidualCodec {
        dim,
        width: view.width,
        rotation_seed: view.rotation_seed,
        levels: view.levels,
        scale_log2_min: view.scale_log2_min,
        scale_log2_step: view.scale_log2_step,
        centroids,
        centroid_scales,
    };
    (codec, numbers)
}

fn count(reader: &SegmentReader, documents: std::ops::Range<u32>) -> Result<usize, IndexError> {
    Ok(reader.residual()?.map_or(Ok(0..0), |residual| residual.rows(documents))?.len())
}

/// Codes in the order of the documents: copied ones with their centroids' new numbers, and those of the new rows.
fn assemble<'a>(
    live: &Live<'a>,
    parts: &[Part<'a>],
    maps: &[[u8; 256]],
    extension: Extension,
) -> Result<Coded<'a>, IndexError> {
    let Extension { codec, codes: new, scale_map, .. } = extension;
    let (mut centroids, mut scales, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    let (row_bytes, mut next) = (codec.row_bytes(), 0);
    let mut firsts = vec![0_u32];
    for part in parts {
        firsts.push(firsts[firsts.len() - 1] + part.codec.centroid_count() as u32);
    }
    for (reader, stretch) in live.stretches() {
        let Some(at) = parts.iter().position(|part| part.reader.number() == reader.number()) else {
            let rows = next..next + any_rows(reader, stretch)?;
            next = rows.end;
            centroids.extend_from_slice(&new.centroids[rows.clone()]);
            scales.extend_from_slice(&new.scales[rows.clone()]);
            codes.push(Cow::Owned(new.codes[rows.start * row_bytes..rows.end * row_bytes].to_vec()));
            continue;
        };
        let Some(residual) = reader.residual()? else { continue };
        let ResidualTokens { codes: packed, scales: old, .. } =
            residual.tokens(residual.rows(stretch.clone())?)?;
        let tokens = residual.tokens(residual.rows(stretch)?)?;
        let numbers = &parts[at].numbers;
        centroids
            .extend((0..tokens.len()).map(|token| firsts[at] + numbers[tokens.centroid(token) as usize]));
        scales.extend(old.iter().map(|&scale| scale_map[usize::from(maps[at][usize::from(scale)])]));
        codes.push(Cow::Borrowed(packed));
    }
    Ok(Coded { codec, centroids, lists: None, scales, codes })
}

fn any_rows(reader: &SegmentReader, documents: std::ops::Range<u32>) -> Result<usize, IndexError> {
    match (reader.residual()?, reader.raw()?) {
        (Some(residual), _) => Ok(residual.rows(documents)?.len()),
        (None, Some(raw)) => Ok(raw.rows(documents)?.len()),
        (None, None) => Ok(0),
    }
}

/// The residual at training is that of all parts, by size; the drift is that of the rows that came now.
fn notes(
    parts: &[Part<'_>],
    extension: &Extension,
    (copied, new_rows): (usize, usize),
) -> Vec<(&'static str, String)> {
    let known: Vec<(f64, f64)> = parts
        .iter()
        .filter_map(|part| Some((note(part.reader, RESIDUAL)?, part.reader.tokens() as f64)))
        .collect();
    let weight: f64 = known.iter().map(|(_, tokens)| tokens).sum();
    let mut notes = vec![("codec", if new_rows > 0 { "extended" } else { "joined" }.to_owned())];
    if weight == 0.0 {
        return notes;
    }
    let trained = known.iter().map(|(residual, tokens)| residual * tokens).sum::<f64>() / weight;
    let all = (copied + new_rows).max(1) as f64;
    let residual = (trained * copied as f64 + extension.residual_after * new_rows as f64) / all;
    notes.push((RESIDUAL, format!("{residual:.6}")));
    if new_rows > 0 && trained > 0.0 {
        notes.push((DRIFT, format!("{:.4}", extension.residual_before / trained - 1.0)));
    } else if let Some(drift) = parts.iter().filter_map(|part| note(part.reader, DRIFT)).reduce(f64::max) {
        notes.push((DRIFT, format!("{drift:.4}")));
    }
    notes
}
