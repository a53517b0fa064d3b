//! Which faults are run.

use crate::fault::Fault;

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    all: bool,
    list: bool,
    texts: Vec<String>,
}

impl Selection {
    pub(crate) fn of(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut selection = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--all" => selection.all = true,
                "--list" => selection.list = true,
                // What `cargo test` passes on to every test program.
                "--nocapture" | "--quiet" | "--include-ignored" => {}
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}: --all, --list, or parts of names"));
                }
                text => selection.texts.push(text.to_lowercase()),
            }
        }
        Ok(selection)
    }

    pub(crate) const fn lists(&self) -> bool {
        self.list
    }

    /// Keeps what is asked for: the faults that are named, else all of them or the short form.
    pub(crate) fn choose(&self, mut faults: Vec<Fault>) -> Vec<Fault> {
        faults.retain(|fault| {
            if self.texts.is_empty() {
                self.all || fault.is_short
            } else {
                let title = fault.title().to_lowercase();
                self.texts.iter().any(|text| title.contains(text))
            }
        });
        faults
    }
}
