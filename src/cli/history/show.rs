//! `health-monitor history SERVICE`: a strip of how it was, and a table.

use std::fmt::Write as _;
use std::sync::Arc;

use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;

use super::{FAILED, MISCONFIGURED, Table, WORKED, block_on, refuse, text};
use crate::app;
use crate::history::model::{Bucket, DAY, Durations, HOUR, MINUTE, Span};
use crate::history::range::{Range, RangeError, Wanted, written};
use crate::history::series::{Series, series};
use crate::history::store::{IncidentQuery, Retention, Store, StoreError};
use crate::settings::{Settings, Sources};

/// Most cells of the strip, and rows of the table.
const CELLS: i64 = 73;
const ROWS: i64 = 32;

/// Incidents that are counted.
const COUNTED: usize = 10_000;

/// Names that are offered where one is not known.
const OFFERED: usize = 10;

const STEPS: [i64; 12] = [
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
    30 * DAY,
    90 * DAY,
];

#[derive(Debug, thiserror::Error)]
enum ShowError {
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("nothing is kept of a service '{name}'; {offered}")]
    NoSuchService { name: String, offered: String },
}

pub(super) fn run(name: &str, since: &str, sources: &Sources) -> u8 {
    let settings = match Settings::history_of(sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    let place = app::history::place(&settings);
    let retention = app::history::retention(&settings);
    let shown = block_on(async {
        let store = place.open_to_read().await?;
        let shown = show(&store, name, since, &retention, Timestamp::now()).await;
        store.close().await;
        shown
    });
    match shown {
        Ok(shown) => {
            print!("{shown}");
            WORKED
        }
        Err(error) => {
            eprintln!("error: {error}");
            if matches!(error, ShowError::Range(_)) {
                MISCONFIGURED
            } else {
                FAILED
            }
        }
    }
}

async fn show(
    store: &Arc<dyn Store>,
    name: &str,
    since: &str,
    retention: &Retention,
    now: Timestamp,
) -> Result<String, ShowError> {
    let plan = |step: Option<&str>| {
        let wanted = Wanted {
            from: Some(since),
            to: None,
            step,
        };
        Range::plan(wanted, now, retention)
    };
    let whole = plan(None)?.span;
    let length = now.as_millisecond() - whole.from.as_millisecond();
    let has_minutes = u128::try_from(length).is_ok_and(|length| length < retention.minutes.as_millis());
    let step = |most: i64| {
        let fits = |step: &i64| length / step < most && (has_minutes || *step >= HOUR);
        written(STEPS.into_iter().find(fits).unwrap_or(90 * DAY))
    };
    let (strip, table) = (plan(Some(&step(CELLS)))?, plan(Some(&step(ROWS)))?);
    let service = known(store.as_ref(), name).await?;
    let cells = series(store.as_ref(), &service, &strip).await?;
    let rows = series(store.as_ref(), &service, &table).await?;
    let incidents = IncidentQuery {
        service: Some(service.clone()),
        span: Span::new(whole.from, now),
        ..IncidentQuery::latest(COUNTED)
    };
    let incidents = store.incidents(&incidents).await?.len();
    let mut shown = String::new();
    // A String takes everything.
    let _always_written = writeln!(
        shown,
        "{service} since {} UTC, each sign {}\n\n  {}\n  █ up  ▄ up and down  ▁ down  · not measured\n",
        text::time(strip.span.from),
        written(strip.step),
        signs(&cells, &strip, now)
    );
    let total = &rows.total;
    let gap = u64::try_from(now.as_millisecond() - table.span.from.as_millisecond())
        .unwrap_or(0)
        .saturating_sub(total.up + total.down);
    let _always_written = writeln!(
        shown,
        "  up {}, down {} in {incidents} incidents, not measured {}\n",
        text::percent(total.uptime()),
        text::length(total.down),
        text::length(gap)
    );
    let mut steps = Table::new(&["  from (UTC)", "up", "checks", "failed", "p50", "p95", "p99", "longest"]);
    for point in &rows.points {
        steps.texts(row(&text::time(point.at), point));
    }
    steps.texts(row("all", total));
    shown.push_str(&steps.plain());
    Ok(shown)
}

async fn known(store: &dyn Store, name: &str) -> Result<ServiceName, ShowError> {
    let kept = store.services().await?;
    let found = kept.iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(|| ShowError::NoSuchService {
        name: text::name(name),
        offered: match kept.len() {
            0 => "nothing is kept at all yet".to_owned(),
            count => {
                let names: Vec<&str> = kept.iter().take(OFFERED).map(ServiceName::as_str).collect();
                let more = if count > OFFERED { " and others" } else { "" };
                format!("there are {}{more}", names.join(", "))
            }
        },
    })
}

/// One sign for each step until now.
fn signs(series: &Series, range: &Range, now: Timestamp) -> String {
    let mut points = series.points.iter().peekable();
    let (from, until) = (range.span.from.as_millisecond(), now.as_millisecond());
    let mut signs = String::new();
    let mut at = from;
    while at < until {
        let point = points.next_if(|point| point.at.as_millisecond() == at);
        signs.push(match point.map(|point| (point.up, point.down)) {
            None | Some((0, 0)) => '·',
            Some((_, 0)) => '█',
            Some((0, _)) => '▁',
            Some(_) => '▄',
        });
        at += range.step;
    }
    signs
}

fn row(name: &str, bucket: &Bucket) -> [String; 8] {
    let durations = bucket.durations.as_ref();
    let percentiles = durations.and_then(Durations::percentiles);
    [
        format!("  {name}"),
        text::percent(bucket.uptime()),
        bucket.checks.to_string(),
        bucket.failures.to_string(),
        text::millis(percentiles.map(|found| found.p50)),
        text::millis(percentiles.map(|found| found.p95)),
        text::millis(percentiles.map(|found| found.p99)),
        text::millis(durations.map(|durations| durations.max as f64)),
    ]
}
