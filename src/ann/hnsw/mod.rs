//! A navigable small world graph: built in parallel with the same result on any number of threads, searched over any
//! storage.
//!
//! Nodes have a link list on level 0 and, ever more rarely, on levels above; a search descends greedily from the entry
//! on the top level and then walks level 0 best first, keeping the `ef` nearest nodes (Malkov & Yashunin, "Efficient
//! and robust approximate nearest neighbor search using hierarchical navigable small world graphs", TPAMI 2020).
//!
//! * [`build`] works in batches: every node of a batch searches the graph as it was before the batch, in parallel, and
//!   is compared with the rest of the batch; then links are made in the order of the nodes. Threads decide nothing.
//! * [`beam_search`] asks for the distances of all new neighbours of a node at once ([`Distances`]), and reads links through the trait [`Links`], so that a graph in a mapped file is searched as it lies.
//! * Every node can be reached from the entry; the builder repairs what pruning cut off.

mod build;
mod graph;
mod insert;
mod pool;
mod repair;
mod search;
mod select;
#[cfg(test)]
mod tests;

pub use build::{HnswOptions, build};
pub use graph::{Distances, Graph, Links, MAX_LEVEL, MAX_NODES, Metric};
pub use search::{SearchScratch, beam_search};
