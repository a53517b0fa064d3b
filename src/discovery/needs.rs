//! What Compose says that a container waits for.

use health_monitor_actors::model::{ContainerState, compose_labels};

/// Compose's condition for what does its work and ends.
pub(super) const ENDS_WELL: &str = "service_completed_successfully";

/// The services of its project, and what has to be true of each.
pub(super) fn of(container: &ContainerState) -> impl Iterator<Item = (&str, &str)> {
    let needs = container.label(compose_labels::DEPENDS_ON).unwrap_or_default();
    needs.split(',').filter_map(|need| {
        let mut parts = need.split(':');
        let (service, condition) = (parts.next()?.trim(), parts.next().unwrap_or_default());
        (!service.is_empty()).then_some((service, condition))
    })
}
