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
