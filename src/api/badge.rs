//! `GET /badge/{service_name}.svg`: a picture of a service's status or uptime, for a README.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, CacheControl, CacheDirective, ETag, EntityTag, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use health_monitor_actors::model::Status;
use jiff::Timestamp;

use super::error::shown;
use super::query::Parameters;
use super::{ApiError, ApiState, history};

/// How long a picture may be shown again without asking, in seconds.
const MAX_AGE: u32 = 30;

/// Widths in pixels of text in 11 px Verdana, or of what a reader has in its place: close enough to lay out by.
const NARROW: f64 = 4.0;
const USUAL: f64 = 6.6;
const WIDE: f64 = 9.5;

/// Room on both sides of a text, in pixels.
const ROOM: f64 = 12.0;

const GREEN: &str = "#2f8f46";
const YELLOW: &str = "#a07800";
const RED: &str = "#c0392b";
const GREY: &str = "#6a737d";

enum Shows {
    Status,
    Uptime,
}

pub(super) async fn get(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::of(&request)?;
    let shows = parameters.read("type", "status or uptime", |text| match text {
        "status" => Some(Shows::Status),
        "uptime" => Some(Shows::Uptime),
        _ => None,
    })?;
    let window = parameters.one("window")?;
    let picture = match shows.unwrap_or(Shows::Status) {
        Shows::Status => of_status(&state, &name).await?,
        Shows::Uptime => of_uptime(&state, &name, window.unwrap_or("30d")).await?,
    };
    Ok(answer(&request, picture))
}

async fn of_status(state: &ApiState, name: &str) -> Result<String, ApiError> {
    let snapshot = state.snapshot().await?;
    let mut services = snapshot.services.iter();
    let found = services.find(|(known, _)| known.as_str().eq_ignore_ascii_case(name));
    let (name, service) = found.ok_or_else(|| ApiError::NoSuchService { name: shown(name) })?;
    let colour = match service.status {
        Status::Healthy => GREEN,
        Status::Degraded => YELLOW,
        Status::Unhealthy | Status::NotFound => RED,
        Status::Error | Status::Starting | Status::Maintenance | Status::Unknown => GREY,
    };
    Ok(svg(name.as_str(), &service.status.as_str().replace('_', " "), colour))
}

async fn of_uptime(state: &ApiState, name: &str, window: &str) -> Result<String, ApiError> {
    let now = Timestamp::now();
    let span = history::span(window, now, state.history()?.retention().events)?;
    let store = state.store()?;
    let service = state.known_service(store.as_ref(), name).await?;
    let uptime = history::of_window(store.as_ref(), &service, window, span).await?.uptime;
    let (text, colour) = match uptime {
        None => ("unknown".to_owned(), GREY),
        Some(share) => {
            let colour = match share {
                good if good >= 0.999 => GREEN,
                fair if fair >= 0.99 => YELLOW,
                _ => RED,
            };
            (percent(share), colour)
        }
    };
    Ok(svg(&format!("{service} {window}"), &text, colour))
}

/// A share in per cent with two digits, rounded down: less than all is never shown as all.
fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0 + 1e-9).floor() / 100.0;
    format!("{hundredths:.2} %")
}

/// The picture, or that the reader has it already.
fn answer(request: &HttpRequest, picture: String) -> HttpResponse {
    use actix_web::HttpMessage as _;
    let tag = EntityTag::new_strong(format!("{:016x}", hash(picture.as_bytes())));
    let is_known = match request.get_header::<IfNoneMatch>() {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        None => false,
    };
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, String::new())
    } else {
        (StatusCode::OK, picture)
    };
    // Where keys are asked for, a cache between must not hand it to others.
    let is_public =
        !request.headers().contains_key("X-API-Key") && !request.headers().contains_key(header::AUTHORIZATION);
    let whose = if is_public {
        CacheDirective::Public
    } else {
        CacheDirective::Private
    };
    HttpResponse::build(status)
        .insert_header(CacheControl(vec![whose, CacheDirective::MaxAge(MAX_AGE)]))
        .insert_header(ETag(tag))
        // A picture that is opened by itself runs nothing.
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ))
        .content_type("image/svg+xml; charset=utf-8")
        .body(body)
}

/// FNV-1a: a picture's name, no secret.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn width(text: &str) -> f64 {
    let widths = text.chars().map(|letter| match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '|' | ' ' => NARROW,
        'm' | 'w' | 'M' | 'W' | '%' => WIDE,
        _ => USUAL,
    });
    widths.sum::<f64>().ceil()
}

fn svg(label: &str, value: &str, colour: &str) -> String {
    let (label_text, value_text) = (width(label), width(value));
    let (left, right) = (label_text + ROOM, value_text + ROOM);
    let whole = left + right;
    let (label_middle, value_middle) = (left / 2.0, left + right / 2.0);
    let (label, value) = (escaped(label), escaped(value));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{label}: {value}"><title>{label}: {value}</title><clipPath id="c"><rect width="{whole}" height="20" rx="3"/></clipPath><g clip-path="url(#c)"><rect width="{left}" height="20" fill="#444"/><rect x="{left}" width="{right}" height="20" fill="{colour}"/></g><g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="{label_middle}" y="14" textLength="{label_text}">{label}</text><text x="{value_middle}" y="14" textLength="{value_text}">{value}</text></g></svg>"##
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_all_is_never_shown_as_all() {
        for (share, shown) in [
            (1.0, "100.00 %"),
            (0.999_999, "99.99 %"),
            (0.9995, "99.95 %"),
            (0.29, "29.00 %"),
            (0.0, "0.00 %"),
        ] {
            assert_eq!(percent(share), shown);
        }
    }

    #[test]
    fn a_text_cannot_leave_its_place() {
        let picture = svg("a<b>\"&", "c", GREY);
        assert!(picture.contains("a&lt;b&gt;&quot;&amp;: c"), "{picture}");
    }
}
