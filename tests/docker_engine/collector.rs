//! Stands in the registry's place and lets a test wait for what it is told.

use std::collections::VecDeque;
use std::time::Duration;

use actix::prelude::*;
use health_monitor::docker::{Engine, Inventory, Settings};
use health_monitor_actors::model::{ContainerKey, ContainerState, EngineState, ResourceUsage};
use health_monitor_actors::registry::{Containers, EngineChanged, InProject, Usage};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a test waits for something before it fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Something the registry would have been told.
#[derive(Debug)]
pub(crate) enum Told {
    Everything(Vec<ContainerState>),
    Container(Box<ContainerState>),
    Gone(ContainerKey),
    Usage(ContainerKey, ResourceUsage),
    Engine(EngineState),
    Project(String),
}

/// What was told and when, in order.
#[derive(Debug)]
pub(crate) struct Collected {
    receiver: mpsc::UnboundedReceiver<(Timestamp, Told)>,
    /// The last ones, to say in a failure what came instead.
    passed: VecDeque<String>,
}

/// The actor in the registry's place.
pub(crate) struct Collector(mpsc::UnboundedSender<(Timestamp, Told)>);

/// An inventory at work, and what it tells.
pub(crate) struct Watched {
    pub(crate) engine: Engine,
    pub(crate) told: Collected,
    pub(crate) collector: Addr<Collector>,
    pub(crate) inventory: Addr<Inventory>,
}

/// Starts an inventory of the engine at `host` and waits until it knows everything.
pub(crate) async fn watch(host: &str) -> Watched {
    let mut watched = begin(Settings {
        host: host.to_owned(),
        ..Settings::default()
    });
    watched.told.engine(EngineState::is_up).await;
    watched
}

/// Starts an inventory.
pub(crate) fn begin(settings: Settings) -> Watched {
    let (collector, told) = collector();
    let engine = Engine::new(settings);
    let inventory = Inventory::new(engine.clone(), collector.clone().into()).start();
    Watched {
        engine,
        told,
        collector,
        inventory,
    }
}

pub(crate) fn collector() -> (Addr<Collector>, Collected) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let collected = Collected {
        receiver,
        passed: VecDeque::new(),
    };
    (Collector(sender).start(), collected)
}

impl Collected {
    /// The next thing told that `pick` picks, and when it was told.
    pub(crate) async fn next<T>(&mut self, what: &str, mut pick: impl FnMut(Told) -> Option<T>) -> (Timestamp, T) {
        let picked = timeout(LIMIT, async {
            loop {
                let (at, told) = self.receiver.recv().await.expect("the collector lives");
                let shown: String = format!("{told:?}").chars().take(300).collect();
                self.passed.push_back(shown);
                if self.passed.len() > 8 {
                    self.passed.pop_front();
                }
                if let Some(picked) = pick(told) {
                    return (at, picked);
                }
            }
        });
        match picked.await {
            Ok(picked) => picked,
            Err(_) => panic!("waited for {what}; the last that came: {:#?}", self.passed),
        }
    }

    /// The next state of the container of this name that is as wanted.
    pub(crate) async fn container(
        &mut self,
        name: &str,
        is_wanted: impl Fn(&ContainerState) -> bool,
    ) -> ContainerState {
        self.container_at(name, is_wanted).await.1
    }

    pub(crate) async fn container_at(
        &mut self,
        name: &str,
        is_wanted: impl Fn(&ContainerState) -> bool,
    ) -> (Timestamp, ContainerState) {
        let is_meant = |state: &ContainerState| state.name == name && is_wanted(state);
        self.next(name, |told| match told {
            Told::Container(state) => is_meant(&state).then_some(*state),
            Told::Everything(states) => states.into_iter().find(|state| is_meant(state)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn gone(&mut self, id: &str) {
        let is_meant = |told| match told {
            Told::Gone(key) => (key.id.as_ref() == id).then_some(()),
            _ => None,
        };
        self.next("a container's end", is_meant).await;
    }

    pub(crate) async fn engine(&mut self, is_wanted: impl Fn(&EngineState) -> bool) -> EngineState {
        let is_meant = |told| match told {
            Told::Engine(state) => is_wanted(&state).then_some(state),
            _ => None,
        };
        self.next("an engine state", is_meant).await.1
    }

    /// What was told and not waited for.
    pub(crate) fn rest(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.receiver.try_recv().ok().map(|(_, told)| told)).collect()
    }
}

impl Collector {
    fn tell(&self, told: Told) {
        // The test may have ended.
        self.0.send((Timestamp::now(), told)).ok();
    }
}

impl Actor for Collector {
    type Context = Context<Self>;
}

impl Handler<Containers> for Collector {
    type Result = ();

    fn handle(&mut self, message: Containers, _: &mut Self::Context) {
        self.tell(match message {
            Containers::All(states) => Told::Everything(states),
            Containers::One(state) => Told::Container(state),
            Containers::Gone(key) => Told::Gone(key),
        });
    }
}

impl Handler<Usage> for Collector {
    type Result = ();

    fn handle(&mut self, Usage(samples): Usage, _: &mut Self::Context) {
        for (key, usage) in samples {
            self.tell(Told::Usage(key, usage));
        }
    }
}

impl Handler<EngineChanged> for Collector {
    type Result = ();

    fn handle(&mut self, EngineChanged(state): EngineChanged, _: &mut Self::Context) {
        self.tell(Told::Engine(state));
    }
}

impl Handler<InProject> for Collector {
    type Result = ();

    fn handle(&mut self, InProject(project): InProject, _: &mut Self::Context) {
        self.tell(Told::Project(project));
    }
}
