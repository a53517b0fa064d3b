//! The actor that holds what is known and answers for it; the single writer of the [`crate::model::Snapshot`].

mod messages;

pub use messages::{Containers, Define, EngineChanged, Forget, GetSnapshot, Report, Subscribe, Subscription, Usage};
