//! Training files to batches of token ids.
//!
//! ```text
//! file ─ Lines ─ Layout ─ Record ┐                 ┌ choose ─ TextTokenizer ─ TextBatch │ PairBatch │ VectorBatch
//!        by offset  of the first ├ DataSet ─ Plan ─┤ positives, negatives, groups
//! BEIR folder ───────────────────┘  index    epoch └ masked answers
//! ```
//!
//! [`DataSet::open`] reads a file once, checks every row, and keeps about 60 bytes of each: where it is, how long it
//! is, and hashes of the texts that answer its query. [`Plan`] puts the examples of an epoch into batches, [`Loader`]
//! reads and tokenises one batch. All chance comes from [`Dice`] keyed by seed, purpose, epoch and record, so a step
//! is a function of configuration, data and step number, and a run goes on at any step without going through the
//! earlier ones.

mod batch;
mod beir;
mod dice;
mod error;
mod example;
mod format;
mod lines;
mod loader;
mod parse;
mod plan;
mod record;
mod set;
mod split;
mod survey;
mod table;
mod token_rows;
mod tokenizer;
mod vectors;

#[cfg(test)]
mod tests;

pub use batch::{BatchTexts, Groups, PairBatch, TextBatch, TokenBatch, Tokens, VectorBatch};
pub use dice::{Dice, Purpose};
pub use error::{DataError, RowProblem};
pub use example::{Chosen, Examples, choose, shuffle_text};
pub use format::{Fields, Format, Layout};
pub use loader::{Loader, Part, TextFormat};
pub use parse::Scale;
pub use plan::{Plan, PlanOptions};
pub use record::{Document, Record, Role};
pub use set::{DataSet, ReadOptions, Report};
pub use split::{Division, SplitOptions, Together, divide};
pub use survey::{Histogram, Leakage, Lengths, Survey, SurveyOptions, Trouble};
pub use token_rows::token_row_bytes;
pub use tokenizer::{PaddingSide, PairFormat, PairShape, Side, TextTokenizer};
