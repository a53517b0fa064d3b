//! The history: one suite of tests that runs over every database.

#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod world;
