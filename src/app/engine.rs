//! The Docker side, as the configuration wants it and as the metrics show it.

use super::Failure;
use crate::docker::{self, Engine, InvalidApiVersion};
use crate::metrics::{DockerFigures, DockerRequests};
use crate::settings::Docker;

/// The client that the configuration describes; `None` where it does without an engine.
///
/// # Errors
///
/// Where the configured version is none, which its validation has ruled out.
pub(super) fn configured(docker: &Docker) -> Result<Option<Engine>, InvalidApiVersion> {
    if !docker.enabled {
        return Ok(None);
    }
    docker::Settings::try_from(docker).map(|settings| Some(Engine::new(settings)))
}

/// Waits until the monitor cannot find the engine again but by a new start of its container.
pub(super) async fn socket_replaced(engine: Option<&Engine>) -> Failure {
    match engine {
        Some(engine) => engine.needs_new_start().await,
        None => std::future::pending().await,
    }
    Failure::SocketReplaced
}

/// What the client has counted so far.
pub(super) fn figures(engine: &Engine) -> DockerFigures {
    let counters = engine.counters();
    let requests = counters.requests().map(|(endpoint, result, count)| DockerRequests {
        endpoint: endpoint.as_str(),
        result: result.as_str(),
        count,
    });
    DockerFigures {
        requests: requests.collect(),
        events: counters.events(),
        event_reconnects: counters.reconnects(),
    }
}
