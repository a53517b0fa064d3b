//! Which build this is.

/// The package's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The source's revision, as the build was told in `HEALTH_MONITOR_REVISION`.
pub const REVISION: &str = match option_env!("HEALTH_MONITOR_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};
