//! All benchmarks of the monitor, in one program: see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    health_monitor_benches::main()
}
