//! A client's connection and the work that needs it, polled together.

use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::future::FusedFuture;

/// Waits for `work` while it polls the `connection` that the work needs: in one task, so that nothing outlives an attempt
/// that is dropped. Where the connection ends first, what it left behind for the work, an answer or an error, still comes.
pub(super) async fn drive<T>(connection: Pin<&mut impl FusedFuture>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        _ended = connection => work.await,
    }
}
