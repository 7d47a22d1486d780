//! The HTTP side of the server, whole: a real store, a real ingest, every route through the real router.

mod access;
mod bad_input;
mod city;
mod forms;
mod live;
mod map;
mod operation;
mod postgres;
mod reading;
mod sign_in;
