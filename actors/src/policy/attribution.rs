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
