//! Other programs that check services, on the same targets.

mod blackbox;
mod gatus;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::listeners::{Kind, Listeners};

/// A peer, and its program where there is one.
pub(crate) struct Peer {
    name: &'static str,
    program: Option<PathBuf>,
    /// How to come by it, for whoever has not got it.
    remedy: &'static str,
    kind: Program,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    Blackbox,
    Gatus,
}

/// What a peer is to do.
#[derive(Debug, Clone)]
pub(crate) struct Probing {
    /// What is spoken.
    pub(crate) kind: Kind,
    /// Checks a second.
    pub(crate) rate: f64,
    /// For how long it is watched.
    pub(crate) time: Duration,
}

/// All peers, whether they are here or not.
pub(crate) fn all() -> [Peer; 2] {
    [
        Peer {
            name: "blackbox_exporter",
            program: find(
                "BLACKBOX_EXPORTER",
                &["prometheus-blackbox-exporter", "blackbox_exporter"],
            ),
            remedy: "apt-get install prometheus-blackbox-exporter",
            kind: Program::Blackbox,
        },
        Peer {
            name: "Gatus",
            program: find("GATUS", &["gatus"]),
            remedy: "go install github.com/TwiN/gatus/v5@latest",
            kind: Program::Gatus,
        },
    ]
}

/// The program that the variable names, else the first of these names in the path.
fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let places = folders
        .iter()
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    named.into_iter().chain(places).find(|place| place.is_file())
}

// === impl Peer ===

impl Peer {
    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Why it cannot be run; `None` where it can.
    pub(crate) fn is_missing(&self) -> Option<String> {
        let missing = || format!("{} is not on this machine: {}", self.name, self.remedy);
        self.program.is_none().then(missing)
    }

    /// Time on a processor that it spends on one check, in microseconds.
    pub(crate) async fn micros_per_check(&self, probing: &Probing, listeners: &mut Listeners) -> Result<f64> {
        let program = self.program.clone().unwrap_or_default();
        match self.kind {
            Program::Blackbox => blackbox::micros_per_check(&program, probing, listeners).await,
            Program::Gatus => gatus::micros_per_check(&program, probing, listeners).await,
        }
    }
}
