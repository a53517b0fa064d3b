//! What an engine may say, and what must hold of whatever is made of it.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerStatsResponse, ContainerSummary, EventMessage, SystemVersion,
};
use futures_util::StreamExt;
use health_monitor_actors::model::{
    Container, ContainerState, DockerHealth, EngineState, Moment, RetryBackoff, ServiceName, ServiceSpec, Thresholds,
};
use health_monitor_actors::policy::{ContainerIndex, PolicyState, Situation, decide};
use health_monitor_actors::registry::Containers;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::runtime;
use tokio::time::{Instant, timeout};

use super::book::Book;
use super::event::{self, Event, Seen};
use super::inspect::Lens;
use super::reach::Reach;
use super::version::agree;
use super::{ApiVersion, Engine, Listed, Own, Settings, redact, usage};
use crate::settings::EnvironmentShown;

/// Longest that a call may take against a socket that ends after its answer.
const CALL: Duration = Duration::from_secs(5);

/// Most that stands around a secret, in bytes: it is looked through dozens of times.
const NOISE: usize = 2 * 1024;

fn wall() -> Timestamp {
    "2026-11-24T09:10:00Z".parse().unwrap()
}

fn book() -> Book {
    let lens = Lens {
        engine: "local".into(),
        environment: EnvironmentShown::Redacted,
        reach: Reach::default(),
    };
    Book::new(lens, 2)
}

fn reach() -> Reach {
    Reach::new(&Own::default(), "unix:///var/run/docker.sock", &[])
}

/// A description of a container becomes a state, and a status of its service.
pub(crate) fn inspect(bytes: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<ContainerInspectResponse>(bytes) else {
        return;
    };
    let id: Arc<str> = answer.id.clone().unwrap_or_default().into();
    let row = ContainerSummary {
        id: Some(id.to_string()),
        ..ContainerSummary::default()
    };
    let mut book = book();
    let now = Instant::now();
    book.open();
    book.asks_for_list();
    book.listed(vec![row], reach(), now, wall());
    let wanted = book.next_look();
    assert_eq!(wanted.as_deref(), Some(id.as_ref()));
    book.looked(&id, Ok(answer.clone()), now);
    judge(&mut book);
    // Once more, as after an event.
    book.looked(&id, Ok(answer), now);
    judge(&mut book);
}

/// A list becomes rows for people, and containers to be inspected.
pub(crate) fn list(bytes: &[u8]) {
    let Ok(rows) = serde_json::from_slice::<Vec<ContainerSummary>>(bytes) else {
        return;
    };
    for row in &rows {
        let _is_read = Listed::read(row.clone()).is_some();
    }
    let mut book = book();
    let now = Instant::now();
    book.open();
    book.asks_for_list();
    book.listed(rows.clone(), reach(), now, wall());
    while let Some(id) = book.next_look() {
        let refused = super::EngineError::Refused {
            endpoint: super::Endpoint::Inspect,
            status: 500,
            message: "broken".to_owned(),
        };
        book.looked(&id, Err(refused), now);
    }
    judge(&mut book);
    book.asks_for_list();
    book.listed(rows, reach(), now, wall());
    judge(&mut book);
}

/// A sample is a number where it is one: never negative, never infinite, a share never over the whole.
pub(crate) fn stats(bytes: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<ContainerStatsResponse>(bytes) else {
        return;
    };
    let first = usage::sample(&answer, None);
    let mut earlier = first.map(|sample| sample.reading);
    if let Some(reading) = &mut earlier {
        reading.container /= 2;
        reading.host = reading.host.map(|host| host / 2);
        reading.at = wall();
    }
    for sample in [first, usage::sample(&answer, earlier)].into_iter().flatten() {
        let usage = sample.usage;
        for share in [usage.cpu_percent].into_iter().flatten() {
            assert!((0.0..=100.0).contains(&share), "{usage:?}");
        }
        for number in [usage.cpu_cores, usage.memory_percent(), Some(usage.cpu_seconds)] {
            assert!(
                number.is_none_or(|number| number.is_finite() && number >= 0.0),
                "{usage:?}"
            );
        }
        assert!(usage.memory_working_set <= usage.memory_usage, "{usage:?}");
    }
}

/// Whatever an engine says of its version, one is agreed on, and it is one that can be asked for.
pub(crate) fn version(bytes: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<SystemVersion>(bytes) else {
        return;
    };
    let read = |text: Option<String>| text.and_then(|text| text.parse::<ApiVersion>().ok());
    let Some(newest) = read(answer.api_version) else { return };
    let oldest = read(answer.min_api_version).unwrap_or(newest).min(newest);
    for wanted in [None, "1.41".parse().ok()] {
        let agreed = agree(wanted, oldest, newest).version;
        assert!((oldest..=newest).contains(&agreed), "{agreed} of {oldest} to {newest}");
        assert_eq!(ApiVersion::unpacked(agreed.packed()), Some(agreed));
    }
}

/// Events in any order, with any times, come to some state. Where to go on from is always a time that can be asked for.
pub(crate) fn events(bytes: &[u8]) {
    let mut book = book();
    let mut seen = Seen::default();
    book.open();
    book.asks_for_list();
    book.listed(Vec::new(), reach(), Instant::now(), wall());
    let mut since = wall();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<EventMessage>(line) else {
            continue;
        };
        if let Some(event) = Event::read(message)
            && seen.is_new(&event)
        {
            since = event.ask_again_from(since);
            book.event(&event);
        }
    }
    assert!(since >= wall() && event::options(since).since.is_some());
    while let Some(id) = book.next_look() {
        book.looked(&id, Ok(ContainerInspectResponse::default()), Instant::now());
    }
    judge(&mut book);
}

/// What the book has to tell makes a status for a service of any of these containers.
fn judge(book: &mut Book) {
    for news in book.take_news() {
        match news {
            Containers::All(states) => states.into_iter().for_each(judge_one),
            Containers::One(state) => judge_one(*state),
            Containers::Gone(_) => {}
        }
    }
}

fn judge_one(state: ContainerState) {
    let spec = spec(&state.name);
    let container = Arc::new(state);
    let index = ContainerIndex::new([&container], None);
    let containers = index.find(&spec.container);
    let mut policy = PolicyState::new();
    let mut now = Moment {
        mono: Instant::now(),
        wall: wall(),
    };
    for _ in 0..3 {
        policy.observe_containers(&spec, &containers.containers(), now);
        let decision = decide(&Situation {
            spec: &spec,
            containers: &containers,
            engine: &EngineState::Up,
            policy: &policy,
            last: None,
            next_due: None,
            given_up: None,
            now,
        });
        assert!(!decision.reason.is_empty());
        now = now + Duration::from_secs(3_600);
    }
    serde_json::to_string(&*container).unwrap();
}

fn spec(container: &str) -> ServiceSpec {
    ServiceSpec {
        name: ServiceName::new("fuzzed").unwrap(),
        check: "container".to_owned(),
        address: None,
        container: Container::Named(container.to_owned()),
        depends_on: Vec::new(),
        critical: true,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        retries: 2,
        retry_backoff: RetryBackoff {
            min: Duration::from_millis(500),
            max: Duration::from_secs(2),
        },
        retry_interval: Duration::from_secs(2),
        thresholds: Thresholds { failure: 2, success: 1 },
        start_period: Duration::from_secs(60),
        docker_health: DockerHealth::Decide,
        min_replicas: 1,
        auth_failure_degrades: false,
        maintenance: Vec::new(),
    }
}

/// Every call ends, in an answer or an error, whatever comes over the socket and in whatever pieces.
pub(crate) fn wire(bytes: &[u8]) {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = bytes.to_vec();
    let server = std::thread::spawn(move || {
        // One connection for each call below.
        for _ in 0..5 {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut asked = [0; 4_096];
            let _is_asked = stream.read(&mut asked).is_ok();
            for piece in answer.chunks(answer.len() % 13 + 1) {
                if stream.write_all(piece).is_err() {
                    break;
                }
            }
        }
    });
    let engine = Engine::new(Settings {
        host: format!("unix://{}", socket.display()),
        request_timeout: CALL,
        ..Settings::default()
    });
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let calls = async {
            let _is_agreed = engine.connect().await.is_ok();
            let _is_listed = engine.list_containers().await.is_ok();
            let _is_inspected = engine.inspect("ab").await.is_ok();
            let _is_sampled = engine.sample("ab").await.is_ok();
            let mut events = engine.events(wall()).unwrap();
            let mut seen = Seen::default();
            while let Some(Ok(event)) = events.next().await {
                seen.is_new(&event);
            }
        };
        timeout(4 * CALL, calls)
            .await
            .expect("a call does not end although the engine did");
    });
    drop(runtime);
    server.join().unwrap();
}

/// What is planted as a secret survives in none of the places where a container shows text, whatever stands around it.
pub(crate) fn secrets(noise: &[u8]) {
    const SECRET: &str = "Xq7hunter2Zw9";
    let noise = String::from_utf8_lossy(noise.get(..NOISE).unwrap_or(noise)).replace(SECRET, "");
    let middle = (0..=noise.len() / 2)
        .rev()
        .find(|at| noise.is_char_boundary(*at))
        .unwrap();
    let (before, after) = noise.split_at(middle);
    for form in [
        "POSTGRES_PASSWORD=@",
        "--password @",
        "--password=@",
        "\"token\": \"@\"",
        "api_key: '@'",
        "postgres://user:@@host:5432/db",
        "Authorization: Bearer @",
        "<secret>@</secret>",
        "AWS_SECRET_ACCESS_KEY='@'",
    ] {
        let planted = form.replacen('@', SECRET, 1);
        let text = format!("{before}\n{planted}\n{after}");
        let shown = redact::health_output(&text);
        assert!(!shown.contains(SECRET), "{form} in the output {text:?}: {shown}");
        let variables = [format!("NOTE={text}"), planted.clone(), text.clone()];
        for variable in redact::environment(&variables, EnvironmentShown::Redacted) {
            assert!(
                !variable.contains(SECRET),
                "{form} in the environment {text:?}: {variable}"
            );
        }
        let shown = redact::command([before, &planted, after]);
        assert!(!shown.contains(SECRET), "{form} in the command {text:?}: {shown}");
        let label = ("note".to_owned(), text.clone());
        let labels = redact::labels([(&label.0, &label.1)]);
        assert!(
            !labels["note"].contains(SECRET),
            "{form} in a label {text:?}: {labels:?}"
        );
    }
}
