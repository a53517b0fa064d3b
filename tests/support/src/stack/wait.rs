//! Waiting for what comes soon, with a limit.

use std::time::Duration;

use tokio::time::Instant;

/// How long services may take until they are healthy after a fault. A broker that starts before ZooKeeper has let go of its
/// killed predecessor exits and is started again; three such starts are a crash loop, which is called one for two minutes.
pub const RECOVERY: Duration = seconds(200);

/// From one look to the next.
pub const STEP: Duration = Duration::from_millis(20);

/// Looks until `look` finds what it looks for, and answers that.
///
/// # Panics
///
/// Past the limit, with what the last look saw instead.
pub async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "{what}: not within {limit:?}; last seen: {seen}"),
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Seconds, shorter to read where there are many.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
