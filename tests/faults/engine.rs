//! What happens to the Docker engine. The monitors are in containers of it: there their names are resolved by the engine
//! itself, and its socket is a mount.

mod daemon;
mod many;
mod outages;
mod record;
mod watched;
mod words;

use crate::fault::Fault;

const GROUP: &str = "engine";

pub(crate) fn faults() -> Vec<Fault> {
    let mut faults = outages::faults();
    faults.extend(words::faults());
    faults.extend(many::faults());
    faults
}
