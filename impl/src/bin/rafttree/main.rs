//! The command line: servers of their own, and a cluster on one machine to try things with.

mod admin;
mod arguments;
mod bench;
mod cluster;
mod control;
mod failure;
mod init;
mod local;
mod report;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    let Arguments { command, output } = Arguments::parse();
    // One thread is enough for a server, and local clusters rely on it: their servers end with
    // the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            match command {
                Command::Init(options) => init::run(&options, output),
                Command::Serve(options) => serve::run(options, output).await,
                Command::Status(options) => control::status(&options, output).await,
                Command::Transfer(options) => control::transfer(&options, output).await,
                Command::StepDown(options) => control::step_down(&options, output).await,
                Command::Local(options) => local::run(options, output).await,
                Command::Bench(command) => bench::run(command, output).await,
            }
        }),
        Err(error) => Err(Failure::Internal(format!("cannot start: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}
