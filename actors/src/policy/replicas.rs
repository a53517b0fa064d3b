//! What a service's containers say together.

use std::sync::Arc;

use crate::model::{ContainerState, Moment, ServiceSpec};

use super::condition::{Condition, condition};

/// The condition of a service by all of its containers: all good is good, at least `min_replicas` good is a warning,
/// fewer is bad, unless those that are about to run would make it enough.
pub(super) fn condition_of_all(spec: &ServiceSpec, containers: &[Arc<ContainerState>], now: Moment) -> Condition {
    let needed = usize::try_from(spec.min_replicas).unwrap_or(usize::MAX).max(1);
    if let ([container], 1) = (containers, needed) {
        return condition(spec, container, now);
    }
    let mut usable = 0;
    let mut starting = 0;
    let mut findings = Vec::new();
    for container in containers {
        let finding = match condition(spec, container, now) {
            Condition::Good => {
                usable += 1;
                continue;
            }
            Condition::Warning(reason) => {
                usable += 1;
                reason
            }
            Condition::Starting(reason) => {
                starting += 1;
                reason
            }
            Condition::Bad(reason) => reason,
        };
        findings.push(format!("{}: {finding}", container.name));
    }
    let total = containers.len();
    if findings.is_empty() && usable >= needed {
        return Condition::Good;
    }
    let mut reason = format!("{usable} of {total} containers work");
    if usable < needed {
        let are = if needed == 1 { "is" } else { "are" };
        reason.push_str(&format!(", {needed} {are} needed"));
    }
    for finding in findings {
        reason.push_str("; ");
        reason.push_str(&finding);
    }
    if usable >= needed {
        Condition::Warning(reason)
    } else if usable + starting >= needed {
        Condition::Starting(reason)
    } else {
        Condition::Bad(reason)
    }
}
