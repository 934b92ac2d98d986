//! The live servers of a group in time: timers fire, messages travel, disks flush.
//!
//! This module describes no protocol behaviour: what a server does comes from the deployed steps, in
//! the loop that the deployed server runs. It gives the model's timers the meaning that the deployed
//! server gives them (`impl/src/timers.rs`), but for the alarm of a closed connection: here
//! leaders die silently.

use rafttree_model::{
    Durable, Effects, Entries, Entry, Envelope, Event, Index, Log, Members, Message, Next, Node, Output, Payload,
    Position, Record, Replica, Role, ServerId, Slice, Term, Timers,
};

use crate::timing::setting::{Setting, Until};
use crate::world::{Ground, Tag};

/// A message with its entries.
pub(crate) type Letter = Envelope<Slice<Tag>>;

/// A moment, in a unit that whoever drives the group chooses.
pub(crate) type Tick = u64;

/// Where randomness comes in.
pub(crate) trait Luck {
    /// After how long an election timer fires that is restarted now; `None` if that is left open.
    fn election_timeout(&mut self) -> Option<Tick>;
    /// When a message arrives that leaves now.
    fn arrival(&mut self, from: ServerId, to: ServerId, now: Tick) -> Tick;
}

/// The spans of time that are not random.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pace {
    pub(crate) minimum: Tick,
    pub(crate) heartbeat: Tick,
    pub(crate) flush: Tick,
}

/// An election timer that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ElectionTimer {
    pub(crate) since: Tick,
    /// `None` if it is open when it fires.
    pub(crate) due: Option<Tick>,
    /// How much of its range has passed without it; used by whoever leaves open when it fires.
    pub(crate) passed: u32,
}

/// One live server.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) replica: Replica<Tag>,
    /// A name for what the node is, that whoever gave it may read until the next step.
    pub(crate) known_as: Option<u32>,
    pub(crate) election: Option<ElectionTimer>,
    pub(crate) minimum: Option<Tick>,
    pub(crate) heartbeat: Option<Tick>,
    /// When the write under way ends.
    pub(crate) flight: Option<Tick>,
}

/// What happens next that is not random.
#[derive(Clone, Copy, Debug)]
enum Coming {
    Arrival(usize),
    Flushed(usize),
    Timer(usize),
}

/// The live servers, and what travels between them.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    ground: Ground,
    pace: Pace,
    until: Until,
    pub(crate) now: Tick,
    /// By id, from 1 on; the dead have the ids after them.
    pub(crate) seats: Vec<Seat>,
    pub(crate) mail: Vec<(Tick, Letter)>,
}

/// The term of the leader that died, or in which servers start.
pub(crate) const FIRST_TERM: Term = Term::new(1);

impl Group {
    /// The live servers, after a leader, if one of the members is dead, has told each its log in
    /// [`FIRST_TERM`]. No timer runs yet.
    pub(crate) fn new(setting: &Setting, ground: Ground, pace: Pace) -> Group {
        let ids = (1..=u32::from(setting.servers)).map(ServerId::new);
        let members = Members::new(ids).expect("one to nine servers, each named once");
        let leader = (setting.alive < setting.servers).then(|| ServerId::new(setting.servers.into()));
        let seat = |id: u32| {
            // The last of the live ones are behind.
            let behind = u32::from(setting.alive - setting.behind) < id;
            let mut durable = Durable::default();
            durable.apply(&Record::<Tag>::Term(FIRST_TERM));
            blanks(Index::ZERO, Index::new(if behind { 1 } else { 2 }))
                .into_iter()
                .for_each(|entry| durable.apply(&Record::Append(entry)));
            let mut node = Node::recover(ServerId::new(id), members, durable);
            leader.into_iter().for_each(|leader| hear_from(leader, &mut node, ground));
            Seat::idle(node)
        };
        Group {
            ground,
            pace,
            until: setting.until,
            now: 0,
            seats: (1..=u32::from(setting.alive)).map(seat).collect(),
            mail: Vec::new(),
        }
    }

    /// Restarts the timers of a follower at a moment.
    pub(crate) fn follow(&mut self, at: usize, moment: Tick, luck: &mut impl Luck) {
        self.seats[at].restart(Timers::Follower, moment, self.pace, luck);
    }

    /// When the next thing happens that is not left open; `None` if there is none.
    pub(crate) fn next_at(&self) -> Option<Tick> {
        self.next().map(|next| next.0)
    }

    /// Whether anything happens to this server at this moment that is not left open.
    pub(crate) fn is_busy(&self, at: usize, moment: Tick) -> bool {
        let seat = &self.seats[at];
        let arrives = |(arrival, letter): &(Tick, Letter)| *arrival == moment && letter.to == seat.node().id();
        [seat.flight, seat.minimum, seat.heartbeat].contains(&Some(moment)) || self.mail.iter().any(arrives)
    }

    /// Of the things of one moment arrivals come first, then flushes, then timers.
    fn next(&self) -> Option<(Tick, Coming)> {
        let mut first: Option<(Tick, Coming)> = None;
        let mut offer = |moment: Tick, next: Coming| {
            if first.is_none_or(|(earliest, _)| moment < earliest) {
                first = Some((moment, next));
            }
        };
        self.mail.iter().enumerate().for_each(|(at, letter)| offer(letter.0, Coming::Arrival(at)));
        for (at, seat) in self.seats.iter().enumerate() {
            seat.flight.into_iter().for_each(|moment| offer(moment, Coming::Flushed(at)));
        }
        for (at, seat) in self.seats.iter().enumerate() {
            seat.due().into_iter().for_each(|moment| offer(moment, Coming::Timer(at)));
        }
        first
    }

    /// Lets the next thing happen. Whether there is one, must have been asked.
    pub(crate) fn advance(&mut self, luck: &mut impl Luck) {
        let (moment, next) = self.next().expect("something is to happen");
        self.now = moment;
        match next {
            Coming::Arrival(at) => {
                let (_, letter) = self.mail.remove(at);
                self.happen(letter.to.number() as usize - 1, Event::Receive(letter), luck);
            }
            Coming::Flushed(at) => {
                self.seats[at].flight = None;
                self.seats[at].replica.flushed();
                self.settle(at, luck);
            }
            Coming::Timer(at) => {
                let event = self.seats[at].fire(moment, self.pace);
                self.happen(at, event, luck);
            }
        }
    }

    /// The election timer of this server fires.
    pub(crate) fn fire_election(&mut self, at: usize, moment: Tick, luck: &mut impl Luck) {
        self.now = moment;
        self.seats[at].election = None;
        self.happen(at, Event::ElectionTimeout, luck);
    }

    /// The term of the leader, once the election is over.
    pub(crate) fn leader_term(&self) -> Option<Term> {
        let leader = self.seats.iter().map(Seat::node).find(|node| matches!(node.role(), Role::Leader { .. }))?;
        let knows = |seat: &Seat| seat.node().leader() == Some(leader.id()) && seat.node().term() == leader.term();
        (self.until == Until::Elected || self.seats.iter().all(knows)).then(|| leader.term())
    }

    fn happen(&mut self, at: usize, event: Event<Tag>, luck: &mut impl Luck) {
        self.step(at, event);
        self.settle(at, luck);
    }

    fn step(&mut self, at: usize, event: Event<Tag>) {
        self.seats[at].replica.step_by(event, self.ground.step_by);
        self.seats[at].known_as = None;
    }

    /// Goes on until everything waits for the disk or for the world.
    fn settle(&mut self, at: usize, luck: &mut impl Luck) {
        while let Some(next) = self.seats[at].replica.proceed() {
            match next {
                Next::Perform(output) => self.perform(at, output, luck),
                Next::Receive(letter) => self.step(at, Event::Receive(letter)),
                Next::Write => self.write(at),
            }
        }
    }

    /// Takes as long as a flush takes, if there is anything to flush.
    fn write(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let records = seat.replica.write().len();
        if records != 0 && 0 < self.pace.flush {
            seat.flight = Some(self.now + self.pace.flush);
        } else {
            seat.replica.flushed();
        }
    }

    fn perform(&mut self, at: usize, output: Output, luck: &mut impl Luck) {
        match output {
            Output::Restart(timers) => self.seats[at].restart(timers, self.now, self.pace, luck),
            // What is sent to the dead is lost.
            Output::Send(envelope) if self.seats.len() < envelope.to.number() as usize => {}
            Output::Send(envelope) => {
                let letter = envelope.with_entries(|range| self.seats[at].replica.entries().fill(range));
                let arrival = luck.arrival(envelope.from, envelope.to, self.now);
                self.mail.extend(letter.map(|letter| (arrival, letter)));
            }
            _ => {}
        }
    }
}

/// A follower hears the leader's heartbeat: whose log lacks an entry, hears of what it has.
fn hear_from(leader: ServerId, node: &mut Node, ground: Ground) {
    let entries = Slice::new(node.log().last(), Vec::new()).expect("no entries follow each other");
    let message = Message::AppendRequest { entries, commit: Index::ZERO };
    let letter = Envelope { from: leader, to: node.id(), term: FIRST_TERM, message };
    let mut effects = Effects::new();
    (ground.step_by)(node, Event::Receive(letter), &mut effects);
    assert_eq!(node.leader(), Some(leader), "a heartbeat makes a follower");
}

/// The entries of the first term after one index up to another.
fn blanks(after: Index, last: Index) -> Vec<Entry<Tag>> {
    let position = |index| Position { term: FIRST_TERM, index: Index::new(index) };
    (after.number() + 1..=last.number()).map(position).map(blank).collect()
}

fn blank(position: Position) -> Entry<Tag> {
    Entry { position, payload: Payload::Blank }
}

/// What a log holds: nobody proposes a command here.
pub(crate) fn entries(log: &Log) -> Entries<Tag> {
    Entries::after(log.base(), log.positions().map(blank).collect())
}

impl Seat {
    fn idle(node: Node) -> Seat {
        let entries = entries(node.log());
        Seat {
            replica: Replica::new(node, entries),
            known_as: None,
            election: None,
            minimum: None,
            heartbeat: None,
            flight: None,
        }
    }

    pub(crate) fn node(&self) -> &Node {
        self.replica.node()
    }

    /// Starts these timers anew, and stops the others.
    fn restart(&mut self, running: Timers, now: Tick, pace: Pace, luck: &mut impl Luck) {
        let drawn = || ElectionTimer { since: now, due: luck.election_timeout().map(|it| now + it), passed: 0 };
        self.election = running.election().then(drawn);
        self.minimum = running.minimum().then_some(now + pace.minimum);
        self.heartbeat = running.heartbeat().then_some(now + pace.heartbeat);
    }

    /// When the next timer fires.
    fn due(&self) -> Option<Tick> {
        [self.election.and_then(|timer| timer.due), self.minimum, self.heartbeat].into_iter().flatten().min()
    }

    /// What a timer of this moment means: the minimum timeout comes before an election timeout.
    fn fire(&mut self, now: Tick, pace: Pace) -> Event<Tag> {
        if self.minimum == Some(now) {
            let leads = matches!(self.node().role(), Role::Leader { .. });
            self.minimum = leads.then_some(now + pace.minimum);
            return Event::MinimumTimeout;
        }
        if self.heartbeat == Some(now) {
            self.heartbeat = Some(now + pace.heartbeat);
            return Event::HeartbeatTimeout;
        }
        self.election = None;
        Event::ElectionTimeout
    }
}
