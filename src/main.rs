//! The `health-monitor` binary.
fn main() {}
