//! Losses: scores or vectors in, one number out, larger is worse.
//!
//! Each is a plain function; which of them a run uses, and what it feeds them, is the loop's affair. All are means over
//! what they look at, so that the same learning rate suits all batch sizes.

mod cosent;
mod gist;
mod info_nce;
mod kl;
mod lambda;
mod listwise;
mod margin_mse;
mod matryoshka;
mod max_sim;
mod pointwise;
mod rank_net;
mod scores;
mod stella;
mod token_cosine;
mod triplet;

pub use cosent::cosent;
pub use gist::false_negatives;
pub use info_nce::{InfoNce, info_nce};
pub use kl::{batch_kl, grouped_kl};
pub use lambda::lambda_loss;
pub use listwise::listwise_ce;
pub use margin_mse::margin_mse;
pub use matryoshka::matryoshka;
pub use max_sim::{MaxSim, max_sim};
pub use pointwise::{bce, mse};
pub use rank_net::rank_net;
pub use scores::{Grouped, cosines};
pub use stella::{Stella, TeacherError, stella};
pub use token_cosine::token_cosine;
pub use triplet::triplet_softmax;
