use health_monitor::settings::values::Values;
use health_monitor_actors::model::FailureKind;
use tempfile::TempDir;
use tokio::process::Command;

use super::{LONG, SHORT, ask, attempt, check};
use health_monitor_test_support::authority::{Authority, write};
use health_monitor_test_support::process::{Process, free_port, program};

/// Where Debian's packages libzookeeper-java, libslf4j-java and libnetty-java put their classes.
const CLASSES: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-buffer.jar:\
                       /usr/share/java/netty-codec.jar:/usr/share/java/netty-common.jar:/usr/share/java/netty-handler.jar:\
                       /usr/share/java/netty-resolver.jar:/usr/share/java/netty-transport.jar:\
                       /usr/share/java/netty-transport-native-unix-common.jar";

/// A ZooKeeper server.
struct Server {
    process: Process,
    _folder: TempDir,
    port: u16,
}

impl Server {
    /// Starts one with these lines in its configuration; it logs this when it is ready.
    async fn start(lines: &str, ready: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        write(folder.path(), "myid", "1\n");
        let data = folder.path().display();
        let configuration = format!(
            "tickTime=2000\ninitLimit=5\nsyncLimit=2\ndataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\n{lines}"
        );
        let configuration = write(folder.path(), "zoo.cfg", &configuration);
        let mut command = Command::new(program("java", "default-jre-headless"));
        command.args(["-Xmx128m", "-cp", CLASSES]);
        command.args(["org.apache.zookeeper.server.quorum.QuorumPeerMain", &configuration]);
        Self {
            process: Process::start(command, ready).await,
            _folder: folder,
            port,
        }
    }

    /// One server alone, ready to serve.
    async fn alone() -> Self {
        // The last line of its start.
        Self::start("", "ZooKeeper audit is").await
    }

    fn values(&self) -> Values {
        Values::default().with("address", format!("127.0.0.1:{}", self.port))
    }
}

#[tokio::test]
async fn a_server_tells_its_mode_and_grants_a_session_once_an_interval() {
    let mut server = Server::alone().await;
    let address = format!("127.0.0.1:{}", server.port);
    let check = check("zookeeper", &server.values());
    let first = check.attempt(&attempt(LONG)).await.unwrap();
    assert_eq!(first.reason, format!("{address} is standalone, session granted"));
    assert_eq!(first.info["mode"], "standalone");
    assert_eq!(first.info["session_timeout_ms"], 4_000);
    assert!(
        first.info["version"].as_str().unwrap().starts_with("3."),
        "{:?}",
        first.info
    );
    let second = check.attempt(&attempt(LONG)).await.unwrap();
    assert_eq!(second.reason, format!("{address} is standalone"));

    // Both were heard, and neither left a connection that broke off.
    server.process.hear("Processing srvr command").await;
    server.process.hear("Processing srvr command").await;
    let broken = server.process.said().iter().find(|line| line.contains("EndOfStream"));
    assert_eq!(broken, None);
}

#[tokio::test]
async fn a_server_without_its_quorum_and_a_frozen_one_fail() {
    let others = format!(
        "server.1=127.0.0.1:{}:{}\nserver.2=127.0.0.1:{}:{}\nserver.3=127.0.0.1:{}:{}\n",
        free_port(),
        free_port(),
        free_port(),
        free_port(),
        free_port(),
        free_port()
    );
    let server = Server::start(&others, "LOOKING").await;
    let failure = ask("zookeeper", &server.values(), LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(failure.reason.contains("it has no quorum"), "{failure}");

    server.process.signal("STOP").await;
    let failure = ask("zookeeper", &server.values(), SHORT).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(
        failure.reason.ends_with("but no answer to srvr within 1s500ms"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_server_with_tls_is_verified_and_gets_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate();
    let server = authority.sign_all(&["127.0.0.1", "zookeeper.internal"], 90);
    let ca = write(folder.path(), "ca.pem", &authority.pem());
    let store = write(
        folder.path(),
        "server.pem",
        &format!("{}{}", server.key, server.certificate),
    );
    let port = free_port();
    let lines = format!(
        "secureClientPort={port}\nsecureClientPortAddress=127.0.0.1\nssl.clientAuth=need\n\
         serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
         ssl.keyStore.location={store}\nssl.trustStore.location={ca}\n"
    );
    let _server = Server::start(&lines, "ZooKeeper audit is").await;
    let client = authority.sign("monitor", 90);
    let values = Values::default()
        .with("address", format!("127.0.0.1:{port}"))
        .with("tls", true)
        .with("ca_file", ca);
    let certified = values
        .clone()
        .with(
            "certificate_file",
            write(folder.path(), "client.pem", &client.certificate),
        )
        .with("key_file", write(folder.path(), "client-key.pem", &client.key));
    let finding = ask("zookeeper", &certified, LONG).await.unwrap();
    assert_eq!(
        finding.reason,
        format!("127.0.0.1:{port} is standalone, session granted")
    );
    assert!(finding.info["certificate_days_left"].as_i64().unwrap() > 80);

    let named = certified.clone().with("server_name", "zookeeper.internal");
    ask("zookeeper", &named, LONG).await.unwrap();
    let failure = ask("zookeeper", &certified.with("server_name", "other.internal"), LONG)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    let failure = ask("zookeeper", &values, LONG).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::Tls | FailureKind::Reset),
        "without a certificate: {failure}"
    );
}
