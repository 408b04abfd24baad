//! Following a stored graph from neighbour to neighbour.

use super::dense::similarity;
use super::{SearchError, SearchOptions};
use crate::index::{DenseReader, GraphReader, Segment};
