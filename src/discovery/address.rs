//! Where a check goes: the container's name, and one of its ports.

use std::collections::BTreeMap;

use super::groups::Group;
use crate::checks;
use crate::settings::labels::{PREFIX, Said};

/// Turns `port`, `path` and `scheme` into the key that says where the check goes, unless a label says that itself.
///
/// # Errors
///
/// Where no port is known, or more than one; or where the words make no sense for the check.
pub(super) fn complete(check: &str, said: &mut BTreeMap<String, Said>, group: &Group) -> Result<(), String> {
    let (port, path, scheme) = (said.remove("port"), said.remove("path"), said.remove("scheme"));
    let Some(kind) = checks::find(check) else {
        return Ok(());
    };
    let given = [&port, &path, &scheme].into_iter().flatten().next();
    let Some(target) = kind.target else {
        return match given {
            Some(given) => Err(format!(
                "label {} says where to ask, and check \"{check}\" asks nobody",
                given.label
            )),
            None => Ok(()),
        };
    };
    if let Some(whole) = said.get(target) {
        return match given {
            Some(given) => Err(format!(
                "labels {} and {} contradict each other; keep one of them",
                whole.label, given.label
            )),
            None => Ok(()),
        };
    }
    let is_http = target == "url";
    if let Some(given) = [&path, &scheme].into_iter().flatten().next().filter(|_| !is_http) {
        return Err(format!("label {} is for check \"http\" alone", given.label));
    }
    let (number, label) = match &port {
        Some(port) => {
            let number = port.value.trim().parse::<u16>().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| format!("label {} must be a port from 1 to 65535", port.label))?;
            (number, port.label.clone())
        }
        None => (port_of(kind.default_port, group)?, format!("{PREFIX}check")),
    };
    let host = group.host();
    let value = if is_http {
        let scheme = scheme.as_ref().map_or("http", |said| said.value.trim());
        let path = path.as_ref().map_or("/", |said| said.value.trim());
        if !path.starts_with('/') {
            return Err(format!("label {PREFIX}path must begin with /, as in /health"));
        }
        format!("{scheme}://{host}:{number}{path}")
    } else {
        format!("{host}:{number}")
    };
    said.insert(target.to_owned(), Said { label, value });
    Ok(())
}

/// The check's own port where it has one, else the only one that the container exposes.
fn port_of(default: Option<u16>, group: &Group) -> Result<u16, String> {
    let tcp = group.bearer().ports.keys().filter_map(|port| port.strip_suffix("/tcp"));
    let mut exposed: Vec<u16> = tcp.filter_map(|port| port.parse().ok()).collect();
    exposed.sort_unstable();
    match (default, exposed.as_slice()) {
        (Some(default), _) => Ok(default),
        (None, [port]) => Ok(*port),
        (None, []) => Err(format!(
            "it exposes no port; say which one to ask with label {PREFIX}port"
        )),
        (None, several) => {
            let several: Vec<String> = several.iter().map(u16::to_string).collect();
            Err(format!(
                "it exposes the ports {}; say which one to ask with label {PREFIX}port",
                several.join(", ")
            ))
        }
    }
}
