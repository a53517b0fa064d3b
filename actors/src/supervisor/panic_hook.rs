//! The panic hook: one structured log line for a panic, with the child whose it is.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Once;

use super::child::ChildName;
use super::polled::current_child;

static INSTALLED: Once = Once::new();

/// Logs every panic of the process through `tracing`, at level `ERROR` with the fields `child`, `thread`, `location`,
/// `panic` (its message) and (with `RUST_BACKTRACE`) `backtrace`, in place of what the standard hook prints.
///
/// While nobody listens to such events the hook that was there before speaks, so that no panic is silent. Later calls do
/// nothing.
pub fn install_panic_hook() {
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if tracing::enabled!(tracing::Level::ERROR) {
                log(info);
            } else {
                before(info);
            }
        }));
    });
}

fn log(info: &PanicHookInfo<'_>) {
    let child = current_child();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(&backtrace);
    tracing::error!(
        child = child.as_ref().map(ChildName::as_str),
        thread = std::thread::current().name(),
        location = info.location().map(tracing::field::display),
        panic = info.payload_as_str().unwrap_or("no message"),
        backtrace = backtrace.map(tracing::field::display),
        "panicked"
    );
}
