//! Configurations of monitors that run as processes of this machine.

use health_monitor_test_support::stack::{SERVICES, Stack};

use crate::listener::Listener;

/// The stack's nine services, asked where their ports are published, each with further lines.
pub(crate) fn stack(lines: &str) -> String {
    let stack = Stack::get();
    SERVICES
        .map(|name| {
            let address = |variable: &str| format!("address = \"{}\"", stack.variable(variable));
            let login = || {
                let (user, password) = (
                    stack.variable("STACK_POSTGRES_USER"),
                    stack.variable("STACK_POSTGRES_PASSWORD"),
                );
                format!("user = \"{user}\"\npassword = \"{password}\"")
            };
            let check = match name {
                "mosquitto" => format!("check = \"mqtt\"\n{}", address("STACK_MQTT_ADDRESS")),
                "kafka" => format!("check = \"kafka\"\n{}", address("STACK_KAFKA_ADDRESS")),
                "zookeeper" => format!("check = \"zookeeper\"\n{}", address("STACK_ZOOKEEPER_ADDRESS")),
                "postgres" => format!(
                    "check = \"postgres\"\n{}\n{}",
                    address("STACK_POSTGRES_ADDRESS"),
                    login()
                ),
                "timescaledb" => format!(
                    "check = \"postgres\"\n{}\n{}",
                    address("STACK_TIMESCALEDB_ADDRESS"),
                    login()
                ),
                _ => "check = \"container\"".to_owned(),
            };
            format!("[services.{name}]\n{check}\n{lines}\n")
        })
        .concat()
}

/// These listeners, each with further lines.
pub(crate) fn of_listeners(listeners: &[Listener], lines: &str) -> String {
    listeners.iter().map(|listener| listener.section(lines)).collect()
}

/// So many listeners that answer, named `PREFIX-0` and so on.
pub(crate) async fn listeners(prefix: &str, count: usize) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for number in 0..count {
        listeners.push(Listener::start(format!("{prefix}-{number}")).await);
    }
    listeners
}
