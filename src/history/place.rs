//! Where the history is, and whether it stays there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::postgres::{Access, Postgres};
use super::sqlite::Sqlite;
use super::store::{Store, StoreError};

/// The folder that the image, and a package, have for it.
const STATE_FOLDER: &str = "/var/lib/health-monitor";

/// The file's name in it.
const FILE: &str = "history.db";

/// Where the history is.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a file.
    Sqlite(PathBuf),
    /// In a server's database.
    Postgres(Access),
}

impl Place {
    /// Opens the store that is there, or makes it.
    ///
    /// # Errors
    ///
    /// Where that is impossible for now; later it may well be possible.
    pub async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Place::Sqlite(path) => Ok(Arc::new(Sqlite::open(path).await?)),
            Place::Postgres(access) => Ok(Arc::new(Postgres::open(access).await?)),
        }
    }

    /// Opens the store that is there for a look, also while a monitor writes to it.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
    pub async fn open_to_read(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Place::Sqlite(path) => Ok(Arc::new(Sqlite::open_to_read(path).await?)),
            Place::Postgres(access) => Ok(Arc::new(Postgres::open(access).await?)),
        }
    }

    /// What is found to be damaged while it is open is moved aside, so that a new one can be begun.
    pub(super) fn set_aside(&self, why: &str) -> Result<(), StoreError> {
        match self {
            Place::Sqlite(path) => Sqlite::set_aside(path, why).map(drop),
            // A server's damage is its operator's to mend.
            Place::Postgres(_) => Ok(()),
        }
    }

    /// Why what is kept here does not outlive the container that the monitor runs in; `None` where it does, or there is no
    /// container.
    pub fn warning(&self) -> Option<String> {
        match self {
            Place::Postgres(_) => None,
            Place::Sqlite(path) => {
                let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
                let is_contained = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
                if is_contained { transience(path, &mounts) } else { None }
            }
        }
    }
}

/// The SQLite file where none is configured.
pub fn default_path() -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let of_user = || state.or_else(|| home().map(|home| home.join(".local/state")));
    if Path::new(STATE_FOLDER).is_dir() {
        Path::new(STATE_FOLDER).join(FILE)
    } else {
        of_user().map_or_else(|| FILE.into(), |state| state.join("health-monitor").join(FILE))
    }
}

/// Why a file in a container goes when the container is made anew: it lies in the container's own file system, in memory, or
/// in a volume without a name. `mounts` is what the kernel says in `/proc/self/mountinfo` (see proc_pid_mountinfo(5)).
fn transience(path: &Path, mounts: &str) -> Option<String> {
    let folder = path.parent()?;
    let place = mounts
        .lines()
        .filter_map(Mount::read)
        .filter(|mount| folder.starts_with(mount.at))
        .max_by_key(|mount| mount.at.components().count())?;
    let remedy = "mount a named volume there, such as health-monitor-data:/var/lib/health-monitor";
    let file = path.display();
    if place.at == Path::new("/") {
        return Some(format!(
            "the history at {file} lies in the container itself and goes with it; {remedy}"
        ));
    }
    if place.kind == "tmpfs" {
        return Some(format!(
            "the history at {file} lies in memory and goes with the container; {remedy}"
        ));
    }
    let has_no_name = place.root.contains("/volumes/")
        && Path::new(place.root)
            .components()
            .filter_map(|part| part.as_os_str().to_str())
            .any(|part| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    has_no_name.then(|| {
        format!("the history at {file} lies in a volume without a name, which a new container does not get; {remedy}")
    })
}

struct Mount<'a> {
    /// The folder of the mounted file system that is mounted.
    root: &'a str,
    at: &'a Path,
    kind: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        Some(Self {
            root: fields.next()?,
            at: Path::new(fields.next()?),
            kind: after.split(' ').next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "700 650 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b\n";

    fn warned(path: &str, mount: &str) -> Option<String> {
        transience(Path::new(path), &format!("{ROOT}{mount}"))
    }

    #[test]
    fn what_a_new_container_does_not_get_is_warned_of() {
        const DATA: &str = "/var/lib/health-monitor/history.db";
        let volume = |name: &str| {
            format!("710 700 8:1 /var/lib/docker/volumes/{name}/_data /var/lib/health-monitor rw - ext4 /dev/sda1 rw\n")
        };
        let nameless = volume(&"0123456789abcdef".repeat(4));
        assert!(warned(DATA, "").unwrap().contains("in the container itself"));
        assert!(warned(DATA, &nameless).unwrap().contains("without a name"));
        assert_eq!(warned(DATA, &volume("monitoring_health-monitor-data")), None);
        assert_eq!(
            warned(
                DATA,
                "710 700 8:1 /srv/data /var/lib/health-monitor rw - ext4 /dev/sda1 rw\n"
            ),
            None
        );
        let in_memory = "710 700 0:70 / /tmp rw - tmpfs tmpfs rw\n";
        assert!(warned("/tmp/history.db", in_memory).unwrap().contains("in memory"));
        assert!(
            warned("/tmpfoo/history.db", in_memory)
                .unwrap()
                .contains("in the container itself")
        );
    }
}
