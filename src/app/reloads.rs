//! What follows a signal to read the configuration again, and a configuration that was taken over.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::access_settings;
use crate::access::Access;
use crate::roster::Desk;
use crate::roster::reload::Trigger;

/// HUP has the configuration read again, from now until the monitor ends.
pub(super) fn on_signal(desk: Arc<Desk>) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    actix::spawn(async move {
        while hangups.recv().await.is_some() {
            // What became of it is logged and kept by the desk.
            let _kept = desk.reload(Trigger::Signal).await.is_ok();
        }
    });
    Ok(())
}

/// Keys and proxies of a configuration that is taken over hold at once.
pub(super) fn keep_access(access: Arc<Access>, desk: &Desk) {
    let mut changes = desk.settings_changes();
    actix::spawn(async move {
        while changes.changed().await.is_ok() {
            let settings = changes.borrow_and_update().clone();
            access.replace(access_settings(&settings));
        }
    });
}
