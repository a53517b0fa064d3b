//! Whether the files that the configuration is made from have changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::settings::Sources;

/// Files and what tells one content from another, links followed: a file that was replaced, written again, or that a link
/// now leads elsewhere from (as Kubernetes changes a ConfigMap) is another one.
///
/// The files are looked at every second and not watched by the kernel: a look costs microseconds, and works on every file
/// system and for every way in which a file can change.
#[derive(Debug, Default)]
pub(super) struct WatchedFiles {
    /// What the configuration that was read last was made from.
    read: Option<Looked>,
    /// What the last look saw.
    last: Option<Looked>,
    /// The files beside a configuration that was rejected, as they were before it was read: where one of them is set right,
    /// or comes at last, it is to be read again.
    rejected: BTreeMap<PathBuf, Option<Stamp>>,
}

/// What one look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looked {
    /// The configuration file that would be read now.
    configuration: Option<(PathBuf, Option<Stamp>)>,
    /// The files beside it.
    beside: BTreeMap<PathBuf, Option<Stamp>>,
}

/// What tells a file from its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl WatchedFiles {
    /// Looks at the configuration file, the one that would be read now, and at those beside it.
    pub(super) fn look(sources: &Sources, beside: &[PathBuf]) -> Looked {
        let stamped = |file: PathBuf| {
            let stamp = stamp(&file);
            (file, stamp)
        };
        Looked {
            configuration: sources.find().map(stamped),
            beside: beside.iter().cloned().map(stamped).collect(),
        }
    }

    /// The files are others than those that were read, and have come to rest: two looks saw the same, so that a file that
    /// is being written is not read by halves.
    pub(super) fn have_changed(&mut self, looked: Looked) -> bool {
        let is_at_rest = self.last.as_ref() == Some(&looked);
        self.last = Some(looked.clone());
        // The first look is at what the monitor started with.
        let Some(read) = &mut self.read else {
            self.read = Some(looked);
            return false;
        };
        if !is_at_rest {
            return false;
        }
        let differs = read.differs_from(&looked) || is_other(&self.rejected, &looked.beside);
        for (file, stamp) in &mut self.rejected {
            // What differs is told once.
            *stamp = looked.beside.get(file).copied().unwrap_or(*stamp);
        }
        *read = looked;
        differs
    }

    /// What was read was not taken over; its files were these.
    pub(super) fn were_rejected(&mut self, files: Looked) {
        self.rejected = files.beside;
    }

    /// What was read was taken over.
    pub(super) fn were_taken(&mut self) {
        self.rejected.clear();
    }

    /// The files beside the configuration that was rejected last, if that is the last that was read.
    pub(super) fn rejected(&self) -> impl Iterator<Item = PathBuf> {
        self.rejected.keys().cloned()
    }
}

// === impl Looked ===

impl Looked {
    /// A file has other content. One that stands beside the configuration for the first time, or no longer, does not: that
    /// follows from what was read.
    fn differs_from(&self, later: &Self) -> bool {
        self.configuration != later.configuration || is_other(&self.beside, &later.beside)
    }
}

/// One of these files, where it was looked at later too, is another by then.
fn is_other(files: &BTreeMap<PathBuf, Option<Stamp>>, later: &BTreeMap<PathBuf, Option<Stamp>>) -> bool {
    let mut both = files.iter().filter_map(|(file, stamp)| Some((stamp, later.get(file)?)));
    both.any(|(stamp, later)| stamp != later)
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    struct Scene {
        folder: TempDir,
        watched: WatchedFiles,
        sources: Sources,
    }

    impl Scene {
        fn of(name: &str) -> Self {
            let folder = TempDir::new().unwrap();
            let sources = Sources {
                file: Some(folder.path().join(name)),
                ..Sources::default()
            };
            Self {
                folder,
                watched: WatchedFiles::default(),
                sources,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn look(&mut self) -> bool {
            self.look_beside(&[])
        }

        fn look_beside(&mut self, names: &[&str]) -> bool {
            let beside: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
            self.watched.have_changed(WatchedFiles::look(&self.sources, &beside))
        }
    }

    #[test]
    fn a_file_that_is_replaced_has_changed_once_it_rests() {
        let mut scene = Scene::of("a.toml");
        fs::write(scene.path("a.toml"), "one").unwrap();
        assert!(!scene.look() && !scene.look());
        fs::write(scene.path("b"), "two").unwrap();
        fs::rename(scene.path("b"), scene.path("a.toml")).unwrap();
        assert!(!scene.look(), "it may still be being written");
        assert!(scene.look());
        assert!(!scene.look());
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let mut scene = Scene::of("a.toml");
        for version in ["1", "2"] {
            fs::create_dir(scene.path(version)).unwrap();
            fs::write(scene.path(version).join("a.toml"), version).unwrap();
        }
        symlink("1", scene.path("..data")).unwrap();
        symlink("..data/a.toml", scene.path("a.toml")).unwrap();
        assert!(!scene.look() && !scene.look());
        symlink("2", scene.path("..new")).unwrap();
        fs::rename(scene.path("..new"), scene.path("..data")).unwrap();
        assert!(!scene.look());
        assert!(scene.look());
    }

    #[test]
    fn a_file_that_goes_or_comes_is_a_change() {
        let mut scene = Scene::of("a.toml");
        assert!(!scene.look() && !scene.look());
        fs::write(scene.path("a.toml"), "one").unwrap();
        assert!(!scene.look());
        assert!(scene.look());
        fs::remove_file(scene.path("a.toml")).unwrap();
        assert!(!scene.look());
        assert!(scene.look());
    }

    #[test]
    fn a_file_beside_the_configuration_counts_when_it_changes_and_not_when_it_is_named() {
        let mut scene = Scene::of("a.toml");
        fs::write(scene.path("a.toml"), "one").unwrap();
        fs::write(scene.path("secret"), "one").unwrap();
        assert!(!scene.look() && !scene.look());
        assert!(!scene.look_beside(&["secret"]) && !scene.look_beside(&["secret"]));
        fs::write(scene.path("secret"), "another").unwrap();
        assert!(!scene.look_beside(&["secret"]));
        assert!(scene.look_beside(&["secret"]));
        assert!(!scene.look() && !scene.look());
    }

    #[test]
    fn a_file_that_a_rejected_configuration_lacks_is_awaited() {
        let mut scene = Scene::of("a.toml");
        fs::write(scene.path("a.toml"), "one").unwrap();
        assert!(!scene.look() && !scene.look());
        let missing = scene.path("secret");
        let lacks = WatchedFiles::look(&scene.sources, std::slice::from_ref(&missing));
        scene.watched.were_rejected(lacks);
        assert_eq!(scene.watched.rejected().collect::<Vec<_>>(), [missing]);
        // It comes before anybody looked for it.
        fs::write(scene.path("secret"), "one").unwrap();
        assert!(!scene.look_beside(&["secret"]));
        assert!(scene.look_beside(&["secret"]));
        assert!(!scene.look_beside(&["secret"]), "it is told once");
        scene.watched.were_taken();
        assert_eq!(scene.watched.rejected().count(), 0);
    }
}
