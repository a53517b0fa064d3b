//! The `health-monitor` binary: hands its command line to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    health_monitor::cli::main()
}
