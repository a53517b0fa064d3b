//! The API over HTTP, from the real server, held against the specification's examples.

#[cfg(test)]
mod containers;
#[cfg(test)]
mod health;
#[cfg(test)]
mod itself;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod service;
#[cfg(test)]
#[path = "../support"]
mod support {
    pub(crate) mod server;
    pub(crate) mod snapshot;
}
