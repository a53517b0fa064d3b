//! What happens to containers.

use health_monitor_actors::model::{
    ContainerHealth, ContainerState, ContainerStatus, EngineState, HealthVerdict, compose_labels,
};

use crate::collector::{Told, begin, watch};
use crate::containers::{Made, docker, host};

#[actix::test]
async fn the_life_of_a_container() {
    let mut watched = watch(&host()).await;
    let told = &mut watched.told;
    let it = Made::named("life");
    let options = ["--env=PASSWORD=hunter2", "--env=MODE=test", "--label=purpose=test"];
    it.run_again(&options, "exec sleep 600");
    let state = told
        .container(&it.name, |state| state.status == ContainerStatus::Running)
        .await;
    assert!(state.environment.contains(&"MODE=test".to_owned()));
    assert!(!format!("{state:?}").contains("hunter2"));
    assert_eq!(
        (state.image.as_str(), state.label("purpose")),
        (crate::containers::IMAGE, Some("test"))
    );
    assert_eq!(state.command, "/bin/sh -c exec sleep 600");
    assert_eq!(
        (state.starts_total, state.exit_code, state.exit_unplanned),
        (1, None, false)
    );
    assert!(state.started_at >= state.created);

    it.docker("pause", &[]);
    told.container(&it.name, |state| state.status == ContainerStatus::Paused)
        .await;
    it.docker("unpause", &[]);
    told.container(&it.name, |state| state.status == ContainerStatus::Running)
        .await;

    let renamed = Made::named("renamed");
    docker(&["rename", &it.name, &renamed.name]);
    let state = told.container(&renamed.name, |_| true).await;
    let id = state.key.id;

    renamed.docker("kill", &[]);
    let killed = told
        .container(&renamed.name, |state| state.status == ContainerStatus::Exited)
        .await;
    assert_eq!(
        (killed.exit_code, killed.exit_unplanned, killed.oom_killed),
        (Some(137), false, false)
    );
    assert!(killed.finished_at > killed.started_at);

    renamed.docker("start", &[]);
    let state = told
        .container(&renamed.name, |state| state.status == ContainerStatus::Running)
        .await;
    let last = *state.starts.last().unwrap();
    assert_eq!(
        (state.starts_total, last.unplanned, last.exit_code),
        (2, false, Some(137))
    );

    renamed.docker("rm", &["--force"]);
    told.gone(&id).await;
}

#[actix::test]
async fn stop_and_restart_are_planned() {
    let it = Made::run("planned", &[], "trap 'exit 0' TERM; while true; do sleep 0.05; done");
    let mut watched = watch(&host()).await;
    let told = &mut watched.told;
    it.docker("restart", &["--time=5"]);
    let state = told
        .container(&it.name, |state| {
            state.status == ContainerStatus::Running && state.starts_total == 1
        })
        .await;
    assert!(!state.starts.last().unwrap().unplanned);
    assert!(!state.exit_unplanned);
    it.docker("stop", &["--time=5"]);
    let state = told
        .container(&it.name, |state| state.status == ContainerStatus::Exited)
        .await;
    assert!(!state.exit_unplanned);
}

#[actix::test]
async fn a_crash_loop_is_told_start_by_start() {
    let mut watched = watch(&host()).await;
    let it = Made::run("crash", &["--restart=on-failure"], "exit 3");
    let state = watched.told.container(&it.name, |state| state.starts_total >= 4).await;
    let unplanned = state
        .starts
        .iter()
        .filter(|start| start.unplanned && start.exit_code == Some(3))
        .count();
    assert!(unplanned >= 3, "{:?}", state.starts);
    assert!(!state.starts[0].unplanned, "the first was a person's");
    let state = watched
        .told
        .container(&it.name, |state| state.status == ContainerStatus::Restarting)
        .await;
    assert_eq!((state.exit_code, state.exit_unplanned), (Some(3), true));
    // Docker counts the same.
    assert!(
        state.starts_total.abs_diff(state.restart_count) <= 1,
        "{} {}",
        state.starts_total,
        state.restart_count
    );
}

#[actix::test]
async fn a_crash_loop_is_seen_by_a_monitor_that_starts_in_its_middle() {
    let it = Made::run("late", &["--restart=on-failure"], "sleep 0.2; exit 3");
    let mut first = watch(&host()).await;
    first.told.container(&it.name, |state| state.restart_count >= 2).await;
    let mut watched = watch(&host()).await;
    let state = watched.told.container(&it.name, |state| state.starts_total >= 1).await;
    assert!(state.starts.iter().all(|start| start.unplanned), "{:?}", state.starts);
}

#[actix::test]
async fn running_out_of_memory_is_unplanned_and_named() {
    let mut watched = watch(&host()).await;
    let options = ["--memory=8m", "--memory-swap=8m"];
    // The engine may miss that the memory ran out where the container ends with it.
    for _ in 0..20 {
        let it = Made::run("oom", &options, "exec dd if=/dev/zero of=/dev/null bs=64M count=1");
        it.docker("wait", &[]);
        if it.docker("inspect", &["--format={{.State.OOMKilled}}"]).trim() != "true" {
            continue;
        }
        let state = watched
            .told
            .container(&it.name, |state| {
                state.status == ContainerStatus::Exited && state.oom_killed
            })
            .await;
        assert_eq!((state.exit_code, state.exit_unplanned), (Some(137), true));
        return;
    }
    panic!("the engine never tells that the memory ran out");
}

#[actix::test]
async fn a_healthchecks_verdict_and_output_are_followed() {
    let mut watched = watch(&host()).await;
    let command = "--health-cmd=test -f /tmp/ok || { echo token=hunter2 missing; exit 1; }";
    let options = [
        command,
        "--health-interval=300ms",
        "--health-retries=1",
        "--health-start-period=0s",
    ];
    let it = Made::run("health", &options, "exec sleep 600");
    let verdict = |wanted| move |health: &ContainerHealth| health.verdict == wanted;
    let is_unhealthy = verdict(HealthVerdict::Unhealthy);
    let state = watched
        .told
        .container(&it.name, |state| state.health.as_ref().is_some_and(is_unhealthy))
        .await;
    let health = state.health.unwrap();
    assert_eq!(health.output, "token=*** missing");
    assert!(health.failing_streak >= 1);
    docker(&["exec", &it.name, "touch", "/tmp/ok"]);
    let is_healthy = verdict(HealthVerdict::Healthy);
    let state = watched
        .told
        .container(&it.name, |state| state.health.as_ref().is_some_and(is_healthy))
        .await;
    assert_eq!(
        (state.starts_total, state.starts.len()),
        (1, 1),
        "a HEALTHCHECK's processes are no starts"
    );
}

#[actix::test]
async fn a_recreated_container_is_another_one() {
    let it = Made::run("again", &[], "exec sleep 600");
    let mut watched = watch(&host()).await;
    let old = it.docker("inspect", &["--format={{.Id}}"]);
    it.docker("rm", &["--force"]);
    watched.told.gone(&old).await;
    it.run_again(&[], "exec sleep 600");
    let state = watched
        .told
        .container(&it.name, |state| state.status == ContainerStatus::Running)
        .await;
    assert_ne!(state.key.id.as_ref(), old);
}

#[actix::test]
async fn networks_come_and_go_with_their_addresses() {
    let mut watched = watch(&host()).await;
    let network = Made::network("net");
    let it = Made::named("networked");
    it.run_again(&[&format!("--network={}", network.name)], "exec sleep 600");
    let has_address = |state: &ContainerState| !state.reachable_at.is_empty();
    let state = watched.told.container(&it.name, has_address).await;
    let place = &state.networks[&network.name];
    assert_eq!(state.reachable_at[0].to_string(), place.ip_address);
    assert!(!place.gateway.is_empty());
    docker(&["network", "disconnect", &network.name, &it.name]);
    let state = watched
        .told
        .container(&it.name, |state| !state.networks.contains_key(&network.name))
        .await;
    assert!(state.reachable_at.is_empty());
    docker(&["network", "connect", "--alias=other", &network.name, &it.name]);
    let state = watched.told.container(&it.name, has_address).await;
    assert!(state.networks[&network.name].aliases.contains(&"other".to_owned()));
    drop(it);
}

#[actix::test]
async fn an_inventory_that_starts_again_publishes_everything_again() {
    let it = Made::run("twice", &[], "exec sleep 600");
    let watched = watch(&host()).await;
    let settings = watched.engine.settings().clone();
    drop(watched);
    let mut again = begin(settings);
    again
        .told
        .container(&it.name, |state| state.status == ContainerStatus::Running)
        .await;
    again.told.engine(EngineState::is_up).await;
}

#[actix::test]
async fn lists_for_those_who_look_once() {
    let it = Made::run(
        "once",
        &["--label=com.docker.compose.service=web", "--expose=80"],
        "exec sleep 600",
    );
    let watched = watch(&host()).await;
    let all = watched.engine.list_containers().await.unwrap();
    let listed = all.iter().find(|listed| listed.name == it.name).unwrap();
    assert_eq!(
        (listed.running, listed.labels[compose_labels::SERVICE].as_str()),
        (true, "web")
    );
    assert_eq!(listed.image, crate::containers::IMAGE);
    assert_eq!(listed.networks, ["none"]);
    let own = watched.engine.find_own().await.unwrap();
    assert_eq!(own.id, None, "tests run on the host");
}

/// What [`the_monitors_own_place_in_a_container`] runs inside one.
const INSIDE: &str = "life::inside_a_container";

#[actix::test]
async fn the_monitors_own_place_in_a_container() {
    let (network, other) = (Made::network("own"), Made::network("other"));
    let in_network = |network: &Made| format!("--network={}", network.name);
    let (near, far) = (Made::named("near"), Made::named("far"));
    near.run_again(&[&in_network(&network)], "exec sleep 600");
    far.run_again(&[&in_network(&other)], "exec sleep 600");
    let it = Made::named("monitor");
    let me = std::env::current_exe().unwrap();
    // The image has no libraries; those of the machine do.
    let output = docker(&[
        "run",
        "--name",
        &it.name,
        &in_network(&network),
        "--label=com.docker.compose.project=the-project",
        "--volume=/usr:/usr:ro",
        "--volume=/usr/lib:/lib:ro",
        "--volume=/usr/lib64:/lib64:ro",
        "--volume=/var/run/docker.sock:/var/run/docker.sock:ro",
        &format!("--volume={}:/monitor:ro", me.display()),
        &format!("--env=NEAR={}", near.name),
        &format!("--env=FAR={}", far.name),
        crate::containers::IMAGE,
        "/monitor",
        "--exact",
        INSIDE,
        "--ignored",
    ]);
    assert!(output.contains("1 passed"), "{output}");
}

#[actix::test]
#[ignore = "runs inside a container, started by another test"]
async fn inside_a_container() {
    let [near, far] = ["NEAR", "FAR"].map(|name| std::env::var(name).unwrap());
    let mut watched = begin(health_monitor::docker::Settings::default());
    let told = &mut watched.told;
    let is_project = |told| match told {
        Told::Project(project) => Some(project),
        Told::Everything(_) => panic!("containers are told before the project"),
        _ => None,
    };
    let (_, project) = told.next("the monitor's project", is_project).await;
    assert_eq!(project, "the-project");
    let everything = |told| match told {
        Told::Everything(states) => Some(states),
        _ => None,
    };
    let (_, states) = told.next("everything", everything).await;
    let named = |name: &str| states.iter().find(|state| state.name == name).unwrap();
    assert_eq!(named(&near).reachable_at.len(), 1);
    assert!(named(&far).reachable_at.is_empty());
    let own = watched.engine.own().borrow().clone().unwrap();
    assert!(!own.uses_host_network && own.networks.len() == 1);
    assert!(
        states
            .iter()
            .any(|state| Some(state.key.id.as_ref()) == own.id.as_deref())
    );
}
