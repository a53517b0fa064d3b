//! The stack that runs, and whose turn it is to disturb it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tokio::sync::{Mutex, MutexGuard};

use super::monitor::Monitor;
use super::wait::RECOVERY;

/// The services of the specification. `docker compose` starts them in this order.
pub const SERVICES: [&str; 9] = [
    "mosquitto",
    "zookeeper",
    "kafka",
    "postgres",
    "timescaledb",
    "f2-simulator",
    "mqtt-kafka-connector",
    "data-processor",
    "kafka-timescale-sink",
];

/// Where the stack is.
#[derive(Debug)]
pub struct Stack {
    variables: BTreeMap<String, String>,
}

impl Stack {
    /// The one that runs: as the environment says, else as its description does.
    pub fn get() -> &'static Self {
        static STACK: OnceLock<Stack> = OnceLock::new();
        STACK.get_or_init(|| {
            let mut variables: BTreeMap<String, String> = std::env::vars().collect();
            if !variables.contains_key("STACK_HEALTH_MONITOR_URL") {
                variables = described();
            }
            variables.retain(|name, _| is_of_the_stack(name));
            Self { variables }
        })
    }

    /// What `docker compose` needs to find it, its images and addresses.
    pub const fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// One of them.
    pub fn variable(&self, name: &str) -> &str {
        let value = self.variables.get(name);
        value.unwrap_or_else(|| panic!("{name} is not set (make stack-up brings the stack up)"))
    }

    /// The stack's own monitor.
    pub fn monitor(&self) -> Monitor {
        Monitor::at(self.variable("STACK_HEALTH_MONITOR_URL"))
    }
}

fn is_of_the_stack(name: &str) -> bool {
    let begins = ["STACK_", "COMPOSE_"].iter().any(|start| name.starts_with(start));
    begins || name.ends_with("_PORT") || name.ends_with("_IMAGE") || name == "DOCKER_CONFIG"
}

/// The variables of `test.env`, which lies beside cargo's own output and is written for a shell.
fn described() -> BTreeMap<String, String> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let file = manifest.join(target).join("demo/test.env");
    let source_and_show = ["-c", r#"set -ea; . "$1"; exec env --null"#, "bash"];
    let output = Command::new("bash").args(source_and_show).arg(&file).output();
    let output = output.expect("bash is installed");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no stack is up (make stack-up): {stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The right to disturb the stack, which one test has at a time.
pub struct Turn {
    _guard: MutexGuard<'static, ()>,
    pub stack: &'static Stack,
    /// The stack's own monitor.
    pub monitor: Monitor,
}

/// Waits for the turn, and until every service is healthy.
pub async fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::const_new(());
    let guard = TURN.lock().await;
    let stack = Stack::get();
    let monitor = stack.monitor();
    monitor.all_healthy(RECOVERY).await;
    Turn {
        _guard: guard,
        stack,
        monitor,
    }
}
