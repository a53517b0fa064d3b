//! Whether a service is in maintenance.

use jiff::Timestamp;

use crate::model::{Maintenance, MaintenanceOrigin, Moment, ServiceSpec};

use super::PolicyState;

/// The maintenance that a service is in now: the one that a person ordered, else a window's. Of several the last to end.
pub fn maintenance(spec: &ServiceSpec, policy: &PolicyState, now: Moment) -> Option<Maintenance> {
    let ordered = policy.maintenance.as_ref();
    let ordered = ordered.filter(|ordered| now.wall < ordered.until).cloned();
    let windows = spec.maintenance.iter().filter_map(|window| window.at(now.wall));
    // Of those that end together the one that a person ordered, which is the last.
    windows.chain(ordered).max_by_key(|found| found.until)
}

/// Its sentence: until when, why, and who says so.
pub(super) fn sentence(maintenance: &Maintenance) -> String {
    let until = shown(maintenance.until);
    let by = match &maintenance.origin {
        MaintenanceOrigin::Key(name) => format!("ordered with the key {name}"),
        MaintenanceOrigin::Window(name) => format!("window {name}"),
    };
    match maintenance.reason.as_str() {
        "" => format!("in maintenance until {until} ({by})"),
        reason => format!("in maintenance until {until}: {reason} ({by})"),
    }
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::time;
    use jiff::tz::TimeZone;

    use super::super::fixtures::*;
    use super::*;
    use crate::model::{FailureKind, MaintenanceWindow, ServiceSpec, Status, Verdict};

    fn ordered(now: Moment, length: Duration) -> Maintenance {
        Maintenance {
            since: now.wall,
            until: now.wall + length,
            reason: "new disk".to_owned(),
            origin: MaintenanceOrigin::Key("ops".to_owned()),
        }
    }

    /// From 12:01 to 12:03 UTC every day; the tests' world begins at 12:00.
    fn window() -> MaintenanceWindow {
        MaintenanceWindow {
            name: "backup".to_owned(),
            days: Vec::new(),
            start: time(12, 1, 0, 0),
            length: seconds(120),
            time_zone: TimeZone::UTC,
            reason: String::new(),
        }
    }

    #[test]
    fn it_stands_before_everything_else_and_ends_by_itself() {
        let mut world = World::settled(spec());
        world.fails();
        world.fails();
        world.policy.order_maintenance(Some(ordered(world.now, seconds(60))));
        let decision = world.decide();
        assert_eq!(decision.status, Status::Maintenance);
        assert_eq!(
            decision.reason,
            "in maintenance until 2026-03-01 12:01:00 UTC: new disk (ordered with the key ops)"
        );
        world.has(Vec::new());
        assert_eq!(world.decide().status, Status::Maintenance, "its container is gone");
        world.pass(seconds(60));
        assert_ne!(world.decide().status, Status::Maintenance);
    }

    #[test]
    fn it_is_never_stale() {
        let mut world = World::settled(spec());
        world.passes();
        world.policy.order_maintenance(Some(ordered(world.now, seconds(9_000))));
        world.pass(seconds(8_999));
        assert_eq!(world.decide().status, Status::Maintenance);
    }

    #[test]
    fn what_was_known_before_is_void_afterwards() {
        let mut world = World::settled(spec());
        for _ in 0..6 {
            world.fails();
        }
        assert!(!world.policy.breaker_view(world.now).as_str().eq("closed"));
        world.policy.leave_maintenance(world.now);
        assert_eq!(world.policy.breaker_view(world.now).as_str(), "closed");
        assert_eq!(world.decide().status, Status::Unknown);
        // No earlier verdict: the first failing cycle decides.
        let refused = outcome(Verdict::Fail(FailureKind::Refused), "refused", world.now);
        world.policy.record(&world.spec, &refused, world.now, MIDDLE);
        world.last = Some(refused);
        assert_eq!(world.decide().status, Status::Unhealthy);
    }

    #[test]
    fn of_several_the_last_to_end_counts() {
        let spec = ServiceSpec {
            maintenance: vec![window()],
            ..spec()
        };
        let mut world = World::settled(spec);
        let found = |world: &World| maintenance(&world.spec, &world.policy, world.now).map(|found| found.origin);
        assert_eq!(found(&world), None);
        world.pass(seconds(70));
        let by_window = Some(MaintenanceOrigin::Window("backup".to_owned()));
        assert_eq!(found(&world), by_window);
        world.policy.order_maintenance(Some(ordered(world.now, seconds(10))));
        assert_eq!(found(&world), by_window);
        world.policy.order_maintenance(Some(ordered(world.now, seconds(900))));
        assert_eq!(found(&world), Some(MaintenanceOrigin::Key("ops".to_owned())));
        world.policy.order_maintenance(None);
        assert_eq!(found(&world), by_window);
    }

    #[test]
    fn a_restart_keeps_what_a_person_ordered() {
        let mut world = World::settled(spec());
        world.policy.order_maintenance(Some(ordered(world.now, seconds(600))));
        let saved = serde_json::to_string(&world.policy.save(world.now)).unwrap();
        world.pass(seconds(300));
        world.policy = PolicyState::restore(serde_json::from_str(&saved).unwrap(), world.now);
        assert_eq!(world.decide().status, Status::Maintenance);
        world.pass(seconds(301));
        assert_ne!(world.decide().status, Status::Maintenance);
    }
}
