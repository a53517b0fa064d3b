//! The stack as those see it who read the monitor: the specified documents, Prometheus, Alertmanager and Grafana's queries,
//! clients that misbehave, and what the monitor costs its host.

mod alerts;
mod bad_input;
mod documents;
mod figures;
mod image;
mod prometheus;
mod readers;
mod shape;
