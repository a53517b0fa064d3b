//! `health-monitor check SERVICE`: one attempt of one check, and what it found.

mod look;

use std::sync::Arc;

use health_monitor_actors::check::{Attempt, CheckFailure, Finding};
use health_monitor_actors::model::{Container, ContainerState, FailureKind, Fault, Status};
use health_monitor_actors::policy::Matching;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{FAILED, MISCONFIGURED, WORKED, block_on, refuse};
use crate::settings::{Docker, ServiceDefinition, Settings, Sources, duration};

/// Runs the check of this service once, with its timeout.
pub(super) fn run(service: &str, sources: &Sources) -> u8 {
    let settings = match Settings::load(sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let services = &settings.services;
    let Some(definition) = services
        .iter()
        .find(|known| known.spec.name.as_str().eq_ignore_ascii_case(service))
    else {
        let known: Vec<&str> = services.iter().map(|known| known.spec.name.as_str()).collect();
        eprintln!("error: '{service}' is not a service; there are {}", known.join(", "));
        return MISCONFIGURED;
    };
    let (report, code) = block_on(async {
        let containers = find_containers(&definition.spec.container, &settings.docker).await;
        attempt(definition, containers).await
    });
    print!("{report}");
    code
}

/// What Docker knows of the service's containers, and how to say it.
struct FoundContainers {
    containers: Arc<[Arc<ContainerState>]>,
    shown: String,
}

async fn find_containers(wanted: &Container, docker: &Docker) -> FoundContainers {
    let without = |shown: String| FoundContainers {
        containers: Arc::default(),
        shown,
    };
    if *wanted == Container::None || !docker.enabled {
        return without("none wanted".to_owned());
    }
    match look::look(docker).await.map(|index| index.find(wanted)) {
        Ok(Matching::Found(containers)) => {
            let describe =
                |container: &Arc<ContainerState>| format!("{} ({})", container.name, container.status.as_str());
            let shown: Vec<String> = containers.iter().map(describe).collect();
            FoundContainers {
                shown: shown.join(", "),
                containers,
            }
        }
        Ok(Matching::Ambiguous(names)) => without(format!("ambiguous: {}", names.join(", "))),
        Ok(Matching::None) => without("not found".to_owned()),
        Err(reason) => without(format!("unknown: {reason}")),
    }
}

async fn attempt(definition: &ServiceDefinition, found: FoundContainers) -> (String, u8) {
    let spec = &definition.spec;
    let attempt = Attempt {
        service: spec.name.clone(),
        number: 1,
        timeout: spec.timeout,
        containers: found.containers,
        containers_first: false,
    };
    let started = Instant::now();
    let check = definition.check.clone();
    // In a task of its own, so that a panic is a finding too.
    let mut task = tokio::spawn(async move { check.attempt(&attempt).await });
    let outcome = match tokio::time::timeout(spec.timeout, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panicked)) => Err(CheckFailure::new(
            FailureKind::Panicked,
            format!("the check panicked: {panicked}"),
        )),
        Err(_elapsed) => {
            task.abort();
            let reason = format!("no answer within {}", duration::format(spec.timeout));
            Err(CheckFailure::new(FailureKind::Timeout, reason))
        }
    };
    let took = started.elapsed();
    let (status, reason, info) = judge(outcome);
    let address = spec
        .address
        .as_ref()
        .map_or_else(String::new, |address| format!(" at {address}"));
    let mut report = format!(
        "service   {}\ncontainer {}\ncheck     {}{address}\nstatus    {status}\nreason    {reason}\nduration  {} ms\n",
        spec.name,
        found.shown,
        spec.check,
        took.as_millis(),
    );
    for (fact, value) in &info {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        report.push_str(&format!("info      {fact}: {value}\n"));
    }
    (report, if status.is_up() { WORKED } else { FAILED })
}

/// What one attempt alone would make of the service.
fn judge(outcome: Result<Finding, CheckFailure>) -> (Status, String, Map<String, Value>) {
    match outcome {
        Ok(finding) if finding.warning => (Status::Degraded, finding.reason, finding.info),
        Ok(finding) => (Status::Healthy, finding.reason, finding.info),
        Err(failure) => {
            let status = match failure.kind.fault() {
                Fault::Service => Status::Unhealthy,
                Fault::Monitor => Status::Error,
                Fault::Startup => Status::Starting,
            };
            (status, failure.reason, failure.info)
        }
    }
}
