use super::*;

/// In the shape of Engine 20.10.
const RUNNING: &str = r#"{
    "Id": "ab", "Created": "2026-01-01T00:00:00.123456789Z", "Path": "/etc/confluent/docker/run", "Args": ["--password=x"],
    "State": {"Status": "running", "Running": true, "Paused": false, "Restarting": false, "OOMKilled": true, "Dead": false,
        "Pid": 42, "ExitCode": 0, "Error": "", "StartedAt": "2026-01-01T00:00:05Z", "FinishedAt": "2026-01-01T00:00:04Z",
        "Health": {"Status": "unhealthy", "FailingStreak": 3, "Log": [
            {"Start": "2026-01-01T00:00:06Z", "End": "2026-01-01T00:00:07Z", "ExitCode": 0, "Output": "ok"},
            {"Start": "2026-01-01T00:00:16Z", "End": "2026-01-01T00:00:17Z", "ExitCode": 1, "Output": "no\npassword=x"}]}},
    "Image": "sha256:0", "Name": "/kafka", "RestartCount": 2,
    "HostConfig": {"NetworkMode": "iot"},
    "Mounts": [{"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "Destination": "/data",
        "Driver": "local", "Mode": "z", "RW": true, "Propagation": ""}],
    "Config": {"Image": "confluentinc/cp-kafka:7.4.0", "Env": ["KAFKA_BROKER_ID=1", "SECRET=x"],
        "ExposedPorts": {"9092/tcp": {}, "29092/tcp": {}}, "Labels": {"com.docker.compose.service": "kafka"},
        "Healthcheck": {"Test": ["CMD", "x"], "StartPeriod": 90000000000}, "StopSignal": "SIGUSR1", "StopTimeout": 120},
    "NetworkSettings": {"Ports": {"9092/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9092"}], "29092/tcp": null},
        "Networks": {"iot": {"NetworkID": "n1", "IPAddress": "172.18.0.3", "Gateway": "172.18.0.1",
            "Aliases": ["kafka", "ab"], "GlobalIPv6Address": ""}}}}"#;

fn lens() -> Lens {
    Lens {
        engine: "local".into(),
        environment: EnvironmentShown::Redacted,
        reach: Reach::default(),
    }
}

fn described(json: &str) -> ContainerState {
    let answer = serde_json::from_str(json).unwrap();
    lens().describe(&"ab".into(), &answer, &Lifecycle::default())
}

#[test]
fn describes_a_running_container() {
    let state = described(RUNNING);
    assert_eq!((state.name.as_str(), state.status), ("kafka", ContainerStatus::Running));
    assert_eq!(state.image, "confluentinc/cp-kafka:7.4.0");
    assert_eq!(state.command, "/etc/confluent/docker/run --password=***");
    assert_eq!(state.environment, ["KAFKA_BROKER_ID=1", "SECRET=***"]);
    assert_eq!(state.started_at.unwrap().to_string(), "2026-01-01T00:00:05Z");
    assert_eq!(
        (state.exit_code, state.oom_killed),
        (None, false),
        "those are of the run before"
    );
    assert_eq!(state.start_period, Duration::from_secs(90));
    assert_eq!(state.ports["9092/tcp"][0].host_port, "9092");
    assert!(state.ports["29092/tcp"].is_empty());
    assert_eq!(state.networks["iot"].ip_address, "172.18.0.3");
    assert_eq!(state.networks["iot"].aliases, ["ab", "kafka"]);
    assert_eq!(
        (state.mounts[0].source.as_str(), state.mounts[0].writable),
        ("data", true)
    );
    let health = state.health.unwrap();
    assert_eq!((health.verdict, health.failing_streak), (HealthVerdict::Unhealthy, 3));
    assert_eq!(health.output, "no password=***");
}

#[test]
fn reads_what_a_life_is_told_by() {
    let vitals = vitals(&serde_json::from_str(RUNNING).unwrap());
    assert_eq!((vitals.restart_count, vitals.stop_signal), (2, Some(10)));
    assert_eq!(vitals.stop_timeout, Some(Duration::from_secs(120)));
}

#[test]
fn an_exited_container_keeps_its_ports_and_shows_how_it_ended() {
    let exited = RUNNING
        .replace(
            r#""Status": "running", "Running": true"#,
            r#""Status": "exited", "Running": false"#,
        )
        .replace(r#""ExitCode": 0, "Error""#, r#""ExitCode": 137, "Error""#)
        .replace(
            r#""Ports": {"9092/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9092"}], "29092/tcp": null}"#,
            r#""Ports": {}"#,
        );
    let state = described(&exited);
    assert_eq!(
        (state.status, state.exit_code, state.oom_killed),
        (ContainerStatus::Exited, Some(137), true)
    );
    assert_eq!(state.ports.keys().collect::<Vec<_>>(), ["29092/tcp", "9092/tcp"]);
}

#[test]
fn a_container_that_never_started_has_no_times() {
    let state = described(
        r#"{"Name": "/x", "State": {"Status": "created", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z",
            "FinishedAt": "0001-01-01T00:00:00Z"}, "NetworkSettings": {"Networks": {"none": {"NetworkID": ""}}}}"#,
    );
    assert_eq!(
        (state.started_at, state.finished_at, state.exit_code),
        (None, None, None)
    );
    assert_eq!((state.status, state.health), (ContainerStatus::Created, None));
}

#[test]
fn describes_from_the_list_where_nothing_better_is_to_be_had() {
    let row = serde_json::from_str(
        r#"{"Id": "ab", "Names": ["/db"], "Image": "postgres", "Command": "postgres --password x", "Created": 1700000000,
            "State": "running", "Status": "Up 3 minutes", "Ports": [{"PrivatePort": 5432, "Type": "tcp"}], "Labels": {"token": "x"}}"#,
    );
    let state = lens().describe_row(&"ab".into(), &row.unwrap(), &Lifecycle::default());
    assert_eq!((state.name.as_str(), state.status), ("db", ContainerStatus::Running));
    assert_eq!(state.command, "postgres --password ***");
    assert_eq!(state.labels["token"], "***");
    assert_eq!(state.ports.keys().collect::<Vec<_>>(), ["5432/tcp"]);
}

#[test]
fn signals_go_by_number_or_name() {
    assert_eq!(signal_number("SIGTERM"), Some(15));
    assert_eq!(signal_number("usr1"), Some(10));
    assert_eq!(signal_number("37"), Some(37));
    assert_eq!(signal_number("SIGRTMIN+3"), None);
}

#[test]
fn an_engine_that_stopped_a_healthcheck_says_nothing_by_it() {
    let stopped = RUNNING.replace("\"FailingStreak\": 3", "\"FailingStreak\": 0");
    assert_eq!(described(&stopped).health.unwrap().verdict, HealthVerdict::Starting);
    assert_eq!(described(RUNNING).health.unwrap().verdict, HealthVerdict::Unhealthy);
}
