//! The on-disk format of Lateen indexes: bytes in, views out.
