//! The box's own Docker engine: stopped, killed, hung, started again.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use health_monitor_test_support::stack::docker::run;
use health_monitor_test_support::stack::wait::{seconds, until};
/// How long an engine may take to end, or to answer.
const LIMIT: Duration = seconds(60);

const PID: &str = "/var/run/docker.pid";
const CONTAINERD_PID: &str = "/var/run/docker/containerd/containerd.pid";

/// Its socket, as the box has it.
pub(super) const SOCKET: &str = "/var/run/docker.sock";

/// The engine, which runs again when this is dropped.
pub(super) struct Daemon {
    command: Vec<String>,
    /// The one that runs ends its containers with itself.
    ends_containers: AtomicBool,
}

impl Daemon {
    /// The one of this box.
    ///
    /// # Panics
    ///
    /// Outside of one: nobody else's engine is touched.
    pub(super) fn of_the_box() -> Self {
        let command = std::env::var("BOX_DOCKERD").expect("in a box (make faults)");
        let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
        Self {
            command,
            ends_containers: AtomicBool::new(false),
        }
    }

    /// Ends it in good order.
    pub(super) async fn stop(&self) {
        end("-TERM").await;
    }

    /// Ends it without a word, its containerd too.
    pub(super) async fn kill(&self) {
        end("-KILL").await;
    }

    /// Lets it accept connections and do nothing else.
    pub(super) async fn hang(&self) {
        run("kill", &["-STOP", &pid(PID)]).await;
    }

    /// Ends [`Self::hang`].
    pub(super) async fn go_on(&self) {
        run("kill", &["-CONT", &pid(PID)]).await;
    }

    /// Lets what runs the containers beneath it do nothing.
    pub(super) async fn hang_containerd(&self) {
        run("kill", &["-STOP", &pid(CONTAINERD_PID)]).await;
    }

    /// Ends [`Self::hang_containerd`].
    pub(super) async fn let_containerd_go_on(&self) {
        run("kill", &["-CONT", &pid(CONTAINERD_PID)]).await;
    }

    /// Starts it, and waits until it answers.
    pub(super) async fn start(&self) {
        self.spawn(&self.command);
        self.ends_containers.store(false, Ordering::Relaxed);
        answers().await;
    }

    /// Starts it so that containers end with it.
    pub(super) async fn start_without_live_restore(&self) {
        let command = self.command.iter().filter(|argument| *argument != "--live-restore");
        self.spawn(&command.cloned().collect::<Vec<_>>());
        self.ends_containers.store(true, Ordering::Relaxed);
        answers().await;
    }

    fn spawn(&self, command: &[String]) {
        // What one that was killed left behind names a process that may be another by now.
        for file in [PID, CONTAINERD_PID] {
            fs::remove_file(file).ok();
        }
        let log = std::env::var("BOX_DOCKERD_LOG").expect("in a box");
        let log = OpenOptions::new().append(true).open(log).expect("the engine's log");
        let status = Command::new("setsid")
            .arg("--fork")
            .args(command)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "{command:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for file in [PID, CONTAINERD_PID] {
            if let Ok(pid) = fs::read_to_string(file) {
                Command::new("kill")
                    .args(["-CONT", pid.trim()])
                    .stderr(Stdio::null())
                    .status()
                    .ok();
            }
        }
        if self.ends_containers.load(Ordering::Relaxed) {
            let stop = "p=$(cat \"$0\"); kill $p; while [ -e /proc/$p ]; do sleep 0.25; done";
            Command::new("timeout")
                .args(["60", "bash", "-c", stop, PID])
                .status()
                .ok();
        }
        if !answers_now() {
            self.spawn(&self.command);
            let wait = "until docker version >/dev/null 2>&1; do sleep 0.25; done";
            Command::new("timeout").args(["60", "bash", "-c", wait]).status().ok();
        }
    }
}

fn pid(file: &str) -> String {
    let pid = fs::read_to_string(file).expect("the number of a process that runs");
    pid.trim().to_owned()
}

async fn end(signal: &str) {
    let process = pid(PID);
    run("kill", &[signal, &process]).await;
    until("an engine that ended", LIMIT, async || {
        if is_alive(&process) {
            Err("it runs".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
}

fn is_alive(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // One that has ended and is not yet collected.
    !state.is_empty() && !state.contains(") Z ")
}

async fn answers() {
    until("an engine that answers", LIMIT, async || {
        if answers_now() {
            Ok(())
        } else {
            Err("it does not".to_owned())
        }
    })
    .await;
}

fn answers_now() -> bool {
    let command = Command::new("timeout")
        .args(["5", "docker", "version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Path::new(SOCKET).exists() && command.is_ok_and(|status| status.success())
}
