//! The fault suite: what breaks is really broken, on the real stack, and the monitor must neither lie, nor stop, nor let it
//! spread. Prints a table of faults, ends with a count of those that passed and failed.
//!
//! ```text
//! cargo test --test faults                    the short form, part of `make test`
//! cargo test --test faults -- --all           every fault, as `make faults` runs them
//! cargo test --test faults -- TEXT...         the faults whose group or name holds one of these texts
//! cargo test --test faults -- --list          their names
//! faults --monitor CONFIG                     not the suite, but the monitor whose own parts can be broken (misbehaving.rs)
//! ```
//!
//! The stack is the one that `make test` and `make faults` bring up, in a box: an engine may be stopped there.

#![expect(clippy::expect_used, reason = "a fault that cannot go on says where")]

mod bystanders;
mod configuration;
mod engine;
mod evidence;
mod fault;
mod itself;
mod listener;
mod long_run;
mod misbehaving;
mod selection;
mod services;
mod suite;
mod table;
mod time;
mod watch;

use std::process::ExitCode;

use selection::Selection;
use tikv_jemallocator::Jemalloc;

/// As the monitor has, whose parts this program runs.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, configuration] = &arguments[..]
        && option == "--monitor"
    {
        return misbehaving::main(configuration);
    }
    let selection = match Selection::of(arguments.into_iter()) {
        Ok(selection) => selection,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let faults = selection.choose(suite::all());
    if selection.lists() {
        for fault in &faults {
            println!("{}", fault.title());
        }
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let passed = runtime.block_on(suite::run(faults));
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
