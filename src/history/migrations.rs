//! Which version a store's tables are of, and what makes the next one.

use super::store::StoreError;

/// What makes version n + 1 of version n, from the first version on. Each runs in a transaction of its own, with the new
/// version's number in it: a process that is killed in the middle leaves the last complete one, and the next one goes on
/// from there.
#[derive(Debug)]
pub(super) struct Migrations<M: 'static>(pub(super) &'static [M]);

impl<M> Migrations<M> {
    /// The version that all of them make.
    pub(super) const fn version(&self) -> u32 {
        self.0.len() as u32
    }

    /// What makes the next version of this one; `None` where it is the present one.
    ///
    /// # Errors
    ///
    /// Where it is a later one than the monitor knows.
    pub(super) fn after(&self, found: u32, place: &str) -> Result<Option<&'static M>, StoreError> {
        let known = self.version();
        if found > known {
            let place = place.to_owned();
            return Err(StoreError::TooNew { place, found, known });
        }
        Ok(self.0.get(found as usize))
    }
}
