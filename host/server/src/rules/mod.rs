//! The gas companies' rules on this server: which versions run, what they cost, and what people do with them.
//!
//! [`running`] holds what the shards ask (`policy.rs`: one of them), and is swapped as a whole when a person changes something. [`health`] counts, [`shadow`] folds
//! beside, [`compared`] holds what two versions do against each other, [`guard`] takes back what leaves its bounds, [`jobs`] checks and back-tests, each company in its turn ([`turns`]). The statutory floor does not pass through
//! here: it stands whatever happens to a version.

mod back_test;
pub mod compared;
pub mod guard;
pub mod health;
pub mod jobs;
mod policy;
pub mod running;
pub mod shadow;
pub mod turns;
