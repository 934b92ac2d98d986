//! What may happen in a state of the quotient, and what it leads to.
//!
//! This module describes no protocol behaviour: it decides what may happen, and what a server then
//! does comes from the deployed steps.

use std::sync::PoisonError;

use rustc_hash::FxHashSet;

use crate::checks;
use crate::properties::{Property, PropertySet};
use crate::quotient::inputs::Stimulus;
use crate::quotient::link::Link;
use crate::quotient::local::{Local, Outcome, Sent};
use crate::quotient::server::{Cells, Part, Seat, term_of};
use crate::quotient::sets::{Indices, index_of};
use crate::quotient::settings::{Compact, Quotient};
use crate::quotient::state::State;

/// Something that happens to one server, and how it comes out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Move {
    pub(crate) server: u8,
    pub(crate) stimulus: Stimulus,
    /// Which of the ways in which it may come out.
    pub(crate) way: u8,
    /// Where a crash cuts it off: how many unsynced records the disk keeps.
    pub(crate) cut: Option<u8>,
}

/// The kinds of [`Move`], as they are counted.
pub(crate) const KINDS: [&str; 22] = [
    "campaign",
    "count votes",
    "learn a newer term",
    "ask for a vote",
    "ask for a pre-vote",
    "append entries",
    "acknowledge",
    "refuse entries",
    "heartbeat timeout",
    "minimum timeout",
    "propose",
    "take over",
    "step down",
    "flush",
    "crash",
    "confirm a round",
    "make a snapshot",
    "install a snapshot",
    "begin a lease",
    "answer for a lease",
    "confirm a lease",
    "damage a disk",
];

/// One kind more: any of them, if a crash cut it off before its records were all durable or seen.
pub(crate) const CUT_OFF: &str = "cut off by a crash";

impl Move {
    pub(crate) fn kind(&self) -> usize {
        if self.is_cut_off() { KINDS.len() } else { kind_of(self.stimulus) }
    }

    /// Its group, for people; crashes are the last.
    pub(crate) fn group(&self) -> usize {
        GROUPS[self.kind()]
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.cut.is_some() && !matches!(self.stimulus, Stimulus::Crash { .. } | Stimulus::Damage { .. })
    }
}

/// Which of the groups a kind of move belongs to: elections, logs, timeouts, disks, clients and administration, leases,
/// crashes.
const GROUPS: [usize; KINDS.len() + 1] = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 4, 4, 4, 3, 6, 1, 3, 1, 5, 5, 5, 6, 6];

fn kind_of(stimulus: Stimulus) -> usize {
    match stimulus {
        Stimulus::Campaign { .. } => 0,
        Stimulus::Count { .. } => 1,
        Stimulus::Learn { .. } => 2,
        Stimulus::VoteRequest { .. } => 3,
        Stimulus::PreVoteRequest { .. } => 4,
        Stimulus::Append { .. } => 5,
        Stimulus::Acknowledge { .. } => 6,
        Stimulus::Refuse { .. } => 7,
        Stimulus::HeartbeatTimeout => 8,
        Stimulus::MinimumTimeout { .. } => 9,
        Stimulus::Propose { .. } => 10,
        Stimulus::Transfer { .. } | Stimulus::TimeoutNow { .. } => 11,
        Stimulus::StepDown => 12,
        Stimulus::Flush => 13,
        Stimulus::Crash { .. } => 14,
        Stimulus::Read { .. } => 15,
        Stimulus::Snapshot { .. } => 16,
        Stimulus::Install { .. } => 17,
        Stimulus::BeginLease => 18,
        Stimulus::AnswerLease { .. } => 19,
        Stimulus::ConfirmLease { .. } => 20,
        Stimulus::Damage { .. } => 21,
    }
}

/// What a thread keeps: the steps that it has run.
pub(crate) struct Worker {
    pub(crate) local: Local,
    pub(crate) link: Link,
    offers: Vec<(u8, Stimulus)>,
    offered: Offered,
    /// Compact servers that this thread has met.
    met: FxHashSet<Compact>,
}

/// What was tried, by kind.
type Offered = [u64; KINDS.len() + 1];

impl Worker {
    pub(crate) fn new(local: Local, link: Link) -> Worker {
        Worker { local, link, offers: Vec::new(), offered: Offered::default(), met: FxHashSet::default() }
    }

    /// What was tried since this was last asked.
    pub(crate) fn take_offered(&mut self) -> Offered {
        std::mem::take(&mut self.offered)
    }

    /// Adds what was looked up since this was last told to what all threads have.
    pub(crate) fn tell_linked(&mut self, quotient: &Quotient) {
        if quotient.is_linked() {
            let (counts, histories) = self.link.take_counts();
            quotient.linked.lock().unwrap_or_else(PoisonError::into_inner).add(counts, histories);
        }
    }

    /// Notes the compact servers of a state, for the local simulation.
    pub(crate) fn note(&mut self, quotient: &Quotient, state: &State) {
        let new: Vec<Compact> = quotient.compact(state).filter(|compact| self.met.insert(*compact)).collect();
        if !new.is_empty() {
            quotient.note(new);
        }
    }
}

impl Quotient {
    pub(crate) fn new_worker(&self) -> Worker {
        let local = Local::new(self.ground, self.members, self.forgets_logs, self.leases, self.watched);
        Worker::new(local, Link::new(self.members, self.narrowed))
    }
}

/// A step: the move, where it leads, what it broke, and what it met.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Move, State, PropertySet, u8);

impl Quotient {
    pub(crate) fn moves(&self, worker: &mut Worker, state: &State, visit: Visit) {
        let mut offers = std::mem::take(&mut worker.offers);
        offers.clear();
        self.offer(state, &mut offers);
        for &(id, stimulus) in &offers {
            let outcomes = worker.local.outcomes(state.seat(id), id, state.base, stimulus);
            worker.offered[kind_of(stimulus)] += 1;
            for (way, outcome) in (0..).zip(outcomes) {
                let step = Move { server: id, stimulus, way, cut: outcome.cut };
                worker.offered[KINDS.len()] += u64::from(step.is_cut_off());
                self.come_out(state, step, outcome, visit);
            }
        }
        worker.offers = offers;
        self.transfer(worker, state, visit);
    }

    fn come_out(&self, before: &State, step: Move, outcome: &Outcome, visit: Visit) {
        let mut broken = outcome.broken;
        // What may be read is all that was committed when the round began.
        let is_all = outcome.read.is_none_or(|read| before.committed.len <= read);
        broken.insert_unless(is_all, Property::ReadIndex);
        broken.insert_unless(!outcome.lease.holds || before.is_exclusive(step.server), Property::LeaseExclusive);
        broken.keep(self.watched);
        if outcome.too_long {
            if !broken.is_empty() {
                visit(step, *before, broken, outcome.met);
            }
            return;
        }
        let mut state = *before;
        broken.extend(state.follow_lease(step, outcome));
        broken.extend(state.take(step.server, outcome.seat));
        state.send(step.server, outcome.sent);
        state.believe(step.server, outcome.believed);
        broken.keep(self.watched);
        match state.settled(self.reach) {
            Ok(settled) => {
                let next = if self.symmetric { settled.canonical() } else { settled };
                if next != *before || !broken.is_empty() {
                    visit(step, next, broken, outcome.met);
                }
            }
            // What was broken on the way beyond the bounds counts all the same.
            Err(_) if !broken.is_empty() => visit(step, state, broken, outcome.met),
            Err(_) => {}
        }
    }

    /// Dissertation 3.10, two servers at once: the leader tells the target, which campaigns.
    fn transfer(&self, worker: &mut Worker, state: &State, visit: Visit) {
        for (leader, to) in state.transfers() {
            let (leads, target) = (state.seat(leader), state.seat(to));
            let stimulus = Stimulus::Transfer { to, matched: state.holds(leader, to) };
            let told = worker.local.outcomes(leads, leader, state.base, stimulus).first().copied();
            let Some(told) = told else { continue };
            if told.sent.timeout_now != to {
                // What it broke counts all the same.
                if !told.broken.is_empty() {
                    self.come_out(state, Move { server: leader, stimulus, way: 0, cut: told.cut }, &told, visit);
                }
                continue;
            }
            let step = Move { server: leader, stimulus, way: 0, cut: told.cut };
            // The target may never hear of it.
            if self.leases {
                worker.offered[step.kind()] += 1;
                self.come_out(state, step, &told, visit);
            }
            let (mut state, base) = (*state, state.base);
            let ended = state.follow_lease(step, &told);
            state.seats[leader as usize - 1] = leads.with_transfer(told.seat.transfer());
            let members = self.members;
            let servers = [(leader, leads), (to, target)].map(|(id, seat)| seat.server(id, members, base));
            let mut broken = told.broken.and(ended);
            broken.insert_unless(checks::may_take_over(&servers[0], &servers[1]), Property::TransferComplete);
            let stimulus = Stimulus::TimeoutNow { from: leader };
            worker.offered[kind_of(stimulus)] += 1;
            for (way, outcome) in (0..).zip(worker.local.outcomes(target, to, base, stimulus)) {
                let step = Move { server: to, stimulus, way, cut: outcome.cut };
                worker.offered[KINDS.len()] += u64::from(step.is_cut_off());
                let outcome = Outcome { broken: broken.and(outcome.broken), ..*outcome };
                self.come_out(&state, step, &outcome, visit);
            }
        }
    }
}

impl State {
    /// A server becomes what a step made of it.
    fn take(&mut self, id: u8, new: Seat) -> PropertySet {
        let old = self.seat(id);
        self.leave_behind(id, new);
        let campaigns = old.is(Part::Follower) && new.still(Part::Candidate, old.term() + 1);
        if !campaigns && !new.still(old.part(), old.term()) {
            self.heard[id as usize - 1] = 0;
            self.answered[id as usize - 1] = 0;
        }
        // What began before that is read for nothing, so it does not stand for the rounds that begin now.
        if !self.leases && !self.has_committed_in_term(old) && self.has_committed_in_term(new) {
            self.answered[id as usize - 1] = 0;
        }
        self.seats[id as usize - 1] = new;
        let mut broken = PropertySet::default();
        for at in old.commit()..new.commit().min(new.len()) {
            let cell = new.cells().get(at);
            if at < self.committed.len {
                broken.insert_unless(self.committed.get(at) == cell, Property::StateMachineSafety);
            } else {
                self.known_in[self.committed.len as usize] = new.term();
                self.committed.push(cell);
            }
        }
        broken
    }

    /// What becomes of the lease by a step of a server, before that is taken.
    fn follow_lease(&mut self, step: Move, outcome: &Outcome) -> PropertySet {
        let (mut broken, before) = (PropertySet::default(), self.seat(step.server));
        if step.stimulus == Stimulus::BeginLease && outcome.lease.begins {
            self.holder = step.server;
        }
        if step.server == self.holder {
            let leads = outcome.seat.still(Part::Leader, before.term());
            // What a process promises ends with it.
            let ends = outcome.lease.ends || step.cut.is_some();
            broken.insert_unless(leads || ends, Property::LeaseExclusive);
            if ends || !leads {
                self.holder = 0;
            }
        }
        broken
    }

    /// Whether nobody leads in a later term than this leader does. Whoever has the votes for that may lead
    /// in the next state, so nothing is asked of votes.
    fn is_exclusive(&self, holder: u8) -> bool {
        let term = self.seat(holder).term();
        !self.seats().any(|(_, seat)| seat.is(Part::Leader) && term < seat.term())
    }

    fn send(&mut self, id: u8, sent: Sent) {
        if sent.vote != 0 {
            self.grant(sent.vote, sent.term, id);
        }
        if sent.asked.term != 0 && !self.seat(id).still(Part::Candidate, sent.asked.term) {
            self.ask(sent.asked);
        }
        if sent.acknowledged.0 != 0 {
            self.acknowledge(sent.acknowledged.0, sent.term, id, sent.acknowledged.1);
        }
    }

    /// What a leader believes it counts as told: so it is judged as any acknowledgement is.
    fn believe(&mut self, leader: u8, believed: Indices) {
        for follower in self.ids().filter(|_| believed != 0) {
            self.acknowledge(leader, self.seat(leader).term(), follower, index_of(believed, follower));
        }
    }

    /// What tells a new command from those that stand, or stood, in the same place of the same term.
    pub(super) fn version_at(&self, index: u8, term: u8) -> u8 {
        let logs = self.seats().map(|(_, seat)| seat.cells()).chain(self.past.iter().map(|past| past.cells));
        let there = |cells: Cells| (index <= cells.len).then(|| cells.get(index - 1));
        let same = logs.chain([self.committed]).filter_map(there).filter(|&cell| term_of(cell) == term);
        same.map(|cell| cell >> 5).max().unwrap_or(0)
    }
}
