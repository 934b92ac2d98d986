//! The commands that talk to a running server through its data directory.

use std::path::PathBuf;

use clap::Args;
use rafttree::ServerId;
use serde_json::json;

use crate::failure::Failure;
use crate::options::{Format, parse_server};
use crate::report::{Shown, say};
use rafttree::admin::{self, Answer, Request};

#[derive(Args, Debug)]
pub(crate) struct StatusOptions {
    /// Data directories of running servers.
    #[arg(required = true, value_name = "DIRECTORY")]
    pub(crate) directories: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TransferOptions {
    /// The leader's data directory.
    pub(crate) directory: PathBuf,
    /// The server that takes over.
    #[arg(long, value_name = "ID", value_parser = parse_server)]
    pub(crate) to: ServerId,
}

#[derive(Args, Debug)]
pub(crate) struct StepDownOptions {
    /// The leader's data directory.
    pub(crate) directory: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct SnapshotOptions {
    /// The server's data directory.
    pub(crate) directory: PathBuf,
}

pub(crate) async fn snapshot(options: &SnapshotOptions, output: Format) -> Result<(), Failure> {
    match admin::ask(&options.directory, &Request::Snapshot).await? {
        Answer::Snapshotted { last } => match output {
            Format::Text => say(format!("a snapshot up to entry {last} is durable")),
            Format::Json => say(json!({ "snapshot": last })),
        },
        answer => done(answer),
    }
}

/// The status of the servers of these directories. It fails if one does not answer, after the others
/// were shown.
pub(crate) async fn status(options: &StatusOptions, output: Format) -> Result<(), Failure> {
    let mut failure = None;
    for directory in &options.directories {
        match admin::status(directory).await {
            Ok(status) => match output {
                Format::Text => say(format!("{}: {}", directory.display(), Shown(&status)).trim_end())?,
                Format::Json => say(json!({ "directory": directory.display().to_string(), "status": status }))?,
            },
            Err(error) => {
                if let Some(former) = failure.replace(Failure::from(error)) {
                    eprintln!("error: {former}");
                }
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

pub(crate) async fn transfer(options: &TransferOptions, output: Format) -> Result<(), Failure> {
    let to = options.to;
    done(admin::ask(&options.directory, &Request::Transfer { to }).await?)?;
    match output {
        Format::Text => say(format!("server {to} takes over")),
        Format::Json => say(json!({ "transferred_to": to })),
    }
}

pub(crate) async fn step_down(options: &StepDownOptions, output: Format) -> Result<(), Failure> {
    done(admin::ask(&options.directory, &Request::StepDown).await?)?;
    match output {
        Format::Text => say("leadership is given up"),
        Format::Json => say(json!({ "stepped_down": true })),
    }
}

/// Whether the server did what it was asked.
pub(crate) fn done(answer: Answer) -> Result<(), Failure> {
    match answer {
        Answer::Done => Ok(()),
        Answer::Failed { reason } => Err(Failure::Operation(reason)),
        _ => Err(Failure::Internal("the server answered another question".to_owned())),
    }
}
