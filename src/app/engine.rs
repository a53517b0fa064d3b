//! The Docker side, as the configuration wants it and as the metrics show it.

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
        event_reconnects: counters.reconnects(),
    }
}
