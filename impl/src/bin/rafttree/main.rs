//! The command line: servers of their own, and a cluster on one machine to try things with.

mod failure;

mod signals;

mod options;

mod report;

mod output;

mod init;

mod log;

mod history;

mod control;

mod why;

mod serve;

mod cluster;

mod local;

mod bench;

mod seeds;

mod simulate;

mod campaign;

mod arguments;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use failure::Failure;
use options::Format;

fn main() -> ExitCode {
    let Arguments { command, output } = Arguments::parse();
    // One thread is enough for a server, and local clusters rely on it: their servers end with
    // the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(command, output));
            // What is done comes to its end with the process, whatever else still waits.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::Internal(format!("cannot start: {error}"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(format!("error: {failure}"));
            failure.exit_code()
        }
    }
}

async fn run(command: Command, output: Format) -> Result<(), Failure> {
    match command {
        Command::Init(options) => init::run(&options, output),
        Command::Serve(options) => serve::run(options, output).await,
        Command::Status(options) => control::status(&options, output).await,
        Command::Why(options) => why::why(&options, output).await,
        Command::Snapshot(options) => control::snapshot(&options, output).await,
        Command::Transfer(options) => control::transfer(&options, output).await,
        Command::StepDown(options) => control::step_down(&options, output).await,
        Command::Log(command) => log::run(&command, output),
        Command::CheckHistory(options) => history::run(&options, output),
        Command::Local(options) => local::run(options, output).await,
        Command::Bench(command) => bench::run(command, output).await,
        Command::Simulate(options) => simulate::run(&options, output),
        Command::Campaign(options) => campaign::run(&options, output),
    }
}
