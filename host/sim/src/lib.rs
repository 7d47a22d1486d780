//! A city of devices: fleet simulator, fault injection, load generator
