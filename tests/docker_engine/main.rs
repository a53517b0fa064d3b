//! The Docker side against a real engine: what happens to containers, an engine that goes away and comes back, and what
//! containers use. The engine is the one of `DOCKER_HOST`, else the local socket; without one these tests fail.

#[cfg(test)]
mod collector;
#[cfg(test)]
mod compose_project;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod incident;
#[cfg(test)]
mod latency;
#[cfg(test)]
mod life;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod usage;
