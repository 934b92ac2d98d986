//! `rafttree log`: a data directory's log, read while no server need run.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rafttree::storage::{Condition, LogReport, LoggedBatch, LoggedRecord, inspect};
use rafttree::{Error, Position, StorageError};
use rafttree_model::{Payload, Record};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::Format;
use crate::report::say;

pub(crate) const LOG_EXAMPLES: &str = "\
Examples:
  Whether the log is sound, what was cut short, and which entries are damaged:
    rafttree log verify data/1

  Everything in it, a JSON object for each batch:
    rafttree log dump data/1 -o json

Nothing is written. While no server uses the directory none can start until the command has ended;
if one does, it is not disturbed, and what it is writing may look cut short. Entries are written
as index@term.

Exit codes: 0 the log is sound, or the next start repairs it by itself; 1 it could not be read;
65 it is damaged, and the entries that are lost are named; 66 it is damaged, and nobody can tell
what was acknowledged. With 65 the server starts if the damage is said to be fetched: it votes, and
does not lead until its leader has sent it those entries. Otherwise it does not start: bring back a
copy of the whole directory that was taken since it last ran, or leave it stopped while a majority
runs.";

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Checks every batch of a log, and names the entries that are damaged.
    #[command(after_help = LOG_EXAMPLES)]
    Verify(LogOptions),
    /// Shows every batch of a log and its records.
    #[command(after_help = LOG_EXAMPLES)]
    Dump(LogOptions),
}

#[derive(Args, Debug)]
pub(crate) struct LogOptions {
    /// The server's data directory.
    directory: PathBuf,
}

pub(crate) fn run(command: &LogCommand, output: Format) -> Result<(), Failure> {
    let (LogCommand::Verify(LogOptions { directory }) | LogCommand::Dump(LogOptions { directory })) = command;
    let report = inspect(directory).map_err(refused)?;
    if matches!(command, LogCommand::Dump(_)) {
        report.batches.iter().try_for_each(|batch| match output {
            Format::Text => say(batch_in_words(batch)),
            Format::Json => say(batch_as_json(batch)),
        })?;
    }
    match (command, output) {
        (LogCommand::Dump(_), Format::Json) => {}
        (_, Format::Text) => say(in_words(directory, &report))?,
        (_, Format::Json) => say(as_json(directory, &report))?,
    }
    match report.damaged().next() {
        None => Ok(()),
        Some(batch) => Err(Failure::Damaged(format!(
            "{} is damaged: batch {} at byte {} of {} cannot be read",
            directory.display(),
            batch.number,
            batch.offset,
            batch.file.display()
        ))),
    }
}

/// A directory that was refused, with the exit code that its condition has.
pub(crate) fn refused(error: impl Into<Error>) -> Failure {
    match error.into() {
        Error::Storage(
            error @ (StorageError::DamagedEntries { .. }
            | StorageError::NobodyElseHolds { .. }
            | StorageError::Corrupt { .. }),
        ) => Failure::Damaged(error.to_string()),
        Error::Storage(error @ (StorageError::IdentityLost { .. } | StorageError::MissingFile { .. })) => {
            Failure::Lost(error.to_string())
        }
        error => Failure::operation(error),
    }
}

fn in_words(directory: &Path, report: &LogReport) -> String {
    let mut lines = vec![format!(
        "{}: server {}, incarnation {}, format {}",
        directory.display(),
        report.identity.id,
        report.incarnation,
        report.format
    )];
    if report.is_in_use {
        lines.push("a server uses it: what it is writing may look cut short".to_owned());
    }
    let durable = &report.recovered.durable;
    let vote = durable.vote().map_or("no vote".to_owned(), |candidate| format!("vote for {candidate}"));
    let log = durable.log();
    lines.push(format!("term {}, {vote}; entries after {} to {}", durable.term(), log.base(), log.last()));
    for batch in &report.batches {
        let said = match batch.condition {
            Condition::Sound => continue,
            Condition::SlotLost => "its slot is lost; the next start writes it again".to_owned(),
            Condition::Superseded => "it is damaged, and nothing is lost with it".to_owned(),
            Condition::Damaged { first, last, is_acknowledged } => {
                let known = if is_acknowledged { "acknowledged" } else { "perhaps acknowledged" };
                format!("DAMAGED, and with it entries {first} to {last}, {known}")
            }
            _ => format!("{:?}", batch.condition),
        };
        lines.push(format!("batch {} at byte {} of {}: {said}", batch.number, batch.offset, batch.file.display()));
    }
    if report.is_cut_short {
        lines.push("a batch was cut short by a crash, and does not count: it was never acknowledged".to_owned());
    }
    let illegible =
        report.illegible.iter().map(|(file, offset)| format!("illegible: byte {offset} of {}", file.display()));
    lines.extend(illegible);
    let damaged = report.damaged().count();
    lines.push(match damaged {
        0 => format!("sound: {} batches", report.batches.len()),
        _ => {
            let faulty = durable.faulty();
            let then = match (faulty.first(), faulty.last()) {
                (Some(first), Some(last)) => format!("a server fetches entries {first} to {last} from its leader"),
                _ => "the server does not start".to_owned(),
            };
            format!("{damaged} of {} batches are damaged: {then}", report.batches.len())
        }
    });
    lines.join("\n")
}

fn as_json(directory: &Path, report: &LogReport) -> Value {
    let durable = &report.recovered.durable;
    let unsound = report.batches.iter().filter(|batch| batch.condition != Condition::Sound);
    json!({
        "directory": directory.display().to_string(),
        "id": report.identity.id,
        "incarnation": report.incarnation.to_string(),
        "format": report.format,
        "in_use": report.is_in_use,
        "term": durable.term(),
        "vote": durable.vote(),
        "base": durable.log().base(),
        "last": durable.log().last(),
        "batches": report.batches.len(),
        "unsound": unsound.map(batch_as_json).collect::<Vec<_>>(),
        "cut_short": report.is_cut_short,
        "illegible": report.illegible.iter().map(|(file, offset)| {
            json!({ "file": file.display().to_string(), "offset": offset })
        }).collect::<Vec<_>>(),
        "sound": report.damaged().next().is_none(),
    })
}

fn batch_in_words(batch: &LoggedBatch) -> String {
    let head = format!("batch {} at byte {} of {}", batch.number, batch.offset, batch.file.display());
    let records = batch.records.iter().map(|record| format!("\n  {}", record_in_words(record)));
    format!("{head}{}", records.collect::<String>())
}

fn record_in_words(record: &LoggedRecord) -> String {
    match record {
        LoggedRecord::Protocol(Record::Term(term)) => format!("term {term}"),
        LoggedRecord::Protocol(Record::Vote(candidate)) => format!("vote for {candidate}"),
        LoggedRecord::Protocol(Record::Truncate { keep }) => format!("entries after {keep} are removed"),
        LoggedRecord::Protocol(Record::Append(entry)) => match &entry.payload {
            Payload::Blank => format!("entry {}, blank", entry.position),
            Payload::Command(command) => format!("entry {}, a command of {} bytes", entry.position, command.len()),
        },
        LoggedRecord::Protocol(Record::Repair(entry)) => format!("entry {} is repaired", entry.position),
        LoggedRecord::Protocol(Record::Restore { last }) => {
            format!("a snapshot that ends with {last} replaces the log")
        }
        LoggedRecord::Protocol(other) => format!("{other:?}"),
        LoggedRecord::Base(base) => format!("entries to {base} are in a snapshot"),
        LoggedRecord::Start { base, last } => format!("a segment begins: entries after {base} to {last} are before it"),
        other => format!("{other:?}"),
    }
}

fn batch_as_json(batch: &LoggedBatch) -> Value {
    let (condition, lost) = match batch.condition {
        Condition::Sound => ("sound", None),
        Condition::SlotLost => ("slot_lost", None),
        Condition::Superseded => ("superseded", None),
        Condition::Damaged { first, last, is_acknowledged } => ("damaged", Some((first, last, is_acknowledged))),
        _ => ("other", None),
    };
    json!({
        "batch": batch.number,
        "file": batch.file.display().to_string(),
        "offset": batch.offset,
        "condition": condition,
        "lost": lost.map(|(first, last, acknowledged)| json!({ "first": first, "last": last, "acknowledged": acknowledged })),
        "term": batch.term,
        "vote": batch.vote,
        "records": batch.records.iter().map(record_as_json).collect::<Vec<_>>(),
    })
}

fn record_as_json(record: &LoggedRecord) -> Value {
    let entry = |position: &Position, bytes: Option<&[u8]>| {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        json!({ "record": "append", "position": position, "command": bytes.map(hexadecimal) })
    };
    match record {
        LoggedRecord::Protocol(Record::Term(term)) => json!({ "record": "term", "term": term }),
        LoggedRecord::Protocol(Record::Vote(candidate)) => json!({ "record": "vote", "candidate": candidate }),
        LoggedRecord::Protocol(Record::Truncate { keep }) => json!({ "record": "truncate", "keep": keep }),
        LoggedRecord::Protocol(Record::Append(it)) => match &it.payload {
            Payload::Blank => entry(&it.position, None),
            Payload::Command(command) => entry(&it.position, Some(command)),
        },
        LoggedRecord::Protocol(Record::Repair(it)) => json!({ "record": "repair", "position": it.position }),
        LoggedRecord::Protocol(Record::Restore { last }) => json!({ "record": "restore", "last": last }),
        LoggedRecord::Base(base) => json!({ "record": "compact", "through": base }),
        LoggedRecord::Start { base, last } => json!({ "record": "start", "base": base, "last": last }),
        other => json!({ "record": "other", "text": format!("{other:?}") }),
    }
}
