//! The commands that talk to a running server through its data directory.

use serde_json::json;

use crate::admin::{self, Answer, Request};
use crate::arguments::{Format, StatusOptions, StepDownOptions, TransferOptions};
use crate::failure::Failure;
use crate::report::say;

/// What the servers of these directories know. It fails if one does not answer, after the others
/// were shown.
pub(crate) async fn status(options: &StatusOptions, output: Format) -> Result<(), Failure> {
    let mut failure = None;
    for directory in &options.directories {
        match admin::status(directory).await {
            Ok(status) => match output {
                Format::Text => say(format!("{}: {status}", directory.display()).trim_end())?,
                Format::Json => say(json!({ "directory": directory.display().to_string(), "status": status }))?,
            },
            Err(error) => {
                if let Some(former) = failure.replace(error) {
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
        Answer::Status(_) => Err(Failure::Internal("the server answered another question".to_owned())),
    }
}
