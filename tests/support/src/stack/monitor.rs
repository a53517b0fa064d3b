//! Monitors that run: the stack's own, and those that a test starts with its own settings.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use super::docker::{Made, docker, unique};
use super::service::Service;
use super::wait::{STEP, seconds, until};
use super::{SERVICES, Stack};

/// A running monitor.
pub struct Monitor {
    url: String,
    client: reqwest::Client,
    /// What keeps it running, where a test started it.
    own: Option<Own>,
}

struct Own {
    container: Made,
    #[expect(dead_code, reason = "removed with it")]
    folder: TempDir,
}

impl Monitor {
    /// One that runs already.
    pub fn at(url: &str) -> Self {
        Self::with_client(url, reqwest::Client::builder().timeout(seconds(10)).build().unwrap())
    }

    /// One that runs already, asked by this client.
    pub fn with_client(url: &str, client: reqwest::Client) -> Self {
        Self {
            url: url.to_owned(),
            client,
            own: None,
        }
    }

    /// The same one for another task; this one keeps it running.
    pub fn same(&self) -> Self {
        Self::at(&self.url)
    }

    /// Starts one in the stack's network, from the image of the stack's own, with this configuration. `options` are further
    /// ones of `docker run`.
    pub async fn start(purpose: &str, configuration: &str, options: &[&str]) -> Self {
        let stack = Stack::get();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, configuration).unwrap();
        let mount = format!("{}:/etc/health-monitor/config.toml:ro", file.display());
        let mut arguments = vec!["--network", stack.variable("STACK_NETWORK")];
        arguments.extend(["--user=root", "--publish=127.0.0.1::8000", "--volume", &mount]);
        if !options.iter().any(|option| option.contains("DOCKER_HOST")) {
            arguments.push("--volume=/var/run/docker.sock:/var/run/docker.sock:ro");
        }
        arguments.extend(options);
        arguments.push(stack.variable("HEALTH_MONITOR_IMAGE"));
        let container = Made::run(unique(purpose), &arguments).await;
        let published = docker(&["port", &container.name, "8000"]).await;
        let mut monitor = Self::at(&format!("http://{}", published.lines().next().unwrap_or_default()));
        monitor.own = Some(Own { container, folder });
        until("a monitor that is ready", seconds(20), async || {
            match monitor.try_get("/readyz").await {
                Ok((StatusCode::OK, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", monitor.logs().await)),
            }
        })
        .await;
        monitor
    }

    /// Asks at another of its addresses from now on.
    pub fn ask_at(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    /// The container of one that a test started.
    pub fn container(&self) -> &str {
        self.own.as_ref().map_or("health-monitor", |own| &own.container.name)
    }

    /// The end of its log.
    pub async fn logs(&self) -> String {
        docker(&["logs", "--tail", "20", self.container()]).await
    }

    /// Asks it.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<(StatusCode, String)> {
        let response = self.client.get(format!("{}{path}", self.url)).send().await?;
        Ok((response.status(), response.text().await?))
    }

    /// Asks it for a document, and fails the test where it does not answer with one.
    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, text) = self.try_get(path).await.unwrap();
        let document = serde_json::from_str(&text);
        (
            status,
            document.unwrap_or_else(|error| panic!("{path}: {error}: {text}")),
        )
    }

    /// What it says of a service.
    pub async fn service(&self, name: &str) -> Service {
        let (status, document) = self.get(&format!("/health/{name}")).await;
        assert_eq!(status, StatusCode::OK, "{name}: {document}");
        serde_json::from_value(document).unwrap()
    }

    /// Every status that it tells of any service while something is done, in their order for each service.
    pub async fn watch_all<T>(&self, work: impl Future<Output = T>) -> Vec<(String, String)> {
        let mut seen: Vec<(String, String)> = Vec::new();
        let look = async {
            loop {
                let (_, health) = self.get("/health").await;
                for (name, status) in health["services"].as_object().unwrap() {
                    let told = (name.clone(), status.as_str().unwrap_or_default().to_owned());
                    let last = seen.iter().rev().find(|(known, _)| known == name);
                    if last != Some(&told) {
                        seen.push(told);
                    }
                }
                tokio::time::sleep(STEP).await;
            }
        };
        tokio::select! {
            () = look => {}
            _ = work => {}
        }
        seen
    }

    /// Waits until it says this of a service, and answers what it says.
    pub async fn wait(&self, name: &str, limit: Duration, is: impl Fn(&Service) -> bool) -> Service {
        until(name, limit, async || {
            let service = self.service(name).await;
            if is(&service) {
                Ok(service)
            } else {
                Err(format!("{service:?}"))
            }
        })
        .await
    }

    /// Waits until a service has this status and a reason that holds this text, and answers what it says.
    pub async fn wait_for(&self, name: &str, status: &str, reason: &str, limit: Duration) -> Service {
        let what = format!("{name} {status}: …{reason}…");
        until(&what, limit, async || {
            let service = self.service(name).await;
            if service.is(status, reason) {
                Ok(service)
            } else {
                Err(format!("{}: {}", service.status, service.reason))
            }
        })
        .await
    }

    /// Every different status and reason that it tells of a service while something is done, in their order.
    pub async fn watch<T>(&self, name: &str, work: impl Future<Output = T>) -> Vec<(String, String)> {
        let mut seen: Vec<(String, String)> = Vec::new();
        let look = async {
            loop {
                let Service { status, reason, .. } = self.service(name).await;
                if seen.last().is_none_or(|(last, why)| (last, why) != (&status, &reason)) {
                    seen.push((status, reason));
                }
                tokio::time::sleep(STEP).await;
            }
        };
        tokio::select! {
            () = look => {}
            _ = work => {}
        }
        seen
    }

    /// Waits until a service is healthy.
    pub async fn healthy(&self, name: &str, limit: Duration) {
        let is_healthy = |service: &Service| service.status == "healthy";
        self.wait(name, limit, is_healthy).await;
    }

    /// Waits until all nine services are healthy.
    pub async fn all_healthy(&self, limit: Duration) {
        until("every service healthy", limit, async || {
            let (_, health) = self.get("/health").await;
            let services = health["services"].as_object().unwrap();
            let healthy = SERVICES
                .iter()
                .filter(|&&name| services.get(name).is_some_and(|status| status == "healthy"));
            if healthy.count() == SERVICES.len() {
                Ok(())
            } else {
                Err(health.to_string())
            }
        })
        .await;
    }
}
