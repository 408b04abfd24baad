//! Numbers: MaxSim, dot products and quantised scoring.
