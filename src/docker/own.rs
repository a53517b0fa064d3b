//! Finds the container that the monitor itself runs in.

use std::collections::BTreeSet;

use bollard::models::{ContainerInspectResponse, ContainerSummary, EndpointSettings, RestartPolicyNameEnum};
use health_monitor_actors::model::compose_labels;

use super::{Engine, EngineError};

/// Length of a container's full id, in hexadecimal digits.
const ID_LENGTH: usize = 64;

/// Length of the id's short form, which is a container's host name unless told otherwise.
const SHORT_ID_LENGTH: usize = 12;

/// Files that an engine mounts into each of its containers, from a folder that bears the container's id.
///
/// Other mounts are no sign: on the engine's own host every container's shared memory is among the mounts.
const ENGINE_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The monitor's own place in an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Full id of the container that it runs in; `None` where it runs in none of this engine's.
    pub id: Option<String>,
    /// The Compose project that it belongs to.
    pub project: Option<String>,
    /// Ids of the networks that it shares with others.
    pub networks: BTreeSet<String>,
    /// It uses the network of the host.
    pub uses_host_network: bool,
    /// The engine starts it again when it fails.
    pub is_started_again: bool,
}

/// Looks for the monitor's own container among those of the list. A guess that the engine does not know is dropped: the
/// monitor then runs on a host, or in a container of another engine.
pub(super) async fn find(engine: &Engine, rows: &[ContainerSummary]) -> Result<Own, EngineError> {
    let is_listed = |guess: &str| {
        let mut ids = rows.iter().filter_map(|row| row.id.as_deref());
        ids.find(|id| id.starts_with(guess)).map(str::to_owned)
    };
    let Some(id) = guesses().await.iter().find_map(|guess| is_listed(guess)) else {
        return Ok(Own::default());
    };
    let me = engine.inspect(&id).await?;
    // A container in the network of another one has none of its own.
    let networks_of = match borrowed_network(&me) {
        Some(lender) => engine.inspect(lender).await?,
        None => me.clone(),
    };
    let is_started_again = is_started_again(&me);
    let labels = me.config.and_then(|config| config.labels).unwrap_or_default();
    Ok(Own {
        id: Some(id),
        project: labels.get(compose_labels::PROJECT).cloned(),
        networks: network_ids(&networks_of),
        uses_host_network: networks(&networks_of).any(|(name, _)| name == "host"),
        is_started_again,
    })
}

fn is_started_again(container: &ContainerInspectResponse) -> bool {
    use RestartPolicyNameEnum::{ALWAYS, ON_FAILURE, UNLESS_STOPPED};
    let policy = container
        .host_config
        .as_ref()
        .and_then(|config| config.restart_policy.as_ref());
    policy.is_some_and(|policy| matches!(policy.name, Some(ALWAYS | ON_FAILURE | UNLESS_STOPPED)))
}

/// The container whose network this one uses.
fn borrowed_network(container: &ContainerInspectResponse) -> Option<&str> {
    let mode = container.host_config.as_ref()?.network_mode.as_deref()?;
    mode.strip_prefix("container:")
}

fn networks(container: &ContainerInspectResponse) -> impl Iterator<Item = (&String, &EndpointSettings)> {
    let settings = container.network_settings.as_ref();
    settings
        .and_then(|settings| settings.networks.as_ref())
        .into_iter()
        .flatten()
}

fn network_ids(container: &ContainerInspectResponse) -> BTreeSet<String> {
    let shared = networks(container).filter(|(name, _)| !matches!(name.as_str(), "host" | "none"));
    shared.filter_map(|(_, network)| network.network_id.clone()).collect()
}

/// What the ids might be, the best guess first.
async fn guesses() -> Vec<String> {
    // Files of /proc are read from memory.
    let read = |path: &'static str| async move { tokio::fs::read_to_string(path).await.unwrap_or_default() };
    let mut guesses = Vec::new();
    guesses.extend(from_mounts(&read("/proc/self/mountinfo").await));
    guesses.extend(from_control_groups(&read("/proc/self/cgroup").await));
    guesses.extend(from_host_name(&read("/proc/sys/kernel/hostname").await));
    guesses
}

/// The id in the path of a file that the engine mounted here (`man 5 proc_pid_mountinfo`: fields 4 and 5).
fn from_mounts(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        ENGINE_FILES.contains(&mount_point).then(|| full_id(root))?
    })
}

/// The id in the name of a control group: `/docker/<id>` or `docker-<id>.scope`. Version 2 shows `/` alone.
fn from_control_groups(groups: &str) -> Option<String> {
    groups.lines().find_map(|line| full_id(line.splitn(3, ':').nth(2)?))
}

fn from_host_name(name: &str) -> Option<String> {
    let name = name.trim();
    (name.len() == SHORT_ID_LENGTH && is_hex(name)).then(|| name.to_owned())
}

/// The last part of a path that is a full id, without what may stand around it.
fn full_id(path: &str) -> Option<String> {
    let parts = path.split(['/', '-', '.']).rev();
    parts
        .into_iter()
        .find(|part| part.len() == ID_LENGTH && is_hex(part))
        .map(str::to_owned)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn reads_the_mounts_of_a_container() {
        let mounts = format!(
            "612 543 0:52 / / rw - overlay overlay rw\n\
             625 612 254:0 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(from_mounts(&mounts).as_deref(), Some(ID));
        let podman =
            format!("9 1 0:5 /containers/storage/overlay-containers/{ID}/userdata/hostname /etc/hostname rw - x x x");
        assert_eq!(from_mounts(&podman).as_deref(), Some(ID));
    }

    #[test]
    fn takes_no_container_of_the_host_for_its_own() {
        let mounts = format!("90 27 0:44 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n");
        assert_eq!(from_mounts(&mounts), None);
        let bound_by_hand = "30 27 254:0 /srv/hosts /etc/hosts rw - ext4 /dev/vda rw";
        assert_eq!(from_mounts(bound_by_hand), None);
    }

    #[test]
    fn reads_control_groups_of_either_driver() {
        let by_file = format!("9:name=systemd:/\n4:memory:/docker/{ID}\n");
        assert_eq!(from_control_groups(&by_file).as_deref(), Some(ID));
        let by_systemd = format!("0::/system.slice/docker-{ID}.scope\n");
        assert_eq!(from_control_groups(&by_systemd).as_deref(), Some(ID));
        assert_eq!(from_control_groups("0::/\n"), None);
        assert_eq!(from_control_groups("4:memory:/user.slice/b86e38c0\n"), None);
    }

    #[test]
    fn takes_a_host_name_only_where_it_looks_like_an_id() {
        assert_eq!(from_host_name("a1b2c3d4e5f6\n").as_deref(), Some("a1b2c3d4e5f6"));
        for name in ["monitor", "A1B2C3D4E5F6", "a1b2c3d4e5f", ""] {
            assert_eq!(from_host_name(name), None);
        }
    }
}
