//! What befalls a container's network without Docker's knowledge.

use super::Stack;
use super::docker::{Undo, docker, pid_of, run};

/// What becomes of packets to a port.
#[derive(Debug, Clone, Copy)]
pub enum Packets {
    /// They are lost, as where a firewall or a cable is in the way.
    Lost,
    /// Connections are refused, as where nothing listens.
    Refused,
    /// Connections are made, and whatever is said on them is lost: the peer has gone in the middle of it.
    LostAfterTheFirst,
}

/// Does this to packets that come to a container's port over its network, until what it answers is dropped. Within the
/// container, where its HEALTHCHECK asks, the port stays as it is.
pub async fn spoil(container: &str, port: &str, packets: Packets) -> Undo {
    let pid = pid_of(container).await;
    let target: &[&str] = match packets {
        Packets::Lost => &["--jump", "DROP"],
        Packets::Refused => &["--jump", "REJECT", "--reject-with", "tcp-reset"],
        Packets::LostAfterTheFirst => &["!", "--syn", "--jump", "DROP"],
    };
    let to_the_port = ["!", "--in-interface", "lo", "--protocol", "tcp", "--dport", port];
    let rule = |verb| {
        let begins = ["--target", &pid, "--net", "iptables", verb, "INPUT"];
        [&begins, &to_the_port[..], target].concat()
    };
    let undo = Undo::by(&[&["nsenter"], &rule("--delete")[..]].concat());
    run("nsenter", &rule("--insert")).await;
    undo
}

/// Takes a container's network interface down, until what it answers is dropped.
pub async fn unplug(container: &str) -> Undo {
    let pid = pid_of(container).await;
    let ip = ["--target", &pid, "--net", "ip"];
    // Its name changes where it was disconnected and connected again.
    let addresses = run(
        "nsenter",
        &[&ip[..], &["-oneline", "-4", "address", "show", "scope", "global"]].concat(),
    )
    .await;
    let interface = addresses.split_whitespace().nth(1).expect("a network interface");
    let set = [&ip[..], &["link", "set", interface]].concat();
    let undo = Undo::by(&[&["nsenter"], &set[..], &["up"]].concat());
    run("nsenter", &[&set[..], &["down"]].concat()).await;
    undo
}

/// The address at which containers of the stack's network reach this machine.
pub async fn this_machine() -> String {
    let network = Stack::get().variable("STACK_NETWORK");
    docker(&[
        "network",
        "inspect",
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
        network,
    ])
    .await
}
