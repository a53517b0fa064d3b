//! What happens to the services that are watched.

mod crash_loops;
mod frozen;
mod listeners;
mod logins;
mod names;
mod network;
mod own_containers;
mod replaced;
mod sight;
mod stack_containers;

use crate::fault::Fault;

const GROUP: &str = "services";

pub(crate) fn faults() -> Vec<Fault> {
    [
        stack_containers::faults(),
        replaced::faults(),
        own_containers::faults(),
        crash_loops::faults(),
        frozen::faults(),
        network::faults(),
        names::faults(),
        listeners::faults(),
        logins::faults(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A service, and those that end because it does.
fn touched_by(name: &'static str) -> Vec<&'static str> {
    match name {
        "zookeeper" => vec!["zookeeper", "kafka"],
        _ => vec![name],
    }
}
