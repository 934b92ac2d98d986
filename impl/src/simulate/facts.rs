//! What has happened in a run, and what must never happen: each step is judged by it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rafttree_model::{Entry, Index, Message, ServerId, Term};

use super::watched::Point;
use crate::core::driver::Driver;
use crate::core::frame::Frame;
use crate::storage::Recovered;

/// What a judge says where all is well, and what is wrong otherwise.
pub(super) type Judgement = Result<(), String>;

/// The facts of a whole run that properties are about.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Figure 3, Election Safety.
    leaders: BTreeMap<Term, ServerId>,
    votes: BTreeMap<(ServerId, Term), ServerId>,
    fence: Option<Term>,
    /// What is committed, by index.
    committed: BTreeMap<u64, Entry<Bytes>>,
    /// How far a machine is that has applied everything up to an index.
    points: BTreeMap<u64, Point>,
    /// At which entry each command was applied, and what it was answered.
    pub(super) applied: BTreeMap<u64, (u64, Vec<u8>)>,
    pub(super) elections: u64,
    pub(super) commits: u64,
}

macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(format!($($words)+));
        }
    };
}

pub(super) use ensure;

impl Facts {
    /// Who leads has voted for itself; while it only asks for votes, a crash may take its own.
    pub(super) fn leads(&mut self, id: ServerId, term: Term) -> Judgement {
        self.votes(id, term, id)?;
        let first = *self.leaders.entry(term).or_insert(id);
        ensure!(first == id, "servers {first} and {id} both lead in term {term}");
        Ok(())
    }

    /// A leadership begins that services may rely on: its fence is above all others.
    pub(super) fn begins(&mut self, id: ServerId, term: Term) -> Judgement {
        self.leads(id, term)?;
        ensure!(self.fence < Some(term), "server {id} leads with fence {term} after fence {:?}", self.fence);
        self.fence = Some(term);
        self.elections += 1;
        Ok(())
    }

    fn votes(&mut self, id: ServerId, term: Term, candidate: ServerId) -> Judgement {
        let first = *self.votes.entry((id, term)).or_insert(candidate);
        ensure!(first == candidate, "server {id} votes for {candidate} in term {term}, and has voted for {first}");
        Ok(())
    }

    /// What a message says of its sender.
    pub(super) fn sends(&mut self, frame: &Frame) -> Judgement {
        ensure!(frame.is_coherent(), "server {} sends what makes no sense: {frame:?}", frame.from);
        match frame.message {
            Message::AppendRequest { .. } => self.leads(frame.from, frame.term),
            Message::VoteReply { granted: true } => self.votes(frame.from, frame.term, frame.to),
            _ => Ok(()),
        }
    }

    /// State Machine Safety: a server knows more to be committed than it did.
    pub(super) fn commits(&mut self, driver: &Driver, before: Index) -> Judgement {
        let (node, entries) = (driver.node(), driver.entries());
        let known = entries.base().index.number();
        for index in before.number().max(known) + 1..=node.commit().number() {
            let Some(entry) = entries.get((index - known - 1) as usize) else { continue };
            // What cannot be read carries nothing here, and is not applied.
            let is_legible = !node.faulty().contains(entry.position.index);
            match self.committed.get(&index) {
                Some(first) => {
                    let is_same = first.position == entry.position && (!is_legible || first == entry);
                    ensure!(is_same, "server {} has {entry:?} committed, where {first:?} was", node.id());
                }
                None if is_legible => {
                    self.committed.insert(index, entry.clone());
                    self.commits += 1;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Leader Completeness: whoever leads has all that was committed before.
    pub(super) fn completes(&self, driver: &Driver) -> Judgement {
        let log = driver.node().log();
        let Some((_, last)) = self.committed.last_key_value() else { return Ok(()) };
        let is_held = last.position.index <= log.base().index || log.holds(last.position);
        ensure!(is_held, "server {} leads, and lacks {last:?}, which is committed", driver.node().id());
        Ok(())
    }

    /// A machine has applied everything up to an entry, these commands last.
    pub(super) fn applies(&mut self, id: ServerId, index: u64, point: Point, news: Vec<(u64, Vec<u8>)>) -> Judgement {
        let first = *self.points.entry(index).or_insert(point);
        ensure!(
            first == point,
            "server {id} has applied up to entry {index} and is {point:?}, where another one was {first:?}: the state \
             machine depends on more than its commands, or entries were applied in another order"
        );
        for (tag, answer) in news {
            let (place, told) = self.applied.entry(tag).or_insert_with(|| (index, answer.clone()));
            ensure!(*place == index, "command {tag} is applied with entries {place} and {index}");
            ensure!(
                *told == answer,
                "command {tag} is answered {answer:?} by server {id}, and {told:?} by another one"
            );
        }
        Ok(())
    }

    /// The state in which a server starts.
    pub(super) fn starts(&self, id: ServerId, found: &Recovered) -> Judgement {
        let base = found.durable.log().base();
        match self.committed.get(&base.index.number()) {
            Some(first) => {
                ensure!(first.position == base, "server {id} has compacted {base}, where {} was", first.position);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Figure 2: a vote is durable before it is given.
    pub(super) fn remembers(&self, id: ServerId, found: &Recovered) -> Judgement {
        let (term, vote) = (found.durable.term(), found.durable.vote());
        match self.votes.get(&(id, term)) {
            Some(given) if vote != Some(*given) => {
                Err(format!("server {id} has voted for {given} in term {term}, and its disk says {vote:?}"))
            }
            _ => Ok(()),
        }
    }

    /// The highest entry that is known to be committed.
    pub(super) fn last_committed(&self) -> u64 {
        self.committed.last_key_value().map_or(0, |(&index, _)| index)
    }

    /// The payloads that are committed.
    pub(super) fn committed(&self) -> impl Iterator<Item = &Entry<Bytes>> {
        self.committed.values()
    }
}
