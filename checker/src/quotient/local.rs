//! What comes of an input: the deployed steps, run once for each server state and input and remembered,
//! since they look at nothing else.
//!
//! An input is one thing that may happen, or several of which only the end matters: what lies
//! between is told apart by nobody else. Steps that nobody can have seen are flushed, or cut off
//! by a crash, before anything else happens.

use std::collections::VecDeque;

use rafttree_model::{
    Entries, Entry, Envelope, Event, Faulty, Index, Members, Message, Output, Position, Range, Record, Role, Round,
    ServerId, Term,
};
use rustc_hash::FxHashMap;

use crate::checks;
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::quotient::inputs::{Happening, LEASED, Stimulus, script};
use crate::quotient::server::{Part, Seat};
use crate::quotient::sets::Indices;
use crate::quotient::state::Asked;
use crate::world::{DiskMutant, Ground, Letter, Place, Server, StepBy, Stepped, Tag};

/// What leaves a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sent {
    pub(crate) term: u8,
    /// Whom it granted its vote, if anyone.
    pub(crate) vote: u8,
    /// To whom it acknowledged entries, and up to where.
    pub(crate) acknowledged: (u8, u8),
    /// Whom it told to take over.
    pub(crate) timeout_now: u8,
    /// Of the term 0, or the candidacy for which it asked the others before that was on its disk.
    pub(crate) asked: Asked,
}

/// What came of a stimulus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) seat: Seat,
    pub(crate) sent: Sent,
    pub(crate) broken: PropertySet,
    /// What a leader believes its followers hold, before that is forgotten.
    pub(crate) believed: Indices,
    /// The read index of a round that is confirmed.
    pub(crate) read: Option<u8>,
    /// What it means for leases; nothing where there are none.
    pub(crate) lease: Lease,
    /// Witnesses, one bit each.
    pub(crate) met: u8,
    /// Where a crash cut it off: how many unsynced records the disk has kept.
    pub(crate) cut: Option<u8>,
    /// Its log has become longer than there is room for.
    pub(crate) too_long: bool,
}

/// What the steps of one server tell, as far as a lease depends on it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Lease {
    /// A round has begun.
    pub(crate) begins: bool,
    /// The round that the lease is counted from is confirmed, and the service has not been told since that
    /// the leadership is over.
    pub(crate) holds: bool,
    /// The service was told that the leadership is over.
    pub(crate) ends: bool,
}

/// The deployed steps of one server, remembered.
pub(crate) struct Local {
    ground: Ground,
    members: Members,
    /// Logs are forgotten after each step.
    forgets_logs: bool,
    /// Whether what leases depend on is told apart.
    leases: bool,
    watched: PropertySet,
    /// Where among what is known the outcomes are.
    memo: FxHashMap<(Seat, u8, u8, Stimulus), usize>,
    known: Vec<Box<[Outcome]>>,
    /// Deployed steps that were run, not remembered.
    pub(crate) steps: u64,
}

/// One way in which a stimulus may go on.
#[derive(Clone)]
struct Course {
    server: Server,
    sent: Sent,
    /// Whether something left that is not a part of the leader's log.
    spoke: bool,
    broken: PropertySet,
    met: u8,
    cut: Option<u8>,
    /// Whether its rounds count.
    keeps_rounds: bool,
    /// The latest round that began, with its read index.
    begun: Option<(Round, Option<Index>)>,
    read: Option<u8>,
    lease: Lease,
    /// Whether it has answered something of a round.
    answered: bool,
    own: VecDeque<Event<Tag>>,
    /// What the snapshot was made of that arrives, if one does.
    snapshot: Vec<Entry<Tag>>,
}

impl Local {
    pub(crate) fn new(
        ground: Ground,
        members: Members,
        forgets_logs: bool,
        leases: bool,
        watched: PropertySet,
    ) -> Local {
        Local {
            ground,
            members,
            forgets_logs,
            leases,
            watched,
            memo: FxHashMap::default(),
            known: Vec::new(),
            steps: 0,
        }
    }

    /// The term of the entry before the log. Where logs are forgotten and there are leases, a leader that has
    /// one has committed an entry of its term: the service was told that it leads.
    pub(crate) fn base_of(&self, seat: Seat, base: u8) -> u8 {
        if self.leases && self.forgets_logs && seat.is(Part::Leader) { seat.term() } else { base }
    }

    /// Everything that may come of this stimulus; what changes nothing and breaks nothing is not
    /// among it.
    pub(crate) fn outcomes(&mut self, seat: Seat, id: u8, base: u8, stimulus: Stimulus) -> &[Outcome] {
        let key = (seat, base, id, stimulus);
        let at = match self.memo.get(&key) {
            Some(&at) => at,
            None => {
                let outcomes = self.compute(seat, id, self.base_of(seat, base), stimulus);
                self.known.push(outcomes.into());
                self.memo.insert(key, self.known.len() - 1);
                self.known.len() - 1
            }
        };
        &self.known[at]
    }

    fn compute(&mut self, seat: Seat, id: u8, base: u8, stimulus: Stimulus) -> Vec<Outcome> {
        let mut start = Course::starting(seat.server(id, self.members, base));
        if let Stimulus::Install { cells, .. } = stimulus {
            start.snapshot = cells.entries(0);
        }
        start.keeps_rounds =
            matches!(stimulus, Stimulus::Read { .. } | Stimulus::AnswerLease { .. } | Stimulus::ConfirmLease { .. });
        let courses = match stimulus {
            Stimulus::Flush => self.flushed(start),
            Stimulus::Crash { keep } => vec![start.crashed(self.ground, keep)],
            Stimulus::Damage { first, last } => vec![start.damaged(self.ground, first, last)],
            _ => self.played(start, script(seat, id, base, stimulus)),
        };
        let mut outcomes = Vec::new();
        let (cut, whole): (Vec<_>, Vec<_>) = courses.into_iter().partition(|course| course.cut.is_some());
        for course in whole.into_iter().chain(cut) {
            let (_, outcome) = self.outcome(seat, course);
            let said = outcome.sent != Sent::default() || outcome.believed != 0 || !outcome.broken.is_empty();
            let tells = outcome.read.is_some() || outcome.lease != Lease::default();
            let idle = outcome.seat == seat && !said && !tells;
            let all = |it: &Outcome| (it.seat, it.sent, it.broken, it.believed, it.read, it.lease);
            let known = |other: &Outcome| all(other) == all(&outcome);
            if !idle && !outcomes.iter().any(known) {
                outcomes.push(outcome);
            }
        }
        outcomes
    }

    /// What it breaks if a server does nothing upon this event.
    pub(crate) fn broken_by_nothing(&self, server: &Server, event: &Event<Tag>) -> PropertySet {
        let mut broken = checks::broken_by_event(self.ground.step_by, server, event, server, &Stepped::default());
        broken.keep(self.watched);
        broken
    }

    /// The deployed step, by itself.
    pub(crate) fn step_by(&self) -> StepBy {
        self.ground.step_by
    }

    /// What may come of this for a server in any state.
    pub(crate) fn comes_of(&mut self, seat: Seat, server: &Server, happening: &Happening) -> Vec<(Server, Outcome)> {
        let mut start = Course::starting(server.clone());
        start.keeps_rounds = self.leases;
        let courses = match happening {
            Happening::Event(event) => self.played(start, vec![event.clone()]),
            Happening::Install { letter, cells } => {
                start.snapshot = cells.entries(0);
                self.played(start, vec![Event::Receive(letter.clone())])
            }
            Happening::Flush => self.flushed(start),
            Happening::Crash { keep } => vec![start.crashed(self.ground, *keep)],
            Happening::Damage { first, last } => vec![start.damaged(self.ground, *first, *last)],
        };
        courses.into_iter().map(|course| self.outcome(seat, course)).collect()
    }

    fn outcome(&self, before: Seat, course: Course) -> (Server, Outcome) {
        let Course { mut server, mut sent, broken, met, cut, read, lease, answered, .. } = course;
        if !(self.leases && sent.asked.transfer) {
            sent.asked = Asked::default();
        }
        if self.forgets_logs {
            sent.asked.last = Place::START;
            let start = server.entries.base();
            server.entries = Entries::after(start, Vec::new());
            server.disk.entries = Entries::after(start, Vec::new());
        }
        let believed = believed(&server);
        let seat = Seat::of(&server);
        let too_long = seat.is_err();
        let seat = seat.unwrap_or_default();
        let mut seat = if self.forgets_logs { seat.with_commit(0) } else { seat };
        let lease = if self.leases { lease } else { Lease::default() };
        if self.leases {
            seat = seat.with_transfer(transfers(before, seat, &server, lease).into());
            if before.is_counted() || answered {
                seat = seat.counting(&server);
            }
        }
        (server, Outcome { seat, sent, broken, believed, read, lease, met, cut, too_long })
    }

    /// Plays events one after the other until the part or the commit index has changed.
    fn played(&mut self, start: Course, script: Vec<Event<Tag>>) -> Vec<Course> {
        let before = (start.server.node.role().name(), start.server.node.commit());
        let mut ended = Vec::new();
        let mut course = start;
        for event in script {
            course.own.push_back(event);
            let (going, cut) = self.settled(course);
            ended.extend(cut);
            course = going;
            let role = course.server.node.role();
            let undecided =
                before.0 == role.name() || matches!(role, Role::PreCandidate { .. } | Role::Follower { .. });
            if !undecided || before.1 != course.server.node.commit() || !course.broken.is_empty() {
                break;
            }
        }
        ended.push(course);
        ended
    }

    fn flushed(&mut self, mut course: Course) -> Vec<Course> {
        course.flush(self.ground);
        let (going, mut ended) = self.settled(course);
        ended.push(going);
        ended
    }

    /// Runs a server until nothing of it waits that must not: the way without a crash, and those
    /// with one.
    fn settled(&mut self, mut course: Course) -> (Course, Vec<Course>) {
        let mut ended = Vec::new();
        loop {
            let seen = course.server.unsynced_records();
            while let Some(event) = course.own.pop_front() {
                self.step(&mut course, event);
            }
            if course.may_wait() {
                return (course, ended);
            }
            let total = course.server.unsynced_records();
            let least = if course.spoke { 0 } else { seen + 1 };
            ended.extend((least..=total).map(|keep| course.clone().crashed(self.ground, keep as u8)));
            if self.ground.disk_mutant == Some(DiskMutant::TornVote) {
                ended.push(course.clone().crashed_torn(self.ground));
            }
            while !course.server.unsynced.is_empty() {
                course.flush(self.ground);
            }
        }
    }

    fn step(&mut self, course: &mut Course, event: Event<Tag>) {
        self.steps += 1;
        let ground = Ground { keeps_rounds: course.keeps_rounds, ..self.ground };
        let (stepped, broken) = checks::judged_step(&mut course.server, ground, &event, &course.snapshot);
        let Stepped { early, records, outputs, told_early, moved, .. } = stepped;
        told_early.iter().for_each(|told| course.note_round(told));
        course.broken.extend(broken);
        if moved {
            course.broken.extend(checks::broken_when_tried(self.ground.step_by, &course.server));
        }
        course.broken.keep(self.watched);
        if records.iter().any(|record| matches!(record, Record::Truncate { .. })) {
            course.met |= 1 << Witness::ConflictCut as u8;
        }
        let seen = !early.is_empty();
        early.into_iter().for_each(|envelope| course.perform(envelope));
        let ready = course.server.hold(records, seen, outputs);
        ready.into_iter().for_each(|envelope| course.perform(envelope));
    }
}

impl Outcome {
    /// Whether the compact server stays what it was, and promises nothing.
    pub(crate) fn is_nothing(&self, seat: Seat) -> bool {
        self.seat == seat && self.sent == Sent::default() && !self.too_long
    }

    /// The same where this vote is one that nobody counts, and stands for what the seat has before.
    pub(crate) fn forget_vote(&mut self, vote: u8, before: Seat) {
        if vote == before.vote() {
            return;
        }
        if (self.seat.term(), self.seat.vote()) == (before.term(), vote) {
            self.seat = self.seat.with_vote(before.vote());
        }
        if (self.sent.term, self.sent.vote) == (before.term(), vote) {
            self.sent = Sent { vote: 0, ..self.sent };
            if self.sent == (Sent { term: self.sent.term, ..Sent::default() }) {
                self.sent = Sent::default();
            }
        }
    }

    /// The same where no lease counts on the server.
    pub(crate) fn uncounted(&self) -> Outcome {
        Outcome { seat: self.seat.uncounted(), ..*self }
    }

    /// Whether this covers the other outcome: it leads to the same compact server, and promises as much.
    pub(crate) fn is_same(&self, other: &Outcome) -> bool {
        (self.too_long, self.seat) == (other.too_long, other.seat) && self.sent.says(other.sent)
    }
}

impl Sent {
    /// Whether this is all that the other says, or more.
    fn says(self, other: Sent) -> bool {
        let asks = other.asked == Asked::default() || other.asked == self.asked;
        let rest = Sent { asked: self.asked, ..other };
        asks && (rest == self || Sent { asked: Asked::default(), ..other } == Sent::default())
    }
}

impl Course {
    fn starting(server: Server) -> Course {
        Course {
            server,
            sent: Sent::default(),
            spoke: false,
            broken: PropertySet::default(),
            met: 0,
            cut: None,
            keeps_rounds: false,
            begun: None,
            read: None,
            lease: Lease::default(),
            answered: false,
            own: VecDeque::new(),
            snapshot: Vec::new(),
        }
    }

    /// What may be read once this was told.
    fn note_round(&mut self, told: &Output) {
        match *told {
            Output::Round { round, read } => {
                self.begun = Some((round, read));
                self.lease.begins = true;
            }
            Output::Yielded(_) => (self.lease.ends, self.lease.holds) = (true, false),
            Output::Confirmed(confirmed) => {
                self.lease.holds |= LEASED <= confirmed;
                let begun = self.begun.filter(|(round, _)| *round <= confirmed);
                self.read = begun.and_then(|(_, read)| read).map(|read| read.number() as u8);
            }
            _ => {}
        }
    }

    /// A leader's entries are the one thing that may wait for its disk: it may send them at any moment.
    fn may_wait(&self) -> bool {
        let leads = matches!(self.server.node.role(), Role::Leader { .. });
        let appends = |records: &Vec<Record<Tag>>| records.iter().all(|record| matches!(record, Record::Append(_)));
        self.server.unsynced.iter().all(|step| leads && !self.spoke && appends(&step.records))
    }

    fn flush(&mut self, ground: Ground) {
        let (ready, broken) = checks::judged_flush(&mut self.server, ground);
        self.broken.extend(broken);
        ready.into_iter().for_each(|envelope| self.perform(envelope));
    }

    fn crashed(mut self, ground: Ground, keep: u8) -> Course {
        if usize::from(keep) < self.server.unsynced_records() {
            self.met |= 1 << Witness::UnsyncedLost as u8;
        }
        let broken = checks::judged_crash(&mut self.server, |server| server.crash(ground, keep.into()));
        self.broken.extend(broken);
        Course { cut: Some(keep), ..self }
    }

    fn damaged(mut self, ground: Ground, first: u8, last: u8) -> Course {
        let faulty = Faulty::between(Index::new(first.into()), Index::new(last.into()));
        let broken = checks::judged_crash(&mut self.server, |server| server.crash_damaged(ground, faulty));
        self.broken.extend(broken);
        Course { cut: Some(0), ..self }
    }

    fn crashed_torn(mut self, ground: Ground) -> Course {
        let broken = checks::judged_crash(&mut self.server, |server| server.crash_torn(ground));
        self.broken.extend(broken);
        Course { cut: Some(0), ..self }
    }

    fn perform(&mut self, envelope: Envelope<Range>) {
        let node = &self.server.node;
        if let Message::AppendRequest { entries, commit, .. } = envelope.message {
            let is_part = node.log().holds(entries.previous) && node.log().holds(entries.last);
            self.broken.insert_unless(is_part && commit <= node.commit(), Property::Bounds);
            let on_disk = envelope.term <= self.server.disk.durable.term();
            self.broken.insert_unless(on_disk, Property::TermMonotonic);
            return;
        }
        if let Message::InstallSnapshot { last, .. } = envelope.message {
            return self.broken.insert_unless(last.index <= node.commit(), Property::SnapshotPrefix);
        }
        let letter: Letter = envelope.with_entries(|_| None).expect("the one message with entries is dealt with above");
        self.broken.extend(checks::broken_by_send(&self.server, &letter));
        if letter.to == letter.from {
            return self.own.push_back(Event::Receive(letter));
        }
        let to = letter.to.number() as u8;
        match letter.message {
            Message::VoteReply { granted: true } => self.sent.vote = to,
            Message::AppendReply { matched, round } | Message::RepairRequest { matched, round } => {
                self.sent.acknowledged = (to, matched.number() as u8);
                self.answered |= LEASED <= round;
            }
            Message::AppendRefusal { round, .. } => return self.answered |= LEASED <= round,
            Message::TimeoutNow => self.sent.timeout_now = to,
            Message::VoteRequest { last, transfer } => return self.ask(letter.from, letter.term, last, transfer),
            _ => return,
        }
        self.sent.term = letter.term.number() as u8;
        self.spoke = true;
    }

    /// What a candidate asks of the others before its vote is on its disk, a crash may leave behind.
    fn ask(&mut self, from: ServerId, term: Term, last: Position, transfer: bool) {
        if self.server.disk.durable.term() < term {
            let (term, candidate) = (term.number() as u8, from.number() as u8);
            self.sent.asked = Asked { term, candidate, last: Place::of(last), transfer };
        }
    }
}

/// Whether a leader has told its service that the leadership is over, since it is being transferred; of a
/// candidate, whether a leader asked for its campaign.
fn transfers(before: Seat, seat: Seat, server: &Server, lease: Lease) -> bool {
    match server.node.role() {
        Role::Leader { .. } => before.still(Part::Leader, seat.term()) && (lease.ends || before.transfer() != 0),
        Role::Candidate { transfer, .. } => *transfer,
        Role::Follower { .. } | Role::PreCandidate { .. } => false,
    }
}

fn believed(server: &Server) -> Indices {
    let Role::Leader { progress, .. } = server.node.role() else { return 0 };
    let others = progress.iter().filter(|(id, _)| *id != server.node.id());
    others.map(|(id, it)| (it.matched.number().min(7) as Indices) << (3 * (id.number() - 1))).sum()
}
