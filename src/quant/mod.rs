//! Floats to codes and codes to scores.
