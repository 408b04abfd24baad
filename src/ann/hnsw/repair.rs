//! Making every node reachable.

use super::graph::{Links, Metric};
use super::insert::Builder;
use super::search::{SearchScratch, beam_search};
use super::select::Near;
use crate::ann::AnnError;

impl<M: Metric + ?Sized> Builder<'_, M> {
    /// Links to nodes that no path on level 0 from the entry reaches, which pruning may have cut off.
    ///
    /// The nearest reachable node `t` that a search finds gets a link to the lost node `u`. Where its list is full, that
    /// replaces its longest link `t → x`, and `u → x` takes the place of the latter: whatever was reachable stays so.
    pub(super) fn repair(&mut self) -> Result<(), AnnError> {
        let Some(entry) = self.graph.entry else { return Ok(()) };
        let mut reached = vec![false; self.graph.len()];
        self.reach(entry, &mut reached);
        let mut scratch = SearchScratch::new();
        for lost in 0..self.graph.len() as u32 {
            if reached[lost as usize] {
                continue;
            }
            let distance = |node| self.metric.distance(lost, node);
            // Searches start at the entry, so what they find is reached; upper levels may lead to lost nodes.
            let found = beam_search(&self.graph, self.ef, distance, None, &mut scratch)?;
            let nearest = found.into_iter().find(|&(node, _)| reached[node as usize]);
            let (target, length) = nearest.unwrap_or((entry, self.metric.distance(lost, entry)));
            self.attach(lost, target, length);
            self.reach(lost, &mut reached);
        }
        Ok(())
    }

    fn attach(&mut self, lost: u32, target: u32, length: f32) {
        let mut list = self.list(0, target);
        if list.len() == self.graph.m0 {
            let longest = (0..list.len()).max_by(|&a, &b| list[a].0.total_cmp(&list[b].0)).unwrap_or(0);
            let (_, moved) = list.swap_remove(longest);
            let mut onward: Vec<Near> = self.list(0, lost);
            if onward.iter().all(|&(_, node)| node != moved) {
                onward.truncate(self.graph.m0 - 1);
                onward.push((self.metric.distance(lost, moved), moved));
                self.set_unsettled(0, lost, onward);
            }
        }
        list.push((length, lost));
        self.set_unsettled(0, target, list);
    }

    /// Marks everything that level 0 leads to from `start`.
    fn reach(&self, start: u32, reached: &mut [bool]) {
        let mut ahead = vec![start];
        reached[start as usize] = true;
        while let Some(node) = ahead.pop() {
            for &link in self.graph.links(0, node) {
                if !std::mem::replace(&mut reached[link as usize], true) {
                    ahead.push(link);
                }
            }
        }
    }
}
