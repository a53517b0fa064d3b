//! The monitor on the real stack: every service turned off in every way that can be made here, and the right status with a
//! reason that names the cause; the engine taken away; data that flows; and what reads the monitor.
//!
//! The stack is the one that `make stack-up` (or `make test`) brings up. Without it these tests fail.

#[cfg(test)]
mod containers;
#[cfg(test)]
mod docker_away;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod latency;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod protocols;
