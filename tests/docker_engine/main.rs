//! The Docker side against a real engine: what happens to containers, an engine that goes away and comes back, and what
//! containers use. The engine is the one of `DOCKER_HOST`, else the local socket; without one these tests fail.

mod collector;
mod containers;
mod latency;
mod life;
mod outage;
mod proxy;
mod usage;
