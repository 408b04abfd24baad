//! Text in, hits out: joins a model, an index and a reranker.
