//! What the monitor is run with elsewhere: the systemd unit and the example Compose files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use health_monitor::settings::{Settings, Sources};
use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::stack::wait::until;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn all_of(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn compose_takes_every_example() {
    let examples = files("compose/examples");
    assert_eq!(examples.len(), 3, "{examples:?}");
    for example in examples {
        let output = Command::new("docker")
            .args([
                "compose",
                "--file",
                example.to_str().unwrap(),
                "config",
                "--format",
                "json",
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {}", example.display(), all_of(&output));
        let config: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for (name, service) in config["services"].as_object().unwrap() {
            let hardened = service["read_only"] == true && service["cap_drop"] == serde_json::json!(["ALL"]);
            assert!(hardened, "{name} of {} is not hardened", example.display());
        }
        let monitor = &config["services"]["health-monitor"];
        let published = monitor["ports"][0]["host_ip"].as_str().unwrap();
        assert_eq!(published, "127.0.0.1", "{}", example.display());
        validate_variables(monitor, &example);
    }
}

/// The variables that an example gives the monitor are a good configuration.
fn validate_variables(monitor: &serde_json::Value, example: &Path) {
    let secrets = tempfile::tempdir().unwrap();
    write(secrets.path(), "ops-key-hash", &format!("sha256:{}", "ab".repeat(32)));
    let identity = Authority::generate().sign("localhost", 30);
    write(secrets.path(), "tls", &identity.certificate);
    write(secrets.path(), "tls-key", &identity.key);
    let variables = monitor["environment"].as_object().into_iter().flatten();
    let environment = variables.map(|(name, value)| {
        let value = value
            .as_str()
            .unwrap()
            .replace("/run/secrets", secrets.path().to_str().unwrap());
        (name.clone(), value)
    });
    let sources = Sources {
        environment: environment.collect(),
        ..Sources::default()
    };
    let loaded = Settings::load(&sources);
    assert!(loaded.is_ok(), "{}: {}", example.display(), loaded.unwrap_err());
}

/// A Compose project that is taken down again, whatever happens.
struct Project {
    file: PathBuf,
    name: String,
    port: u16,
}

impl Project {
    fn compose(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .args([
                "compose",
                "--project-name",
                &self.name,
                "--file",
                self.file.to_str().unwrap(),
            ])
            .args(arguments)
            .env("HEALTH_MONITOR_PORT", self.port.to_string())
            .output()
            .unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let down = self.compose(&["down", "--volumes", "--timeout", "15"]);
        if !down.status.success() {
            eprintln!("{}", all_of(&down));
        }
    }
}

#[tokio::test]
async fn the_minimal_example_runs() {
    if std::env::var_os("HEALTH_MONITOR_IMAGE").is_none() {
        eprintln!("not checked: HEALTH_MONITOR_IMAGE names no image");
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let example = Project {
        file: project("compose/examples/minimal.yml"),
        name: format!("health-monitor-example-{}", std::process::id()),
        port: free.port(),
    };
    let up = example.compose(&["up", "--detach", "--no-build", "--pull", "never"]);
    assert!(up.status.success(), "{}", all_of(&up));
    let url = format!("http://127.0.0.1:{}/containers", example.port);
    // It sees at least itself, so it reads the engine's socket.
    until("it sees containers", Duration::from_secs(60), async || {
        let answer = reqwest::get(&url).await.map_err(|error| error.to_string())?;
        let document: serde_json::Value = answer.json().await.map_err(|error| error.to_string())?;
        if document["running_containers"].as_u64() > Some(0) {
            Ok(())
        } else {
            Err(format!("{document}\n{}", all_of(&example.compose(&["logs"]))))
        }
    })
    .await;
}

#[test]
fn systemd_takes_the_unit_and_calls_it_well_protected() {
    let unit = project("packaging/systemd/health-monitor.service");
    let folder = tempfile::tempdir().unwrap();
    // It looks whether what the unit starts is there.
    let text = fs::read_to_string(&unit).unwrap();
    let program = env!("CARGO_BIN_EXE_health-monitor");
    let installed = folder.path().join("health-monitor.service");
    fs::write(&installed, text.replace("/usr/local/bin/health-monitor", program)).unwrap();
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&installed)
        .output()
        .expect("systemd is installed, if not running");
    assert!(verify.status.success(), "{}", all_of(&verify));
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
        .arg(&installed)
        .output()
        .unwrap();
    assert!(
        security.status.success(),
        "it is exposed by more than 2.0:\n{}",
        all_of(&security)
    );
}
