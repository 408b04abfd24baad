//! The comparisons.

mod dense;
mod maxsim;
mod scaling;
mod text;
mod tokens;

pub use dense::dense;
pub use maxsim::maxsim;
pub use scaling::scaling;
pub use text::text;
pub use tokens::tokens;
