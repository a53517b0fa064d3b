//! The network of the stack's containers: ports that refuse and that swallow, peers that vanish, interfaces that are down.
//! Docker knows nothing of it, so that only the checks can find it, and its end. It befalls the service of each protocol at
//! the same time.

use futures_util::future::join_all;
use health_monitor_test_support::stack::Stack;
use health_monitor_test_support::stack::docker::{Undo, docker};
use health_monitor_test_support::stack::monitor::Monitor;
use health_monitor_test_support::stack::network::{Packets, spoil, unplug};
use health_monitor_test_support::stack::quick::{SPOKEN, Spoken};
use health_monitor_test_support::stack::wait::{RECOVERY, seconds};

use super::GROUP;
use super::sight::{detected, found_by_schedule, opened, timed, times, up};
use crate::fault::{Fault, Scene};

/// A way to break the network of one container, until what it answers is dropped; `ADDRESS` in a reason is the service's.
struct Breakage {
    /// How the reason begins.
    begins: &'static str,
    /// What it says too, one of these.
    says: &'static [&'static str],
    /// It lasts until the breakers are open.
    is_long: bool,
}

const REFUSED: Breakage = Breakage {
    begins: "cannot connect to ADDRESS (",
    says: &["): connection refused, nothing listens on that port"],
    is_long: false,
};
const LOST: Breakage = Breakage {
    begins: "cannot connect to ADDRESS (",
    says: &["): no answer within "],
    is_long: true,
};
const VANISHED: Breakage = Breakage {
    begins: "connected to ADDRESS, but ",
    says: &[" within "],
    is_long: false,
};
const DOWN: Breakage = Breakage {
    begins: "cannot connect to ADDRESS (",
    // The first while the monitor still knows the address of the card, the second once it asks in vain for that.
    says: &["): no answer within ", "): there is no way to the host"],
    is_long: true,
};

pub(super) fn faults() -> Vec<Fault> {
    let spoken = SPOKEN.map(|spoken| spoken.name);
    let of_packets = |title: &str, packets, breakage: Breakage| {
        Fault::new(GROUP, title, move |scene| async move {
            broken(
                async |service| spoil(service.name, service.port, packets).await,
                &breakage,
                &scene,
            )
            .await;
        })
        .touching(&spoken)
    };
    vec![
        of_packets("ports that refuse", Packets::Refused, REFUSED).short(),
        of_packets("ports that do not answer (packets lost)", Packets::Lost, LOST),
        of_packets(
            "peers that vanish once connected (half-open)",
            Packets::LostAfterTheFirst,
            VANISHED,
        ),
        Fault::new(GROUP, "network interfaces that are down", |scene| async move {
            broken(async |service| unplug(service.name).await, &DOWN, &scene).await;
        })
        .touching(&spoken),
        Fault::new(GROUP, "network disconnected", disconnected).touching(&spoken),
    ]
}

/// Breaks every service's network, waits until the stack's own monitor tells of each, mends it, and waits until its
/// schedule has found that.
async fn broken(spoil: impl AsyncFn(&Spoken) -> Undo, breakage: &Breakage, scene: &Scene) {
    let monitor = Stack::get().monitor();
    let undo = join_all(SPOKEN.iter().map(async |service| spoil(service).await)).await;
    let seen = join_all(SPOKEN.iter().map(async |Spoken { name, port }| {
        let reason = breakage.begins.replace("ADDRESS", &format!("{name}:{port}"));
        let (took, told) = timed(detected(&monitor, name, &reason)).await;
        let says = breakage.says.iter().any(|says| told.reason.contains(says));
        assert!(says, "{}", told.reason);
        assert_eq!(told.container_status.as_deref(), Some("running"));
        (*name, took, told.reason)
    }))
    .await;
    let detected: Vec<_> = seen.iter().map(|(name, took, _)| (*name, *took)).collect();
    scene.saw(format!("detected: {}", times(&detected)));
    scene.saw(seen.into_iter().next().map(|(.., reason)| reason).unwrap_or_default());
    if breakage.is_long {
        join_all(SPOKEN.iter().map(|service| opened(&monitor, service.name, seconds(90)))).await;
        scene.saw("all breakers are open");
    }
    drop(undo);
    found(&monitor, scene).await;
}

async fn found(monitor: &Monitor, scene: &Scene) {
    let found = join_all(SPOKEN.iter().map(async |service| {
        let (took, how) = timed(found_by_schedule(monitor, service.name)).await;
        (service.name, took, how)
    }))
    .await;
    let recovered: Vec<_> = found.iter().map(|(name, took, _)| (*name, *took)).collect();
    scene.saw(format!("mended: {}", times(&recovered)));
    let mut ways: Vec<_> = found.into_iter().map(|(.., how)| how).collect();
    ways.sort_unstable();
    ways.dedup();
    scene.saw(ways.join("; "));
}

/// A resolver that is asked for a name that Docker does not know may be silent instead of saying so.
const APART: &str = "its container runs, but shares no network with the monitor (docker network connect)";

/// Docker tells of this, so that it is looked at at once, and once it is mended too.
async fn disconnected(scene: Scene) {
    let stack = Stack::get();
    let network = stack.variable("STACK_NETWORK");
    let monitor = stack.monitor();
    let (detected, recovered): (Vec<_>, Vec<_>) = join_all(SPOKEN.iter().map(async |Spoken { name, .. }| {
        let _undo = Undo::by(&["docker", "network", "connect", "--alias", name, network, name]);
        docker(&["network", "disconnect", network, name]).await;
        let (detected, _) = timed(detected(&monitor, name, APART)).await;
        docker(&["network", "connect", "--alias", name, network, name]).await;
        let (recovered, ()) = timed(up(&monitor, name, RECOVERY)).await;
        ((*name, detected), (*name, recovered))
    }))
    .await
    .into_iter()
    .unzip();
    scene.saw(format!("detected: {}", times(&detected)));
    scene.saw(APART);
    scene.saw(format!("mended: {}", times(&recovered)));
}
