//! Services and containers to test with.

use std::time::Duration;

use health_monitor_actors::model::{
    Container, ContainerKey, ContainerState, ContainerStatus, DockerHealth, RetryBackoff, ServiceName, ServiceSpec,
    Thresholds,
};
use jiff::Timestamp;

/// A service without containers whose cycles come quickly.
pub(crate) fn spec(name: &str) -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::new(name).unwrap(),
        check: "test".to_owned(),
        address: Some("127.0.0.1:1".to_owned()),
        container: Container::None,
        depends_on: Vec::new(),
        critical: true,
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(100),
        retries: 0,
        retry_backoff: RetryBackoff {
            min: Duration::from_millis(10),
            max: Duration::from_millis(20),
        },
        retry_interval: Duration::from_millis(50),
        thresholds: Thresholds { failure: 2, success: 1 },
        start_period: Duration::ZERO,
        docker_health: DockerHealth::Warn,
        min_replicas: 1,
        auth_failure_degrades: false,
        maintenance: Vec::new(),
    }
}

/// A container that was created a minute ago and is in this state.
pub(crate) fn container(name: &str, status: ContainerStatus) -> ContainerState {
    let created = Timestamp::now() - Duration::from_secs(60);
    let has_ended = status == ContainerStatus::Exited;
    let key = ContainerKey {
        engine: "local".into(),
        id: format!("{name:0>64}").into(),
    };
    ContainerState {
        image: "image:1".to_owned(),
        command: "run".to_owned(),
        created: Some(created),
        started_at: Some(created),
        finished_at: has_ended.then(Timestamp::now),
        exit_code: has_ended.then_some(1),
        starts_total: 1,
        exit_unplanned: has_ended,
        ..ContainerState::new(key, name, status)
    }
}
