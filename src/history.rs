//! What was: results, status changes, incidents and containers' resources, kept for years.
//!
//! # Layout
//!
//! - [`model`]: what is kept, as plain data.
//! - [`sketch`]: durations in a form that keeps percentiles right when hours are put together.
//! - [`timeline`]: when a service was up, down, or not measured.
//! - [`rollup`]: results become minutes and hours.
//! - [`store`]: the trait behind which every database stands: [`sqlite`], which needs nothing, and [`postgres`]. [`place`]:
//!   which one it is, and where.
//! - [`writer`]: the actor that writes. [`incident`]: what it makes of changes. [`handle`]: what the rest of the monitor
//!   holds of it.
//! - [`range`] and [`series`]: what readers ask, in steps of one length, and the answer.
//! - [`surroundings`]: what was found around an incident.
//! - [`transfer`]: moves a history from one store to another.
//!
//! Status follows time and not the number of results: a service is as long up as it had an up status while the monitor
//! looked. Time in which nobody looked, or could not, is a gap and counts as neither.

mod codec;
mod fault;
pub mod handle;
pub mod incident;
mod migrations;
pub mod model;
pub mod place;
pub mod postgres;
pub mod range;
pub mod rollup;
pub mod series;
pub mod sketch;
pub mod sqlite;
pub mod store;
pub mod surroundings;
pub mod timeline;
pub mod transfer;
pub mod writer;
