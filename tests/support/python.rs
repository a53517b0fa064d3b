//! Programs in Python that tests use, in the folder where `scripts/prepare.sh` has put them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What to do where they are not there.
const REMEDY: &str = "schemathesis is not on this machine: bash scripts/prepare.sh servers installs it";

/// The folder with schemathesis and the Python that it runs with.
fn folder() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join(target).join("demo/tools/schemathesis/bin")
}

/// The program `schemathesis`.
pub(crate) fn schemathesis() -> PathBuf {
    let program = folder().join("schemathesis");
    assert!(program.exists(), "{REMEDY}");
    program
}

/// Holds documents against schemas.
#[derive(Default)]
pub(crate) struct Validation(Vec<Value>);

impl Validation {
    /// This document must fit that schema.
    pub(crate) fn add(&mut self, name: String, schema: Value, document: Value) {
        self.0
            .push(json!({ "name": name, "schema": schema, "document": document }));
    }

    /// Fails the test where one does not.
    pub(crate) fn assert(self) {
        assert!(!self.0.is_empty(), "there is nothing to hold against anything");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/python/validate.py");
        let mut child = Command::new(folder().join("python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect(REMEDY);
        let mut input = child.stdin.take().unwrap();
        input.write_all(Value::Array(self.0).to_string().as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}
