//! Parts of pages. Each takes its data as props; none loads anything.

pub mod action;
pub mod alarms;
pub mod badge;
pub mod chart;
pub mod commands;
pub mod connection;
pub mod contacts;
pub mod divisions;
pub mod figures;
pub mod frame;
pub mod gas;
pub mod icon;
pub mod key;
pub mod ledger;
pub mod map;
pub mod notice;
pub mod plot;
pub mod readings;
pub mod rule;
pub mod told;
pub mod when;
