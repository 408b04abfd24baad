//! Slower judges reorder hits.
