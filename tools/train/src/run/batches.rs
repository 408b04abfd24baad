//! The batches of a feed, as the loop wants them.

use super::guide::Guide;
use super::source::{DataFailure, Source};
use crate::config::LossConfig;
use crate::data::{BatchTexts, Plan};
use crate::feed::{Batch, Feed};

/// A feed, the plan of its present epoch, and who finds false negatives.
pub(super) struct Batches<'a> {
    feed: &'a Feed,
    plan: Option<(u64, Plan)>,
    mask_known: bool,
    guide: Option<Guide>,
}

impl<'a> Batches<'a> {
    /// The batches of `feed`; a guide that the settings name is loaded.
    pub(super) fn new(feed: &'a Feed, loss: &LossConfig) -> Result<Self, DataFailure> {
        let guide = match loss.guide.as_str() {
            // The model itself judges where the loss is computed.
            "" | "self" => None,
            directory => Some(Guide::load(directory.as_ref(), loss.guide_margin)?),
        };
        Ok(Self { feed, plan: None, mask_known: loss.mask_known, guide })
    }

    fn plan(&mut self, epoch: u64) -> Result<&Plan, DataFailure> {
        if self.plan.as_ref().is_none_or(|(of, _)| *of != epoch) {
            self.plan = Some((epoch, self.feed.plan(epoch)?));
        }
        match &self.plan {
            Some((_, plan)) => Ok(plan),
            None => unreachable!("made above"),
        }
    }
}

impl Source for Batches<'_> {
    fn batches(&mut self, epoch: u64) -> Result<u64, DataFailure> {
        Ok(self.plan(epoch)?.steps() as u64)
    }

    fn batch(&mut self, epoch: u64, batch: u64) -> Result<Batch, DataFailure> {
        let (feed, mask_known, guided) = (self.feed, self.mask_known, self.guide.is_some());
        let plan = self.plan(epoch)?;
        let mut made = feed.batch(plan, batch as usize)?;
        let Batch::Texts(texts) = &mut made else { return Ok(made) };
        let read = if guided { feed.loader().texts(plan, batch as usize)? } else { BatchTexts::default() };
        if !mask_known {
            texts.masked.clear();
        }
        if let Some(guide) = &mut self.guide {
            texts.masked.extend(guide.masked(&read, &texts.groups)?);
            texts.masked.sort_unstable();
            texts.masked.dedup();
        }
        Ok(made)
    }
}
