//! What every store must do, whatever is behind it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use health_monitor::history::model::{
    Bucket, ContainerEventKind, Evidence, HOUR, IncidentId, IncidentKind, LogExcerpt, MINUTE, ResultKind, Span, Tier,
};
use health_monitor::history::sqlite::Sqlite;
use health_monitor::history::store::{Batch, Detail, IncidentQuery, Order, Retention, Store, Upkeep};
use health_monitor::history::transfer::{export, import};
use health_monitor_actors::model::Status;
use jiff::Timestamp;

use crate::world::{
    Writes as _, at, batch, change, days, event, incident, keep_all, name, passed, result, sample, saved, span,
};

/// A test of the suite.
pub(crate) type Case = (&'static str, fn(Any) -> BoxFuture<'static, ()>);

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// All of them.
        pub(crate) const CASES: &[Case] = &[$((stringify!($name), |store| Box::pin($name(store)))),*];
    };
}

cases!(
    an_empty_one_knows_nothing,
    results_come_back_as_they_went_in,
    a_batch_that_is_written_twice_is_there_once,
    an_hour_that_is_over_tells_the_same_as_one_under_way,
    uptime_follows_the_status_and_not_the_number_of_results,
    a_time_in_which_nobody_looked_is_a_gap,
    what_comes_late_is_counted_once,
    what_comes_while_an_hour_is_rolled_up_is_counted,
    percentiles_of_days_are_right,
    changes_and_incidents_are_found,
    a_change_that_is_committed_twice_is_there_once,
    a_restart_finds_what_it_needs,
    usage_is_summed,
    what_is_too_old_goes,
    results_stay_within_their_bytes,
    hours_far_apart_are_kept_apart,
    what_is_exported_can_be_imported,
);

pub(crate) type Any = Arc<dyn Store>;

/// Does all that is to be done at this time.
pub(crate) async fn maintain(store: &Any, now: i64, retention: &Retention) {
    while store.maintain(at(now), retention).await.unwrap() == Upkeep::More {}
}

/// Writes a service that answers every 10 s from one time to another, a batch for each second.
async fn answers(store: &Any, service: &str, started: i64, (from, to): (i64, i64)) {
    for millis in (from..to).step_by(10_000) {
        let micros = 1_000 + u64::try_from((millis / 10_000) % 100).unwrap();
        store
            .put(batch(started, millis + 500, vec![passed(service, millis, micros)]))
            .await;
    }
}

async fn series(store: &Any, service: &str, tier: Tier, within: Span) -> Vec<Bucket> {
    let services = [name(service)];
    let found = store.buckets(&services, tier, within, Detail::Sketches).await.unwrap();
    found.into_iter().next().unwrap()
}

pub(crate) async fn an_empty_one_knows_nothing(store: Any) {
    let memory = store.resume().await.unwrap();
    assert!(memory.saved.is_empty() && memory.statuses.is_empty() && memory.open_incidents.is_empty());
    assert_eq!(memory.last_run, None);
    assert!(store.services().await.unwrap().is_empty());
    assert!(
        store
            .results(&name("kafka"), Span::ALL, Order::OldestFirst, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(series(&store, "kafka", Tier::Hour, Span::ALL).await.is_empty());
    assert!(series(&store, "kafka", Tier::Minute, Span::ALL).await.is_empty());
    assert!(store.incidents(&IncidentQuery::latest(9)).await.unwrap().is_empty());
    assert!(
        store
            .changes(None, Span::ALL, Order::OldestFirst, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.runs(Span::ALL).await.unwrap().is_empty());
    assert!(store.usage("kafka", Tier::Hour, Span::ALL).await.unwrap().is_empty());
    assert!(store.timeline(&name("kafka"), span(0, HOUR)).await.unwrap().is_empty());
    maintain(&store, 0, &keep_all()).await;
    let figures = store.figures().await.unwrap();
    assert_eq!((figures.raw_bytes, figures.raw_since), (0, None));
    store.close().await;
}

pub(crate) async fn results_come_back_as_they_went_in(store: Any) {
    let kinds = [
        ResultKind::Pass,
        ResultKind::Warn,
        ResultKind::Fail,
        ResultKind::Unmeasured,
    ];
    let mut written = Vec::new();
    // Over two hours and more key frames than one, with another service between.
    for number in 0..400_i64 {
        let millis = HOUR - 200 * 10_000 + number * 10_000;
        let kind = kinds[usize::try_from(number % 4).unwrap()];
        let micros = (number % 5 > 0).then(|| u64::try_from(number * 1_001).unwrap());
        let reason = format!("reason {}", number / 50);
        let mine = result("kafka", millis, kind, micros, &reason);
        let other = passed("kafka-2", millis + 1, 5);
        store.put(batch(0, millis + 700, vec![mine.clone(), other])).await;
        written.push(mine.result);
    }
    for rolled in [false, true] {
        if rolled {
            maintain(&store, 4 * HOUR, &keep_all()).await;
        }
        let all = store
            .results(&name("kafka"), Span::ALL, Order::OldestFirst, usize::MAX)
            .await
            .unwrap();
        assert_eq!(all, written);
        let mut newest = store
            .results(&name("kafka"), Span::ALL, Order::NewestFirst, 7)
            .await
            .unwrap();
        newest.reverse();
        assert_eq!(newest, written[393..]);
        let middle = span(HOUR - 100_000, HOUR + 100_000);
        let some = store
            .results(&name("kafka"), middle, Order::OldestFirst, 15)
            .await
            .unwrap();
        assert_eq!(some, written[190..205]);
    }
    assert_eq!(store.services().await.unwrap(), [name("kafka"), name("kafka-2")]);
}

pub(crate) async fn a_batch_that_is_written_twice_is_there_once(store: Any) {
    let first = batch(0, 10_000, vec![passed("db", 5_000, 1), passed("kafka", 5_001, 2)]);
    // Of a service and an hour that are new: the writer's memory of them must not outlive the batch that is not taken.
    let second = batch(0, HOUR + 10_000, vec![passed("web", HOUR + 5_000, 3)]);
    for next in [&first, &first, &second, &second, &first] {
        store.put(next.clone()).await;
    }
    store
        .put(batch(0, HOUR + 20_000, vec![passed("web", HOUR + 15_000, 4)]))
        .await;
    for _ in 0..2 {
        for (service, count) in [("db", 1), ("kafka", 1), ("web", 2)] {
            let found = store
                .results(&name(service), Span::ALL, Order::OldestFirst, 9)
                .await
                .unwrap();
            assert_eq!(found.len(), count, "{service}: {found:?}");
            let hours = series(&store, service, Tier::Hour, Span::ALL).await;
            let checks: u64 = hours.iter().map(|hour| hour.checks).sum();
            assert_eq!(checks, count as u64, "{service}");
        }
        maintain(&store, 3 * HOUR, &keep_all()).await;
    }
}

pub(crate) async fn an_hour_that_is_over_tells_the_same_as_one_under_way(store: Any) {
    store.put(batch(0, 0, Vec::new())).await;
    store
        .settle(vec![change("kafka", 90_000, Status::Unknown, Status::Healthy)])
        .await;
    store
        .settle(vec![change("kafka", 40 * MINUTE, Status::Healthy, Status::Unhealthy)])
        .await;
    answers(&store, "kafka", 0, (90_000, 2 * HOUR + 5 * MINUTE)).await;
    let before = series(&store, "kafka", Tier::Minute, Span::ALL).await;
    let hours_before = series(&store, "kafka", Tier::Hour, Span::ALL).await;
    assert_eq!((before.len(), hours_before.len()), (124, 3));
    maintain(&store, 2 * HOUR + 5 * MINUTE, &keep_all()).await;
    assert_eq!(series(&store, "kafka", Tier::Minute, Span::ALL).await, before);
    assert_eq!(series(&store, "kafka", Tier::Hour, Span::ALL).await, hours_before);
    let first = &hours_before[0];
    assert_eq!((first.at, first.checks, first.failures), (at(0), 351, 0));
    assert_eq!((first.up, first.down), (2_310_000, 1_200_000));
    assert_eq!((hours_before[1].up, hours_before[1].down), (0, 3_600_000));
    let minutes = series(&store, "kafka", Tier::Minute, span(HOUR, HOUR + 3 * MINUTE)).await;
    assert_eq!(minutes.len(), 3);
    assert_eq!((minutes[0].checks, minutes[0].at), (6, at(HOUR)));
    // Only percentiles, for those who want no more.
    let services = [name("nobody"), name("kafka")];
    let found = store
        .buckets(&services, Tier::Hour, span(0, HOUR), Detail::Percentiles)
        .await
        .unwrap();
    assert!(found[0].is_empty());
    let durations = found[1][0].durations.as_ref().unwrap();
    assert_eq!(durations.sketch, None);
    assert_eq!(durations.percentiles, first.durations.as_ref().unwrap().percentiles);
}

pub(crate) async fn uptime_follows_the_status_and_not_the_number_of_results(store: Any) {
    store.put(batch(0, 0, Vec::new())).await;
    store
        .settle(vec![change("db", 0, Status::Unknown, Status::Healthy)])
        .await;
    store
        .settle(vec![change("db", 30 * MINUTE, Status::Healthy, Status::Unhealthy)])
        .await;
    store
        .settle(vec![change("db", 36 * MINUTE, Status::Unhealthy, Status::Error)])
        .await;
    store
        .settle(vec![change("db", 40 * MINUTE, Status::Error, Status::Degraded)])
        .await;
    // While it is down it is looked at far more often, which must not count.
    let mut results = Vec::new();
    for millis in (0..30 * MINUTE).step_by(60_000) {
        results.push(passed("db", millis, 1_000));
    }
    for millis in (30 * MINUTE..36 * MINUTE).step_by(2_000) {
        results.push(result("db", millis, ResultKind::Fail, Some(5_000_000), "refused"));
    }
    store.put(batch(0, HOUR + 10_000, results)).await;
    for _ in 0..2 {
        let hour = series(&store, "db", Tier::Hour, span(0, HOUR)).await.remove(0);
        assert_eq!((hour.up, hour.down), (50 * 60_000, 6 * 60_000));
        assert_eq!((hour.checks, hour.failures), (210, 180));
        let timeline = store.timeline(&name("db"), span(0, HOUR)).await.unwrap();
        let measured = timeline.measured(at(0).as_millisecond(), at(HOUR).as_millisecond());
        assert_eq!((measured.up, measured.down), (hour.up, hour.down));
        maintain(&store, 2 * HOUR, &keep_all()).await;
    }
}

pub(crate) async fn a_time_in_which_nobody_looked_is_a_gap(store: Any) {
    store.put(batch(0, 0, Vec::new())).await;
    store
        .settle(vec![change("db", 0, Status::Unknown, Status::Healthy)])
        .await;
    store.put(batch(0, 10 * MINUTE, Vec::new())).await;
    // The monitor is killed and started again half an hour later; the service is found down.
    let memory = store.resume().await.unwrap();
    let last = memory.last_run.unwrap();
    assert_eq!((last.started, last.until), (at(0), at(10 * MINUTE)));
    store.put(batch(40 * MINUTE, 40 * MINUTE, Vec::new())).await;
    let mut found_down = change("db", 41 * MINUTE, Status::Healthy, Status::Unhealthy);
    found_down.change.reconstructed_since = Some(last.until);
    store.settle(vec![found_down.clone()]).await;
    store.put(batch(40 * MINUTE, 3 * HOUR, Vec::new())).await;
    for _ in 0..2 {
        let hours = series(&store, "db", Tier::Hour, span(0, 3 * HOUR)).await;
        let measured: Vec<_> = hours.iter().map(|hour| (hour.up, hour.down)).collect();
        assert_eq!(measured, [(600_000, 19 * 60_000), (0, 3_600_000), (0, 3_600_000)]);
        let minutes = series(&store, "db", Tier::Minute, span(0, HOUR)).await;
        assert_eq!(minutes.len(), 10 + 19);
        maintain(&store, 4 * HOUR, &keep_all()).await;
    }
    let changes = store.changes(None, Span::ALL, Order::NewestFirst, 1).await.unwrap();
    assert_eq!(changes, [found_down.change]);
    let runs = store.runs(span(20 * MINUTE, HOUR)).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].started, runs[0].until), (at(40 * MINUTE), at(3 * HOUR)));
}

pub(crate) async fn what_comes_late_is_counted_once(store: Any) {
    answers(&store, "db", 0, (0, HOUR)).await;
    store.put(batch(0, 2 * HOUR, vec![passed("db", 2 * HOUR, 9)])).await;
    maintain(&store, 2 * HOUR, &keep_all()).await;
    // The store was away for a while, and what was kept in memory comes an hour after its time.
    store
        .put(batch(0, 2 * HOUR + 1_000, vec![passed("db", 5_000, 3)]))
        .await;
    for _ in 0..2 {
        let hour = series(&store, "db", Tier::Hour, span(0, HOUR)).await.remove(0);
        assert_eq!(hour.checks, 361);
        assert_eq!(hour.durations.unwrap().min, 3);
        let minute = series(&store, "db", Tier::Minute, span(0, MINUTE)).await.remove(0);
        assert_eq!(minute.checks, 7);
        let results = store
            .results(&name("db"), span(0, 15_000), Order::OldestFirst, 9)
            .await
            .unwrap();
        assert_eq!(results.len(), 3);
        maintain(&store, 2 * HOUR + MINUTE, &keep_all()).await;
    }
}

pub(crate) async fn what_comes_while_an_hour_is_rolled_up_is_counted(store: Any) {
    // More services than are rolled up in one step.
    const SERVICES: usize = 2_500;
    let all = |millis: i64| {
        let passed = |number: usize| passed(&format!("service-{number:04}"), millis, 1_000);
        (0..SERVICES).map(passed).collect::<Vec<_>>()
    };
    store.put(batch(0, 10_000, all(5_000))).await;
    let mut steps = 0;
    while store.maintain(at(2 * HOUR), &keep_all()).await.unwrap() == Upkeep::More {
        steps += 1;
        if steps == 2 {
            store.put(batch(0, 2 * HOUR, all(15_000))).await;
        }
    }
    assert!(steps > 3, "{steps}");
    for service in ["service-0000", "service-1300", "service-2499"] {
        let hours = series(&store, service, Tier::Hour, span(0, HOUR)).await;
        assert_eq!((hours.len(), hours[0].checks), (1, 2), "{service}");
        let results = store
            .results(&name(service), Span::ALL, Order::OldestFirst, 9)
            .await
            .unwrap();
        assert_eq!(results.len(), 2, "{service}");
    }
}

pub(crate) async fn percentiles_of_days_are_right(store: Any) {
    let mut exact = Vec::new();
    for hour in 0..50_i64 {
        let results = (0..60_i64).map(|minute| {
            let micros = 500 + u64::try_from((hour * 7_919 + minute * 104_729) % 90_001).unwrap();
            exact.push(micros);
            passed("db", hour * HOUR + minute * MINUTE, micros)
        });
        store.put(batch(0, (hour + 1) * HOUR, results.collect())).await;
        if hour % 10 == 9 {
            maintain(&store, (hour + 1) * HOUR, &keep_all()).await;
        }
    }
    let hours = series(&store, "db", Tier::Hour, span(0, 50 * HOUR)).await;
    assert_eq!(hours.len(), 50);
    let mut all = Bucket::empty(hours[0].at);
    hours.iter().for_each(|hour| all.merge(hour));
    let durations = all.durations.unwrap();
    assert_eq!((durations.count, durations.sum), (3_000, exact.iter().sum()));
    exact.sort_unstable();
    let percentiles = durations.percentiles().unwrap();
    for (found, rank) in [
        (percentiles.p50, 1_499),
        (percentiles.p95, 2_849),
        (percentiles.p99, 2_969),
    ] {
        let exact = exact[rank] as f64;
        assert!((found - exact).abs() < exact * 0.01, "{found}, not {exact}");
    }
}

pub(crate) async fn changes_and_incidents_are_found(store: Any) {
    for (number, service) in ["kafka", "db", "kafka"].into_iter().enumerate() {
        let millis = i64::try_from(number).unwrap() * HOUR;
        let mut down = change(service, millis, Status::Healthy, Status::Unhealthy);
        down.incident = Some(incident(service, millis, None, IncidentKind::Crash));
        store.settle(vec![down]).await;
    }
    let mut up = change("kafka", 30 * MINUTE, Status::Unhealthy, Status::Healthy);
    let over = incident("kafka", 0, Some(30 * MINUTE), IncidentKind::Deploy);
    up.incident = Some(over.clone());
    store.settle(vec![up]).await;

    let started = |found: Vec<health_monitor::history::model::Incident>| -> Vec<Timestamp> {
        found.iter().map(|incident| incident.started).collect()
    };
    let query = IncidentQuery::latest(9);
    let all = store.incidents(&query).await.unwrap();
    assert_eq!(started(all.clone()), [at(2 * HOUR), at(HOUR), at(0)]);
    let of = |query: IncidentQuery| {
        let store = store.clone();
        async move { started(store.incidents(&query).await.unwrap()) }
    };
    let kafka = Some(name("kafka"));
    let open = IncidentQuery {
        open: Some(true),
        ..query.clone()
    };
    assert_eq!(of(open.clone()).await, [at(2 * HOUR), at(HOUR)]);
    assert_eq!(
        of(IncidentQuery {
            open: Some(false),
            ..query.clone()
        })
        .await,
        [at(0)]
    );
    assert_eq!(
        of(IncidentQuery {
            service: kafka,
            ..query.clone()
        })
        .await,
        [at(2 * HOUR), at(0)]
    );
    assert_eq!(
        of(IncidentQuery {
            service: Some(name("x")),
            ..query.clone()
        })
        .await,
        []
    );
    assert_eq!(
        of(IncidentQuery {
            kind: Some(IncidentKind::Deploy),
            ..query.clone()
        })
        .await,
        [at(0)]
    );
    assert_eq!(
        of(IncidentQuery {
            span: span(HOUR, 2 * HOUR),
            ..query.clone()
        })
        .await,
        [at(HOUR)]
    );
    let next_page = IncidentQuery {
        before: Some(all[0].id),
        limit: 1,
        ..query.clone()
    };
    assert_eq!(of(next_page).await, [at(HOUR)]);
    assert_eq!(store.incident(over.id).await.unwrap(), Some(over.clone()));
    assert_eq!(store.incident(IncidentId::new(at(0), 8)).await.unwrap(), None);

    let found = [
        Evidence::Result(passed("kafka", 1_000, 5).result),
        Evidence::Container(event("kafka", 2_000, ContainerEventKind::Exited)),
        Evidence::Logs(LogExcerpt {
            at: at(3_000),
            container: "kafka".to_owned(),
            lines: vec!["started".to_owned(), "ended".to_owned()],
            missing: None,
        }),
    ];
    let evidence = found.iter().rev().cloned().map(|one| (over.id, one)).collect();
    let started = event("kafka", 5_000, ContainerEventKind::Started);
    let events = vec![event("kafka", 2_000, ContainerEventKind::Exited), started.clone()];
    let more = Batch {
        evidence,
        events,
        ..batch(0, 10_000, Vec::new())
    };
    store.put(more.clone()).await;
    store
        .put(Batch {
            sequence: batch(0, 10_000, Vec::new()).sequence,
            ..more
        })
        .await;
    assert_eq!(store.evidence(over.id).await.unwrap(), found);
    let containers = ["kafka".to_owned(), "other".to_owned()];
    assert_eq!(
        store.container_events(&containers, Span::ALL, 9).await.unwrap().len(),
        2
    );
    assert_eq!(
        store
            .container_events(&containers, span(3_000, 9_000), 9)
            .await
            .unwrap(),
        [started]
    );

    let changes = store
        .changes(Some(&name("kafka")), Span::ALL, Order::OldestFirst, 9)
        .await
        .unwrap();
    assert_eq!(
        changes.iter().map(|change| change.to).collect::<Vec<_>>(),
        [Status::Unhealthy, Status::Healthy, Status::Unhealthy]
    );
    assert_eq!(
        store
            .changes(None, span(0, HOUR + 1), Order::OldestFirst, 9)
            .await
            .unwrap()
            .len(),
        3
    );
}

pub(crate) async fn a_change_that_is_committed_twice_is_there_once(store: Any) {
    let mut down = change("db", 0, Status::Healthy, Status::NotFound);
    down.incident = Some(incident("db", 0, None, IncidentKind::Operator));
    store.settle(vec![down.clone()]).await;
    store
        .settle(vec![down.clone(), change("db", 1, Status::NotFound, Status::Healthy)])
        .await;
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 9).await.unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0], down.change);
    assert_eq!(store.incidents(&IncidentQuery::latest(9)).await.unwrap().len(), 1);
}

pub(crate) async fn a_restart_finds_what_it_needs(store: Any) {
    let with_saved = Batch {
        saved: vec![saved("db", 1_000, "first"), saved("kafka", 1_000, "only")],
        ..batch(0, 1_000, Vec::new())
    };
    store.put(with_saved).await;
    let mut down = change("db", 2_000, Status::Healthy, Status::Unhealthy);
    down.incident = Some(incident("db", 2_000, None, IncidentKind::Protocol));
    down.saved = Some(saved("db", 2_000, "second"));
    store
        .settle(vec![change("db", 0, Status::Unknown, Status::Healthy), down.clone()])
        .await;
    let mut memory = store.resume().await.unwrap();
    memory.saved.sort_by(|one, other| one.service.cmp(&other.service));
    assert_eq!(
        memory.saved,
        [saved("db", 2_000, "second"), saved("kafka", 1_000, "only")]
    );
    assert_eq!(memory.statuses, [(name("db"), Status::Unhealthy, at(2_000))]);
    assert_eq!(memory.open_incidents, [down.incident.unwrap()]);
    assert_eq!(memory.last_run.map(|run| run.until), Some(at(1_000)));
}

pub(crate) async fn usage_is_summed(store: Any) {
    for millis in (0..2 * HOUR).step_by(15_000) {
        let usage = vec![
            sample("kafka", millis, 250, 1_000),
            sample("db", millis, u64::try_from(millis / 15_000).unwrap(), 500),
        ];
        store
            .put(Batch {
                usage,
                ..batch(0, millis, Vec::new())
            })
            .await;
    }
    for _ in 0..2 {
        let minutes = store.usage("kafka", Tier::Minute, span(0, 2 * HOUR)).await.unwrap();
        assert_eq!(minutes.len(), 120);
        assert_eq!((minutes[7].at, minutes[7].samples), (at(7 * MINUTE), 4));
        assert_eq!(
            (minutes[7].cpu_cores_mean(), minutes[7].memory_mean()),
            (Some(0.25), Some(1_000))
        );
        assert_eq!((minutes[7].network_received, minutes[7].block_written), (400, 8));
        let hours = store.usage("db", Tier::Hour, span(0, 2 * HOUR)).await.unwrap();
        assert_eq!(hours.len(), 2);
        assert_eq!((hours[1].samples, hours[1].cpu_millicores_max), (240, 479));
        assert!(store.usage("nobody", Tier::Hour, Span::ALL).await.unwrap().is_empty());
        maintain(&store, 3 * HOUR, &keep_all()).await;
    }
    assert_eq!(store.containers().await.unwrap(), ["db", "kafka"]);
}

pub(crate) async fn what_is_too_old_goes(store: Any) {
    let retention = Retention {
        raw: days(2),
        minutes: days(3),
        hours: days(5),
        events: days(7),
        ..keep_all()
    };
    const DAY: i64 = 24 * HOUR;
    for day in 0..10_i64 {
        let usage = vec![sample("db", day * DAY + 5_000, 1, 1)];
        let events = vec![event("db", day * DAY + 5_000, ContainerEventKind::Started)];
        let results = vec![passed("db", day * DAY + 5_000, 1_000)];
        store
            .put(Batch {
                usage,
                events,
                ..batch(0, day * DAY + 6_000, results)
            })
            .await;
        let mut decided = change("db", day * DAY + 5_000, Status::Unhealthy, Status::Healthy);
        let end = Some(day * DAY + 5_000);
        decided.incident = Some(incident(
            "db",
            day * DAY,
            end.filter(|_| day > 0),
            IncidentKind::Protocol,
        ));
        store.settle(vec![decided]).await;
        maintain(&store, day * DAY + 2 * HOUR, &retention).await;
    }
    store.put(batch(0, 10 * DAY, Vec::new())).await;
    maintain(&store, 10 * DAY, &retention).await;
    let days_of = |times: Vec<Timestamp>| -> Vec<i64> {
        let mut days: Vec<i64> = times
            .iter()
            .map(|time| (time.as_millisecond() - at(0).as_millisecond()) / DAY)
            .collect();
        days.dedup();
        days
    };
    let results = store
        .results(&name("db"), Span::ALL, Order::OldestFirst, 99)
        .await
        .unwrap();
    assert_eq!(days_of(results.iter().map(|result| result.at).collect()), [8, 9]);
    let minutes = series(&store, "db", Tier::Minute, Span::ALL).await;
    assert_eq!(days_of(minutes.iter().map(|minute| minute.at).collect()), [7, 8, 9]);
    let hours = series(&store, "db", Tier::Hour, Span::ALL).await;
    assert_eq!(days_of(hours.iter().map(|hour| hour.at).collect()), [5, 6, 7, 8, 9]);
    let usage = store.usage("db", Tier::Minute, Span::ALL).await.unwrap();
    assert_eq!(days_of(usage.iter().map(|minute| minute.at).collect()), [7, 8, 9]);
    let usage = store.usage("db", Tier::Hour, Span::ALL).await.unwrap();
    assert_eq!(days_of(usage.iter().map(|hour| hour.at).collect()), [5, 6, 7, 8, 9]);
    let events = store.container_events(&["db".to_owned()], Span::ALL, 99).await.unwrap();
    assert_eq!(days_of(events.iter().map(|event| event.at).collect()), [7, 8, 9]);
    // The last change before the time that is kept stays: it says what the service was at its beginning.
    let changes = store.changes(None, Span::ALL, Order::OldestFirst, 99).await.unwrap();
    assert_eq!(
        days_of(changes.iter().map(|change| change.at).collect()),
        [2, 3, 4, 5, 6, 7, 8, 9]
    );
    // The incident of the first day goes on and stays.
    let incidents = store.incidents(&IncidentQuery::latest(99)).await.unwrap();
    let kept = days_of(incidents.iter().rev().map(|incident| incident.started).collect());
    assert_eq!(kept, [0, 3, 4, 5, 6, 7, 8, 9]);
}

pub(crate) async fn results_stay_within_their_bytes(store: Any) {
    for hour in 0..6_i64 {
        let results = (0..360_i64).map(|number| {
            let millis = hour * HOUR + number * 10_000;
            result(
                "db",
                millis,
                ResultKind::Pass,
                Some(1_000),
                &format!("a reason of its own, number {millis}"),
            )
        });
        store.put(batch(0, (hour + 1) * HOUR, results.collect())).await;
    }
    maintain(&store, 7 * HOUR, &keep_all()).await;
    let all = store.figures().await.unwrap();
    assert_eq!(all.raw_since, Some(at(0)));
    let half = Retention {
        raw_bytes: all.raw_bytes / 2,
        ..keep_all()
    };
    maintain(&store, 7 * HOUR + MINUTE, &half).await;
    let figures = store.figures().await.unwrap();
    assert!(
        figures.raw_bytes <= half.raw_bytes && figures.raw_bytes > half.raw_bytes / 2,
        "{figures:?}"
    );
    let since = figures.raw_since.unwrap();
    assert!(since >= at(3 * HOUR) && since <= at(4 * HOUR), "{since}");
    let oldest = store
        .results(&name("db"), Span::ALL, Order::OldestFirst, 1)
        .await
        .unwrap();
    assert_eq!(oldest[0].at, since);
    assert_eq!(
        series(&store, "db", Tier::Hour, Span::ALL).await.len(),
        6,
        "only results go"
    );
}

pub(crate) async fn hours_far_apart_are_kept_apart(store: Any) {
    // Off for forty days, and a service that is new then.
    const LATER: i64 = 40 * 24 * HOUR;
    answers(&store, "db", 0, (0, 10 * MINUTE)).await;
    maintain(&store, 20 * MINUTE, &keep_all()).await;
    store.resume().await.unwrap();
    answers(&store, "db", LATER, (LATER, LATER + 10 * MINUTE)).await;
    answers(&store, "new", LATER, (LATER, LATER + 10 * MINUTE)).await;
    maintain(&store, LATER + 2 * HOUR, &keep_all()).await;
    maintain(&store, LATER + 30 * HOUR, &keep_all()).await;
    let hours = series(&store, "db", Tier::Hour, Span::ALL).await;
    assert_eq!(hours.iter().map(|hour| hour.at).collect::<Vec<_>>(), [at(0), at(LATER)]);
    assert_eq!(series(&store, "new", Tier::Hour, Span::ALL).await.len(), 1);
    assert_eq!(
        store
            .results(&name("db"), Span::ALL, Order::OldestFirst, 999)
            .await
            .unwrap()
            .len(),
        120
    );
}

/// Everything that a store keeps, as its export has it, without what says when that was made.
async fn exported(store: &Any) -> Vec<String> {
    let mut lines = Vec::new();
    let count = export(store.as_ref(), &mut lines).await.unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let lines: Vec<String> = lines.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(lines.len() as u64, count);
    lines
}

pub(crate) async fn what_is_exported_can_be_imported(store: Any) {
    let folder = tempfile::TempDir::new().unwrap();
    let source: Any = Arc::new(Sqlite::open(&folder.path().join("source.db")).await.unwrap());
    let batches = Batch {
        usage: vec![sample("db", 1_000, 5, 6)],
        // The second container has no samples.
        events: vec![
            event("db", 2_000, ContainerEventKind::Exited),
            event("job", 2_500, ContainerEventKind::Exited),
        ],
        saved: vec![saved("db", 3_000, "saved")],
        ..batch(0, 4_000, Vec::new())
    };
    source.put(batches).await;
    answers(&source, "db", 0, (0, 3 * HOUR)).await;
    let mut down = change("db", 90_000, Status::Healthy, Status::Unhealthy);
    let open = incident("db", 90_000, None, IncidentKind::Crash);
    down.incident = Some(open.clone());
    source
        .settle(vec![change("db", 0, Status::Unknown, Status::Healthy), down])
        .await;
    let found = Evidence::Container(event("db", 2_000, ContainerEventKind::Exited));
    source
        .put(Batch {
            evidence: vec![(open.id, found)],
            ..batch(0, 3 * HOUR, Vec::new())
        })
        .await;
    maintain(&source, 2 * HOUR + 2 * MINUTE, &keep_all()).await;

    let before = exported(&source).await;
    assert!(before.iter().any(|line| line.contains("\"job\"")), "{before:?}");
    let text = format!(
        "{{\"format\":\"health-monitor history\",\"version\":1,\"exported_at\":\"2026-01-01T00:00:00Z\"}}\n{}\n",
        before.join("\n")
    );
    for _ in 0..2 {
        let count = import(store.as_ref(), &mut text.as_bytes()).await.unwrap();
        assert_eq!(count, before.len() as u64);
        let mut after = exported(&store).await;
        let mut expected = before.clone();
        after.sort_unstable();
        expected.sort_unstable();
        for (one, other) in after.iter().zip(&expected) {
            assert_eq!(one, other);
        }
        assert_eq!(after.len(), expected.len());
    }
    let cut = text.replace("\"record\":\"saved\"", "\"record\":\"other\"");
    let error = import(store.as_ref(), &mut cut.as_bytes())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("line {} is no record", before.len() + 1)),
        "{error}"
    );
    let error = import(store.as_ref(), &mut "{}\n".as_bytes())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("output of 'health-monitor history export'"), "{error}");
}
