//! Runs the commands of documents, or proves that what they name exists.

use std::fs;
use std::process::Command;

use crate::monitor::{Monitor, binary, request};
use crate::{docker, failure_of, root, text, variable};

/// Where the documents say that the monitor answers.
const DOCUMENTED: &str = "localhost:8000";

/// Names in capitals that stand for one of the reader's own, and one that exists.
const PLACEHOLDERS: [(&str, &str); 2] = [("SERVICE", "kafka"), ("CONTAINER", "kafka")];

/// Programs that are not ours and are not run: how they are called is theirs to say.
const FOREIGN: [&str; 10] = [
    "git",
    "cd",
    "cp",
    "date",
    "grep",
    "jq",
    "systemctl",
    "journalctl",
    "promtool",
    "amtool",
];

/// Runs commands as a reader would, with the monitor's address in the place of the documented one.
pub(crate) struct Shell {
    address: String,
    is_stack: bool,
}

// === impl Shell ===

impl Shell {
    /// Of somebody who has this monitor running.
    pub(crate) fn new(monitor: &Monitor) -> Self {
        Self {
            address: monitor.address.clone(),
            is_stack: false,
        }
    }

    /// Of somebody who has the stack running; `None` where it is not.
    pub(crate) fn of_stack() -> Option<Self> {
        let url = variable("STACK_HEALTH_MONITOR_URL")?;
        Some(Self {
            address: url.trim_start_matches("http://").to_owned(),
            is_stack: true,
        })
    }

    /// Runs a command and tells what it printed, standard error included.
    ///
    /// # Errors
    ///
    /// Where it is none that can be run here.
    pub(crate) fn run(&self, command: &str) -> Result<String, String> {
        let mut words = words(command)?;
        if let Some(pipe) = words.iter().position(|word| word == "|") {
            // It only makes a document easier to read, which comparing does not need.
            if words[pipe..] != ["|", "jq", "."] {
                return Err("only '| jq .' may follow a command that shows an answer".to_owned());
            }
            words.truncate(pipe);
        }
        let shows_code = words.iter().any(|word| word == "echo");
        let end = words.iter().position(|word| word == ";").unwrap_or(words.len());
        let variables = words.iter().take_while(|word| is_assignment(word)).count();
        let (assignments, rest) = words[..end].split_at(variables);
        match rest {
            [program, arguments @ ..] if program == "health-monitor" => {
                let mut command = binary();
                command.current_dir(root()).args(arguments);
                command.envs(assignments.iter().filter_map(|word| word.split_once('=')));
                command.env("HEALTH_MONITOR__SERVER__BIND", &self.address);
                let output = command.output().map_err(|error| error.to_string())?;
                let mut printed = text(&output.stdout) + &text(&output.stderr);
                if shows_code {
                    printed.push_str(&format!("{}\n", output.status.code().unwrap_or(-1)));
                }
                let port = self.address.rsplit(':').next().unwrap_or_default();
                Ok(printed.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:8000"))
            }
            [program, arguments @ ..] if program == "curl" => {
                let request = Curl::read(arguments)?;
                let (status, body) = self.ask(&request);
                Ok(if request.shows_status {
                    format!("{status}\n")
                } else {
                    body
                })
            }
            _ => Err("is neither curl nor health-monitor, so its answer cannot be tested".to_owned()),
        }
    }

    /// Proves that what a command names exists.
    ///
    /// # Errors
    ///
    /// Where something does not.
    pub(crate) fn check(&self, command: &str) -> Result<(), String> {
        let words = words(command)?;
        let separators = ["|", ";", "&&", "||"];
        words
            .split(|word| separators.contains(&word.as_str()))
            .filter(|part| !part.is_empty())
            .try_for_each(|part| self.check_one(part))
            .map_err(|problem| format!("'{command}': {problem}"))
    }

    fn check_one(&self, words: &[String]) -> Result<(), String> {
        let variables = words.iter().take_while(|word| is_assignment(word)).count();
        let (assignments, rest) = words.split_at(variables);
        assignments.iter().try_for_each(|word| check_variable(word))?;
        let Some((program, arguments)) = rest.split_first() else {
            return Ok(());
        };
        match program.as_str() {
            "make" => check_make(arguments),
            "docker" => check_docker(arguments),
            "curl" => self.check_curl(arguments),
            "health-monitor" => check_monitor(arguments),
            "cargo" => failure_of(Command::new("cargo").args(["help", arguments.first().map_or("", String::as_str)]))
                .map_or(Ok(()), Err),
            "bash" => check_files(arguments),
            script if root().join(script).is_file() => Ok(()),
            foreign if FOREIGN.contains(&foreign) => check_files(arguments),
            other => Err(format!("nobody knows how to test '{other}'")),
        }
    }

    fn check_curl(&self, arguments: &[String]) -> Result<(), String> {
        let request = Curl::read(arguments)?;
        if !request.url.contains(DOCUMENTED) {
            return Ok(());
        }
        match self.ask(&request) {
            (0, _) => Err(format!("{} is not answered", request.url)),
            (404, body) if body.contains("nothing is at") => Err(body),
            (405, body) => Err(body),
            _ => Ok(()),
        }
    }

    fn ask(&self, curl: &Curl) -> (u16, String) {
        let mut url = curl.url.replace(DOCUMENTED, &self.address);
        if !url.contains("://") {
            url.insert_str(0, "http://");
        }
        if !self.is_stack {
            for (placeholder, name) in PLACEHOLDERS {
                url = url.replace(placeholder, name);
            }
        }
        request(&curl.method, &url)
    }
}

/// What a call of curl asks for.
struct Curl {
    method: String,
    url: String,
    shows_status: bool,
}

impl Curl {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut curl = Self {
            method: "GET".to_owned(),
            url: String::new(),
            shows_status: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-s" | "-sS" | "-f" | "-fsS" | "-sf" => {}
                "-sI" | "-I" => "HEAD".clone_into(&mut curl.method),
                "-X" => words.next().ok_or("-X needs a method")?.clone_into(&mut curl.method),
                "-o" | "-H" | "-d" | "--data-urlencode" => {
                    words.next().ok_or_else(|| format!("{word} needs a value"))?;
                }
                "-w" => {
                    let format = words.next().ok_or("-w needs a format")?;
                    curl.shows_status = format.contains("%{http_code}");
                }
                url if curl.url.is_empty() && !url.starts_with('-') => url.clone_into(&mut curl.url),
                other => return Err(format!("nobody knows what curl's '{other}' is")),
            }
        }
        Ok(curl)
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
    })
}

/// The variable is read somewhere, or is a key of the configuration.
fn check_variable(assignment: &str) -> Result<(), String> {
    let name = assignment.split('=').next().unwrap_or_default();
    if name.starts_with("HEALTH_MONITOR__") {
        let checked = failure_of(binary().arg("validate").envs(assignment.split_once('=')));
        return checked.map_or(Ok(()), Err);
    }
    let places = ["Makefile", "scripts", "tests", "compose", "config", "src", "Dockerfile"];
    let mut grep = Command::new("grep");
    grep.current_dir(root()).args(["-rqw", name]).args(places);
    failure_of(&mut grep).map_or(Ok(()), |_| Err(format!("nothing reads the variable {name}")))
}

fn check_make(arguments: &[String]) -> Result<(), String> {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    arguments.iter().try_for_each(|argument| {
        if is_assignment(argument) {
            return check_variable(argument);
        }
        let is_target = makefile.lines().any(|line| line.starts_with(&format!("{argument}:")));
        is_target
            .then_some(())
            .ok_or_else(|| format!("make has no target '{argument}'"))
    })
}

/// The program takes these arguments: `--help` beside them shows the help of the subcommand that they name.
fn check_monitor(arguments: &[String]) -> Result<(), String> {
    check_files(arguments)?;
    failure_of(binary().args(arguments).arg("--help")).map_or(Ok(()), Err)
}

/// The subcommand exists and has these options.
fn check_docker(arguments: &[String]) -> Result<(), String> {
    let mut rest = arguments;
    let mut subcommand: Vec<&str> = Vec::new();
    if let Some((plugin, after)) = arguments.split_first()
        && matches!(plugin.as_str(), "compose" | "buildx")
    {
        subcommand.push(plugin);
        rest = after;
        while let [option, file, after @ ..] = rest
            && option == "-f"
        {
            // An ellipsis stands for the reader's own files.
            if file != "…" && !is_readers_own(file) {
                check_files(std::slice::from_ref(file))?;
            }
            rest = after;
        }
    }
    let (verb, arguments) = rest.split_first().ok_or("docker needs a subcommand")?;
    subcommand.push(verb);
    let help = docker().args(&subcommand).arg("--help").output();
    let help = text(&help.map_err(|error| format!("docker is needed: {error}"))?.stdout);
    // The client shows its own help for a subcommand that it does not know.
    let usage = format!("docker {}", subcommand.join(" "));
    let is_known = help
        .lines()
        .any(|line| line.contains("Usage:") && line.contains(&usage));
    if !is_known {
        return Err(format!(
            "'{usage}' is no subcommand (make stack-up sees to Compose and buildx)"
        ));
    }
    // What follows the image or the container is a command inside.
    let runs_inside = matches!(verb.as_str(), "run" | "exec");
    let inside = arguments
        .iter()
        .position(|argument| runs_inside && argument == "health-monitor");
    if let Some(index) = inside {
        let within = &arguments[index + 1..];
        match within.split_first() {
            Some((program, arguments)) if verb == "exec" && program == "health-monitor" => check_monitor(arguments)?,
            Some((program, _)) if verb == "exec" => check_applet(program)?,
            // The image's entry point is the program.
            _ => check_monitor(within)?,
        }
    }
    let mut options: Vec<&str> = Vec::new();
    for argument in &arguments[..inside.unwrap_or(arguments.len())] {
        if argument.starts_with('-') {
            options.push(argument.split('=').next().unwrap_or_default());
        } else if verb == "top" {
            // From here on they are those of ps.
            break;
        }
    }
    options
        .iter()
        .find(|option| {
            !help
                .split_whitespace()
                .any(|word| word.trim_end_matches(',') == **option)
        })
        .map_or(Ok(()), |option| Err(format!("'{usage}' has no option {option}")))
}

/// A Compose file that only the reader has.
fn is_readers_own(file: &str) -> bool {
    matches!(file, "docker-compose.yml" | "compose.yaml" | "monitoring.yaml")
}

/// The image has this program.
fn check_applet(program: &str) -> Result<(), String> {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let applets = dockerfile
        .lines()
        .find(|line| line.contains("for applet in"))
        .unwrap_or_default();
    let is_there = applets
        .split_whitespace()
        .any(|word| word.trim_end_matches(';') == program);
    is_there
        .then_some(())
        .ok_or_else(|| format!("the image has no {program}"))
}

/// What looks like a file of the project is one.
fn check_files(arguments: &[String]) -> Result<(), String> {
    let roots = ["config/", "compose/", "scripts/", "docs/", "src/", "tests/"];
    let mut files = arguments
        .iter()
        .filter(|argument| roots.iter().any(|root| argument.starts_with(root)));
    files
        .find(|file| !root().join(file).exists())
        .map_or(Ok(()), |file| Err(format!("{file} does not exist")))
}

/// Splits a command at blanks outside of quotes; `|`, `;`, `&&` and `||` are words of their own.
fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut depth = 0_u32;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => word.push(letter),
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(') => {
                depth += 1;
                word.push(letter);
            }
            (None, ')') => {
                depth = depth.saturating_sub(1);
                word.push(letter);
            }
            (None, ';') if depth == 0 => {
                words.push(std::mem::take(&mut word));
                words.push(";".to_owned());
            }
            (None, ' ') if depth == 0 => words.push(std::mem::take(&mut word)),
            (None, _) => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    // Where the output goes is the reader's.
    while let Some(arrow) = words.iter().position(|word| word == ">") {
        words.drain(arrow..words.len().min(arrow + 2));
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    Ok(words)
}
