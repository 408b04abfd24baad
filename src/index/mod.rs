//! Segments over time: writer, commit, snapshot.
