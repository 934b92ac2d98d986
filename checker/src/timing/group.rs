//! The live servers of a group in time: timers fire, messages travel, disks flush.
//!
//! This module describes no protocol behaviour: what a server does comes from the deployed steps, in
//! the loop that the deployed server runs.

use rafttree_model::{
    Durable, Effects, Entries, Entry, Envelope, Event, Index, Log, Members, Message, Next, Node, Output, Payload,
    Position, Record, Replica, Role, Round, ServerId, Slice, Term, Timers,
};

use crate::mutants::catalogue;
use crate::timing::setting::{Setting, Until};
use crate::timing::timers::{Moment, SimulatedTimers, Spans};
use crate::world::PAPER;
use crate::world::{Ground, Tag};

/// Where randomness comes in.
pub(crate) trait Draws {
    /// After how long an election timer fires that is restarted now; `None` if that is left open.
    fn election_timeout(&mut self) -> Option<Moment>;
    /// When a message arrives that leaves now.
    fn arrival(&mut self, from: ServerId, to: ServerId, now: Moment) -> Moment;
}

/// One live server, in time.
#[derive(Clone, Debug)]
pub(crate) struct TimedServer {
    pub(crate) replica: Replica<Tag>,
    /// A name for what the node is, that whoever gave it may read until the next step.
    pub(crate) known_as: Option<u32>,
    pub(crate) timers: SimulatedTimers,
    /// When the write under way ends.
    pub(crate) flight: Option<Moment>,
}

/// A message with its entries, on its way.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) arrival: Moment,
    pub(crate) envelope: Envelope<Slice<Tag>>,
}

/// What happens next that is not left open.
#[derive(Clone, Copy, Debug)]
enum Occurrence {
    Arrival(usize),
    Flushed(usize),
    Timer(usize),
}

/// The live servers, and what travels between them.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    ground: Ground,
    spans: Spans,
    /// How long a disk takes to flush.
    flush: Moment,
    until: Until,
    pub(crate) now: Moment,
    /// By id, from 1 on; the dead have the ids after them.
    pub(crate) servers: Vec<TimedServer>,
    pub(crate) messages: Vec<InFlight>,
}

/// The deployed rules; without PreVote those of the catalogue's mutant that breaks that one rule.
fn ground(pre_vote: bool) -> Ground {
    if pre_vote { PAPER } else { catalogue::find("plain_raft").expect("plain Raft is in the catalogue").ground }
}

/// The term of the leader that died, or in which servers start.
pub(crate) const FIRST_TERM: Term = Term::new(1);

impl Group {
    /// The live servers, after a leader, if one of the members is dead, has told each its log in
    /// [`FIRST_TERM`]. No timer runs yet.
    pub(crate) fn new(setting: &Setting, spans: Spans, flush: Moment) -> Group {
        let ground = ground(setting.pre_vote);
        let ids = (1..=u32::from(setting.servers)).map(ServerId::new);
        let members = Members::new(ids).expect("one to nine servers, each named once");
        let leader = (setting.alive < setting.servers).then(|| ServerId::new(setting.servers.into()));
        let server = |id: u32| {
            // The last of the live ones are behind.
            let behind = u32::from(setting.alive - setting.behind) < id;
            let mut durable = Durable::default();
            durable.apply(&Record::<Tag>::Term(FIRST_TERM));
            blanks(Index::ZERO, Index::new(if behind { 1 } else { 2 }))
                .into_iter()
                .for_each(|entry| durable.apply(&Record::Append(entry)));
            let mut node = Node::recover(ServerId::new(id), members, durable);
            leader.into_iter().for_each(|leader| hear_from(leader, &mut node, ground));
            TimedServer::idle(node)
        };
        Group {
            ground,
            spans,
            flush,
            until: setting.until,
            now: 0,
            servers: (1..=u32::from(setting.alive)).map(server).collect(),
            messages: Vec::new(),
        }
    }

    /// Restarts the timers of a follower at a moment.
    pub(crate) fn follow(&mut self, at: usize, moment: Moment, draws: &mut impl Draws) {
        self.restart(at, Timers::Follower, moment, draws);
    }

    fn restart(&mut self, at: usize, running: Timers, moment: Moment, draws: &mut impl Draws) {
        self.servers[at].timers.restart(running, moment, self.spans, || draws.election_timeout());
    }

    /// When the next thing happens that is not left open; `None` if there is none.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.next().map(|next| next.0)
    }

    /// Whether anything happens to this server at this moment that is not left open.
    pub(crate) fn is_busy(&self, at: usize, moment: Moment) -> bool {
        let server = &self.servers[at];
        let arrives = |it: &InFlight| it.arrival == moment && it.envelope.to == server.node().id();
        [server.flight, server.timers.minimum, server.timers.heartbeat].contains(&Some(moment))
            || self.messages.iter().any(arrives)
    }

    /// Of the things of one moment arrivals come first, then flushes, then timers.
    fn next(&self) -> Option<(Moment, Occurrence)> {
        let mut first: Option<(Moment, Occurrence)> = None;
        let mut offer = |moment: Moment, next: Occurrence| {
            if first.is_none_or(|(earliest, _)| moment < earliest) {
                first = Some((moment, next));
            }
        };
        self.messages.iter().enumerate().for_each(|(at, message)| offer(message.arrival, Occurrence::Arrival(at)));
        for (at, server) in self.servers.iter().enumerate() {
            server.flight.into_iter().for_each(|moment| offer(moment, Occurrence::Flushed(at)));
        }
        for (at, server) in self.servers.iter().enumerate() {
            server.timers.next().into_iter().for_each(|moment| offer(moment, Occurrence::Timer(at)));
        }
        first
    }

    /// Lets the next thing happen. Whether there is one, must have been asked.
    pub(crate) fn advance(&mut self, draws: &mut impl Draws) {
        let (moment, next) = self.next().expect("something is to happen");
        self.now = moment;
        match next {
            Occurrence::Arrival(at) => {
                let InFlight { envelope, .. } = self.messages.remove(at);
                self.happen(envelope.to.number() as usize - 1, Event::Receive(envelope), draws);
            }
            Occurrence::Flushed(at) => {
                self.servers[at].flight = None;
                self.servers[at].replica.flushed();
                self.settle(at, draws);
            }
            Occurrence::Timer(at) => {
                let event = self.servers[at].timers.fire(moment, self.spans);
                self.happen(at, event, draws);
            }
        }
    }

    /// The election timer of this server fires.
    pub(crate) fn fire_election(&mut self, at: usize, moment: Moment, draws: &mut impl Draws) {
        self.now = moment;
        self.servers[at].timers.election = None;
        self.happen(at, Event::ElectionTimeout, draws);
    }

    /// The term of the leader, once the election is over.
    pub(crate) fn leader_term(&self) -> Option<Term> {
        let leader =
            self.servers.iter().map(TimedServer::node).find(|node| matches!(node.role(), Role::Leader { .. }))?;
        let knows =
            |server: &TimedServer| server.node().leader() == Some(leader.id()) && server.node().term() == leader.term();
        (self.until == Until::Elected || self.servers.iter().all(knows)).then(|| leader.term())
    }

    fn happen(&mut self, at: usize, event: Event<Tag>, draws: &mut impl Draws) {
        self.step(at, event);
        self.settle(at, draws);
    }

    fn step(&mut self, at: usize, event: Event<Tag>) {
        self.servers[at].replica.step_by(event, self.ground.step_by);
        self.servers[at].known_as = None;
    }

    /// Goes on until everything waits for the disk or for the world.
    fn settle(&mut self, at: usize, draws: &mut impl Draws) {
        while let Some(next) = self.servers[at].replica.proceed() {
            match next {
                Next::Perform(output) => self.perform(at, output, draws),
                Next::Receive(envelope) => self.step(at, Event::Receive(envelope)),
                Next::Write => self.write(at),
            }
        }
    }

    /// Takes as long as a flush takes, if there is anything to flush.
    fn write(&mut self, at: usize) {
        let server = &mut self.servers[at];
        let records = server.replica.write().len();
        if records != 0 && 0 < self.flush {
            server.flight = Some(self.now + self.flush);
        } else {
            server.replica.flushed();
        }
    }

    fn perform(&mut self, at: usize, output: Output, draws: &mut impl Draws) {
        match output {
            Output::Restart(running) => self.restart(at, running, self.now, draws),
            // What is sent to the dead is lost.
            Output::Send(envelope) if self.servers.len() < envelope.to.number() as usize => {}
            Output::Send(envelope) => {
                let filled = envelope.with_entries(|range| self.servers[at].replica.entries().fill(range));
                let arrival = draws.arrival(envelope.from, envelope.to, self.now);
                self.messages.extend(filled.map(|envelope| InFlight { arrival, envelope }));
            }
            _ => {}
        }
    }
}

/// A follower hears the leader's heartbeat: whose log lacks an entry, hears of what it has.
fn hear_from(leader: ServerId, node: &mut Node, ground: Ground) {
    let entries = Slice::new(node.log().last(), Vec::new()).expect("no entries follow each other");
    let message = Message::AppendRequest { entries, commit: Index::ZERO, round: Round::ZERO };
    let heartbeat = Envelope { from: leader, to: node.id(), term: FIRST_TERM, message };
    let mut effects = Effects::new();
    (ground.step_by)(node, Event::Receive(heartbeat), &mut effects);
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

impl TimedServer {
    fn idle(node: Node) -> TimedServer {
        let entries = entries(node.log());
        TimedServer {
            replica: Replica::new(node, entries),
            known_as: None,
            timers: SimulatedTimers::default(),
            flight: None,
        }
    }

    pub(crate) fn node(&self) -> &Node {
        self.replica.node()
    }
}
