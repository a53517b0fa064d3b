//! Clients of Prometheus and of Alertmanager.

use serde_json::Value;

use health_monitor_test_support::stack::Stack;

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    url: String,
    client: reqwest::Client,
}

impl Prometheus {
    /// The stack's own.
    pub(crate) fn of(stack: &Stack) -> Self {
        Self {
            url: stack.variable("STACK_PROMETHEUS_URL").to_owned(),
            client: reqwest::Client::new(),
        }
    }

    /// The data of an endpoint of its API, `targets`.
    pub(crate) async fn api(&self, endpoint: &str) -> Value {
        self.data(endpoint, &[]).await
    }

    /// The series that an instant query returns.
    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        let data = self.data("query", &[("query", query)]).await;
        data["result"].as_array().unwrap().clone()
    }

    /// The value of the one series that an instant query returns, if it returns one.
    pub(crate) async fn value(&self, query: &str) -> Option<f64> {
        let series = self.query(query).await;
        let value = series.first()?["value"][1].as_str()?;
        value.parse().ok()
    }

    async fn data(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Value {
        let url = with_query(&format!("{}/api/v1/{endpoint}", self.url), parameters);
        let answer: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{endpoint} {parameters:?}: {answer}");
        answer["data"].clone()
    }
}

/// A running Alertmanager.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    url: String,
    client: reqwest::Client,
}

impl Alertmanager {
    /// The stack's own.
    pub(crate) fn of(stack: &Stack) -> Self {
        Self {
            url: stack.variable("STACK_ALERTMANAGER_URL").to_owned(),
            client: reqwest::Client::new(),
        }
    }

    /// The alerts that all of these matchers match and that have not ended.
    pub(crate) async fn alerts(&self, matchers: &[&str]) -> Vec<Value> {
        let filters: Vec<(&str, &str)> = matchers.iter().map(|&matcher| ("filter", matcher)).collect();
        let url = with_query(&format!("{}/api/v2/alerts", self.url), &filters);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }
}

fn with_query(url: &str, parameters: &[(&str, &str)]) -> reqwest::Url {
    let mut url = reqwest::Url::parse(url).unwrap();
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    url
}
