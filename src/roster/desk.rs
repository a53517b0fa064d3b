//! Where others ask the roster, and where a run of it leaves what its successor needs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;
use jiff::Timestamp;
use tokio::sync::watch;

use super::plan::{Plan, Watched};
use super::reload::{Changes, Rejected, ReloadStatus, Trigger, needs_restart};
use super::{Reload, Roster, Services};
use crate::settings::Settings;

/// Shared by the roster and those who ask it. The lock is held for moments, and never across a wait.
#[derive(Debug)]
pub struct Desk {
    started_with: Arc<Settings>,
    settings: watch::Sender<Arc<Settings>>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    roster: Option<Addr<Roster>>,
    watching: Arc<Watching>,
    reload: ReloadStatus,
    /// Problems that stand in the log already.
    logged: BTreeSet<String>,
}

/// Everything that is watched.
#[derive(Debug, Clone, Default)]
pub struct Watching {
    /// By name.
    pub services: Services,
    /// Windows of maintenance for services that there are not, one sentence each.
    pub idle_windows: Vec<String>,
}

/// What `/services` and `/config` show.
#[derive(Debug, Clone)]
pub struct Listing {
    /// What is watched.
    pub watching: Arc<Watching>,
    /// The configuration that holds.
    pub settings: Arc<Settings>,
    /// What became of those that were read.
    pub reload: ReloadStatus,
}

impl Desk {
    /// Of a monitor that is started with these settings.
    pub fn new(settings: Arc<Settings>) -> Self {
        let reload = ReloadStatus {
            holds_since: Some(Timestamp::now()),
            ..ReloadStatus::default()
        };
        Self {
            started_with: settings.clone(),
            settings: watch::Sender::new(settings),
            book: Mutex::new(Book {
                reload,
                ..Book::default()
            }),
        }
    }

    /// The settings that hold.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// The settings that the monitor was started with.
    pub(super) fn started_with(&self) -> &Settings {
        &self.started_with
    }

    /// The settings that hold, and every one that takes their place.
    pub fn settings_changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// Everything that can be shown.
    pub fn listing(&self) -> Listing {
        let book = self.book();
        Listing {
            watching: book.watching.clone(),
            reload: book.reload.clone(),
            settings: self.settings(),
        }
    }

    /// The files beside the configuration from whose content something that is watched is made.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let of_labels = |watched: &Arc<Watched>| watched.files.clone();
        let mut files: Vec<PathBuf> = self.book().watching.services.values().flat_map(of_labels).collect();
        files.extend_from_slice(&self.settings().files_read);
        files
    }

    /// What became of the configurations that were read.
    pub fn reload_status(&self) -> ReloadStatus {
        self.book().reload.clone()
    }

    /// Has the configuration read again.
    ///
    /// # Errors
    ///
    /// Where it is bad, so that nothing has changed; or where the roster does not run at present.
    pub async fn reload(&self, trigger: Trigger) -> Result<Changes, Rejected> {
        let away = || Rejected::new("the monitor is not ready to read its configuration; try again".to_owned());
        let roster = self.book().roster.clone().ok_or_else(away)?;
        roster.send(Reload(trigger)).await.map_err(|_ended| away())?
    }

    /// How many sentences tell what is wrong with labels and windows.
    pub fn problems(&self) -> usize {
        self.book().logged.len()
    }

    pub(super) fn open(&self, roster: Addr<Roster>) {
        self.book().roster = Some(roster);
    }

    /// These services are watched from now on. What is wrong with labels is logged when it is new.
    pub(super) fn plan_is(&self, plan: Plan) {
        let mut book = self.book();
        let problems: BTreeSet<String> = plan.problems().collect();
        for problem in problems.difference(&book.logged) {
            tracing::warn!(problem, "label or window cannot be followed");
        }
        book.logged = problems;
        book.watching = Arc::new(Watching {
            services: plan.services,
            idle_windows: plan.idle_windows,
        });
    }

    /// These settings hold from now on. Yields the keys that need a restart.
    pub(super) fn settings_are(&self, settings: Arc<Settings>) -> Vec<String> {
        let needs_restart = needs_restart(&self.started_with, &settings);
        self.settings.send_replace(settings);
        needs_restart
    }

    pub(super) fn was_reloaded(&self, triggers: &[&Trigger], answer: &Result<Changes, Rejected>) {
        let triggers: Vec<String> = triggers.iter().map(ToString::to_string).collect();
        let trigger = triggers.join(", ");
        let now = Timestamp::now();
        let mut book = self.book();
        let status = &mut book.reload;
        status.last_attempt = Some(now);
        match answer {
            Ok(changes) => {
                tracing::info!(
                    trigger,
                    added = changes.added.len(),
                    changed = changes.changed.len(),
                    removed = changes.removed.len(),
                    "configuration taken over"
                );
                if !changes.needs_restart.is_empty() {
                    let keys = changes.needs_restart.join(", ");
                    tracing::warn!(keys, "changed keys take effect only when the monitor is started again");
                }
                status.problem = None;
                status.holds_since = Some(now);
                status.accepted += 1;
                status.needs_restart.clone_from(&changes.needs_restart);
            }
            Err(rejected) => {
                tracing::error!(
                    trigger,
                    problem = rejected.problem,
                    "configuration rejected; the one before holds"
                );
                status.problem = Some(rejected.problem.clone());
                status.rejected += 1;
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
