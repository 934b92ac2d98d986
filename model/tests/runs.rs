//! Long random runs of whole groups over a network and disks that lose things, and what must hold
//! in every state of them. The checker exhausts small worlds; these runs leave its bounds.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rafttree_model::{
    Durable, Effects, Entry, Envelope, Event, Faulty, Index, Message, Node, Output, Payload, Position, Progress, Range,
    Record, Role, ServerId, ServerMap, Slice, Status, Term, step,
};

use crate::support::{group, id};

/// One server with its disk.
struct Server {
    node: Node,
    /// Every record that was ever made durable.
    disk: Vec<Record<u16>>,
    damage: Damage,
    /// What was asked since the last flush.
    unsynced: Effects<u16>,
    /// The terms that were told to lead and did not end yet.
    leading: Option<Term>,
    /// How far its state machine is.
    applied: Index,
}

/// A group, its network, and what an observer of everything remembers.
struct World {
    servers: Vec<Server>,
    network: Vec<Envelope<Slice<u16>>>,
    /// Who won each term: election safety.
    leaders: BTreeMap<Term, ServerId>,
    /// Who voted for whom: one vote a term.
    votes: BTreeMap<(ServerId, Term), ServerId>,
    /// What was committed first at each index, and in which term: state machine safety.
    committed: BTreeMap<Index, (Entry<u16>, Term)>,
    /// What each snapshot was made of, by the last entry that it includes.
    snapshots: Snapshots,
    /// The terms that were told to lead.
    told: BTreeSet<Term>,
    seen: Seen,
}

/// The entries that stand in snapshots.
type Snapshots = BTreeMap<Position, Vec<Entry<u16>>>;

/// What a disk has lost last: after so many of its records, what these entries carry.
type Damage = (usize, Faulty);

/// What stands in the place of a lost payload. Nobody proposes it.
const LOST: Payload<u16> = Payload::Command(u16::MAX);

/// How often what is worth seeing was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    elections: usize,
    commits: usize,
    truncations: usize,
    lost_records: usize,
    refusals: usize,
    transfers: usize,
    compactions: usize,
    restorations: usize,
    damages: usize,
    repairs: usize,
}

/// The log that these records add up to, with its payloads, and what was compacted with it.
fn entries(records: &[Record<u16>], (at, faulty): Damage, snapshots: &Snapshots) -> Vec<Entry<u16>> {
    let mut entries: Vec<Entry<u16>> = vec![];
    let lose = |entries: &mut Vec<Entry<u16>>| {
        let lost = entries.iter_mut().filter(|entry| faulty.contains(entry.position.index));
        lost.for_each(|entry| entry.payload = LOST);
    };
    for (place, record) in records.iter().enumerate() {
        if place == at {
            lose(&mut entries);
        }
        match record {
            Record::Append(entry) => entries.push(*entry),
            Record::Truncate { keep } => entries.truncate(keep.number() as usize),
            Record::Restore { last } => entries.clone_from(&snapshots[last]),
            Record::Repair(entry) => entries[entry.position.index.number() as usize - 1] = *entry,
            Record::Compact { through } => {
                // What is compacted is in a snapshot, which may have come for what was lost.
                let last = entries[through.number() as usize - 1].position;
                entries[..through.number() as usize].clone_from_slice(&snapshots[&last]);
            }
            Record::Term(_) | Record::Vote(_) => {}
        }
    }
    if records.len() == at {
        lose(&mut entries);
    }
    entries
}

fn replay(records: &[Record<u16>], (at, faulty): Damage) -> Durable {
    let mut durable = Durable::default();
    records[..at].iter().for_each(|record| durable.apply(record));
    durable = durable.damaged(faulty);
    records[at..].iter().for_each(|record| durable.apply(record));
    durable
}

fn position_of(entries: &[Entry<u16>], index: Index) -> Option<Position> {
    match index.number().checked_sub(1) {
        None => Some(Position::default()),
        Some(before) => entries.get(before as usize).map(|entry| entry.position),
    }
}

/// The entries of a range, or the first few of them, if the log still has both of its ends.
fn fill(entries: &[Entry<u16>], base: Index, range: Range, most: usize) -> Option<Slice<u16>> {
    let held = |end: Position| base <= end.index && position_of(entries, end.index) == Some(end);
    if !held(range.previous) || !held(range.last) {
        return None;
    }
    let part = &entries[range.previous.index.number() as usize..range.last.index.number() as usize];
    Slice::new(range.previous, part.iter().take(most).copied().collect())
}

impl Server {
    fn new(number: u32, size: u32, term: Term) -> Server {
        let disk = vec![Record::Term(term)];
        let damage = (0, Faulty::NONE);
        let node = Node::recover(id(number), group(size), replay(&disk, damage));
        Server { node, disk, damage, unsynced: Effects::new(), leading: None, applied: Index::ZERO }
    }

    /// What its disk adds up to.
    fn durable(&self) -> Durable {
        replay(&self.disk, self.damage)
    }

    /// What memory holds: the disk and what is on its way there.
    fn records(&self) -> Vec<Record<u16>> {
        [&self.disk[..], self.unsynced.records()].concat()
    }

    /// A crash keeps the first few of the unsynced records, and recovery replays them. The disk may have
    /// lost what some entries carry, the first so many after the base and those after them.
    fn crash(&mut self, kept: usize, damage: Option<(u64, u64)>) -> usize {
        let lost = std::mem::take(&mut self.unsynced);
        let kept = kept.min(lost.records().len());
        self.disk.extend_from_slice(&lost.records()[..kept]);
        if let Some((first, count)) = damage {
            let log = self.durable().log().clone();
            let (base, last) = (log.base().index.number(), log.last().index.number());
            let is_sound = self.durable().faulty().is_none();
            if is_sound && base + first <= last {
                let faulty = Faulty::between(Index::new(base + first), Index::new(last.min(base + first + count)));
                self.damage = (self.disk.len(), faulty);
            }
        }
        self.node = Node::recover(self.node.id(), *self.node.members(), self.durable());
        (self.leading, self.applied) = (None, self.node.log().base().index);
        lost.records().len() - kept
    }
}

impl World {
    /// A group that starts in this term with empty logs.
    fn new(size: u32, term: Term) -> World {
        World {
            servers: (1..=size).map(|number| Server::new(number, size, term)).collect(),
            network: vec![],
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            committed: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            told: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.number() as usize - 1]
    }

    fn server_mut(&mut self, id: ServerId) -> &mut Server {
        &mut self.servers[id.number() as usize - 1]
    }

    /// What a server's log holds, and what it has compacted.
    fn entries(&self, at: ServerId) -> Vec<Entry<u16>> {
        entries(&self.server(at).records(), self.server(at).damage, &self.snapshots)
    }

    /// Stops a server and starts it again. Now and then its disk is damaged, if no other is.
    fn crash(&mut self, at: ServerId, choice: u16) {
        let are_sound = self.servers.iter().all(|server| server.node.faulty().is_none());
        let choice = u64::from(choice);
        let damage = (are_sound && choice % 2 == 0).then_some((1 + choice / 8 % 4, choice / 32 % 3));
        let lost = self.server_mut(at).crash((choice / 2 % 4) as usize, damage);
        self.seen.lost_records += lost;
        self.seen.damages += usize::from(are_sound && !self.server(at).node.faulty().is_none());
    }

    /// The state machine makes a snapshot of all or most that it has applied.
    fn snapshot(&mut self, at: ServerId, choice: u16) {
        let applied = self.server(at).applied.number();
        let Some(index) = applied.checked_sub(u64::from(choice % 3)).map(Index::new) else { return };
        let mut entries = self.entries(at);
        entries.truncate(index.number() as usize);
        if let Some(last) = entries.last().map(|entry| entry.position) {
            let first = self.snapshots.entry(last).or_insert_with(|| entries.clone());
            assert_eq!(*first, entries, "snapshots that end alike are alike");
            let base = self.server(at).node.log().base();
            self.step(at, Event::Snapshotted(index));
            self.seen.compactions += usize::from(base != self.server(at).node.log().base());
        }
    }

    /// One step: what may leave early leaves, the rest waits for the flush.
    fn step(&mut self, at: ServerId, event: Event<u16>) {
        let server = self.server_mut(at);
        let (term, commit) = (server.node.term(), server.node.commit());
        step(&mut server.node, event, &mut server.unsynced);
        assert!(term <= server.node.term(), "a term never goes back");
        assert!(commit <= server.node.commit(), "a commit index never goes back");
        let early = server.unsynced.early().to_vec();
        server.unsynced.early_done();
        for output in early {
            self.perform(at, output);
        }
        self.note_commit(at, commit);
        self.note_leader(at);
    }

    /// The records are durable, so the outputs may be performed; what a server says to itself
    /// comes first.
    fn flush(&mut self, at: ServerId) {
        let server = self.server_mut(at);
        server.disk.extend_from_slice(server.unsynced.records());
        let cuts = server.unsynced.records().iter().filter(|record| matches!(record, Record::Truncate { .. })).count();
        let repairs = server.unsynced.records().iter().filter(|record| matches!(record, Record::Repair(_))).count();
        let outputs = server.unsynced.after_sync().to_vec();
        server.unsynced.done();
        self.seen.truncations += cuts;
        self.seen.repairs += repairs;
        for output in outputs {
            self.perform(at, output);
        }
        let server = self.server(at);
        assert!(server.durable().log().base().index <= server.applied, "{at} misses what its log does not hold");
    }

    fn perform(&mut self, at: ServerId, output: Output) {
        match output {
            Output::Send(envelope) => self.send(at, envelope),
            Output::Committed(index) => {
                let durable = self.server(at).durable();
                assert!(index <= durable.log().last().index, "{at} applies what it may still lose");
                assert!(durable.faulty().legible(index) == index, "{at} applies what it cannot read");
                let applied = &mut self.server_mut(at).applied;
                // What a snapshot has taken out of the log comes with it.
                if durable.log().base().index <= *applied {
                    *applied = index;
                }
            }
            Output::Restored(last) => {
                // A step that shares the flush may have taken in a later one.
                let base = self.server(at).durable().log().base();
                assert!(last <= base, "{at} takes what it may still lose");
                assert!(self.server(at).applied < last.index, "{at} goes back");
                self.server_mut(at).applied = last.index;
                self.seen.restorations += 1;
            }
            Output::Leading(term) => {
                assert!(self.told.insert(term), "term {term} is told to lead twice");
                self.server_mut(at).leading = Some(term);
            }
            Output::Yielded(term) => {
                assert_eq!(self.server_mut(at).leading.take(), Some(term), "only who leads yields, and once");
            }
            Output::Accepted(_)
            | Output::Refused
            | Output::Round { .. }
            | Output::Heard { .. }
            | Output::Confirmed(_)
            | Output::Restart(_) => {}
        }
    }

    fn send(&mut self, at: ServerId, envelope: Envelope<Range>) {
        self.note_vote(&envelope);
        self.note_acknowledgement(&envelope);
        let (entries, base) = (self.entries(at), self.server(at).node.log().base().index);
        // Longer ranges travel in parts: here the first part, the rest is asked for again.
        let Some(filled) = envelope.with_entries(|range| fill(&entries, base, range, 3)) else { return };
        if envelope.to == at {
            return self.step(at, Event::Receive(filled));
        }
        match envelope.message {
            Message::AppendRefusal { .. } => self.seen.refusals += 1,
            Message::TimeoutNow => self.seen.transfers += 1,
            // It may have changed since, where term and vote are durable.
            Message::VoteRequest { last, .. } => {
                let durable = self.server(at).durable();
                let is_early = durable.term() < envelope.term;
                assert!(!is_early || durable.log().last() == last, "{at} asks with what it may still lose");
            }
            _ => {}
        }
        self.network.push(filled);
    }

    /// One vote a term, whatever was forgotten in between.
    fn note_vote(&mut self, envelope: &Envelope<Range>) {
        let (voter, candidate) = match envelope.message {
            Message::VoteReply { granted: true } => (envelope.from, envelope.to),
            _ => return,
        };
        let vote = *self.votes.entry((voter, envelope.term)).or_insert(candidate);
        assert_eq!(vote, candidate, "{voter} votes twice in term {}", envelope.term);
        let durable = self.server(voter).durable();
        assert!(envelope.term <= durable.term(), "a vote is told before its term is durable");
        assert!(
            envelope.term < durable.term() || durable.vote() == Some(candidate),
            "a vote is told before it is durable"
        );
    }

    /// Nobody acknowledges what it could not read back.
    fn note_acknowledgement(&self, envelope: &Envelope<Range>) {
        let (Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. }) = envelope.message else {
            return;
        };
        let durable = self.server(envelope.from).durable();
        let is_current = envelope.term == durable.term();
        assert!(!is_current || durable.faulty().legible(matched) == matched, "{} promises too much", envelope.from);
    }

    /// Figure 3: election safety and leader completeness.
    fn note_leader(&mut self, at: ServerId) {
        let node = &self.server(at).node;
        let Role::Leader { progress, .. } = *node.role() else { return };
        assert!(node.faulty().is_none(), "{at} leads and cannot read its log");
        let term = node.term();
        if let Some(first) = self.leaders.insert(term, at) {
            assert_eq!(first, at, "term {term} has two leaders");
            return self.assert_matched_is_held(at, &progress);
        }
        self.seen.elections += 1;
        let log = self.server(at).node.log();
        for (entry, committed) in self.committed.values() {
            let held = term <= *committed || log.holds(entry.position);
            assert!(held, "leader {at} of term {term} lacks {}", entry.position);
        }
    }

    /// What a leader believes of a follower is durable there, unless a later term changed it.
    fn assert_matched_is_held(&self, leader: ServerId, progress: &ServerMap<Progress>) {
        let node = &self.server(leader).node;
        for (follower, Progress { matched, .. }) in progress.iter() {
            let server = self.server(follower);
            let (durable, held) = (server.durable(), entries(&server.disk, server.damage, &self.snapshots));
            let same = position_of(&self.entries(leader), matched) == position_of(&held, matched);
            assert!(same || node.term() < durable.term(), "{leader} believes {follower} to hold {matched}");
        }
    }

    /// Figure 3: state machine safety.
    fn note_commit(&mut self, at: ServerId, before: Index) {
        let (term, commit) = (self.server(at).node.term(), self.server(at).node.commit());
        if commit == before {
            return;
        }
        self.seen.commits += 1;
        let entries = self.entries(at);
        for entry in &entries[..commit.number() as usize] {
            let (first, _) = *self.committed.entry(entry.position.index).or_insert((*entry, term));
            assert_eq!(first, *entry, "server {at} commits another entry");
        }
    }

    /// Figure 3: log matching, payloads included; memory is what the records add up to.
    fn assert_sound(&self) {
        let logs: Vec<_> = self.servers.iter().map(|server| self.entries(server.node.id())).collect();
        for (place, one) in logs.iter().enumerate() {
            for other in &logs[..place] {
                let shared = one.iter().zip(other).rposition(|(one, other)| one.position == other.position);
                let alike = |(one, other): (&Entry<u16>, &Entry<u16>)| {
                    one == other || one.position == other.position && [one.payload, other.payload].contains(&LOST)
                };
                let are_alike = |shared| one.iter().zip(other).take(shared + 1).all(alike);
                assert!(shared.is_none_or(are_alike), "{one:?} and {other:?}");
            }
        }
        self.assert_committed_is_legible(&logs);
        for server in &self.servers {
            let durable = replay(&server.records(), server.damage);
            assert_eq!(server.node.durable(), &durable, "memory is not what the records say");
            let last = server.node.log().last().index;
            assert!(server.node.commit() <= last);
            if let Role::Leader { progress, .. } = server.node.role() {
                let in_range = |known: Progress| known.matched < known.next && known.next <= last.next();
                assert!(progress.iter().all(|(_, known)| in_range(known)), "{progress:?} up to {last}");
            }
            assert!(server.node.log().last().term <= server.node.term());
        }
    }

    /// As disks are damaged one at a time, somebody can always read what is committed.
    fn assert_committed_is_legible(&self, logs: &[Vec<Entry<u16>>]) {
        for (index, (entry, _)) in &self.committed {
            let place = index.number() as usize - 1;
            assert!(logs.iter().any(|log| log.get(place) == Some(entry)), "nobody can read {index} any more");
        }
    }

    /// Chance decides what happens next: mostly deliveries and flushes, so that things get done.
    fn happen(&mut self, (kind, choice): (u8, u16)) {
        let at = id(1 + u32::from(choice) % self.servers.len() as u32);
        match kind {
            0..60 => self.deliver(choice, kind % 10 == 0),
            60..85 => self.flush(at),
            85..89 => self.step(at, Event::ElectionTimeout),
            89..94 => self.step(at, Event::HeartbeatTimeout),
            94..96 => self.step(at, Event::MinimumTimeout),
            96..106 => self.step(at, Event::Propose(choice / 2)),
            106 => self.step(at, Event::Transfer(id(1 + u32::from(choice / 16) % self.servers.len() as u32))),
            107 => self.crash(at, choice / 16),
            108 => self.step(at, Event::StepDown),
            109..112 => self.snapshot(at, choice / 16),
            _ => self.network.clear(),
        }
        self.assert_sound();
    }

    /// Any message may arrive next, and a repeated one stays for another time.
    fn deliver(&mut self, choice: u16, repeat: bool) {
        if self.network.is_empty() {
            return;
        }
        // Older messages are likelier than younger ones, so that most arrive in order.
        let place = usize::from(choice / 8 % 4 * (choice % 8) / 7) % self.network.len();
        let envelope = if repeat { self.network[place].clone() } else { self.network.remove(place) };
        self.step(envelope.to, Event::Receive(envelope));
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(2014),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    }
}

/// Runs a group of this size again and again; what was seen in all runs.
fn run(size: u32) -> Seen {
    let total = Cell::new(Seen::default());
    let happenings = prop::collection::vec((0..113u8, any::<u16>()), 2_000);
    let verdict = proptest::test_runner::TestRunner::new(config()).run(&happenings, |happenings| {
        let mut world = World::new(size, Term::new(0));
        happenings.into_iter().for_each(|happening| world.happen(happening));
        let (seen, sum) = (world.seen, total.get());
        total.set(Seen {
            elections: sum.elections + seen.elections,
            commits: sum.commits + seen.commits,
            truncations: sum.truncations + seen.truncations,
            lost_records: sum.lost_records + seen.lost_records,
            refusals: sum.refusals + seen.refusals,
            transfers: sum.transfers + seen.transfers,
            compactions: sum.compactions + seen.compactions,
            restorations: sum.restorations + seen.restorations,
            damages: sum.damages + seen.damages,
            repairs: sum.repairs + seen.repairs,
        });
        Ok(())
    });
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
    total.get()
}

fn assert_worth_seeing(seen: Seen) {
    let Seen {
        elections,
        commits,
        truncations,
        lost_records,
        refusals,
        transfers,
        compactions,
        restorations,
        damages,
        repairs,
    } = seen;
    for (count, what) in [
        (elections, "elections"),
        (commits, "commits"),
        (truncations, "truncations"),
        (lost_records, "records lost in crashes"),
        (refusals, "refusals"),
        (transfers, "transfers"),
        (compactions, "compactions"),
        (restorations, "restorations"),
        (damages, "damaged disks"),
        (repairs, "repairs"),
    ] {
        assert!(10 < count, "only {count} {what}: {seen:?}");
    }
}

#[test]
fn three_servers_stay_safe_whatever_is_lost_repeated_or_late() {
    assert_worth_seeing(run(3));
}

#[test]
fn four_servers_stay_safe_whatever_is_lost_repeated_or_late() {
    assert_worth_seeing(run(4));
}

#[test]
fn five_servers_stay_safe_whatever_is_lost_repeated_or_late() {
    assert_worth_seeing(run(5));
}

/// What each server is and holds, with its terms counted from the one in which the group started.
fn relative(world: &World, start: u64) -> Vec<(Status, Vec<Entry<u16>>)> {
    let since = |term: Term| Term::new(term.number() - start);
    let of = |server: &Server| {
        let mut held = world.entries(server.node.id());
        held.iter_mut().for_each(|entry| entry.position.term = since(entry.position.term));
        let last = held.last().map(|entry| entry.position).unwrap_or_default();
        (Status { term: since(server.node.term()), last, ..server.node.status() }, held)
    };
    world.servers.iter().map(of).collect()
}

#[test]
fn nothing_depends_on_the_number_of_a_term() {
    let happenings = prop::collection::vec((0..113u8, any::<u16>()), 500);
    let verdict = proptest::test_runner::TestRunner::new(config()).run(&happenings, |happenings| {
        let [mut early, mut late] = [0, 1_000_000_007].map(|start| World::new(3, Term::new(start)));
        for happening in happenings {
            early.happen(happening);
            late.happen(happening);
            assert_eq!(relative(&early, 0), relative(&late, 1_000_000_007));
        }
        Ok(())
    });
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
}
