//! What a server does to its directory, drawn at random, as the protocol allows it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rafttree_model::{Entry, Index, Payload, Position, Record, ServerId, Term};

use crate::simulate::Random;
use crate::storage::layout::Layout;
use crate::storage::{Incarnation, Recovered};

/// The steps of a history, about.
const STEPS: u64 = 14;

/// Bytes of the entries: none, a part of a sector, of a block, or several blocks.
const LENGTHS: [u64; 8] = [0, 5, 30, 300, 700, 2500, 4500, 9000];

/// One thing that a server does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Writes a batch to the log.
    Write(Vec<Record<Bytes>>),
    /// Writes a snapshot up to this entry, which is in the log.
    Snapshot(Position),
    /// Takes so many parts of a snapshot that another server sends, or all.
    Receive { last: Position, parts: usize },
    /// Removes the snapshots that the log has no need of.
    RemoveOlder,
    /// Writes down the incarnation of a peer.
    Pin(ServerId, Incarnation),
    /// Writes down the group.
    KeepGroup,
    /// Ends, and starts again.
    Restart,
}

/// A history, and the disk that it begins with.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) layout: Layout,
    /// What a log of format 1 holds that is there at the beginning; otherwise the directory is empty.
    pub(super) former: Option<Vec<Vec<Record<Bytes>>>>,
    pub(super) steps: Vec<Step>,
}

/// Draws a history.
struct Draft {
    random: Random,
    state: Recovered,
    /// Index of the last entry that is committed: none before it is cut.
    commit: u64,
    snapshot: Position,
    steps: Vec<Step>,
}

impl History {
    /// The history of this seed.
    pub(super) fn draw(seed: u64) -> History {
        let mut random = Random::stream(seed, 1);
        let layout = Layout { blocks: random.within(3..7) as u16 };
        let is_former = random.chance(25);
        let mut draft =
            Draft { random, state: Recovered::default(), commit: 0, snapshot: Position::default(), steps: Vec::new() };
        let former = is_former.then(|| draft.former());
        while (draft.steps.len() as u64) < STEPS {
            draft.step();
        }
        History { layout, former, steps: draft.steps }
    }

    /// The history in words.
    pub(super) fn words(&self) -> Vec<String> {
        let former = self.former.iter().flatten().map(|batch| format!("format 1 holds {}", records_in_words(batch)));
        let steps = (1..).zip(&self.steps).map(|(number, step)| format!("{number}: {}", step.words()));
        [format!("segments of {} blocks", self.layout.blocks)].into_iter().chain(former).chain(steps).collect()
    }
}

impl Draft {
    /// What a log of format 1 holds, with the newest snapshot behind its base.
    fn former(&mut self) -> Vec<Vec<Record<Bytes>>> {
        self.steps.clear();
        for _ in 0..self.random.within(1..6) {
            self.write();
        }
        let mut batches: Vec<_> = std::mem::take(&mut self.steps).into_iter().filter_map(Step::into_batch).collect();
        if self.random.chance(60) && self.last() != 0 {
            // Half of them hold no entry behind the base.
            self.commit = if self.random.chance(50) { self.last() } else { self.random.within(1..self.last() + 1) };
            let through = Index::new(self.commit);
            self.snapshot = self.at(self.commit);
            let compact = vec![Record::Compact { through }];
            self.state.apply(&compact[0]);
            batches.push(compact);
            if self.random.chance(50) {
                batches.extend(self.vote().map(|vote| vec![vote]));
            }
        }
        batches
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..60 => self.write(),
            60..76 => self.snapshot(),
            76..84 => self.receive(),
            84..90 => {
                let incarnation = Incarnation::from_bytes([self.random.below(200) as u8 + 1; 16]);
                let peer = ServerId::new(self.random.within(2..5) as u32);
                self.steps.push(Step::Pin(peer, incarnation));
            }
            90..93 => self.steps.push(Step::KeepGroup),
            _ => self.steps.push(Step::Restart),
        }
    }

    /// A batch: a term, a vote, entries, a conflict, or several of them.
    fn write(&mut self) {
        let mut batch = Vec::new();
        if self.state.durable.term().number() == 0 || self.random.chance(25) {
            batch.extend(self.term());
        }
        let is_conflict = self.commit < self.last() && self.random.chance(25);
        if is_conflict {
            let keep = self.random.within(self.commit..self.last());
            batch.push(self.applied(Record::Truncate { keep: Index::new(keep) }));
        }
        let may_be_about_terms_alone = !batch.is_empty() && self.random.chance(40);
        if !may_be_about_terms_alone {
            for _ in 0..self.random.within(1..4) {
                batch.push(self.entry());
            }
        }
        if self.random.chance(10) {
            batch.extend(self.vote());
        }
        if self.random.chance(50) {
            self.commit = self.random.within(self.commit..self.last() + 1);
        }
        self.steps.push(Step::Write(batch));
    }

    fn term(&mut self) -> Vec<Record<Bytes>> {
        let term = Term::new(self.state.durable.term().number() + self.random.within(1..3));
        let mut records = vec![self.applied(Record::Term(term))];
        if self.random.chance(50) {
            records.extend(self.vote());
        }
        records
    }

    /// The vote of this term, if it was not given yet.
    fn vote(&mut self) -> Option<Record<Bytes>> {
        let is_free = self.state.durable.vote().is_none() && self.state.durable.term().number() != 0;
        let candidate = ServerId::new(self.random.within(1..4) as u32);
        is_free.then(|| self.applied(Record::Vote(candidate)))
    }

    fn entry(&mut self) -> Record<Bytes> {
        let position = Position { term: self.state.durable.term(), index: Index::new(self.last() + 1) };
        let length = *self.random.pick(&LENGTHS);
        let payload = match self.random.chance(15) {
            true => Payload::Blank,
            false => Payload::Command((0..length).map(|_| self.random.below(256) as u8).collect()),
        };
        self.applied(Record::Append(Entry { position, payload }))
    }

    /// A snapshot of what is committed; the log is compacted up to it, or up to the one before.
    fn snapshot(&mut self) {
        let base = self.state.durable.log().base().index.number();
        if self.snapshot.index.number() < self.commit {
            let first = self.snapshot.index.number().max(base) + 1;
            let index = self.random.within(first..self.commit + 1);
            let last = self.at(index);
            let through = if self.random.chance(70) { last } else { self.snapshot };
            self.steps.push(Step::Snapshot(last));
            self.snapshot = last;
            if base < through.index.number() {
                let compact = self.applied(Record::Compact { through: through.index });
                self.steps.push(Step::Write(vec![compact]));
            }
            self.steps.push(Step::RemoveOlder);
        }
    }

    /// A snapshot from a leader that is ahead. A part of it may have arrived before, or of one that never comes.
    fn receive(&mut self) {
        let term = self.state.durable.term();
        if term.number() == 0 {
            return;
        }
        let index = Index::new(self.last() + self.random.within(1..9));
        let last = Position { term, index };
        if self.random.chance(30) {
            let index = if self.random.chance(50) { index } else { Index::new(index.number() + 1) };
            self.steps.push(Step::Receive { last: Position { term, index }, parts: 1 });
        }
        self.steps.push(Step::Receive { last, parts: usize::MAX });
        let restore = self.applied(Record::Restore { last });
        (self.commit, self.snapshot) = (index.number(), last);
        self.steps.extend([Step::Write(vec![restore]), Step::RemoveOlder]);
    }

    fn applied(&mut self, record: Record<Bytes>) -> Record<Bytes> {
        self.state.apply(&record);
        record
    }

    fn last(&self) -> u64 {
        self.state.durable.log().last().index.number()
    }

    fn at(&self, index: u64) -> Position {
        self.state.durable.log().position_at(Index::new(index)).expect("what is committed is in the log")
    }
}

impl Step {
    fn into_batch(self) -> Option<Vec<Record<Bytes>>> {
        match self {
            Step::Write(records) => Some(records),
            _ => None,
        }
    }

    /// The step in words.
    pub(super) fn words(&self) -> String {
        match self {
            Step::Write(records) => format!("write {}", records_in_words(records)),
            Step::Snapshot(last) => format!("snapshot up to {last}"),
            Step::Receive { last, parts: usize::MAX } => format!("receive the snapshot up to {last}"),
            Step::Receive { last, parts } => format!("receive {parts} of the parts of the snapshot up to {last}"),
            Step::RemoveOlder => "remove older snapshots".to_owned(),
            Step::Pin(peer, incarnation) => format!("server {peer} is incarnation {incarnation}"),
            Step::KeepGroup => "write down the group".to_owned(),
            Step::Restart => "restart".to_owned(),
        }
    }
}

/// The snapshots that a history takes from another server.
pub(super) fn received(steps: &[Step]) -> BTreeMap<Position, Vec<u8>> {
    let of = |step: &Step| match step {
        Step::Receive { last, .. } => Some((*last, content(*last))),
        _ => None,
    };
    steps.iter().filter_map(of).collect()
}

/// The state that a snapshot up to this entry holds: sometimes of several chunks.
pub(super) fn content(last: Position) -> Vec<u8> {
    let mut random = Random::stream(last.index.number(), last.term.number());
    let length = if random.chance(4) { 66_000 } else { random.below(1500) };
    (0..length).map(|at| (at * 31 + at / 251 + last.index.number()) as u8).collect()
}

fn records_in_words(records: &[Record<Bytes>]) -> String {
    let words = records.iter().map(|record| match record {
        Record::Append(Entry { position, payload: Payload::Command(bytes) }) => {
            format!("append {position} ({} bytes)", bytes.len())
        }
        Record::Append(Entry { position, .. }) => format!("append {position} (blank)"),
        Record::Repair(Entry { position, .. }) => format!("repair {position}"),
        Record::Term(term) => format!("term {term}"),
        Record::Vote(candidate) => format!("vote {candidate}"),
        Record::Truncate { keep } => format!("truncate after {keep}"),
        Record::Compact { through } => format!("compact through {through}"),
        Record::Restore { last } => format!("restore {last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}
