//! The monitor on the real stack: what it sees in good weather and how soon, replicas; data that flows; and what
//! reads the monitor. What happens to services and to the engine in bad weather is the fault suite's (tests/faults).
//!
//! The stack is the one that `make stack-up` (or `make test`) brings up. Without it these tests fail.

#[cfg(test)]
mod flow;
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod kafka_tls;
#[cfg(test)]
mod latency;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod replicas;
