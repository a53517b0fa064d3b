//! What the integration tests share. Everything here fails the test that calls it, with the evidence, where a part does not
//! do what it must.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]
#![allow(missing_docs, reason = "most names say it")]

pub mod authority;
pub mod binary;
pub mod exposition;
pub mod gate;
pub mod json;
pub mod local;
pub mod name_server;
pub mod process;
pub mod proxy;
pub mod stack;
