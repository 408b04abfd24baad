//! Files of documents and queries in, documents out.
