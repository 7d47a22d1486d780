//! A city of devices: fleet simulator, fault injection, load generator.
//!
//! Two layers. [`world`] and [`device`] are pure: a seed, a list of devices and the time go in, actions come out; what is in the air, what
//! flows through the meters and where the valves stand follows from physics. [`fleet`] carries those actions over UDP with the real
//! protocol and keeps the books. [`load`] is for measuring a server: as many uplinks as it takes, each protected, each answer verified;
//! [`flood`] is one device that sends without end.
//!
//! Must never hold a figure that a server could have been told beforehand: what the platform learns, it learns from datagrams.

pub mod chance;
pub mod credential;
pub mod device;
pub mod fleet;
pub mod flood;
pub mod load;
pub mod senml;
pub mod world;
