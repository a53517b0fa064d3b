//! What was, read from the history: series, uptime, incidents, containers' resources.

mod containers;
mod cursor;
mod incident;
mod incidents;
mod many;
mod series;
mod uptime;

use std::sync::Arc;

use actix_web::HttpRequest;
use health_monitor_actors::model::ServiceName;
use jiff::Timestamp;

use super::error::shown;
use super::query::Parameters;
use super::{ApiError, ApiState};
use crate::history::handle::History;
use crate::history::range::{Range, RangeError, Wanted};
use crate::history::store::{Store, StoreError};

pub(super) use containers::{get as get_container, schema as container_schema};
pub(crate) use incident::document as incident_document;
pub(super) use incident::{get as get_incident, schema as incident_schema};
pub(super) use incidents::{get as get_incidents, schema as incidents_schema};
pub(super) use many::{get as get_many, schema as many_schema};
pub(super) use series::{get as get_series, schema as series_schema};
pub(super) use uptime::{get as get_uptime, schema as uptime_schema};
pub(super) use uptime::{of_window, span};

impl ApiState {
    /// The history, where one is kept.
    pub(super) fn history(&self) -> Result<&History, ApiError> {
        self.history.as_ref().ok_or(ApiError::HistoryDisabled)
    }

    /// Its store, while it is open.
    pub(super) fn store(&self) -> Result<Arc<dyn Store>, ApiError> {
        let history = self.history()?;
        history.store().ok_or_else(|| ApiError::HistoryAway {
            problem: history
                .figures()
                .problem
                .unwrap_or_else(|| "it is not open yet".to_owned()),
        })
    }

    /// The service of this name, monitored now or kept from before, without regard to case.
    pub(super) async fn known_service(&self, store: &dyn Store, name: &str) -> Result<ServiceName, ApiError> {
        let is_it = |known: &&ServiceName| known.as_str().eq_ignore_ascii_case(name);
        let snapshot = self.snapshot().await?;
        if let Some(found) = snapshot.services.keys().find(is_it) {
            return Ok(found.clone());
        }
        let kept = store.services().await?;
        let exact = kept.iter().find(|known| known.as_str() == name);
        let found = exact.or_else(|| kept.iter().find(is_it)).cloned();
        found.ok_or_else(|| ApiError::NoSuchService { name: shown(name) })
    }
}

/// What the parameters `from`, `to` and `step` ask for.
fn range(request: &HttpRequest, history: &History, now: Timestamp) -> Result<Range, ApiError> {
    let parameters = Parameters::of(request)?;
    let wanted = Wanted {
        from: parameters.one("from")?,
        to: parameters.one("to")?,
        step: parameters.one("step")?,
    };
    Ok(Range::plan(wanted, now, history.retention())?)
}

impl From<RangeError> for ApiError {
    fn from(error: RangeError) -> Self {
        ApiError::BadQuery {
            sentence: error.to_string(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        ApiError::HistoryAway {
            problem: error.to_string(),
        }
    }
}
