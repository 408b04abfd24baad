//! A query and a snapshot in, ranked hits out.
