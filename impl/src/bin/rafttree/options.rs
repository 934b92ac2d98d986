//! Options that several commands share.

use std::time::Duration;

use clap::{Args, ValueEnum};
use rafttree::ServerId;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// T: without word from a leader a server campaigns after a random time between T and 2 T.
    #[arg(long, value_name = "TIME", default_value = "150ms", value_parser = humantime::parse_duration)]
    pub(crate) election_timeout: Duration,
    /// How often a leader tells that it leads [default: a tenth of the election timeout].
    #[arg(long = "heartbeat", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) heartbeat_interval: Option<Duration>,
}

pub(crate) fn parse_server(text: &str) -> Result<ServerId, String> {
    match text.parse() {
        Ok(id) if 0 < id => Ok(ServerId::new(id)),
        _ => Err("a server is a number from 1 on".to_owned()),
    }
}
