//! A rendering that many requests share, as long as what it shows has not changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last rendering, with the version of what it shows.
#[derive(Debug)]
pub(super) struct Rendered<T> {
    last: Mutex<Option<(u64, Arc<T>)>>,
}

impl<T> Default for Rendered<T> {
    /// Nothing was rendered yet.
    fn default() -> Self {
        Self { last: Mutex::new(None) }
    }
}

impl<T> Rendered<T> {
    /// The rendering of this version, made now if it is not the one that was made last. Two requests that find it missing
    /// at the same time both make it, rather than that one waits for the other.
    pub(super) fn of<E>(&self, version: u64, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some((_, made)) = self.last().as_ref().filter(|(of, _)| *of == version) {
            return Ok(made.clone());
        }
        let made = Arc::new(make()?);
        *self.last() = Some((version, made.clone()));
        Ok(made)
    }

    fn last(&self) -> MutexGuard<'_, Option<(u64, Arc<T>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn makes_each_version_once() {
        let rendered = Rendered::default();
        let mut made = 0;
        for version in [1, 1, 1, 2, 2] {
            let shown = rendered.of(version, || {
                made += 1;
                Ok::<_, Infallible>(version)
            });
            assert_eq!(*shown.unwrap(), version);
        }
        assert_eq!(made, 2);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let rendered = Rendered::default();
        assert_eq!(rendered.of(1, || Err::<u8, _>("full")), Err("full"));
        assert_eq!(rendered.of(1, || Ok::<u8, &str>(7)).unwrap(), Arc::new(7));
    }
}
