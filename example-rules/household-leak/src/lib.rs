//! Example alarm policy: a household gas leak
