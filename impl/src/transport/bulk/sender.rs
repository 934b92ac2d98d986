//! The side that has the snapshot.

use std::io;

use super::line::{Line, SessionEnd};
use super::words::Word;
use crate::storage::disk::Disk;
use crate::storage::snapshot::Outgoing;

/// Sends a snapshot, as far as the other side lacks it; returns once it has it. `may_go_on` is asked
/// before each chunk.
pub(in crate::transport) fn send<D: Disk>(
    line: &mut Line,
    snapshot: &Outgoing<D>,
    may_go_on: impl Fn() -> bool,
) -> Result<(), SessionEnd> {
    let sent = send_all(line, snapshot, may_go_on);
    if let Err(SessionEnd::Tell(failure)) = &sent {
        line.tell(failure.clone());
    }
    sent
}

fn send_all<D: Disk>(line: &mut Line, snapshot: &Outgoing<D>, may_go_on: impl Fn() -> bool) -> Result<(), SessionEnd> {
    line.say(Word::Offer(snapshot.offer))?;
    let mut offset = match line.hear()? {
        Word::From(offset) if snapshot.may_begin_at(offset) => offset,
        Word::Have => return Ok(()),
        other => return Err(SessionEnd::unexpected(other)),
    };
    loop {
        if !may_go_on() {
            return Err(SessionEnd::Lost(io::Error::other("nobody is to send it any more")));
        }
        if let Some(word) = line.overhear()? {
            return Err(SessionEnd::unexpected(word));
        }
        let bytes = snapshot.read(offset).map_err(|error| SessionEnd::Tell(error.into()))?;
        if bytes.is_empty() {
            break;
        }
        let next = offset + bytes.len() as u64;
        line.say(Word::Chunk { offset, bytes: bytes.into() })?;
        offset = next;
    }
    line.say(Word::End)?;
    match line.hear()? {
        Word::Arrived => Ok(()),
        other => Err(SessionEnd::unexpected(other)),
    }
}
