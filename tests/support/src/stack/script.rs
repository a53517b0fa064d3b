//! Containers that a test makes of a shell script.

use super::Stack;
use super::docker::Made;

/// A script that runs until it is told to end.
pub const RUNS: &str = "trap exit TERM; sleep 3600 & wait";

/// Starts a container that runs a shell script: of the monitor's image, which holds a shell.
pub async fn script(name: &str, options: &[&str], script: &str) -> Made {
    let image = Stack::get().variable("HEALTH_MONITOR_IMAGE");
    let entry = ["--network=none", "--no-healthcheck", "--entrypoint=/bin/sh"];
    Made::run(name.to_owned(), &[&entry, options, &[image, "-c", script]].concat()).await
}
