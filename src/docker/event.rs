//! What the engine's event stream says of containers, and which of it was said before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use jiff::{SignedDuration, Timestamp};

/// How far back events are asked for again when a stream is opened: their order is not quite that of their times.
const OVERLAP: SignedDuration = SignedDuration::from_secs(1);

/// Events that are asked for. Never `exec_*`: a HEALTHCHECK makes three of those at each run.
const ACTIONS: [&str; 14] = [
    "create",
    "start",
    "die",
    "stop",
    "kill",
    "oom",
    "pause",
    "unpause",
    "rename",
    "destroy",
    "restart",
    "health_status",
    "connect",
    "disconnect",
];

/// How many events are remembered to know them again. The engine itself keeps 256 for those who come late.
const REMEMBERED: usize = 1024;

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// When, by the engine's clock.
    pub(super) at: Timestamp,
    /// To which container, by full id.
    pub(super) id: Arc<str>,
    /// What.
    pub(super) kind: EventKind,
}

/// What happened. Only what changes how a container's life is told has its own variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum EventKind {
    /// It was made.
    Create,
    /// Its main process was started.
    Start,
    /// Its main process ended.
    Die {
        /// With this code.
        exit_code: Option<i64>,
    },
    /// A signal was sent through the API, by `docker kill`, `stop` or `restart`.
    Kill {
        /// Its number.
        signal: Option<i64>,
    },
    /// It was stopped through the API; comes after the exit.
    Stop,
    /// It was restarted through the API; comes after the start.
    Restart,
    /// The kernel ended one of its processes because memory ran out.
    Oom,
    /// It is gone.
    Destroy,
    /// Something else, which an inspect will tell.
    Other(Arc<str>),
}

/// The events that were seen last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: HashSet<Event>,
    order: VecDeque<Event>,
}

/// Asks for the events of containers and of their networks from `since` on.
pub(super) fn options(since: Timestamp) -> EventsOptions {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let nanos = since.as_nanosecond();
    EventsOptions {
        since: Some(format!(
            "{}.{:09}",
            nanos.div_euclid(1_000_000_000),
            nanos.rem_euclid(1_000_000_000)
        )),
        until: None,
        filters: Some(HashMap::from([
            ("type".to_owned(), words(&["container", "network"])),
            ("event".to_owned(), words(&ACTIONS)),
        ])),
    }
}

// === impl Event ===

impl Event {
    /// Reads a message; `None` where it says nothing of a container.
    pub(super) fn read(message: EventMessage) -> Option<Self> {
        let actor = message.actor?;
        let attributes = actor.attributes.unwrap_or_default();
        let action = message.action?;
        let number = |name: &str| attributes.get(name).and_then(|text| text.parse().ok());
        let (id, kind) = match message.typ? {
            EventMessageTypeEnum::CONTAINER => {
                let kind = match action.as_str() {
                    "create" => EventKind::Create,
                    "start" => EventKind::Start,
                    "die" => EventKind::Die {
                        exit_code: number("exitCode"),
                    },
                    "kill" => EventKind::Kill {
                        signal: number("signal"),
                    },
                    "stop" => EventKind::Stop,
                    "restart" => EventKind::Restart,
                    "oom" => EventKind::Oom,
                    "destroy" => EventKind::Destroy,
                    _ => EventKind::Other(action.into()),
                };
                (actor.id?, kind)
            }
            EventMessageTypeEnum::NETWORK => {
                let container = attributes.get("container")?.clone();
                (container, EventKind::Other(action.into()))
            }
            _ => return None,
        };
        let at = match message.time_nano {
            Some(nanos) => Timestamp::from_nanosecond(nanos.into()).ok()?,
            None => Timestamp::from_second(message.time?).ok()?,
        };
        (!id.is_empty()).then(|| Self {
            at,
            id: id.into(),
            kind,
        })
    }

    /// From when on to ask for events again after this one, where it was `since` before.
    pub(super) fn ask_again_from(&self, since: Timestamp) -> Timestamp {
        self.at.checked_sub(OVERLAP).map_or(since, |from| since.max(from))
    }
}

impl std::hash::Hash for Event {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.at.as_nanosecond().hash(state);
        self.id.hash(state);
    }
}

// === impl Seen ===

impl Seen {
    /// Whether this event is new; from then on it is not.
    pub(super) fn is_new(&mut self, event: &Event) -> bool {
        if !self.known.insert(event.clone()) {
            return false;
        }
        self.order.push_back(event.clone());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(json: &str) -> EventMessage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn reads_an_exit_with_its_code() {
        let event = Event::read(message(
            r#"{"status":"die","id":"ab","from":"busybox","Type":"container","Action":"die",
               "Actor":{"ID":"ab","Attributes":{"exitCode":"137","image":"busybox","name":"x"}},
               "scope":"local","time":1700000000,"timeNano":1700000000123456789}"#,
        ))
        .unwrap();
        assert_eq!(event.kind, EventKind::Die { exit_code: Some(137) });
        assert_eq!(event.id.as_ref(), "ab");
        assert_eq!(event.at.as_nanosecond(), 1_700_000_000_123_456_789);
    }

    #[test]
    fn reads_a_network_event_as_one_of_the_container() {
        let event = Event::read(message(
            r#"{"Type":"network","Action":"disconnect","Actor":{"ID":"net",
               "Attributes":{"container":"ab","name":"iot","type":"bridge"}},"time":1700000000}"#,
        ))
        .unwrap();
        assert_eq!((event.id.as_ref(), event.at.as_second()), ("ab", 1_700_000_000));
        assert_eq!(event.kind, EventKind::Other("disconnect".into()));
        let of_no_container = r#"{"Type":"network","Action":"create","Actor":{"ID":"net","Attributes":{}},"time":1}"#;
        assert_eq!(Event::read(message(of_no_container)), None);
    }

    #[test]
    fn never_asks_for_the_events_of_a_healthcheck_run() {
        let options = options(Timestamp::from_nanosecond(1_700_000_000_000_000_042).unwrap());
        assert_eq!(options.since.as_deref(), Some("1700000000.000000042"));
        let filters = options.filters.unwrap();
        // The engine compares the beginnings of actions as soon as health_status is among the filters.
        for exec in ["exec_create: sh", "exec_start: sh", "exec_die"] {
            assert!(
                !filters["event"].iter().any(|action| exec.starts_with(action)),
                "{exec}"
            );
        }
        assert!(filters["event"].contains(&"health_status".to_owned()));
    }

    #[test]
    fn knows_what_it_saw_and_forgets_in_order() {
        let event = |nanos: i128| Event {
            at: Timestamp::from_nanosecond(nanos).unwrap(),
            id: "ab".into(),
            kind: EventKind::Start,
        };
        let mut seen = Seen::default();
        assert!(seen.is_new(&event(1)));
        assert!(!seen.is_new(&event(1)));
        let other = Event {
            kind: EventKind::Stop,
            ..event(1)
        };
        assert!(seen.is_new(&other), "two events may share a time");
        for nanos in 2..=1030 {
            assert!(seen.is_new(&event(nanos)));
        }
        assert!(seen.is_new(&event(1)), "forgotten");
        assert_eq!(seen.known.len(), REMEMBERED);
    }
}
