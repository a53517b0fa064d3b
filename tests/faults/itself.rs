//! What goes wrong in the monitor itself.

mod actors;
mod broken;
mod checks;
mod clients;
mod clock;
mod endless;
mod ends;
mod exhausted;
mod secrets;

use crate::fault::Fault;

const GROUP: &str = "itself";

pub(crate) fn faults() -> Vec<Fault> {
    let parts = [
        checks::faults(),
        secrets::faults(),
        actors::faults(),
        exhausted::faults(),
        clock::faults(),
        clients::faults(),
        endless::faults(),
        ends::faults(),
    ];
    parts.into_iter().flatten().collect()
}
