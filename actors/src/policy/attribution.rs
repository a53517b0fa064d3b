//! Whose failure an outcome is, where its kind alone cannot tell.

use crate::model::{EngineState, FailureKind, Outcome, ServiceSpec, Verdict};

/// Corrects an outcome's verdict by what only its surroundings tell. To be applied once to every outcome, before it is
/// recorded and published, so that status, totals and streaks agree.
///
/// - Docker's resolver is dockerd itself: a name that does not exist while Docker is away says nothing of the service.
/// - A refused login is a warning where the service is configured so.
pub fn attribute(spec: &ServiceSpec, engine: &EngineState, outcome: &mut Outcome) {
    let engine_away = matches!(engine, EngineState::Connecting | EngineState::Down { .. });
    match outcome.verdict {
        Verdict::Fail(FailureKind::NameNotFound) if engine_away => {
            outcome.verdict = Verdict::Fail(FailureKind::Resolver);
            outcome.reason = format!(
                "{} (Docker, which resolves container names, is unavailable)",
                outcome.reason
            );
        }
        Verdict::Fail(FailureKind::LoginRefused) if spec.auth_failure_degrades => outcome.verdict = Verdict::Warn,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::*;

    fn attributed(spec: &ServiceSpec, engine: &EngineState, kind: FailureKind) -> Verdict {
        let mut outcome = outcome(Verdict::Fail(kind), "reason", start());
        attribute(spec, engine, &mut outcome);
        attribute(spec, engine, &mut outcome);
        outcome.verdict
    }

    #[test]
    fn a_missing_name_is_the_resolvers_fault_while_docker_is_away() {
        let down = EngineState::Down {
            since: start().wall,
            reason: "gone".to_owned(),
        };
        for (engine, kind) in [
            (EngineState::Up, FailureKind::NameNotFound),
            (EngineState::Disabled, FailureKind::NameNotFound),
            (EngineState::Connecting, FailureKind::Resolver),
            (down, FailureKind::Resolver),
        ] {
            assert_eq!(
                attributed(&spec(), &engine, FailureKind::NameNotFound),
                Verdict::Fail(kind)
            );
            assert_eq!(
                attributed(&spec(), &engine, FailureKind::Refused),
                Verdict::Fail(FailureKind::Refused)
            );
        }
    }

    #[test]
    fn a_refused_login_is_a_warning_where_it_is_configured() {
        let lenient = ServiceSpec {
            auth_failure_degrades: true,
            ..spec()
        };
        assert_eq!(
            attributed(&lenient, &EngineState::Up, FailureKind::LoginRefused),
            Verdict::Warn
        );
        assert_eq!(
            attributed(&spec(), &EngineState::Up, FailureKind::LoginRefused),
            Verdict::Fail(FailureKind::LoginRefused)
        );
    }
}
