//! The `health-monitor` binary: hands its command line to the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives back what a peak took; the C library keeps it. Its settings are those of `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    health_monitor::cli::main()
}
