//! What is known of the containers of one engine, and what has to be looked at again.
//!
//! Told what happened and what was seen, it says which containers to inspect and what is to be published. It asks
//! nothing itself. Of each container at most one inspect is under way and one more wanted, however many events come.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use health_monitor_actors::model::{ContainerState, ContainerStatus, HealthVerdict};
use health_monitor_actors::registry::Containers;
use jiff::Timestamp;
use tokio::time::Instant;

use super::EngineError;
use super::event::{Event, EventKind};
use super::hearing::Hearing;
use super::inspect::{self, Lens};
use super::lifecycle::{Lifecycle, Vitals};
use super::list::own_name;
use super::reach::Reach;
use super::uptime::{self, Worded};

/// Pauses before a container is looked at again while it contradicts the event that was seen: within 60 ms at first,
/// then twice more, should the engine be very slow.
const AGAIN_AFTER: [Duration; 6] = [
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
    Duration::from_millis(32),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// Pause before the second try of an inspect that failed.
const SECOND_TRY: Duration = Duration::from_secs(2);

/// How long the first round may take before what is known of it is published. A container that cannot be inspected,
/// which engines are known to have at times, must not hide the others.
const OPENING: Duration = Duration::from_secs(1);

/// Lists of a connection that may know more than its events: an engine answers before it has subscribed to its own.
const LISTS_AT_FIRST: u64 = 2;

/// The book of one engine's containers.
#[derive(Debug)]
pub(super) struct Book {
    lens: Lens,
    entries: HashMap<Arc<str>, Entry>,
    /// Containers to be looked at, in order.
    wanted: VecDeque<Arc<str>>,
    /// Inspects under way.
    looking: usize,
    /// Inspects that may be under way.
    limit: usize,
    /// Containers to be looked at again later.
    later: BTreeSet<(Instant, Arc<str>)>,
    /// The first round of a connection, until it is published.
    opening: Option<Opening>,
    /// The list has to be read again: something is not known that it would tell.
    wants_list: bool,
    /// Lists that were asked for, and how many of them before this connection.
    lists: u64,
    lists_before: u64,
    hearing: Hearing,
    news: Vec<Containers>,
}

#[derive(Debug, Default)]
struct Entry {
    lifecycle: Lifecycle,
    /// As it was published last, or will be with the first round.
    state: Option<ContainerState>,
    row: Option<ContainerSummary>,
    /// Nothing happened to it since the row was asked for.
    is_row_fresh: bool,
    /// How many lists had been asked for when something happened to it last: none of those can tell what came of it.
    happened_after: u64,
    /// An event told of it since the last list, or would not have had to.
    is_told: bool,
    look: Look,
    /// What the last event let expect.
    expected: Option<Expected>,
    /// The last look failed.
    is_stale: bool,
    /// How many lists had been asked for when it was met: one of those cannot tell that it is gone.
    met_after: u64,
}

/// Where a container's inspect stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Look {
    #[default]
    None,
    Wanted,
    UnderWay {
        /// Something happened since.
        again: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    runs: bool,
    at: Timestamp,
    looks: usize,
}

#[derive(Debug)]
struct Opening {
    /// Told so far; `None` before the list is read.
    outstanding: Option<HashSet<Arc<str>>>,
    until: Option<Instant>,
}

// === impl Book ===

impl Book {
    pub(super) fn new(lens: Lens, limit: usize) -> Self {
        Self {
            lens,
            entries: HashMap::new(),
            wanted: VecDeque::new(),
            looking: 0,
            limit: limit.max(1),
            later: BTreeSet::new(),
            opening: None,
            wants_list: false,
            lists: 0,
            lists_before: 0,
            hearing: Hearing::default(),
            news: Vec::new(),
        }
    }

    /// A connection begins: what is under way belongs to the last one, and everything has to be seen anew.
    pub(super) fn open(&mut self) {
        self.wanted.clear();
        self.later.clear();
        self.looking = 0;
        self.wants_list = false;
        self.lists_before = self.lists;
        self.hearing = Hearing::default();
        for entry in self.entries.values_mut() {
            entry.look = Look::None;
            entry.expected = None;
        }
        self.opening = Some(Opening {
            outstanding: None,
            until: None,
        });
    }

    /// Something happened.
    pub(super) fn event(&mut self, event: &Event) {
        self.hearing.heard(&event.id);
        if event.kind == EventKind::Destroy {
            self.gone(&event.id);
            return;
        }
        let met_after = self.lists;
        let entry = self.entries.entry(event.id.clone()).or_insert_with(|| Entry {
            met_after,
            ..Entry::default()
        });
        entry.is_told = true;
        entry.is_row_fresh = false;
        entry.happened_after = met_after;
        entry.lifecycle.event(&event.kind, event.at);
        let runs = match event.kind {
            EventKind::Start => Some(true),
            EventKind::Die { .. } => Some(false),
            _ => None,
        };
        if let Some(runs) = runs {
            entry.expected = Some(Expected {
                runs,
                at: event.at,
                looks: 0,
            });
        }
        self.want(&event.id);
        if runs == Some(false) {
            self.ended(&event.id);
        }
    }

    /// The list is being asked for.
    pub(super) fn asks_for_list(&mut self) {
        self.lists += 1;
        self.wants_list = false;
    }

    /// These are all containers, reached thus.
    pub(super) fn listed(&mut self, rows: Vec<ContainerSummary>, reach: Reach, now: Instant, wall: Timestamp) {
        let is_opening = self.opening.is_some();
        let sees_otherwise = self.lens.reach != reach;
        self.lens.reach = reach;
        let mut rows: HashMap<Arc<str>, ContainerSummary> = rows
            .into_iter()
            .filter_map(|mut row| Some((Arc::from(row.id.take()?), row)))
            .collect();
        let is_lost = |(id, entry): &(&Arc<str>, &Entry)| entry.met_after < self.lists && !rows.contains_key(*id);
        let lost: Vec<_> = self.entries.iter().filter(is_lost).map(|(id, _)| id.clone()).collect();
        let must_be_told = self.must_be_told();
        for id in lost {
            if must_be_told {
                self.hearing.doubt(&id, now);
            }
            self.gone(&id);
        }
        let mut outstanding = HashSet::new();
        for (id, row) in rows.drain() {
            if must_be_told && !self.entries.contains_key(&id) {
                self.hearing.doubt(&id, now);
            }
            let entry = self.entries.entry(id.clone()).or_default();
            // What is still being looked into was told by an event.
            entry.is_told = is_opening || entry.look != Look::None || entry.expected.is_some();
            entry.is_row_fresh = entry.happened_after < self.lists;
            let is_to_be_seen = is_opening || sees_otherwise || entry.is_stale || !entry.matches(&row, wall);
            entry.row = Some(row);
            if is_to_be_seen {
                self.want(&id);
                outstanding.insert(id);
            }
        }
        if let Some(opening) = &mut self.opening {
            opening.outstanding = Some(outstanding);
            opening.until = Some(now + OPENING);
        }
        self.close_opening(now);
    }

    /// The next container to inspect, while there may be one more.
    pub(super) fn next_look(&mut self) -> Option<Arc<str>> {
        while self.looking < self.limit {
            let id = self.wanted.pop_front()?;
            if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.look == Look::Wanted) {
                entry.look = Look::UnderWay { again: false };
                self.looking += 1;
                return Some(id);
            }
        }
        None
    }

    /// What an inspect found.
    pub(super) fn looked(&mut self, id: &Arc<str>, found: Result<ContainerInspectResponse, EngineError>, now: Instant) {
        self.looking = self.looking.saturating_sub(1);
        if let Some(opening) = &mut self.opening
            && let Some(outstanding) = &mut opening.outstanding
        {
            outstanding.remove(id);
        }
        match found {
            Ok(answer) => self.found(id, &answer, now),
            Err(error) if error.is_not_found() => self.gone(id),
            Err(error) => self.not_found_out(id, &error, now),
        }
        self.close_opening(now);
    }

    /// When [`Self::wake`] has something to do.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let later = self.later.first().map(|(at, _)| *at);
        let opening = self.opening.as_ref().and_then(|opening| opening.until);
        later.into_iter().chain(opening).chain(self.hearing.wake_at()).min()
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some((at, _)) = self.later.first()
            && *at <= now
            && let Some((_, id)) = self.later.pop_first()
        {
            self.want(&id);
        }
        self.hearing.wake(now);
        self.close_opening(now);
    }

    /// Whether things happen of which no event tells: the stream has to be opened again.
    pub(super) const fn is_deaf(&self) -> bool {
        self.hearing.is_deaf()
    }

    /// What is to be published, in order.
    pub(super) fn take_news(&mut self) -> Vec<Containers> {
        std::mem::take(&mut self.news)
    }

    /// Whether the list has to be asked for before its time.
    pub(super) fn wants_list(&self) -> bool {
        self.wants_list
    }

    /// Whether events tell of everything by now.
    fn must_be_told(&self) -> bool {
        self.opening.is_none() && self.lists - self.lists_before > LISTS_AT_FIRST
    }

    /// Publishes an exit on the word of its event. The engine holds on to the container while it cleans up after it,
    /// and an inspect waits for that: for 20 to 60 ms on a quiet machine, without a bound on a busy one. That it does not
    /// run is certain by then; whether it is exited or about to be restarted, the inspect will tell.
    fn ended(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get(id) else { return };
        let (Some(state), Some((at, exit_code, oom_killed))) = (&entry.state, entry.lifecycle.end_of_last_run()) else {
            return;
        };
        let runs = state.status.has_processes();
        if !runs || state.started_at.is_some_and(|started_at| started_at > at) {
            return;
        }
        let ended = ContainerState {
            status: ContainerStatus::Exited,
            finished_at: Some(at),
            exit_code,
            oom_killed,
            starts: entry.lifecycle.starts(),
            starts_total: entry.lifecycle.starts_total(),
            exit_unplanned: entry.lifecycle.exit_unplanned(),
            ..state.clone()
        };
        self.publish(id, ended);
    }

    fn want(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        match &mut entry.look {
            Look::None => {
                entry.look = Look::Wanted;
                self.wanted.push_back(id.clone());
            }
            Look::Wanted => {}
            Look::UnderWay { again } => *again = true,
        }
    }

    fn found(&mut self, id: &Arc<str>, answer: &ContainerInspectResponse, now: Instant) {
        let networks = answer
            .network_settings
            .as_ref()
            .and_then(|settings| settings.networks.as_ref());
        self.wants_list |= self.lens.reach.meets_a_new_one(networks);
        let must_be_told = self.must_be_told();
        let Some(entry) = self.entries.get_mut(id) else { return };
        let happened_since = entry.look == Look::UnderWay { again: true };
        entry.look = Look::None;
        entry.is_stale = false;
        let vitals = inspect::vitals(answer);
        entry.lifecycle.inspected(&vitals);
        let state = self.lens.describe(id, answer, &entry.lifecycle);
        if let Some(pause) = entry.pause_before_next(&vitals) {
            self.later.insert((now + pause, id.clone()));
        }
        if must_be_told && !entry.is_told && entry.state.as_ref().is_some_and(|known| lives_otherwise(known, &state)) {
            self.hearing.doubt(id, now);
        }
        self.publish(id, state);
        if happened_since {
            self.want(id);
        }
    }

    /// It could not be inspected.
    fn not_found_out(&mut self, id: &Arc<str>, error: &EngineError, now: Instant) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.look = Look::None;
        if !std::mem::replace(&mut entry.is_stale, true) {
            tracing::warn!(container = %id, %error, "cannot inspect a container; showing what is known");
            // Once soon, then with every full list.
            self.later.insert((now + SECOND_TRY, id.clone()));
        }
        let row = entry
            .row
            .as_ref()
            .filter(|_| entry.is_row_fresh || entry.state.is_none());
        let Some(row) = row else {
            // Something happened to it, and only the list may still tell what came of that.
            self.wants_list = true;
            return;
        };
        let state = self.lens.describe_row(id, row, &entry.lifecycle);
        if let Some(pause) = entry.pause_before_next_list(state.status) {
            self.later.insert((now + pause, id.clone()));
        } else if entry.state.as_ref().map(|known| known.status) != Some(state.status) {
            self.publish(id, state);
        }
    }

    fn publish(&mut self, id: &Arc<str>, state: ContainerState) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.state.as_ref() == Some(&state) {
            return;
        }
        // What nobody heard of yet comes with the first round.
        let is_known = entry.state.is_some();
        entry.state = Some(state.clone());
        if is_known || self.opening.is_none() {
            self.news.push(Containers::One(Box::new(state)));
        }
    }

    fn gone(&mut self, id: &Arc<str>) {
        if let Some(entry) = self.entries.remove(id)
            && entry.state.is_some()
        {
            self.news.push(Containers::Gone(self.lens.key(id)));
        }
    }

    /// Publishes the first round once everything in it was seen, or its time is over.
    fn close_opening(&mut self, now: Instant) {
        let is_over = self.opening.as_ref().is_some_and(|opening| {
            let is_complete = opening.outstanding.as_ref().is_some_and(HashSet::is_empty);
            is_complete || opening.until.is_some_and(|until| until <= now)
        });
        if is_over {
            self.opening = None;
            let all = self.entries.values().filter_map(|entry| entry.state.clone());
            self.news.push(Containers::All(all.collect()));
        }
    }
}

/// Whether something happened between the two of which an event tells.
fn lives_otherwise(known: &ContainerState, found: &ContainerState) -> bool {
    let life = |state: &ContainerState| (state.status, state.started_at);
    life(known) != life(found) || known.name != found.name
}

// === impl Entry ===

impl Entry {
    /// Whether the list still says what is known.
    fn matches(&self, row: &ContainerSummary, wall: Timestamp) -> bool {
        let Some(state) = &self.state else { return false };
        let is_unhealthy = state
            .health
            .as_ref()
            .is_some_and(|health| health.verdict == HealthVerdict::Unhealthy);
        let worded = Worded {
            status: state.status,
            started_at: state.started_at,
            finished_at: state.finished_at,
            exit_code: state.exit_code,
            health: state.health.as_ref(),
        };
        let addresses = state
            .networks
            .iter()
            .map(|(name, network)| (name.as_str(), network.ip_address.as_str()));
        // No event tells that the output of a failing HEALTHCHECK changed.
        !is_unhealthy
            && own_name(row.names.as_deref().unwrap_or_default()) == Some(state.name.as_str())
            && uptime::agrees(row.status.as_deref().unwrap_or_default(), worded, wall)
            && inspect::row_addresses(row) == addresses.collect()
    }

    /// How long to wait before the next look where this one contradicts the last event; `None` where it does not, or
    /// did for too long.
    fn pause_before_next(&mut self, vitals: &Vitals) -> Option<Duration> {
        let expected = self.expected.as_mut()?;
        let runs = vitals.status.has_processes();
        let contradicts = if expected.runs {
            // A run may have ended since; then an end is known that is later.
            !runs && vitals.finished_at.is_none_or(|at| at < expected.at)
        } else {
            runs && vitals.started_at.is_none_or(|at| at < expected.at)
        };
        let pause = AGAIN_AFTER.get(expected.looks).copied().filter(|_| contradicts);
        expected.looks += 1;
        if pause.is_none() {
            self.expected = None;
        }
        pause
    }

    /// As [`Self::pause_before_next`], where inspects fail and the list stands in: the engine tells of an exit before its
    /// list does.
    fn pause_before_next_list(&mut self, listed: ContainerStatus) -> Option<Duration> {
        let expected = self.expected.as_mut()?;
        let contradicts = expected.runs != listed.has_processes();
        let pause = AGAIN_AFTER.get(expected.looks).copied().filter(|_| contradicts);
        expected.looks += 1;
        if pause.is_some() {
            self.is_row_fresh = false;
        } else {
            self.expected = None;
        }
        pause
    }
}

#[cfg(test)]
mod tests;
