//! The configuration: what may be set, what is set, and what is wrong with it.

pub mod duration;
pub mod key;
pub mod values;
