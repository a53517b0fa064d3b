//! How a query is read. Parameters that nobody asks for are ignored; one that is asked for must have a value that it can
//! have.

use actix_web::HttpRequest;
use actix_web::web::Query;

use super::ApiError;
use super::error::shown;

/// Whether `?strict=true` was asked: the HTTP status shall say what the document says.
pub(super) fn strict(request: &HttpRequest) -> Result<bool, ApiError> {
    const NAME: &str = "strict";
    let bad = |value: &str| ApiError::BadParameter {
        name: NAME,
        value: shown(value),
        remedy: "true or false, once",
    };
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map_err(|_unreadable| bad(request.query_string()))?;
    let mut values = pairs.iter().filter(|(name, _)| name == NAME).map(|(_, value)| value);
    match (values.next().map(String::as_str), values.next()) {
        (None, _) | (Some("false"), None) => Ok(false),
        (Some("true"), None) => Ok(true),
        (Some(value), None) => Err(bad(value)),
        (Some(_), Some(second)) => Err(bad(second)),
    }
}

/// The parameters of a query, each of which may be given once.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
        let pairs = pairs.map_err(|_unreadable| ApiError::BadQuery {
            sentence: format!("the query '{}' cannot be read", shown(request.query_string())),
        })?;
        Ok(Self(pairs.into_inner()))
    }

    /// The value of this one; `None` where it is left out.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self
            .0
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(ApiError::BadQuery {
                sentence: format!("query parameter '{name}' may be given once"),
            });
        }
        Ok(value)
    }

    /// What this one, where it is given, is read as.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        remedy: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let bad = || ApiError::BadParameter {
            name,
            value: shown(value),
            remedy,
        };
        read(value).map(Some).ok_or_else(bad)
    }
}
