//! `GET /docs`: a page that shows `/openapi.json` to a person. It needs no other host, and it is the same for everybody: what
//! it shows, it asks for with the reader's key.

use actix_web::HttpResponse;
use actix_web::http::header;

const PAGE: &str = include_str!("docs/page.html");
const PROGRAM: &str = include_str!("docs/page.js");
const LOOKS: &str = include_str!("docs/page.css");

/// The page may use what comes from here, and nothing that stands in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

pub(super) async fn get_program() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(PROGRAM)
}

pub(super) async fn get_looks() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(LOOKS)
}
