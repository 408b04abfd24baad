//! What can be wrong with lists and graphs.

/// Why lists could not be made or walked, or a graph not built or searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnError {
    /// The codes are damaged, or of another codec: build them again.
    #[error("token {token} belongs to centroid {centroid} of {centroids}")]
    CentroidOutOfRange {
        /// The first such token, from 0.
        token: usize,
        /// Its centroid.
        centroid: u32,
        /// How many centroids there are.
        centroids: usize,
    },
    /// Ends must ascend and the last be the number of tokens.
    #[error("document {document} ends at token {end}, after {previous} and with {tokens} tokens in all")]
    TokenEnds {
        /// The first document whose end is wrong; the number of documents if tokens are left over.
        document: usize,
        /// Its end.
        end: usize,
        /// The end of the document before it.
        previous: usize,
        /// How many tokens there are.
        tokens: usize,
    },
    /// The lists are damaged, or of another index.
    #[error("document {document} of {documents}")]
    DocumentOutOfRange {
        /// What a list holds.
        document: u32,
        /// How many documents the accumulator was made for.
        documents: usize,
    },
    /// The graph is damaged: restore its file, or build it again.
    #[error("a link to node {node} of {nodes}")]
    NodeOutOfRange {
        /// Where the link leads.
        node: u32,
        /// How many nodes the graph has.
        nodes: usize,
    },
    /// Divide the nodes over several graphs.
    #[error("{nodes} nodes in one graph; at most {} are possible", super::hnsw::MAX_NODES)]
    TooManyNodes {
        /// How many there are.
        nodes: usize,
    },
    /// Choose a value in the range that the option documents.
    #[error("option {option} is {value}; {least} to {most} are possible")]
    Option {
        /// The name of the field.
        option: &'static str,
        /// What was asked for.
        value: usize,
        /// The smallest that works.
        least: usize,
        /// The largest that works.
        most: usize,
    },
}
