//! Secrets: where they come from, and that they are not shown.

use std::fs;

use health_monitor::settings::Settings;
use tempfile::TempDir;

use crate::{ONE_OF_EACH, load, load_file, service};

#[test]
fn a_secret_may_stand_in_a_file_beside_the_configuration() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(folder.path().join("secret"), "hunter2 \r\n").unwrap();
    fs::write(
        &file,
        "[services.b]\ncheck = \"mqtt\"\naddress = \"b\"\nuser = \"u\"\npassword_file = \"secret\"\n",
    )
    .unwrap();
    let settings = load_file(&file, &[]).unwrap();
    assert_eq!(
        service(&settings, "b").check_values.get("password").unwrap(),
        "hunter2 "
    );
    fs::write(folder.path().join("secret"), "\n").unwrap();
    let error = load_file(&file, &[]).unwrap_err();
    assert!(
        error.ends_with("services.b.password_file (secret) is empty; it must hold the secret"),
        "{error}"
    );
}

#[test]
fn a_variable_for_a_secrets_file_replaces_the_secret_and_the_other_way_round() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "from its file").unwrap();
    let secret = secret.to_str().unwrap();
    let settings = load(
        ONE_OF_EACH,
        &[("HEALTH_MONITOR__SERVICES__MQTT_BROKER__PASSWORD_FILE", secret)],
    )
    .unwrap();
    let password = |settings: &Settings| {
        service(settings, "mqtt-broker")
            .check_values
            .get("password")
            .cloned()
            .unwrap()
    };
    assert_eq!(password(&settings), "from its file");

    let with_file = ONE_OF_EACH.replace("password = \"from file\"", "password_file = \"/no/such/file\"");
    let settings = load(
        &with_file,
        &[("HEALTH_MONITOR__SERVICES__MQTT_BROKER__PASSWORD", "from the variable")],
    )
    .unwrap();
    assert_eq!(password(&settings), "from the variable");
}

#[test]
fn a_secret_is_never_shown() {
    let text = "[services.b]\ncheck = \"mqtt\"\naddress = \"b\"\nuser = \"u\"\npassword = \"hunter2\"\n";
    let settings = load(text, &[]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let wrong = text.replace("\"hunter2\"", "[\"hunter2\"]");
    let error = load(&wrong, &[]).unwrap_err();
    assert!(
        error.contains("services.b.password must be text") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn a_url_is_shown_without_what_may_be_a_secret() {
    let text = "[services.web]\ncheck = \"http\"\nurl = \"https://web:8443/status?token=hunter2#hunter2\"\n";
    let settings = load(text, &[]).unwrap();
    assert_eq!(
        service(&settings, "web").spec.address.as_deref(),
        Some("https://web:8443/status")
    );
    assert!(!format!("{settings:?}").contains("hunter2"));
    for wrong in ["ftp://web", "web", "https://", "https://a b"] {
        let error = load(&text.replace("https://web:8443", wrong), &[]).unwrap_err();
        assert!(
            error.contains("services.web.url must be") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
