//! Macros of the rules SDK
