//! The gas companies' rules on this server: which versions run, what they cost, and what people do with them.
//!
//! [`running`] holds what the shards ask (`policy.rs`: one of them), and is swapped as a whole when a person changes something; [`tellers`] the same for notification policies, which [`telling`] asks about each notice. [`health`] counts, [`shadow`] folds [`drivers`] read and write in a vendor's form.
//! beside, [`compared`] holds what two versions do against each other, [`guard`] takes back what leaves its bounds, [`jobs`] checks and back-tests, each company in its turn ([`turns`]). The statutory floor does not pass through
//! here: it stands whatever happens to a version.

mod back_test;
mod back_test_billed;
mod back_test_told;
mod beside;
pub mod compared;
pub mod drivers;
pub mod guard;
pub mod health;
pub mod jobs;
mod policy;
pub mod recipients;
pub mod running;
pub mod shadow;
pub mod tellers;
pub mod telling;
pub mod turns;
