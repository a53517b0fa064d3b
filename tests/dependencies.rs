//! Which crypto libraries the monitor is built with: as docs/security.md says, and no other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::process::Command;

/// Whatever implements TLS, or ciphers and signatures for it.
const PROVIDERS: [&str; 17] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "aws-lc-fips-sys",
    "boring",
    "boring-sys",
    "botan",
    "graviola",
    "libsodium-sys",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-src",
    "openssl-sys",
    "ring",
    "s2n-tls",
    "schannel",
    "wolfssl",
];

/// Lines of `cargo tree`, each the name of a crate.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn ring_and_librdkafkas_openssl_are_the_only_crypto_libraries() {
    let all = tree(&["--package", "health-monitor"]);
    assert!(all.contains("rustls") && all.contains("rdkafka-sys"), "{all:?}");
    let found: BTreeSet<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|name| PROVIDERS.contains(name))
        .collect();
    assert_eq!(found, BTreeSet::from(["openssl-sys", "ring"]));
}

#[test]
fn openssl_is_there_for_librdkafka_alone() {
    let users = tree(&["--package", "health-monitor", "--invert", "openssl-sys", "--depth", "1"]);
    assert_eq!(users, ["openssl-sys", "rdkafka-sys"].map(str::to_owned).into());
}
