//! Checks against real servers: Mosquitto, PostgreSQL, ZooKeeper, and TLS as a real server speaks it. Kafka is checked on the
//! real stack.

#[cfg(test)]
mod checks {
    mod mqtt;
    mod postgres;
    mod tls;
    mod zookeeper;

    use std::sync::Arc;
    use std::time::Duration;

    use health_monitor::checks::find;
    use health_monitor::settings::values::Values;
    use health_monitor_actors::check::{Attempt, Check, CheckFailure, Finding};
    use health_monitor_actors::model::ServiceName;

    /// Time for an attempt that is to pass.
    const LONG: Duration = Duration::from_secs(20);

    /// Time for an attempt that is to run out of it.
    const SHORT: Duration = Duration::from_millis(1_500);

    /// The check of this kind, as the configuration would make it.
    fn check(kind: &str, values: &Values) -> Arc<dyn Check> {
        let kind = find(kind).unwrap();
        (kind.build)(values).unwrap_or_else(|error| panic!("{}: {error}", kind.name))
    }

    fn attempt(timeout: Duration) -> Attempt {
        Attempt {
            service: ServiceName::new("service").unwrap(),
            number: 1,
            timeout,
            containers: Arc::new([]),
            containers_first: false,
        }
    }

    /// One attempt of a check of this kind.
    async fn ask(kind: &str, values: &Values, timeout: Duration) -> Result<Finding, CheckFailure> {
        let check = check(kind, values);
        let attempt = attempt(timeout);
        let answer = tokio::time::timeout(timeout * 2, check.attempt(&attempt));
        answer.await.expect("the check outlives its time")
    }
}
