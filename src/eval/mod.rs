//! Runs and judgements in, metrics out.
