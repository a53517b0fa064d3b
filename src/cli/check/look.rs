//! One look at the container engine, for a process that does not stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use health_monitor_actors::model::{ContainerKey, ContainerState, EngineState};
use health_monitor_actors::policy::ContainerIndex;
use health_monitor_actors::registry::{Containers, EngineChanged, InProject};
use tokio::sync::oneshot;

use crate::docker::{self, Audience, Engine, Inventory};
use crate::settings::{Docker, duration};

/// The containers as the engine knows them now.
///
/// # Errors
///
/// Where the engine does not answer in time, in one sentence.
pub(super) async fn look(docker: &Docker) -> Result<ContainerIndex, String> {
    let settings = docker::Settings::try_from(docker).map_err(|error| error.to_string())?;
    let (answer, answered) = oneshot::channel();
    let listener = Listener {
        containers: BTreeMap::new(),
        project: docker.project.clone(),
        answer: Some(answer),
    };
    let listener = listener.start();
    let audience = Audience {
        containers: listener.clone().recipient(),
        engine: listener.clone().recipient(),
        project: listener.recipient(),
    };
    let inventory = Inventory::new(Engine::new(settings), audience).start();
    let looked = tokio::time::timeout(docker.request_timeout, answered).await;
    drop(inventory);
    match looked {
        Ok(Ok(found)) => found,
        Ok(Err(_dropped)) => Err("the look at Docker ended early".to_owned()),
        Err(_elapsed) => Err(format!(
            "Docker did not answer within {}",
            duration::format(docker.request_timeout)
        )),
    }
}

/// Stands in the registry's place until everything was told once.
struct Listener {
    containers: BTreeMap<ContainerKey, Arc<ContainerState>>,
    project: Option<String>,
    answer: Option<oneshot::Sender<Result<ContainerIndex, String>>>,
}

impl Listener {
    fn say(&mut self, found: Result<ContainerIndex, String>) {
        if let Some(answer) = self.answer.take() {
            // Nobody waits any more where the time is over.
            let _late = answer.send(found).is_err();
        }
    }
}

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Containers> for Listener {
    type Result = ();

    fn handle(&mut self, containers: Containers, _: &mut Self::Context) {
        let by_key = |container: ContainerState| (container.key.clone(), Arc::new(container));
        match containers {
            Containers::All(all) => self.containers = all.into_iter().map(by_key).collect(),
            Containers::One(one) => self.containers.extend([by_key(*one)]),
            Containers::Gone(key) => {
                self.containers.remove(&key);
            }
        }
    }
}

impl Handler<InProject> for Listener {
    type Result = ();

    fn handle(&mut self, InProject(project): InProject, _: &mut Self::Context) {
        self.project.get_or_insert(project);
    }
}

impl Handler<EngineChanged> for Listener {
    type Result = ();

    fn handle(&mut self, EngineChanged(state): EngineChanged, _: &mut Self::Context) {
        match state {
            // It counts as up once everything was told.
            EngineState::Up => {
                let found = ContainerIndex::new(self.containers.values(), self.project.as_deref());
                self.say(Ok(found));
            }
            EngineState::Down { reason, .. } => self.say(Err(format!("Docker daemon unavailable: {reason}"))),
            EngineState::Connecting | EngineState::Disabled => {}
        }
    }
}
