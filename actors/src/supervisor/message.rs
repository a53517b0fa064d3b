//! What a supervisor can be asked.

use std::time::Duration;

use actix::{Message, Recipient};

use super::child::{ChildName, ChildSpec};
use super::event::ChildEvent;
use super::state::SupervisorState;

/// Adds a child and starts it.
///
/// # Errors
///
/// [`AddError`], where there is one of that name or the supervisor shuts down.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AddError>")]
pub struct Add(pub ChildSpec);

/// Replaces the child of the same name: its run is ended without a charge, and the new factory is started as soon as it
/// has ended. The answer, which comes before that, tells whether there was such a child; where not, it is added.
///
/// The new child starts with a clean record and leaves quarantine.
///
/// # Errors
///
/// [`AddError::ShuttingDown`].
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, AddError>")]
pub struct Replace(pub ChildSpec);

/// Removes a child and ends its run. The answer, which comes before that end, tells whether there was such a child.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Remove(pub ChildName);

/// Asks for all there is to see. Costs a walk over all children.
#[derive(Debug, Message)]
#[rtype(result = "SupervisorState")]
pub struct Observe;

/// Tells the recipient of every start and exit from now on, until it is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<ChildEvent>);

/// Ends all children and then all lanes. The answer comes when every run has ended, or after `limit`.
#[derive(Debug, Message)]
#[rtype(result = "ShutdownReport")]
pub struct Shutdown {
    /// How long to wait for them.
    pub limit: Duration,
}

/// How a shutdown went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Children that had not ended when the limit passed, by name.
    pub unfinished: Vec<ChildName>,
}

/// Why a child was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The name is taken.
    #[error("a child named {0} exists already; replace it, or remove it first")]
    Exists(ChildName),
    /// Nothing is started any more.
    #[error("the supervisor is shutting down; start the process again to add a child")]
    ShuttingDown,
}
