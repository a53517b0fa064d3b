//! What time does: cycles by the thousand, pauses that must differ, and a monitor that stood still.

mod cycles;
mod flapping;
mod histogram;
mod stalled;

use crate::fault::Fault;

const GROUP: &str = "time";

pub(crate) fn faults() -> Vec<Fault> {
    [flapping::faults(), stalled::faults()].into_iter().flatten().collect()
}
