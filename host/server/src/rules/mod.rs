//! The gas companies' rules on this server: which versions run, what they cost, and what people do with them.
//!
//! [`running`] holds what the shards ask, and is swapped as a whole when a person changes something. [`health`] counts, [`shadow`] folds
//! beside, [`guard`] takes back what leaves its bounds, [`jobs`] checks and back-tests. The statutory floor does not pass through
//! here: it stands whatever happens to a version.

mod back_test;
pub mod guard;
pub mod health;
pub mod jobs;
pub mod running;
pub mod shadow;
