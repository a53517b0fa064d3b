//! What the engine tells: containers, what they use, and the engine itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::prelude::*;

use crate::model::{ChangeKind, ContainerKey, ContainerState, Moment};
use crate::policy::ContainerIndex;

use super::{Containers, EngineChanged, InProject, Registry, Turn, Usage};

impl Registry {
    /// Looks up every service's containers anew, and decides where they are others or changed.
    fn match_containers(&mut self, now: Moment) {
        let index = ContainerIndex::new(self.containers.values(), self.project.as_deref());
        let mut changed = Vec::new();
        for (name, entry) in &mut self.services {
            if entry.set_containers(index.find(&entry.state.spec.container), now) {
                changed.push(name.clone());
            }
        }
        for name in &changed {
            self.decide(name, now);
        }
    }

    /// Puts a container's new state in the place of the old. False where they are the same.
    fn put(&mut self, container: ContainerState, now: Moment) -> bool {
        let key = container.key.clone();
        let old = self.containers.get(&key);
        // Samples come on their own way; a description does not carry them.
        let usage = container.usage.clone().or_else(|| {
            old.filter(|old| old.started_at == container.started_at && container.is_running())
                .and_then(|old| old.usage.clone())
        });
        let container = ContainerState { usage, ..container };
        if old.is_some_and(|old| **old == container) {
            return false;
        }
        let after = Arc::new(container);
        let before = self.containers.insert(key.clone(), after.clone());
        self.record(Turn::Container {
            before,
            after: Some(after),
            at: now.wall,
        });
        self.tell(ChangeKind::Container { container: key }, now);
        true
    }

    fn forget(&mut self, key: &ContainerKey, now: Moment) -> bool {
        let before = self.containers.remove(key);
        let was_known = before.is_some();
        if was_known {
            self.record(Turn::Container {
                before,
                after: None,
                at: now.wall,
            });
            self.tell(ChangeKind::ContainerRemoved { container: key.clone() }, now);
        }
        was_known
    }
}

impl Handler<Containers> for Registry {
    type Result = ();

    fn handle(&mut self, containers: Containers, _: &mut Self::Context) {
        let now = self.now();
        let is_changed = match containers {
            Containers::One(container) => self.put(*container, now),
            Containers::Gone(key) => self.forget(&key, now),
            Containers::All(all) => {
                let present: BTreeSet<ContainerKey> = all.iter().map(|container| container.key.clone()).collect();
                let gone: Vec<_> = self
                    .containers
                    .keys()
                    .filter(|key| !present.contains(key))
                    .cloned()
                    .collect();
                let mut is_changed = false;
                for container in all {
                    is_changed |= self.put(container, now);
                }
                for key in &gone {
                    is_changed |= self.forget(key, now);
                }
                is_changed
            }
        };
        if is_changed {
            self.match_containers(now);
        }
    }
}

impl Handler<Usage> for Registry {
    type Result = ();

    fn handle(&mut self, Usage(samples): Usage, _: &mut Self::Context) {
        for (key, usage) in samples {
            if let Some(container) = self.containers.get_mut(&key) {
                Arc::make_mut(container).usage = Some(Arc::new(usage));
            }
        }
        self.figures.version += 1;
    }
}

impl Handler<EngineChanged> for Registry {
    type Result = ();

    fn handle(&mut self, EngineChanged(engine): EngineChanged, _: &mut Self::Context) {
        if self.engine == engine {
            return;
        }
        let now = self.now();
        tracing::info!(?engine, "container engine");
        self.engine = engine.clone();
        for entry in self.services.values_mut() {
            entry.set_engine(engine.clone(), now);
        }
        self.tell(ChangeKind::Engine { state: engine }, now);
        self.decide_all(now);
    }
}

impl Handler<InProject> for Registry {
    type Result = ();

    fn handle(&mut self, InProject(project): InProject, _: &mut Self::Context) {
        if self.project.as_ref() != Some(&project) {
            self.project = Some(project);
            let now = self.now();
            self.match_containers(now);
        }
    }
}
