//! What holds for all commands, and the man page.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Terms and what they mean.
type Paragraphs = &'static [(&'static str, &'static str)];

/// What the process ends with.
const EXIT_CODES: Paragraphs = &[
    ("0", "it worked"),
    ("1", "it failed"),
    (
        "2",
        "the configuration or the command line is wrong (healthcheck ends with 1 then)",
    ),
    (
        "3",
        "status: the monitor answers, and a critical service is down; run: the registry ended",
    ),
    ("4", "run: the supervisor ended"),
    ("5", "run: too many threads are blocked"),
    ("6", "run: the engine has another socket"),
];

/// Where a configuration is read from without `--config`.
const FILES: Paragraphs = &[
    (
        "$HEALTH_MONITOR_CONFIG",
        "the configuration, where this variable names one",
    ),
    ("./health-monitor.toml", "else this file, if it exists"),
    (
        "/etc/health-monitor/config.toml",
        "else this one; without any, the built-in defaults hold",
    ),
];

/// Variables beside those of the options.
const VARIABLES: Paragraphs = &[
    (
        "HEALTH_MONITOR__SECTION__KEY",
        "sets a key of the configuration, and wins over the file: HEALTH_MONITOR__SERVER__BIND",
    ),
    (
        "HEALTH_MONITOR_URL",
        "which monitor status, services and containers ask",
    ),
    ("HEALTH_MONITOR_API_KEY", "the key that they show it"),
    ("HEALTH_MONITOR_API_KEY_FILE", "the file that holds that key"),
    ("HEALTH_MONITOR_CA_FILE", "the certificates that they trust"),
    (
        "DOCKER_HOST, DOCKER_API_VERSION",
        "where the engine is, and which version of its API to speak",
    ),
    ("RUST_LOG", "what is logged: a level such as debug, or a filter"),
    ("NO_COLOR", "set to anything: no colours"),
];

/// What stands below the options in the help.
pub(super) fn after_help() -> String {
    let mut text = String::new();
    for (heading, paragraphs) in [
        ("Exit codes", EXIT_CODES),
        ("Configuration", FILES),
        ("Variables", VARIABLES),
    ] {
        let width = paragraphs.iter().map(|(term, _)| term.len()).max().unwrap_or(0);
        let _written = writeln!(text, "{heading}:");
        for (term, meaning) in paragraphs {
            let _written = writeln!(text, "  {term:width$}  {meaning}");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// The man page: the command, each of its subcommands, and what holds for all.
pub(super) fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut text = Vec::new();
    let page = Man::new(command.clone()).manual("User Commands");
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    writeln!(text, ".SH COMMANDS")?;
    write_subcommands(&command, &mut text)?;
    let mut more = Roff::new();
    for (heading, paragraphs) in [
        ("EXIT STATUS", EXIT_CODES),
        ("FILES", FILES),
        ("ENVIRONMENT", VARIABLES),
    ] {
        more.control("SH", [heading]);
        for (term, meaning) in paragraphs {
            more.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
        }
    }
    more.to_writer(&mut text)?;
    Ok(text)
}

/// A subsection for each command that does something, with its options.
fn write_subcommands(command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    for subcommand in command.get_subcommands() {
        if subcommand.has_subcommands() {
            write_subcommands(subcommand, text)?;
            continue;
        }
        let name = subcommand.get_display_name().unwrap_or_default().replace('-', " ");
        let name = name.replacen("health monitor", "health-monitor", 1);
        let mut heading = Roff::new();
        heading.control("SS", [name.as_str()]);
        heading.to_writer(text)?;
        let page = Man::new(subcommand.clone());
        let mut own = Vec::new();
        page.render_description_section(&mut own)?;
        // What all commands share stands at the top.
        let shared = |argument: &Arg| matches!(argument.get_id().as_str(), "config" | "help");
        if subcommand.get_arguments().any(|argument| !shared(argument)) {
            page.render_options_section(&mut own)?;
        }
        let own = String::from_utf8_lossy(&own).into_owned();
        let within = own.lines().filter(|line| *line != ".SH DESCRIPTION");
        for line in within {
            writeln!(text, "{}", if line == ".SH OPTIONS" { ".PP" } else { line })?;
        }
    }
    Ok(())
}
