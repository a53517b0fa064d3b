//! Containers and networks that a test makes, removed when it ends.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The image of all test containers: a static busybox and nothing else.
pub(crate) const IMAGE: &str = "health-monitor-test/busybox";

/// Where the engine is.
pub(crate) fn host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// Runs `docker` and answers what it prints; fails the test where it fails.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command is installed");
    assert!(
        output.status.success(),
        "docker {}: {}(these tests need a running engine)",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A container with a name of its own.
pub(crate) struct Made {
    pub(crate) name: String,
    kind: &'static str,
}

impl Made {
    /// Starts a container with these options of `docker run` and this shell script.
    pub(crate) fn run(purpose: &str, options: &[&str], script: &str) -> Self {
        let made = Self::named(purpose);
        made.run_again(options, script);
        made
    }

    /// Starts a container of the same name.
    pub(crate) fn run_again(&self, options: &[&str], script: &str) {
        import_image();
        let mut arguments = vec!["run", "--detach", "--name", &self.name];
        if !options.iter().any(|option| option.starts_with("--network")) {
            arguments.push("--network=none");
        }
        arguments.extend(options);
        arguments.extend([IMAGE, "/bin/sh", "-c", script]);
        docker(&arguments);
    }

    /// A network.
    pub(crate) fn network(purpose: &str) -> Self {
        let mut made = Self::named(purpose);
        made.kind = "network";
        docker(&["network", "create", &made.name]);
        made
    }

    /// A name for a container that is not made yet.
    pub(crate) fn named(purpose: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("health-monitor-test-{}-{purpose}-{count}", std::process::id()),
            kind: "container",
        }
    }

    /// `docker VERB OPTIONS… NAME`
    pub(crate) fn docker(&self, verb: &str, options: &[&str]) -> String {
        let mut arguments = vec![verb];
        arguments.extend(options);
        arguments.push(&self.name);
        docker(&arguments)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let arguments: &[&str] = match self.kind {
            "network" => &["network", "rm", &self.name],
            _ => &["rm", "--force", "--volumes", &self.name],
        };
        // It may be gone already, which is the point.
        Command::new("docker")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}

/// Makes the image from the machine's own static busybox.
pub(crate) fn import_image() {
    static IMPORTED: OnceLock<()> = OnceLock::new();
    IMPORTED.get_or_init(|| {
        let is_there = Command::new("docker")
            .args(["image", "inspect", IMAGE])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if is_there.is_ok_and(|status| status.success()) {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        std::fs::create_dir_all(root.path().join("tmp")).unwrap();
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox")).expect("busybox-static is installed");
        for tool in ["sh", "sleep", "dd", "test", "touch", "echo", "true", "false", "rm"] {
            std::os::unix::fs::symlink("busybox", bin.join(tool)).unwrap();
        }
        let tar = Command::new("tar")
            .arg("-C")
            .arg(root.path())
            .args(["-c", "."])
            .output()
            .unwrap();
        let import = Command::new("docker")
            .args(["import", "-", IMAGE])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let mut import = import.expect("the docker command is installed");
        import.stdin.take().unwrap().write_all(&tar.stdout).unwrap();
        assert!(
            import.wait().unwrap().success(),
            "docker import (these tests need a running engine)"
        );
    });
}
