//! A server as a process of its own: the replica of the model, by rules or over a disk that may be wrong.
//!
//! It is this test's own program, started once more, and no part of what anybody installs. What happens to it comes
//! as lines, so that the test decides what comes first; what it says leaves as lines. Its disk and its trace are files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rafttree_model::chain::{Chain, MAGIC};
use rafttree_model::digest::code;
use rafttree_model::trace::{Ending, Origin};
use rafttree_model::{
    Durable, Entries, Entry, Envelope, Event, Members, Next, Node, Output, Position, Record, Replica, Rules, ServerId,
    Slice, Traced,
};
use serde::{Deserialize, Serialize};

/// Of all digests of commands.
const KEY: u64 = 5;

/// A line of output that is an answer begins so; others are the test harness's own.
pub(crate) const MARK: &str = "answer: ";

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Nothing,
    /// Its step gives the vote of a term again.
    VotesAgain,
    /// Its disk loses votes.
    LosesVotes,
    /// Its disk loses entries.
    LosesEntries,
}

/// A server as it is told to be.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) id: u32,
    pub(crate) fault: Fault,
    pub(crate) folder: PathBuf,
}

/// What happens to a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Happens {
    ElectionTimeout,
    MinimumTimeout,
    Propose(String),
    Receive(Said),
}

/// A message, its entries so that they can be read from a line.
pub(crate) type Said = Envelope<Part>;

/// A part of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    previous: Position,
    entries: Vec<Entry<String>>,
}

/// Rules by which whoever asks gets a vote.
struct VotesAgain;

impl Rules for VotesAgain {
    fn may_vote(_: Option<ServerId>, _: ServerId) -> bool {
        true
    }
}

impl Fault {
    fn keeps(self, record: &Record<String>) -> bool {
        match record {
            Record::Vote(_) => self != Fault::LosesVotes,
            Record::Append(_) => self != Fault::LosesEntries,
            _ => true,
        }
    }
}

/// A server that runs.
struct Server {
    traced: Traced<String>,
    fault: Fault,
    disk: File,
    trace: File,
    chain: Chain,
    /// When it began, in nanoseconds since 1970.
    began: u64,
}

/// Runs a server until its input ends, or it is killed.
pub(crate) fn serve(told: &Told) -> io::Result<()> {
    let mut server = Server::start(told)?;
    for line in io::stdin().lock().lines() {
        let said = server.happens(serde_json::from_str(&line?)?)?;
        println!("\n{MARK}{}", serde_json::to_string(&said)?);
    }
    server.chained(&Ending::Stopped.body())
}

impl Server {
    fn start(told: &Told) -> io::Result<Server> {
        let Told { fault, ref folder, .. } = *told;
        let (id, members) = (ServerId::new(told.id), group());
        let (durable, entries) = recovered(&folder.join(format!("{id}.disk")), fault)?;
        let append = |name: String| OpenOptions::new().append(true).create(true).open(folder.join(name));
        let origin = Origin {
            code: code(),
            group: 77,
            began: now(),
            id,
            members,
            durable: durable.clone(),
            entries: Origin::digested(&entries, KEY),
        };
        let mut server = Server {
            traced: Traced::new(Replica::new(Node::recover(id, members, durable), entries)),
            fault,
            disk: append(format!("{id}.disk"))?,
            trace: append(format!("{id}.trace"))?,
            chain: Chain::default(),
            began: origin.began,
        };
        server.traced.record(KEY);
        server.trace.write_all(&MAGIC)?;
        server.chained(&origin.body())?;
        Ok(server)
    }

    /// Lets something happen: what the server says then.
    fn happens(&mut self, happens: Happens) -> io::Result<Vec<Said>> {
        let event = match happens {
            Happens::ElectionTimeout => Event::ElectionTimeout,
            Happens::MinimumTimeout => Event::MinimumTimeout,
            Happens::Propose(command) => Event::Propose(command),
            Happens::Receive(said) => {
                let filled = said.with_entries(|part| Slice::new(part.previous, part.entries));
                Event::Receive(filled.ok_or(io::ErrorKind::InvalidData)?)
            }
        };
        self.traced.set_now(now().saturating_sub(self.began));
        self.step(event);
        let said = self.settle()?;
        self.keep_trace()?;
        Ok(said)
    }

    fn step(&mut self, event: Event<String>) {
        match self.fault {
            Fault::VotesAgain => self.traced.step_by::<VotesAgain>(event),
            _ => self.traced.step(event),
        }
    }

    fn settle(&mut self) -> io::Result<Vec<Said>> {
        let mut said = Vec::new();
        while let Some(next) = self.traced.proceed() {
            match next {
                Next::Perform(Output::Send(envelope)) => {
                    let filled = envelope.with_entries(|range| self.traced.entries().fill(range));
                    said.extend(filled.and_then(|it| it.with_entries(|slice| Some(Part::of(&slice)))));
                }
                Next::Perform(_) => {}
                Next::Receive(envelope) => self.step(Event::Receive(envelope)),
                Next::Write => self.write()?,
            }
        }
        Ok(said)
    }

    fn write(&mut self) -> io::Result<()> {
        let mut lines = Vec::new();
        for record in self.traced.write() {
            serde_json::to_writer(&mut lines, &record)?;
            lines.push(b'\n');
        }
        self.disk.write_all(&lines)?;
        self.traced.flushed();
        Ok(())
    }

    fn keep_trace(&mut self) -> io::Result<()> {
        let recorded = self.traced.take_recorded();
        let mut rest = &recorded[..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let (body, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            self.chained(body)?;
            rest = after;
        }
        Ok(())
    }

    fn chained(&mut self, body: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        self.chain.seal(body, &mut frame);
        self.trace.write_all(&frame)
    }
}

impl Part {
    fn of(slice: &Slice<String>) -> Part {
        Part { previous: slice.previous(), entries: slice.entries().to_vec() }
    }
}

fn group() -> Members {
    Members::new((1..=3).map(ServerId::new)).expect("three servers are a group")
}

/// What a disk gives back of what was written to it.
fn recovered(disk: &Path, fault: Fault) -> io::Result<(Durable, Entries<String>)> {
    let (mut durable, mut entries) = (Durable::default(), Entries::default());
    for line in fs::read_to_string(disk).unwrap_or_default().lines() {
        let record: Record<String> = serde_json::from_str(line)?;
        if fault.keeps(&record) {
            durable.apply(&record);
            entries.apply(&record);
        }
    }
    Ok((durable, entries))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
