//! Real servers as processes of a test, on free ports of the loopback interface.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

/// Longest that a server may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Debian puts servers that are in nobody's path.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];

/// Where Debian puts each version of PostgreSQL, its programs in `bin`.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// A running server. It is killed when it is dropped.
pub struct Process {
    child: Child,
    log: UnboundedReceiver<String>,
    said: Vec<String>,
}

/// The lines of a log, read by a thread of their own: a server whose log nobody reads may come to a standstill.
fn lines(log: ChildStderr) -> UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut log = BufReader::new(File::from(log.into_owned_fd().unwrap()));
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while log.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            // Whoever started the server may no longer want to hear.
            let _is_heard = sender.send(text).is_ok();
            line.clear();
        }
    });
    receiver
}

impl Process {
    /// Starts a server that logs to its standard error, and waits until a line of that log says that it is ready.
    pub async fn start(mut command: Command, ready: &str) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = lines(child.stderr.take().unwrap());
        let said = Vec::new();
        let mut process = Self { child, log, said };
        process.hear(ready).await;
        process
    }

    /// Waits until the server logs a line that holds this text.
    ///
    /// # Panics
    ///
    /// Where it does not, with all it did say.
    pub async fn hear(&mut self, text: &str) {
        if timeout(PATIENCE, self.hear_out(text)).await != Ok(true) {
            panic!("no \"{text}\" in the server's log:\n{}", self.said.join("\n"));
        }
    }

    async fn hear_out(&mut self, text: &str) -> bool {
        while let Some(line) = self.log.recv().await {
            let found = line.contains(text);
            self.said.push(line);
            if found {
                return true;
            }
        }
        false
    }

    /// All that was heard of the log.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the server has ended")
    }

    /// Sends a signal by its name, such as `STOP`.
    pub async fn signal(&self, name: &str) {
        let id = self.id();
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(id.to_string())
            .status();
        assert!(status.await.unwrap().success(), "kill -{name} {id}");
    }
}

/// Where the program is.
///
/// # Panics
///
/// Where it is not, with the package that has it.
pub fn program(name: &str, package: &str) -> PathBuf {
    let versions = std::fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path().join("bin"));
    PLACES
        .iter()
        .map(PathBuf::from)
        .chain(versions)
        .map(|place| place.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not on this machine: install the package {package}"))
}

/// A port that nobody else is given in this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Who a server runs as that refuses to run as root: `None` where the test itself does not.
pub fn unprivileged(user: &str) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with(&format!("{user}:")))
        .unwrap_or_else(|| panic!("there is no user {user} on this machine"));
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

/// Gives a file or folder to a user.
pub fn give(path: &Path, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
