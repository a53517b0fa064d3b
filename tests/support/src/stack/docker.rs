//! The `docker` command, and what tests make with it, removed when they end.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Stack;

/// Runs `docker` and answers what it prints; fails the test where it fails.
pub async fn docker(arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("docker")
        .args(arguments)
        .envs(Stack::get().variables())
        .output()
        .await
        .expect("the docker command is installed");
    answer(arguments, &output)
}

/// Runs `docker compose` on the stack.
pub async fn compose(arguments: &[&str]) -> String {
    docker(&[&["compose", "--progress", "quiet"], arguments].concat()).await
}

/// Runs a program on this machine and answers what it prints; fails the test where it fails.
pub async fn run(program: &str, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(program).args(arguments).output().await;
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    answer(&[&[program], arguments].concat(), &output)
}

fn answer(arguments: &[&str], output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A name that no other test uses.
pub fn unique(purpose: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("stack-test-{}-{purpose}-{count}", std::process::id())
}

/// The process id, on this machine, of a container's main process.
pub async fn pid_of(container: &str) -> String {
    docker(&["inspect", "--format", "{{.State.Pid}}", container]).await
}

/// A command that is run when this is dropped, so that a failed test leaves the stack as it found it.
pub struct Undo {
    command: Vec<String>,
}

impl Undo {
    /// `command` is a program and its arguments. It may fail: what it undoes may be undone already.
    pub fn by(command: &[&str]) -> Self {
        Self {
            command: command.iter().map(|&part| part.to_owned()).collect(),
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let [program, arguments @ ..] = &self.command[..] else {
            return;
        };
        Command::new(program)
            .args(arguments)
            .envs(Stack::get().variables())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}

/// A container that is removed with its volumes when this is dropped.
pub struct Made {
    pub name: String,
    #[expect(dead_code, reason = "dropped with it")]
    remove: Undo,
}

impl Made {
    /// `docker run --detach --name NAME ARGUMENTS…`
    pub async fn run(name: String, arguments: &[&str]) -> Self {
        let made = Self {
            remove: Undo::by(&["docker", "rm", "--force", "--volumes", &name]),
            name,
        };
        docker(&[&["run", "--detach", "--name", &made.name], arguments].concat()).await;
        made
    }
}
