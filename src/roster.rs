//! Who is watched: the services of the configuration and those that were discovered, as they change while the monitor
//! runs.
//!
//! # Layout
//!
//! - [`plan`]: from settings and containers to the services that should be watched, with the origin of each.
//! - [`reload`]: a changed configuration: what becomes of a bad one, and what cannot change while the monitor runs.
//! - `watched_files`: whether the configuration's files have changed.
//! - [`Desk`]: what others ask the roster, and what it leaves to its successor.
//! - [`Roster`]: the actor. It alone defines and forgets services, and adds, replaces and removes their probes: only those
//!   that differ, so that all others keep their streaks, their place in the schedule and their history.

mod desk;
pub mod plan;
pub mod reload;
mod watched_files;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use health_monitor_actors::model::{Change, ChangeKind, ServiceName, Snapshot};
use health_monitor_actors::probe::{Probe, ProbeTools};
use health_monitor_actors::registry::{Define, Forget, GetSnapshot, Subscribe};
use health_monitor_actors::supervisor::{Add, ChildContext, ChildSpec, Placement, Remove, Replace, Supervisor};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::discovery::Remembered;
use crate::docker::Own;
use crate::settings::{Settings, Sources};
pub use desk::{Desk, Listing, Watching};
use plan::{Plan, Watched};
use reload::{Changes, Rejected, ReloadStatus, Trigger};
use watched_files::WatchedFiles;

/// How often the configuration's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// From one plan to the next, at least: containers that come together are one change.
const PLANS_APART: Duration = Duration::from_millis(50);

/// Changes of the registry's that may wait until the roster looks.
const BACKLOG: usize = 4_096;

/// What a heart's promise allows for a busy machine and a slow disk.
const SLACK: Duration = Duration::from_secs(30);

/// What every run of the roster is given.
#[derive(Clone)]
pub struct RosterTools {
    /// Where the configuration comes from, to read it again.
    pub sources: Sources,
    /// What probes are given; the registry among it.
    pub probes: ProbeTools,
    /// Who runs probes.
    pub supervisor: Addr<Supervisor>,
    /// The monitor's own place in the engine; `None` where there is no engine to follow.
    pub own: Option<watch::Receiver<Option<Arc<Own>>>>,
    /// What it shares with others and with its successor.
    pub desk: Arc<Desk>,
}

// === impl RosterTools ===

impl RosterTools {
    /// Defines what is new, forgets what is gone, and leaves alone what is the same.
    fn carry_out(&self, plan: Plan) -> Changes {
        let before = self.desk.listing().watching;
        let before = &before.services;
        let mut changes = Changes::default();
        for name in before.keys().filter(|name| !plan.services.contains_key(*name)) {
            tracing::info!(service = %name, "service is no longer watched");
            self.supervisor.do_send(Remove(Probe::child_name(name)));
            self.probes.registry.do_send(Forget(name.clone()));
            changes.removed.push(name.clone());
        }
        for (name, watched) in &plan.services {
            let spec = &watched.definition.spec;
            match before.get(name) {
                Some(old) if Arc::ptr_eq(old, watched) || old.definition.is_like(&watched.definition) => {}
                Some(_) => {
                    tracing::info!(service = %name, origin = %watched.origin, "service has other settings");
                    self.probes.registry.do_send(Define(spec.clone()));
                    self.supervisor.do_send(Replace(self.probe(watched)));
                    changes.changed.push(name.clone());
                }
                None => {
                    tracing::info!(service = %name, origin = %watched.origin, check = spec.check, "service is watched");
                    self.probes.registry.do_send(Define(spec.clone()));
                    self.supervisor.do_send(Add(self.probe(watched)));
                    changes.added.push(name.clone());
                }
            }
        }
        self.desk.plan_is(plan);
        changes
    }

    fn probe(&self, watched: &Watched) -> ChildSpec {
        let definition = &watched.definition;
        Probe::child_spec(definition.spec.clone(), definition.check.clone(), self.probes.clone())
    }
}

/// Keeps what is watched as the configuration and the containers want it.
pub struct Roster {
    tools: RosterTools,
    child: ChildContext,
    files: WatchedFiles,
    snapshot: Option<Arc<Snapshot>>,
    /// What these settings name, which is worked out once.
    configured: Option<(Arc<Settings>, Services)>,
    remembered: Remembered,
    /// The configuration is being read.
    is_reloading: bool,
    /// Somebody asked meanwhile; they are answered by the next reading.
    waiting: Vec<Request>,
}

/// Asks to read the configuration again. Where it is bad, nothing changes.
#[derive(Debug, Message)]
#[rtype(result = "Result<Changes, Rejected>")]
pub struct Reload(pub Trigger);

/// A request to read the configuration, and where the answer goes.
struct Request {
    trigger: Trigger,
    reply: tokio::sync::oneshot::Sender<Result<Changes, Rejected>>,
}

impl Roster {
    /// The name of the roster among the supervisor's children.
    pub const NAME: &str = "roster";

    /// How the supervisor starts the roster.
    pub fn child_spec(tools: RosterTools) -> ChildSpec {
        ChildSpec::new(Self::NAME, move |child, _: &mut Context<Self>| Self {
            tools: tools.clone(),
            child,
            files: WatchedFiles::default(),
            snapshot: None,
            configured: None,
            remembered: Remembered::default(),
            is_reloading: false,
            waiting: Vec::new(),
        })
        .placement(Placement::OwnArbiter)
    }

    /// Begins with what the configuration alone says, so that the first answers of the API know its services already.
    pub fn begin(tools: &RosterTools) {
        let settings = tools.desk.settings();
        let nothing_yet = plan::Scene {
            settings: &settings,
            containers: &BTreeMap::new(),
            remembered: &Remembered::default(),
            own_id: None,
            project: None,
        };
        tools.carry_out(plan::plan(&nothing_yet, &plan::configured(&settings)));
    }

    /// Makes what is watched what it should be.
    fn refresh(&mut self) -> Changes {
        let settings = self.tools.desk.settings();
        let own = self.tools.own.as_ref().and_then(|own| own.borrow().clone());
        let is_current = |(made_from, _): &(Arc<Settings>, Services)| Arc::ptr_eq(made_from, &settings);
        if !self.configured.as_ref().is_some_and(is_current) {
            self.configured = Some((settings.clone(), plan::configured(&settings)));
        }
        let empty = BTreeMap::new();
        let snapshot = self.snapshot.as_ref();
        let scene = plan::Scene {
            settings: &settings,
            containers: snapshot.map_or(&empty, |snapshot| &snapshot.containers),
            remembered: &self.remembered,
            own_id: own.as_ref().and_then(|own| own.id.as_deref()),
            // Where containers are looked for is the engine's side, which does not change while the monitor runs.
            project: self
                .tools
                .desk
                .started_with()
                .docker
                .project
                .as_deref()
                .or_else(|| own.as_ref().and_then(|own| own.project.as_deref())),
        };
        let nothing = Services::new();
        let configured = self.configured.as_ref().map_or(&nothing, |(_, configured)| configured);
        self.tools.carry_out(plan::plan(&scene, configured))
    }

    /// What the registry knows now.
    fn learn(&mut self, snapshot: Arc<Snapshot>) {
        self.remembered.learn(&snapshot.containers);
        self.snapshot = Some(snapshot);
        self.refresh();
    }

    /// Reads the configuration, away from this thread, and takes it over if it is good.
    fn reload(&mut self, ctx: &mut Context<Self>) {
        if self.is_reloading || self.waiting.is_empty() {
            return;
        }
        self.is_reloading = true;
        let requests = std::mem::take(&mut self.waiting);
        let sources = self.tools.sources.clone();
        let reading = tokio::task::spawn_blocking(move || reload::read(&sources));
        ctx.spawn(reading.into_actor(self).map(move |read, roster, ctx| {
            roster.is_reloading = false;
            let answer = match read {
                Ok(Ok(settings)) => {
                    roster.files.were_taken();
                    Ok(roster.take_over(settings))
                }
                Ok(Err(unfit)) => {
                    roster.files.were_rejected(unfit.files);
                    Err(unfit.rejected)
                }
                Err(error) => Err(Rejected::new(format!("the configuration could not be read: {error}"))),
            };
            let triggers: Vec<&Trigger> = requests.iter().map(|request| &request.trigger).collect();
            roster.tools.desk.was_reloaded(&triggers, &answer);
            for request in requests {
                // Whoever asked may have left.
                let _is_heard = request.reply.send(answer.clone()).is_ok();
            }
            roster.reload(ctx);
        }));
    }

    fn take_over(&mut self, settings: Settings) -> Changes {
        let needs_restart = self.tools.desk.settings_are(Arc::new(settings));
        let changes = self.refresh();
        Changes {
            needs_restart,
            ..changes
        }
    }

    /// Looks at the files; where they have changed and come to rest, they are read.
    fn look_at_files(&mut self, ctx: &mut Context<Self>) {
        self.child.heart.expect_within(LOOK + SLACK);
        let sources = self.tools.sources.clone();
        let mut beside = self.tools.desk.files();
        beside.extend(self.files.rejected());
        let looking = tokio::task::spawn_blocking(move || WatchedFiles::look(&sources, &beside));
        ctx.spawn(looking.into_actor(self).map(|looked, roster, ctx| {
            if let Ok(looked) = looked
                && roster.files.have_changed(looked)
            {
                // Nobody waits for the answer; the desk keeps it.
                let (reply, _nobody) = tokio::sync::oneshot::channel();
                roster.waiting.push(Request {
                    trigger: Trigger::File,
                    reply,
                });
                roster.reload(ctx);
            }
            ctx.run_later(LOOK, Self::look_at_files);
        }));
    }

    /// Follows the containers until the monitor ends.
    fn follow_containers(&self, ctx: &mut Context<Self>) {
        let registry = self.tools.probes.registry.clone();
        let me = ctx.address();
        let following = async move {
            loop {
                let Ok(mut subscription) = registry.send(Subscribe { capacity: BACKLOG }).await else {
                    return;
                };
                me.do_send(Learned(subscription.from));
                while let Some(first) = subscription.changes.recv().await {
                    let mut is_of_interest = is_of_interest(&first);
                    while let Ok(next) = subscription.changes.try_recv() {
                        is_of_interest |= self::is_of_interest(&next);
                    }
                    if is_of_interest {
                        let Ok(snapshot) = registry.send(GetSnapshot).await else {
                            return;
                        };
                        me.do_send(Learned(snapshot));
                        sleep(PLANS_APART).await;
                    }
                }
                // It lagged; what it missed is in the snapshot of the next subscription.
            }
        };
        ctx.spawn(following.into_actor(self));
    }
}

fn is_of_interest(change: &Change) -> bool {
    matches!(
        change.kind,
        ChangeKind::Container { .. } | ChangeKind::ContainerRemoved { .. } | ChangeKind::Engine { .. }
    )
}

/// The registry knows this now.
#[derive(Message)]
#[rtype(result = "()")]
struct Learned(Arc<Snapshot>);

impl Actor for Roster {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.tools.desk.open(ctx.address());
        if self.tools.own.is_some() {
            self.follow_containers(ctx);
        } else {
            self.refresh();
        }
        self.look_at_files(ctx);
    }
}

impl Handler<Learned> for Roster {
    type Result = ();

    fn handle(&mut self, Learned(snapshot): Learned, _: &mut Self::Context) {
        self.learn(snapshot);
    }
}

impl Handler<Reload> for Roster {
    type Result = ResponseFuture<Result<Changes, Rejected>>;

    fn handle(&mut self, Reload(trigger): Reload, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.waiting.push(Request { trigger, reply });
        self.reload(ctx);
        Box::pin(async move {
            let lost = |_| Rejected::new("the monitor lost the request; try again".to_owned());
            answer.await.map_err(lost)?
        })
    }
}

/// The services that are watched, by name.
pub type Services = BTreeMap<ServiceName, Arc<Watched>>;

impl ReloadStatus {
    /// The last configuration that was read is not the one that holds.
    pub fn is_rejected(&self) -> bool {
        self.problem.is_some()
    }
}
