//! `health-monitor completions`, `man` and `schema`: texts that follow from the program itself.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, FAILED, WORKED};
use crate::settings::json_schema;

/// Completions for a shell.
pub(super) fn completions(shell: Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "health-monitor", &mut text);
    deliver(&text)
}

/// The man page: the command, then each of its subcommands.
pub(super) fn man() -> u8 {
    let mut text = Vec::new();
    let written = write_man(&mut text);
    match written {
        Ok(()) => deliver(&text),
        Err(error) => failed(&error),
    }
}

/// The JSON Schema of the configuration.
pub(super) fn schema() -> u8 {
    match serde_json::to_vec_pretty(&json_schema()) {
        Ok(mut text) => {
            text.push(b'\n');
            deliver(&text)
        }
        Err(error) => failed(&error.into()),
    }
}

fn write_man(text: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(text)?;
    for subcommand in command
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help")
    {
        let name = subcommand.get_name();
        writeln!(text, ".SH \"HEALTH\\-MONITOR {}\"", name.to_uppercase())?;
        let page = clap_mangen::Man::new(subcommand.clone());
        page.render_description_section(text)?;
        page.render_options_section(text)?;
    }
    Ok(())
}

fn deliver(text: &[u8]) -> u8 {
    match io::stdout().lock().write_all(text) {
        Ok(()) => WORKED,
        // As in `health-monitor man | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => WORKED,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> u8 {
    eprintln!("error: {error}");
    FAILED
}
