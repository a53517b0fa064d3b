//! Pure state machines that are told the time. None reads a clock, draws a random number or talks to anybody.

pub mod backoff;
pub mod intensity;
