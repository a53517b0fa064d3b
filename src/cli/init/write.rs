//! Writes the configuration that `init` proposes.

use std::collections::BTreeSet;
use std::fmt::Write;

use health_monitor_actors::model::{ServiceName, compose_labels};

use super::fit::{Fit, fit};

/// A container that runs, as far as its configuration depends on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) labels: std::collections::BTreeMap<String, String>,
    /// TCP ports that it exposes, in order.
    pub(super) ports: Vec<u16>,
}

/// A service to be written.
struct Proposal<'a> {
    name: String,
    seen: &'a Seen,
    fit: Option<Fit>,
    depends_on: Vec<String>,
    replicas: usize,
}

/// The text of a configuration file for these containers.
pub(super) fn write(containers: &[Seen]) -> String {
    let projects: BTreeSet<&str> = containers
        .iter()
        .filter_map(|seen| seen.label(compose_labels::PROJECT))
        .collect();
    let project = match projects.iter().collect::<Vec<_>>().as_slice() {
        [project] => Some(**project),
        _ => None,
    };
    let proposals = propose(containers, project);
    let mut text = String::from(
        "# Configuration of health-monitor, written by `health-monitor init` from the containers that ran then.\n\
         # Go through it, then try it: `health-monitor validate FILE`, `health-monitor check SERVICE --config FILE`.\n\
         # No password was copied from any container: see the lines that name one.\n",
    );
    if let Some(project) = project {
        let _infallible = write!(text, "\n[docker]\nproject = {}\n", quoted(project));
    }
    if proposals.is_empty() {
        text.push_str("\n# No container ran, so that there is no service yet.\n[services]\n");
    }
    for proposal in &proposals {
        text.push('\n');
        text.push_str(&proposal.text());
    }
    text
}

/// One service a Compose service, or a container that is none; names that differ only in case are told apart.
fn propose<'a>(containers: &'a [Seen], project: Option<&str>) -> Vec<Proposal<'a>> {
    let mut proposals: Vec<Proposal<'a>> = Vec::new();
    let mut sorted: Vec<&Seen> = containers.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    for seen in sorted {
        let name = seen.service_name(project);
        if let Some(same) = proposals
            .iter_mut()
            .find(|proposal| proposal.name.eq_ignore_ascii_case(&name))
        {
            same.replicas += 1;
            continue;
        }
        proposals.push(Proposal {
            name,
            seen,
            fit: fit(&seen.image, &seen.ports),
            depends_on: seen.dependencies(),
            replicas: 1,
        });
    }
    let known: BTreeSet<String> = proposals.iter().map(|proposal| proposal.name.clone()).collect();
    for proposal in &mut proposals {
        let own = proposal.name.clone();
        proposal.depends_on.retain(|name| known.contains(name) && *name != own);
    }
    proposals
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => {
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

// === impl Seen ===

impl Seen {
    fn label(&self, label: &str) -> Option<&str> {
        self.labels
            .get(label)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The Compose service where there is one project, whose services therefore differ; else the container's name.
    fn service_name(&self, project: Option<&str>) -> String {
        let of_compose = self.label(compose_labels::SERVICE).filter(|_| project.is_some());
        let name = of_compose.unwrap_or(&self.name);
        if ServiceName::new(name).is_ok() {
            return name.to_owned();
        }
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        let cleaned: String = name
            .chars()
            .map(|letter| if allowed(letter) { letter } else { '-' })
            .collect();
        let cleaned: String = format!("c{cleaned}").chars().take(100).collect();
        cleaned
    }

    /// What Compose starts before it: `db:service_healthy:false,broker:service_started:true`.
    fn dependencies(&self) -> Vec<String> {
        let stated = self.label(compose_labels::DEPENDS_ON).unwrap_or_default().split(',');
        let names = stated.filter_map(|part| part.split(':').next());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

// === impl Proposal ===

impl Proposal<'_> {
    fn text(&self) -> String {
        let image: String = self.seen.image.chars().filter(|letter| !letter.is_control()).collect();
        let mut lines = vec![format!("# image {image}"), format!("[services.{}]", self.key())];
        let host = &self.name;
        match self.fit {
            None => lines.push(
                "check = \"container\"            # it exposes no port, so only the container is looked at".to_owned(),
            ),
            Some(fit) => {
                lines.push(format!("check = {}", quoted(fit.check)));
                if fit.check == "http" {
                    lines.push(format!("url = \"http://{host}:{}{}\"", fit.port, fit.path));
                } else {
                    lines.push(format!("address = \"{host}:{}\"", fit.port));
                }
                lines.extend(self.hints(fit.check));
            }
        }
        if self.seen.name != self.name && self.seen.label(compose_labels::SERVICE) != Some(self.name.as_str()) {
            lines.push(format!("container = {}", quoted(&self.seen.name)));
        }
        if !self.depends_on.is_empty() {
            let names: Vec<String> = self.depends_on.iter().map(|name| quoted(name)).collect();
            lines.push(format!("depends_on = [{}]", names.join(", ")));
        }
        if self.replicas > 1 {
            lines.push(format!("min_replicas = 1               # {} ran", self.replicas));
        }
        lines.join("\n") + "\n"
    }

    fn key(&self) -> String {
        if self.name.contains('.') {
            quoted(&self.name)
        } else {
            self.name.clone()
        }
    }

    /// What a person has to add, because it is secret or cannot be seen.
    fn hints(&self, check: &str) -> Vec<String> {
        let variable: String = self.name.to_uppercase().replace(['-', '.'], "_");
        let password = [
            format!("# password_file = \"/run/secrets/{}\"", self.name),
            format!("# password = \"${{{variable}_PASSWORD}}\""),
        ];
        match check {
            "postgres" => {
                let mut hints =
                    vec!["# Without a password it is only asked whether it takes connections. To log in:".to_owned()];
                hints.extend([
                    "# user = \"postgres\"".to_owned(),
                    "# database = \"postgres\"".to_owned(),
                ]);
                hints.extend(password);
                hints
            }
            "mqtt" => {
                let mut hints = vec![
                    "# If it wants a login:".to_owned(),
                    "# user = \"health-monitor\"".to_owned(),
                ];
                hints.extend(password);
                hints
            }
            "kafka" => vec!["# The address must be one of its listeners for clients in the same network.".to_owned()],
            "tcp" => vec![
                "# Only whether the port takes a connection. For a web server: check = \"http\" and url.".to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::settings::{Settings, Sources};

    fn seen(name: &str, image: &str, ports: &[u16], labels: &[(&str, &str)]) -> Seen {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Seen {
            name: name.to_owned(),
            image: image.to_owned(),
            labels: labels.iter().map(owned).collect(),
            ports: ports.to_vec(),
        }
    }

    fn settings_of(containers: &[Seen]) -> Settings {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("written.toml");
        let text = write(containers);
        fs::write(&file, &text).unwrap();
        let sources = Sources {
            file: Some(file),
            ..Sources::default()
        };
        Settings::load(&sources).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn summary(settings: &Settings) -> Vec<String> {
        let services = settings.services.iter();
        let line = |service: &crate::settings::ServiceDefinition| {
            let spec = &service.spec;
            let depends_on: Vec<&str> = spec.depends_on.iter().map(ServiceName::as_str).collect();
            format!(
                "{} {} {} {}",
                spec.name,
                spec.check,
                spec.address.as_deref().unwrap_or("-"),
                depends_on.join(",")
            )
        };
        services.map(line).collect()
    }

    #[test]
    fn a_compose_project_gets_its_services_and_their_dependencies() {
        let of = |service: &'static str| [(compose_labels::PROJECT, "shop"), (compose_labels::SERVICE, service)];
        let mut web = seen("shop-web-1", "shop/web", &[8080], &of("web"));
        web.labels.insert(
            compose_labels::DEPENDS_ON.to_owned(),
            "db:service_healthy:false,gone:service_started:false".to_owned(),
        );
        let settings = settings_of(&[
            web.clone(),
            Seen {
                name: "shop-web-2".to_owned(),
                ..web
            },
            seen("shop-db-1", "postgres:15", &[5432], &of("db")),
            seen("shop-worker-1", "shop/worker", &[], &of("worker")),
            seen("shop-grafana-1", "grafana/grafana", &[3000], &of("grafana")),
        ]);
        assert_eq!(settings.docker.project.as_deref(), Some("shop"));
        let expected = [
            "db postgres db:5432 ",
            "grafana http http://grafana:3000/api/health ",
            "web tcp web:8080 db",
            "worker container - ",
        ];
        assert_eq!(summary(&settings), expected);
    }

    #[test]
    fn containers_of_several_projects_keep_their_own_names() {
        let settings = settings_of(&[
            seen(
                "one-db-1",
                "postgres",
                &[],
                &[(compose_labels::PROJECT, "one"), (compose_labels::SERVICE, "db")],
            ),
            seen(
                "two-db-1",
                "postgres",
                &[],
                &[(compose_labels::PROJECT, "two"), (compose_labels::SERVICE, "db")],
            ),
            seen("_odd.name", "thing\" \n", &[], &[]),
        ]);
        assert_eq!(settings.docker.project, None);
        let expected = [
            "c_odd.name container - ",
            "one-db-1 postgres one-db-1:5432 ",
            "two-db-1 postgres two-db-1:5432 ",
        ];
        assert_eq!(summary(&settings), expected);
    }

    #[test]
    fn where_nothing_runs_nothing_is_watched() {
        assert!(settings_of(&[]).services.is_empty());
    }
}
