//! Recurring windows of maintenance.

use crate::{load, service};

#[test]
fn windows_are_read_for_the_services_that_they_name() {
    let settings = load(
        "[services.db]\ncheck = \"container\"\n[services.web]\ncheck = \"container\"\n\
         [maintenance.all]\nstart = \"03:00\"\nfor = \"30m\"\n\
         [maintenance.backup]\nservices = [\"DB\"]\ndays = [\"mon\", \"Thursday\"]\nstart = \"02:30\"\nfor = \"45m\"\n\
         time_zone = \"Europe/Berlin\"\nreason = \"backup\"\n",
        &[("HEALTH_MONITOR__MAINTENANCE__BACKUP__FOR", "1h")],
    )
    .unwrap();
    let windows = |name: &str| -> Vec<String> {
        let windows = service(&settings, name).spec.maintenance.iter();
        windows
            .map(|window| format!("{} {:?} {}", window.name, window.length, window.days.len()))
            .collect()
    };
    assert_eq!(windows("web"), ["all 1800s 0"]);
    assert_eq!(windows("db"), ["all 1800s 0", "backup 3600s 2"]);
}
