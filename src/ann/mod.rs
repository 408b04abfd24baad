//! Candidates near a query: inverted lists and graphs.
