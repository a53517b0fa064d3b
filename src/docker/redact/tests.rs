use proptest::prelude::*;

use super::*;

fn variables(pairs: &[&str]) -> Vec<String> {
    pairs.iter().map(|pair| (*pair).to_owned()).collect()
}

#[test]
fn hides_by_name_and_shows_the_rest() {
    let given = variables(&[
        "KAFKA_BROKER_ID=1",
        "KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181",
        "POSTGRES_PASSWORD=hunter2",
        "mysql_pwd=hunter2",
        "KAFKA_OPTS=-Djava.security.auth.login.config=/x",
        "AWS_SECRET_ACCESS_KEY=abc",
        "PWD=/srv",
        "PATH=/usr/bin:/bin",
        "EMPTY=",
        "BARE",
    ]);
    let expected = [
        "KAFKA_BROKER_ID=1",
        "KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181",
        "POSTGRES_PASSWORD=***",
        "mysql_pwd=***",
        "KAFKA_OPTS=***",
        "AWS_SECRET_ACCESS_KEY=***",
        "PWD=/srv",
        "PATH=/usr/bin:/bin",
        "EMPTY=",
        "BARE",
    ];
    assert_eq!(environment(&given, EnvironmentShown::Redacted), expected);
}

#[test]
fn the_policy_shows_names_or_everything() {
    let given = variables(&["POSTGRES_PASSWORD=hunter2", "A=b=c"]);
    assert_eq!(environment(&given, EnvironmentShown::Names), ["POSTGRES_PASSWORD", "A"]);
    assert_eq!(environment(&given, EnvironmentShown::All), given);
}

#[test]
fn hides_by_form() {
    for (given, expected) in [
        ("postgres://app:s3cret@db:5432/app", "postgres://***@db:5432/app"),
        ("redis://:s3cret@cache/0", "redis://***@cache/0"),
        ("postgres://app:s3/cr@et@db/app", "postgres://***@db/app"),
        ("root:s3cret@tcp(db:3306)/app", "***@tcp(db:3306)/app"),
        ("http://db:8080/a@b", "http://db:8080/a@b"),
        ("busybox:1@sha256:0123456789abcdef", "busybox:1@sha256:0123456789abcdef"),
        (
            "host=db user=app password=s3cret dbname=app",
            "host=db user=app password=*** dbname=app",
        ),
        ("host=db password='s3 cret' port=1", "host=db password='***' port=1"),
        (
            r#"{"user":"app","password":"s3\"cret"}"#,
            r#"{"user":"app","password":"***"}"#,
        ),
        (r#"{\"password\": \"s3cret\"}"#, r#"{\"password\": \"***"}"#),
        ("Authorization: Basic czNjcmV0", "Authorization: ***"),
        ("Authorization: Bearer s3cret next", "Authorization: *** next"),
        (
            "curl -H 'Authorization: Bearer s3cret' http://x",
            "curl -H 'Authorization: ***' http://x",
        ),
        ("ALTER USER app PASSWORD 's3cret'", "ALTER USER app PASSWORD '***'"),
        ("<password>s3cret</password>", "<password>***</password>"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.abc-def", "***"),
        ("mysqladmin ping -ps3cret -h db", "mysqladmin ping -p*** -h db"),
        ("redis-cli -a s3cret ping", "redis-cli -a *** ping"),
        (
            "FATAL: password authentication failed for user \"app\"",
            "FATAL: password authentication failed for user \"app\"",
        ),
        ("http://x/?token=s3cret", "http://x/?token=***"),
    ] {
        assert_eq!(text(given), expected);
    }
}

#[test]
fn hides_the_whole_of_a_login_configuration() {
    let given = "sasl.jaas.config=org.apache.kafka.ScramLoginModule required username=\"a\" password=\"b\"; next=1";
    assert_eq!(text(given), "sasl.jaas.config=***; next=1");
}

#[test]
fn hides_a_private_key_and_nothing_after_it() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEs3cret\n-----END RSA PRIVATE KEY-----\ndone";
    assert_eq!(
        text(key),
        "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\ndone"
    );
}

#[test]
fn a_commands_words_are_hidden_as_wholes() {
    let shown = command(["redis-server", "--requirepass", "two words", "--port", "6379"]);
    assert_eq!(shown, "redis-server --requirepass *** --port 6379");
    let shown = command(["app", "--password=two words", "--level=info"]);
    assert_eq!(shown, "app --password=*** --level=info");
    let shown = command(["sh", "-c", "exec app --token abc --port 1"]);
    assert_eq!(shown, "sh -c exec app --token *** --port 1");
    assert_eq!(command(["/etc/confluent/docker/run"]), "/etc/confluent/docker/run");
}

#[test]
fn labels_of_compose_and_of_images_stay_readable() {
    let given = BTreeMap::from(
        [
            ("com.docker.compose.project", "iot"),
            ("com.docker.compose.depends_on", "kafka:service_healthy:false"),
            ("com.docker.compose.config-hash", "abc"),
            ("org.opencontainers.image.authors", "somebody"),
            ("traefik.http.middlewares.x.basicauth.users", "a:b"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let shown = labels(&given);
    assert_eq!(shown["traefik.http.middlewares.x.basicauth.users"], "***");
    assert_eq!(shown.values().filter(|value| value.as_str() == "***").count(), 1);
}

#[test]
fn labels_of_the_monitor_are_readable_unless_they_are_for_secrets() {
    let given = [
        ("health-monitor.auth-failure", "degraded", "degraded"),
        ("health-monitor.2.key_file", "client.pem", "client.pem"),
        ("health-monitor.password-file", "database", "database"),
        ("health-monitor.password", "hunter2", HIDDEN),
        ("health-monitor.headers.x", "hunter2", HIDDEN),
        ("health-monitor.passwort", "hunter2", HIDDEN),
        ("health-monitor.url", "http://me:hunter2@web/", "http://***@web/"),
    ];
    for (name, value, expected) in given {
        let shown = labels([(&name.to_owned(), &value.to_owned())]);
        assert_eq!(shown[name], expected, "{name}");
    }
}

#[test]
fn a_project_that_is_called_like_a_secret_keeps_its_name() {
    let given = BTreeMap::from(
        [
            ("com.docker.compose.project", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
            ("com.docker.compose.service", "AKIAIOSFODNN7EXAMPLE"),
            ("com.docker.compose.replace", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
            ("com.example.service", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let shown = labels(&given);
    assert_eq!(shown["com.example.service"], HIDDEN, "it looks like one");
    for label in SHOWN_LABELS {
        assert_eq!(shown.get(label), given.get(label));
    }
}

#[test]
fn health_output_is_one_short_line() {
    assert_eq!(health_output("connected\n\tok\u{7} \n"), "connected ok");
    let long = health_output(&"ä".repeat(1000));
    assert_eq!(long.chars().count(), OUTPUT_LENGTH + 1);
    let at_the_edge = format!("{} password=s3cret", "x".repeat(OUTPUT_LENGTH - 12));
    assert!(!health_output(&at_the_edge).contains("s3"), "hidden before it is cut");
}

/// Ways in which a secret is given to a program, `§` in its place.
const PLANTED: [&str; 22] = [
    "PASSWORD=§",
    "DB_PASSWORD=§ more",
    "--password=§",
    "--password §",
    "-Dsasl.password=§",
    "run --api-token § --port 1",
    "api_key: §",
    "api_key:§",
    "\"secret\":\"§\"",
    "'secret' : '§'",
    "{\\\"secret\\\":\\\"§\\\"}",
    ":password => \"§\"",
    "postgres://user:§@host/db",
    "amqp://§@host",
    "user:§@host:1",
    "Authorization: Bearer §",
    "authorization: Basic §",
    "error: Bearer § rejected",
    "IDENTIFIED BY PASSWORD '§'",
    "https://host/path?access_token=§&x=1",
    "mysql -p§",
    "<client_secret>§</client_secret>",
];

proptest! {
    #[test]
    fn planted_secrets_never_come_out(
        secret in "[A-Za-z0-9!#$%^*()_+=,.~-]{8,24}",
        way in 0..PLANTED.len(),
        before in "[a-z ]{0,12}",
        after in "[a-z ]{0,12}",
    ) {
        // A secret that looks like another option is left: the option before it was a switch.
        prop_assume!(!secret.starts_with("--"));
        let planted = PLANTED[way].replace('§', &secret);
        let given = format!("{before} {planted} {after}");
        for shown in [
            text(&given),
            health_output(&given),
            environment(&[format!("NAME={given}")], EnvironmentShown::Redacted).concat(),
            labels([(&"name".to_owned(), &given)]).into_values().collect(),
            command(["sh", "-c", given.as_str()]),
            command(given.split(' ')),
        ] {
            prop_assert!(!shown.contains(&secret), "{given:?} came out as {shown:?}");
        }
    }

    #[test]
    fn any_text_is_taken(given in ".{0,200}") {
        prop_assert!(text(&given).len() <= given.len() * 4);
        health_output(&given);
    }

    #[test]
    fn what_is_hidden_stays_hidden(given in "[a-z:=@/'\" -]{0,60}") {
        let once = text(&given);
        let twice = text(&once);
        prop_assert!(twice.matches(char::is_alphanumeric).count() <= once.matches(char::is_alphanumeric).count());
    }
}

/// Whoever can choose a label or print in a HEALTHCHECK chooses what is scanned: sixteen times the text takes sixteen times
/// the steps, and not two hundred and fifty-six times.
#[test]
fn no_text_takes_more_steps_than_its_length() {
    for pattern in [
        "sk-",
        "ask-",
        "key=",
        "key='",
        "key=\"\\\"",
        "key \"",
        "key \\",
        "--key ",
        "PRIVATE KEY-----",
        "http://a:b/",
        "a:@",
        "<key>",
        "jaas=",
        "jaas=;",
        "password: 'a",
        "'",
        "key\t\t",
        "Bearer ",
        "mysql -p",
        "eyJeyJ",
        "key=`\\'",
        "é=",
        "x",
    ] {
        let steps = |length: usize| {
            let text = pattern.repeat(length / pattern.len());
            let before = super::scan::STEPS.get();
            assert!(super::text(&text).len() <= text.len() * 3);
            super::scan::STEPS.get() - before
        };
        let (short, long) = (steps(4 * 1024), steps(64 * 1024));
        assert!(
            long < short * 20,
            "{pattern:?}: {short} steps for 4 KiB, {long} for 64 KiB"
        );
    }
}
