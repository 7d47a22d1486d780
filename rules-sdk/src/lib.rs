//! What a rule author depends on
