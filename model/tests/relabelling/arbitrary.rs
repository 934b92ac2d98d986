//! Servers in arbitrary states, reached or not, and arbitrary events.

use std::cmp::Ordering;

use rafttree_model::{
    Durable, Entry, Envelope, Event, Faulty, Index, Log, Members, Message, Node, Payload, Position, Progress, Role,
    RoleName, Round, ServerId, ServerMap, ServerSet, Slice, Term,
};

use crate::support::{Command, at, id};

/// The servers there are; a group is some of them.
pub(super) const SERVERS: u32 = 6;

/// Decisions, each made by a number; a smaller number stands for something simpler, so that
/// failing cases shrink.
pub(super) struct Choices(std::vec::IntoIter<u16>);

impl Choices {
    /// How many numbers suffice for a case and its labels.
    pub(super) const ENOUGH: usize = 120;

    pub(super) fn new(numbers: Vec<u16>) -> Choices {
        Choices(numbers.into_iter())
    }

    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        u64::from(self.0.next().expect("there are enough numbers")) % (most + 1)
    }

    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.up_to(most - least)
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.up_to(chances - 1) + 1 == chances
    }

    pub(super) fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.up_to(list.len() as u64 - 1) as usize]
    }

    /// The same things in some order.
    pub(super) fn shuffled<T>(&mut self, mut list: Vec<T>) -> Vec<T> {
        (0..list.len()).map(|_| list.remove(self.up_to(list.len() as u64 - 1) as usize)).collect()
    }

    fn set_of(&mut self, ids: impl IntoIterator<Item = ServerId>) -> ServerSet {
        ids.into_iter().filter(|_| self.one_in(2)).collect()
    }
}

/// What is stepped.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) node: Node,
    pub(super) event: Event<Command>,
    /// The node holds the entry here, or its base is here, and it knows it to be committed.
    pub(super) floor: Index,
}

impl Case {
    /// A case whose indices are not below `lowest`; 0 where it means that nothing is known may be.
    pub(super) fn choose(choices: &mut Choices, lowest: u64) -> Case {
        let log = log(choices, lowest);
        let commit = choices.between(log.base().index.number(), log.last().index.number());
        let floor = choices.between(log.base().index.number(), commit);
        let node = node(choices, log, Index::new(commit), floor);
        let event = World { node: &node, lowest, floor }.event(choices);
        Case { node, event, floor: Index::new(floor) }
    }

    /// Role, kind of event, and how old the message is compared with the server.
    pub(super) fn kind(&self) -> (RoleName, &'static str, Ordering) {
        let (name, age) = match &self.event {
            Event::ElectionTimeout => ("election timeout", Ordering::Equal),
            Event::HeartbeatTimeout => ("heartbeat timeout", Ordering::Equal),
            Event::MinimumTimeout => ("minimum timeout", Ordering::Equal),
            Event::Propose(_) => ("proposal", Ordering::Equal),
            Event::Snapshotted(_) => ("snapshot", Ordering::Equal),
            Event::Transfer(_) => ("transfer", Ordering::Equal),
            Event::StepDown => ("step down", Ordering::Equal),
            Event::Receive(envelope) => (name_of(&envelope.message), envelope.term.cmp(&self.node.term())),
        };
        (self.node.role().name(), name, age)
    }
}

fn name_of<E>(message: &Message<E>) -> &'static str {
    match message {
        Message::PreVoteRequest { .. } => "pre-vote request",
        Message::PreVoteReply { .. } => "pre-vote reply",
        Message::VoteRequest { .. } => "vote request",
        Message::VoteReply { .. } => "vote reply",
        Message::AppendRequest { .. } => "append request",
        Message::AppendReply { .. } => "append reply",
        Message::RepairRequest { .. } => "repair request",
        Message::AppendRefusal { .. } => "append refusal",
        Message::InstallSnapshot { .. } => "install snapshot",
        Message::TimeoutNow => "timeout now",
        Message::Stale => "stale",
    }
}

/// Whether an event can move a server at all; every event of a newer term does.
pub(super) fn can_move((role, kind, age): (RoleName, &str, Ordering)) -> bool {
    match (kind, age) {
        ("election timeout", _) => role != RoleName::Leader,
        ("heartbeat timeout", _) => role != RoleName::Follower,
        ("minimum timeout", _) => matches!(role, RoleName::Follower | RoleName::Leader),
        ("transfer" | "step down", _) => role == RoleName::Leader,
        ("proposal" | "snapshot" | "pre-vote request" | "vote request", _) | (_, Ordering::Greater) => true,
        ("append request" | "install snapshot", age) => age == Ordering::Less || role != RoleName::Leader,
        (_, Ordering::Less) => false,
        ("pre-vote reply", _) => role == RoleName::PreCandidate,
        ("vote reply", _) => role == RoleName::Candidate,
        ("append reply" | "repair request" | "append refusal", _) => role == RoleName::Leader,
        ("timeout now", _) => role == RoleName::Follower,
        _ => false,
    }
}

/// Every kind of event that can move a server of some role.
pub(super) fn all_that_can_move() -> impl Iterator<Item = (RoleName, &'static str, Ordering)> {
    let timers = ["election timeout", "heartbeat timeout", "minimum timeout"];
    let local = timers.into_iter().chain(["proposal", "snapshot", "transfer", "step down"]);
    let messages = ["pre-vote request", "pre-vote reply", "vote request", "vote reply", "append request"];
    let more = ["append reply", "repair request", "append refusal", "install snapshot", "timeout now", "stale"];
    let ages = [Ordering::Less, Ordering::Equal, Ordering::Greater];
    let received = messages.into_iter().chain(more).flat_map(move |kind| ages.map(|age| (kind, age)));
    let kinds = local.map(|kind| (kind, Ordering::Equal)).chain(received);
    let roles = [RoleName::Follower, RoleName::PreCandidate, RoleName::Candidate, RoleName::Leader];
    kinds.flat_map(move |(kind, age)| roles.map(|role| (role, kind, age))).filter(|&it| can_move(it))
}

/// A short log of few terms, the first entries of which may be compacted.
fn log(choices: &mut Choices, lowest: u64) -> Log {
    let mut last = at(lowest + choices.up_to(2), choices.up_to(2));
    let mut log = Log::starting_at(last);
    for _ in 0..choices.up_to(5) {
        last = at(last.index.number() + 1, last.term.number() + choices.of(&[0, 0, 1, 2]));
        log.push(last);
    }
    log
}

/// Usually a member, sometimes a server that is none (any more).
fn node(choices: &mut Choices, log: Log, commit: Index, floor: u64) -> Node {
    let mut ids = choices.shuffled((1..=SERVERS).map(id).collect());
    let stranger = ids[0];
    ids.truncate(choices.between(1, 5) as usize);
    let own = if choices.one_in(20) { stranger } else { ids[0] };
    let members = Members::new(ids.clone()).expect("one to five servers make a group");
    // No log has an entry of a term after its server's: rarely, this one does.
    let term = if choices.one_in(60) {
        log.last().term.number() / 2
    } else {
        log.last().term.number() + choices.of(&[0, 0, 1, 2])
    };
    let vote = choices.of(&[None, Some(own), Some(ids[0]), Some(id(SERVERS))]);
    let role = role(choices, own, &ids, log.last().index.number(), floor);
    let faulty = faulty(choices, &log, commit);
    Node::assume(own, members, Durable::assume(Term::new(term), vote, log).damaged(faulty), commit, role)
}

/// Usually nothing, sometimes a part of what is not known to be committed.
fn faulty(choices: &mut Choices, log: &Log, commit: Index) -> Faulty {
    if log.last().index <= commit || !choices.one_in(4) {
        return Faulty::NONE;
    }
    let first = choices.between(commit.number() + 1, log.last().index.number());
    Faulty::between(Index::new(first), Index::new(choices.between(first, log.last().index.number())))
}

fn role(choices: &mut Choices, own: ServerId, ids: &[ServerId], last: u64, floor: u64) -> Role {
    let leader = choices.of(&[None, Some(own), Some(ids[0]), Some(ids[ids.len() - 1])]);
    match choices.of(&[RoleName::Follower, RoleName::PreCandidate, RoleName::Candidate, RoleName::Leader]) {
        RoleName::Follower => Role::Follower { leader, sticky: choices.one_in(2) },
        RoleName::PreCandidate => Role::PreCandidate { votes: choices.set_of((1..=SERVERS).map(id)) },
        RoleName::Candidate => {
            Role::Candidate { votes: choices.set_of((1..=SERVERS).map(id)), transfer: choices.one_in(2) }
        }
        RoleName::Leader => {
            // Usually everyone is sent what follows the floor.
            let least = if choices.one_in(8) { 0 } else { floor };
            let progress: ServerMap<_> = ids.iter().map(|&id| (id, progress(choices, last, least))).collect();
            Role::Leader {
                progress,
                heard: choices.set_of((1..=SERVERS).map(id)),
                transfer: leader,
                round: Round::new(choices.up_to(2)),
                confirmed: Round::new(choices.up_to(2)),
            }
        }
    }
}

/// `least < next` and `matched < next <= last + 1`.
fn progress(choices: &mut Choices, last: u64, least: u64) -> Progress {
    let some = choices.between(least, last);
    let matched = choices.of(&[0, least.saturating_sub(1), least, some, last]);
    let next = if choices.one_in(2) { last + 1 } else { choices.between(matched.max(least) + 1, last + 1) };
    Progress { matched: Index::new(matched), next: Index::new(next), answered: Round::new(choices.up_to(2)) }
}

/// What a server that is to be surprised knows.
struct World<'a> {
    node: &'a Node,
    lowest: u64,
    floor: u64,
}

impl World<'_> {
    fn event(&self, choices: &mut Choices) -> Event<Command> {
        if choices.one_in(4) { self.local(choices) } else { Event::Receive(self.envelope(choices)) }
    }

    fn local(&self, choices: &mut Choices) -> Event<Command> {
        match choices.up_to(6) {
            0 => Event::ElectionTimeout,
            1 => Event::HeartbeatTimeout,
            2 => Event::MinimumTimeout,
            3 => Event::Propose(choices.of(&["a", "b"])),
            4 => Event::Transfer(self.server(choices)),
            5 => Event::Snapshotted(Index::new(self.index(choices))),
            _ => Event::StepDown,
        }
    }

    /// Usually a member.
    fn server(&self, choices: &mut Choices) -> ServerId {
        let members: Vec<_> = self.node.members().ids().collect();
        if choices.one_in(10) { id(choices.between(1, SERVERS.into()) as u32) } else { choices.of(&members) }
    }

    fn envelope(&self, choices: &mut Choices) -> Envelope<Slice<Command>> {
        let to = if choices.one_in(20) { self.server(choices) } else { self.node.id() };
        let ours = self.node.term().number();
        let older = [ours.saturating_sub(1), ours.saturating_sub(2)];
        let term = choices.of(&[ours, ours, ours, ours + 1, ours + 2, older[0], older[1]]);
        let message = self.message(choices, term);
        Envelope { from: self.server(choices), to, term: Term::new(term), message }
    }

    fn message(&self, choices: &mut Choices, term: u64) -> Message<Slice<Command>> {
        let granted = !choices.one_in(4);
        match choices.up_to(10) {
            0 => Message::PreVoteRequest { last: self.position(choices) },
            1 => Message::PreVoteReply { granted },
            2 => Message::VoteRequest { last: self.position(choices), transfer: choices.one_in(2) },
            3 => Message::VoteReply { granted },
            4 => Message::AppendRequest {
                entries: self.slice(choices, term),
                commit: self.known(choices),
                round: Round::new(choices.up_to(2)),
            },
            5 => Message::AppendReply { matched: self.known(choices), round: Round::new(choices.up_to(2)) },
            6 => Message::AppendRefusal {
                missing: Index::new(self.index(choices)),
                hint: self.position(choices),
                round: Round::new(choices.up_to(2)),
            },
            7 => Message::InstallSnapshot { last: self.snapshot(choices), round: Round::new(choices.up_to(2)) },
            8 => Message::TimeoutNow,
            9 => Message::RepairRequest { matched: self.known(choices), round: Round::new(choices.up_to(2)) },
            _ => Message::Stale,
        }
    }

    /// Usually from the floor on, to a little beyond the log.
    fn index(&self, choices: &mut Choices) -> u64 {
        let least = if choices.one_in(6) { self.lowest } else { self.floor };
        choices.between(least, self.node.log().last().index.number() + 2)
    }

    /// How far something is known, or 0 if nothing is.
    fn known(&self, choices: &mut Choices) -> Index {
        let index = self.index(choices);
        Index::new(if choices.one_in(4) { 0 } else { index })
    }

    /// Usually an entry that the log holds.
    fn position(&self, choices: &mut Choices) -> Position {
        let index = self.index(choices);
        let held = self.node.log().term_at(Index::new(index)).unwrap_or(self.node.log().last().term).number();
        at(index, if choices.one_in(4) { choices.up_to(self.node.term().number() + 1) } else { held })
    }

    /// Agrees with the log in what is committed, but for rare cases: those must panic.
    fn snapshot(&self, choices: &mut Choices) -> Position {
        let last = self.position(choices);
        let held = self.node.log().position_at(last.index).filter(|held| held.index <= self.node.commit());
        if choices.one_in(40) { last } else { held.unwrap_or(last) }
    }

    /// Agrees with the log in what is committed, but for rare cases: those must panic.
    fn slice(&self, choices: &mut Choices, newest: u64) -> Slice<Command> {
        let previous = self.position(choices);
        let mut last = previous;
        let mut entries = vec![];
        for _ in 0..choices.up_to(4) {
            last = self.successor(choices, last, newest);
            let payload = choices.of(&[Payload::Blank, Payload::Command("c")]);
            entries.push(Entry { position: last, payload });
        }
        Slice::new(previous, entries).expect("each entry succeeds the one before")
    }

    fn successor(&self, choices: &mut Choices, last: Position, newest: u64) -> Position {
        let index = last.index.next();
        let agrees = if index <= self.node.commit() { !choices.one_in(40) } else { choices.one_in(2) };
        let held = self.node.log().term_at(index).filter(|&held| agrees && last.term <= held);
        let other = last.term.number() + choices.of(&[0, 0, 1, 2]);
        Position { index, term: held.unwrap_or(Term::new(other.min(newest.max(last.term.number())))) }
    }
}
