//! BM25 over text.
