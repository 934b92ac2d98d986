//! `rafttree bench`: what a cluster of real processes on this machine does, in figures.

mod options;

mod progress;

mod statistics;

mod theory;

mod plot;

mod group;

mod failover;

mod steady;

use crate::failure::Failure;
use crate::options::Format;

pub(crate) use options::BenchCommand;
#[cfg(test)]
pub(crate) use options::{FAILOVER_EXAMPLES, STEADY_EXAMPLES};

pub(crate) async fn run(command: BenchCommand, output: Format) -> Result<(), Failure> {
    match command {
        BenchCommand::Failover(options) => failover::run(options, output).await,
        BenchCommand::Steady(options) => steady::run(options, output).await,
    }
}
