use serde_json::{Value, json};

use super::*;
use crate::docker::Own;
use crate::settings::EnvironmentShown;

fn book() -> Book {
    let lens = Lens {
        engine: "local".into(),
        environment: EnvironmentShown::Redacted,
        reach: Reach::default(),
    };
    Book::new(lens, 2)
}

fn reach() -> Reach {
    Reach::new(&Own::default(), "tcp://elsewhere:1", &[])
}

fn wall() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn row(id: &str) -> Value {
    json!({"Id": id, "Names": [format!("/{id}")], "State": "running", "Status": "Up 10 seconds"})
}

fn rows(ids: &[&str]) -> Vec<ContainerSummary> {
    ids.iter().map(|id| serde_json::from_value(row(id)).unwrap()).collect()
}

/// An inspect of a container that runs since ten seconds before [`wall`], with another state laid over it.
fn answer(id: &str, state: Value) -> Result<ContainerInspectResponse, EngineError> {
    let mut answer = json!({"Id": id, "Name": format!("/{id}"), "State":
        {"Status": "running", "Running": true, "StartedAt": "2023-11-14T22:13:10Z", "FinishedAt": "0001-01-01T00:00:00Z"}});
    if let (Some(whole), Value::Object(part)) = (answer["State"].as_object_mut(), state) {
        whole.extend(part);
    }
    Ok(serde_json::from_value(answer).unwrap())
}

fn running(id: &str) -> Result<ContainerInspectResponse, EngineError> {
    answer(id, json!({}))
}

fn exited(id: &str) -> Result<ContainerInspectResponse, EngineError> {
    let state = json!({"Status": "exited", "Running": false, "FinishedAt": "2023-11-14T22:13:20Z", "ExitCode": 137});
    answer(id, state)
}

fn not_found() -> Result<ContainerInspectResponse, EngineError> {
    Err(EngineError::NotFound("No such container: x".to_owned()))
}

fn event(id: &str, kind: EventKind) -> Event {
    Event {
        at: wall(),
        id: id.into(),
        kind,
    }
}

const DIE: EventKind = EventKind::Die { exit_code: Some(137) };

fn names(news: &[Containers]) -> Vec<String> {
    let name = |news: &Containers| match news {
        Containers::All(all) => {
            let mut names: Vec<_> = all.iter().map(|state| state.name.as_str()).collect();
            names.sort_unstable();
            format!("all {}", names.join(" "))
        }
        Containers::One(one) => format!("{} {}", one.name, one.status.as_str()),
        Containers::Gone(key) => format!("gone {}", key.id),
    };
    news.iter().map(name).collect()
}

/// A book in which these containers run and were published.
fn opened(ids: &[&str]) -> Book {
    let mut book = book();
    let now = Instant::now();
    book.open();
    book.asks_for_list();
    book.listed(rows(ids), reach(), now, wall());
    while let Some(id) = book.next_look() {
        book.looked(&id, running(&id), now);
    }
    let mut expected = ids.to_vec();
    expected.sort_unstable();
    assert_eq!(names(&book.take_news()), [format!("all {}", expected.join(" "))]);
    book
}

#[tokio::test(start_paused = true)]
async fn the_first_round_is_published_at_once_and_whole() {
    let mut book = book();
    let now = Instant::now();
    book.open();
    book.asks_for_list();
    book.listed(rows(&["a", "b", "c"]), reach(), now, wall());
    let first = [book.next_look().unwrap(), book.next_look().unwrap()];
    assert_eq!(book.next_look(), None, "two at a time");
    for id in first {
        book.looked(&id, running(&id), now);
        assert!(book.take_news().is_empty());
    }
    let last = book.next_look().unwrap();
    book.looked(&last, running(&last), now);
    assert_eq!(names(&book.take_news()), ["all a b c"]);
}

#[tokio::test(start_paused = true)]
async fn no_containers_are_everything_too() {
    let book = opened(&[]);
    assert_eq!(book.wake_at(), None);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_inspected_hides_no_other() {
    let mut book = book();
    let now = Instant::now();
    book.open();
    book.asks_for_list();
    book.listed(rows(&["a", "hung"]), reach(), now, wall());
    let looks = [book.next_look().unwrap(), book.next_look().unwrap()];
    book.looked(&"a".into(), running("a"), now);
    assert!(book.take_news().is_empty());
    let over = book.wake_at().unwrap();
    book.wake(over);
    assert_eq!(names(&book.take_news()), ["all a"]);
    let timeout = EngineError::Timeout {
        host: "unix:///x".to_owned(),
        endpoint: crate::docker::Endpoint::Inspect,
        after: Duration::from_secs(5),
    };
    assert!(looks.iter().any(|id| id.as_ref() == "hung"));
    book.looked(&"hung".into(), Err(timeout), over);
    assert_eq!(names(&book.take_news()), ["hung running"], "as the list has it");
}

#[tokio::test(start_paused = true)]
async fn an_exit_is_published_at_once_and_then_as_the_look_has_it() {
    let mut book = opened(&["a", "b"]);
    book.event(&event("a", DIE));
    let on_the_events_word = book.take_news();
    assert_eq!(names(&on_the_events_word), ["a exited"]);
    let Containers::One(state) = &on_the_events_word[0] else {
        panic!("{on_the_events_word:?}")
    };
    assert_eq!(
        (state.exit_code, state.exit_unplanned, state.finished_at),
        (Some(137), true, Some(wall()))
    );
    assert_eq!(book.next_look().as_deref(), Some("a"));
    let restarting = json!({"Status": "restarting", "FinishedAt": "2023-11-14T22:13:20Z", "ExitCode": 137});
    book.looked(&"a".into(), answer("a", restarting), Instant::now());
    assert_eq!(names(&book.take_news()), ["a restarting"]);
    book.event(&event("a", DIE));
    assert!(book.take_news().is_empty(), "that it does not run is known");
    assert!(book.next_look().is_some());
    book.looked(&"a".into(), exited("a"), Instant::now());
    assert_eq!((book.next_look(), book.wake_at()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn while_an_inspect_contradicts_an_exit_it_is_repeated() {
    let mut book = opened(&["a"]);
    let begin = Instant::now();
    book.event(&event("a", DIE));
    let mut waited = Vec::new();
    let mut now = begin;
    while let Some(id) = book.next_look() {
        book.looked(&id, running("a"), now);
        if let Some(at) = book.wake_at() {
            now = at;
            waited.push(now - begin);
            book.wake(now);
        }
    }
    assert!(waited[3] <= Duration::from_millis(60), "{waited:?}");
    assert_eq!(waited.len(), AGAIN_AFTER.len(), "then it is believed");
    let news = names(&book.take_news());
    assert_eq!(news.first().unwrap(), "a exited", "on the event's word");
    assert!(news[1..].iter().all(|news| news == "a running"), "{news:?}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_events_makes_one_inspect_and_one_more() {
    let mut book = opened(&["a", "b"]);
    for _ in 0..10_000 {
        book.event(&event("a", EventKind::Other("pause".into())));
    }
    assert_eq!(book.next_look().as_deref(), Some("a"));
    for _ in 0..10_000 {
        book.event(&event("a", EventKind::Other("unpause".into())));
    }
    assert_eq!(book.next_look(), None, "never two of one container");
    book.event(&event("b", DIE));
    assert_eq!(
        book.next_look().as_deref(),
        Some("b"),
        "nor does it keep others waiting"
    );
    book.looked(&"a".into(), running("a"), Instant::now());
    assert_eq!(book.next_look().as_deref(), Some("a"));
    book.looked(&"a".into(), running("a"), Instant::now());
    assert_eq!(book.next_look(), None);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_found_is_gone_once() {
    let mut book = opened(&["a"]);
    book.event(&event("a", DIE));
    let id = book.next_look().unwrap();
    book.looked(&id, not_found(), Instant::now());
    book.event(&event("a", EventKind::Destroy));
    assert_eq!(names(&book.take_news()), ["a exited", "gone a"]);

    book.event(&event("never-seen", DIE));
    let id = book.next_look().unwrap();
    book.looked(&id, not_found(), Instant::now());
    assert!(book.take_news().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_the_end_is_dropped() {
    let mut book = opened(&["a"]);
    book.event(&event("a", DIE));
    let id = book.next_look().unwrap();
    book.event(&event("a", EventKind::Destroy));
    book.looked(&id, exited("a"), Instant::now());
    assert_eq!(names(&book.take_news()), ["a exited", "gone a"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_brings_what_the_events_did_not() {
    let mut book = opened(&["a", "b", "c"]);
    let mut changed = rows(&["a", "new"]);
    changed.push(serde_json::from_value(json!({"Id": "c", "Names": ["/c"], "Status": "Up 1 second"})).unwrap());
    book.asks_for_list();
    book.listed(changed, reach(), Instant::now(), wall());
    assert_eq!(names(&book.take_news()), ["gone b"]);
    let mut looks = [book.next_look().unwrap(), book.next_look().unwrap()];
    looks.sort();
    assert_eq!(
        looks.map(|id| id.to_string()),
        ["c", "new"],
        "the unchanged one is not looked at"
    );
    book.looked(&"new".into(), running("new"), Instant::now());
    assert_eq!(names(&book.take_news()), ["new running"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_from_before_a_container_was_made_does_not_end_it() {
    let mut book = opened(&["a"]);
    book.asks_for_list();
    book.event(&event("new", EventKind::Start));
    let id = book.next_look().unwrap();
    book.looked(&id, running("new"), Instant::now());
    assert_eq!(names(&book.take_news()), ["new running"]);
    book.listed(rows(&["a"]), reach(), Instant::now(), wall());
    assert!(book.take_news().is_empty());
    book.asks_for_list();
    book.listed(rows(&["a"]), reach(), Instant::now(), wall());
    assert_eq!(names(&book.take_news()), ["gone new"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_loss_everything_is_seen_and_published_anew() {
    let mut book = opened(&["a", "b"]);
    book.event(&event("a", DIE));
    assert!(book.next_look().is_some(), "lost with the connection");
    assert_eq!(names(&book.take_news()), ["a exited"]);
    book.open();
    book.asks_for_list();
    book.listed(rows(&["a"]), reach(), Instant::now(), wall());
    assert_eq!(names(&book.take_news()), ["gone b"]);
    let id = book.next_look().unwrap();
    book.looked(&id, exited("a"), Instant::now());
    assert_eq!(names(&book.take_news()), ["all a"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_network_asks_for_the_list_once() {
    let mut book = opened(&["a"]);
    book.event(&event("a", EventKind::Other("connect".into())));
    let mut connected = running("a").unwrap();
    connected.network_settings =
        serde_json::from_value(json!({"Networks": {"new": {"NetworkID": "n", "IPAddress": "172.18.0.2"}}})).unwrap();
    let id = book.next_look().unwrap();
    book.looked(&id, Ok(connected), Instant::now());
    assert!(book.wants_list());
    book.asks_for_list();
    assert!(!book.wants_list());
    book.event(&event("a", EventKind::Other("connect".into())));
    let id = book.next_look().unwrap();
    book.looked(&id, running("a"), Instant::now());
    assert!(!book.wants_list());
}

/// A list of a connection's later life, in which events tell of everything.
fn lists(book: &mut Book, rows: Vec<ContainerSummary>, now: Instant) {
    book.asks_for_list();
    book.listed(rows, reach(), now, wall());
}

fn of_exited(id: &str) -> Vec<ContainerSummary> {
    let row = json!({"Id": id, "Names": [format!("/{id}")], "State": "exited", "Status": "Exited (137) 1 second ago"});
    vec![serde_json::from_value(row).unwrap()]
}

/// A book that has read all lists that may know more than the events.
fn settled(ids: &[&str]) -> Book {
    let mut book = opened(ids);
    lists(&mut book, rows(ids), Instant::now());
    assert_eq!(book.next_look(), None);
    book
}

#[tokio::test(start_paused = true)]
async fn what_no_event_tells_means_that_the_stream_is_deaf() {
    let mut book = settled(&["a"]);
    let now = Instant::now();
    lists(&mut book, of_exited("a"), now);
    let id = book.next_look().unwrap();
    book.looked(&id, exited("a"), now);
    assert_eq!(names(&book.take_news()), ["a exited"]);
    let until = book.wake_at().unwrap();
    assert!(!book.is_deaf() && until > now, "its event may be on its way");
    book.wake(until);
    assert!(book.is_deaf());
    book.open();
    assert!(!book.is_deaf(), "another stream");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_after_the_list_clears_the_doubt() {
    let mut book = settled(&["a"]);
    let now = Instant::now();
    lists(&mut book, of_exited("a"), now);
    let id = book.next_look().unwrap();
    book.looked(&id, exited("a"), now);
    book.event(&event("a", DIE));
    book.wake(now + Duration::from_secs(5));
    assert!(!book.is_deaf());
}

#[tokio::test(start_paused = true)]
async fn containers_that_come_or_go_without_an_event_are_a_doubt_too() {
    for ids in [&["a", "b"][..], &[]] {
        let mut book = settled(&["a"]);
        lists(&mut book, rows(ids), Instant::now());
        book.wake(book.wake_at().unwrap());
        assert!(book.is_deaf(), "{ids:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_lists_of_a_connection_may_know_more() {
    let mut book = opened(&["a"]);
    lists(&mut book, rows(&["a", "b"]), Instant::now());
    assert_eq!(book.wake_at(), None);
}

#[tokio::test(start_paused = true)]
async fn where_inspects_fail_the_list_tells_that_it_runs_again() {
    let refused = || {
        Err(EngineError::Refused {
            endpoint: crate::docker::Endpoint::Inspect,
            status: 500,
            message: "no".to_owned(),
        })
    };
    let mut book = settled(&["a"]);
    let now = Instant::now();
    book.event(&event("a", DIE));
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert_eq!(names(&book.take_news()), ["a exited"]);
    book.event(&event("a", EventKind::Start));
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert!(book.take_news().is_empty(), "an old row tells nothing");
    assert!(book.wants_list());
    lists(&mut book, rows(&["a"]), now);
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert_eq!(names(&book.take_news()), ["a running"]);

    // A list that was asked for before it died.
    book.asks_for_list();
    book.event(&event("a", DIE));
    book.listed(rows(&["a"]), reach(), now, wall());
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert_eq!(names(&book.take_news()), ["a exited"]);
    assert!(book.wants_list());
    // One that does not know of its death yet.
    lists(&mut book, rows(&["a"]), now);
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert!(book.take_news().is_empty() && !book.wants_list());
    book.wake(book.wake_at().unwrap());
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert!(book.wants_list());
    lists(&mut book, of_exited("a"), now);
    let id = book.next_look().unwrap();
    book.looked(&id, refused(), now);
    assert!(book.take_news().is_empty(), "known");
    assert!(!book.wants_list());
}
