//! The history: one suite of tests that runs over every database.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod older;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod restarted;
#[cfg(test)]
#[path = "../support/server.rs"]
mod server;
#[cfg(test)]
mod site;
#[cfg(test)]
#[path = "../support/snapshot.rs"]
mod snapshot;
#[cfg(test)]
mod sqlite;
#[cfg(test)]
mod stopped;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod world;
