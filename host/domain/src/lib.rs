//! The pure gas-safety domain: ids, quantities, state machines, the statutory floor and the fold
