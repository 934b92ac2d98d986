//! The states of a chain, each once, and the group that each stands for.
//!
//! States that differ in the names of servers, or in where terms begin to count, are one: the
//! transitions do not tell them apart (`rafttree_model::relabelling`).

use std::hash::Hash;

use rafttree_model::{
    Envelope, Labels, MOST_SERVERS, Node, Output, Record, Relabelled, Replica, Role, ServerId, Slice, Term,
};
use rustc_hash::FxHashMap;

use crate::timing::chain::masses::MAX_TERMS;
use crate::timing::group::{FIRST_TERM, Group, InFlight, TimedServer, entries};
use crate::timing::timers::{ElectionTimer, Moment, SimulatedTimers};
use crate::world::Tag;

/// Moments of a state count from here on: what began before has smaller ones.
pub(super) const NOW: Moment = 1 << 40;

/// A server of a state, by the numbers that its parts were given; moments count from now.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct ServerKey {
    node: u32,
    /// How long the election timer has run, and how much of its range.
    election: Option<(u32, u32)>,
    minimum: Option<u32>,
    heartbeat: Option<u32>,
    flight: Option<u32>,
    open: (u32, bool),
    waiting: u32,
}

/// A state, by the numbers that its parts were given.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    servers: Box<[ServerKey]>,
    /// How far ahead each message arrives, and its number.
    messages: Box<[(u32, u32)]>,
}

/// Values, each with a number.
struct Numbered<T> {
    values: Vec<T>,
    numbers: FxHashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn new() -> Numbered<T> {
        Numbered { values: Vec::new(), numbers: FxHashMap::default() }
    }

    fn number(&mut self, value: T) -> u32 {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn value(&self, number: u32) -> T {
        self.values[number as usize].clone()
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

/// The states that were met, and their parts.
pub(super) struct States {
    /// A group to be filled with what a state says.
    blank: Group,
    keys: Numbered<Key>,
    nodes: Numbered<Node>,
    /// The number of a node by its number under other labels, and by those labels.
    renamed: FxHashMap<(u32, Names), u32>,
    envelopes: Numbered<Envelope<Slice<Tag>>>,
    outputs: Numbered<Vec<Output>>,
}

impl States {
    pub(super) fn new(blank: Group) -> States {
        States {
            blank,
            keys: Numbered::new(),
            nodes: Numbered::new(),
            renamed: FxHashMap::default(),
            envelopes: Numbered::new(),
            outputs: Numbered::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// A group of which nothing has happened yet.
    pub(super) fn blank(&self) -> Group {
        self.blank.clone()
    }

    /// The number of a state, and by how much its terms were lowered.
    pub(super) fn number(&mut self, group: &Group) -> (u32, u8) {
        let mut order: Vec<usize> = (0..group.servers.len()).collect();
        order.sort_by_cached_key(|&at| looks(&group.servers[at]));
        let lowered = lowest_term(group).number().saturating_sub(FIRST_TERM.number() + 1);
        let mut ids = std::array::from_fn(|id| id as u8);
        order.iter().enumerate().for_each(|(new, &old)| ids[old + 1] = new as u8 + 1);
        let names = Names { ids, lowered };
        let servers = order.iter().map(|&at| self.server_key(&group.servers[at], group.now, &names)).collect();
        let messages = self.message_keys(group, &names);
        (self.keys.number(Key { servers, messages }), lowered.min(MAX_TERMS.into()) as u8)
    }

    /// Of what reaches one server at one moment, what was sent first comes first.
    fn message_keys(&mut self, group: &Group, names: &Names) -> Box<[(u32, u32)]> {
        let key = |message: &InFlight| {
            let envelope = message.envelope.relabelled(names);
            ((message.arrival - group.now) as u32, envelope.to, self.envelopes.number(envelope))
        };
        let mut keys: Vec<_> = group.messages.iter().map(key).collect();
        keys.sort_by_key(|&(ahead, to, _)| (ahead, to));
        keys.into_iter().map(|(ahead, _, number)| (ahead, number)).collect()
    }

    fn server_key(&mut self, server: &TimedServer, now: Moment, names: &Names) -> ServerKey {
        let ahead = |moment: Option<Moment>| moment.map(|moment| (moment - now) as u32);
        let node = self.node_number(server, names);
        let mut outputs =
            |outputs: &[Output]| self.outputs.number(outputs.iter().map(|output| output.relabelled(names)).collect());
        ServerKey {
            open: (outputs(server.replica.open().after_sync()), !server.replica.open().records().is_empty()),
            waiting: outputs(server.replica.waiting().unwrap_or_default()),
            node,
            election: server.timers.election.map(|timer| ((now - timer.since) as u32, timer.passed)),
            minimum: ahead(server.timers.minimum),
            heartbeat: ahead(server.timers.heartbeat),
            flight: ahead(server.flight),
        }
    }

    fn node_number(&mut self, server: &TimedServer, names: &Names) -> u32 {
        let Some(known) = server.known_as else { return self.nodes.number(server.node().relabelled(names)) };
        *self.renamed.entry((known, *names)).or_insert_with(|| self.nodes.number(server.node().relabelled(names)))
    }

    /// Of what is not written yet, it counts only whether there is anything.
    fn replica(&self, key: &ServerKey) -> Replica<Tag> {
        let node = self.nodes.value(key.node);
        let (entries, records) = (entries(node.log()), key.open.1.then(|| Record::Term(node.term())));
        let waiting = key.flight.map(|_| self.outputs.value(key.waiting));
        Replica::assume(node, entries, records.into_iter().collect(), self.outputs.value(key.open.0), waiting)
    }

    /// The group of a state, at the moment from which states count.
    pub(super) fn group(&self, state: u32) -> Group {
        let Key { servers, messages } = &self.keys.values[state as usize];
        let mut group = self.blank();
        group.now = NOW;
        group.servers = servers.iter().map(|key| self.server(key)).collect();
        let message = |&(ahead, number): &(u32, u32)| InFlight {
            arrival: NOW + Moment::from(ahead),
            envelope: self.envelopes.value(number),
        };
        group.messages = messages.iter().map(message).collect();
        group
    }

    fn server(&self, key: &ServerKey) -> TimedServer {
        let ahead = |moment: Option<u32>| moment.map(|moment| NOW + Moment::from(moment));
        let election = |(age, passed)| ElectionTimer { since: NOW - Moment::from(age), due: None, passed };
        TimedServer {
            replica: self.replica(key),
            known_as: Some(key.node),
            timers: SimulatedTimers {
                election: key.election.map(election),
                minimum: ahead(key.minimum),
                heartbeat: ahead(key.heartbeat),
            },
            flight: ahead(key.flight),
        }
    }
}

/// What a server has asked for that is not done yet.
fn asked(replica: &Replica<Tag>) -> impl Iterator<Item = &Output> {
    replica.open().after_sync().iter().chain(replica.waiting().unwrap_or_default())
}

/// The lowest term that anyone is in or that anything says.
fn lowest_term(group: &Group) -> Term {
    let said = |output: &Output| if let Output::Send(envelope) = output { Some(envelope.term) } else { None };
    let servers = group.servers.iter();
    let said = servers.clone().flat_map(|server| asked(&server.replica)).filter_map(said);
    let arriving = group.messages.iter().map(|message| message.envelope.term);
    servers.map(|server| server.node().term()).chain(said).chain(arriving).min().unwrap_or_default()
}

/// What tells servers apart without their names. Two that look alike stay as they are: then states
/// that are one may count as two, which costs time and changes nothing.
fn looks(server: &TimedServer) -> impl Ord + use<> {
    let node = server.node();
    let votes = match node.role() {
        Role::PreCandidate { votes } | Role::Candidate { votes, .. } => votes.len(),
        _ => 0,
    };
    let own_vote = node.vote() == Some(node.id());
    let election = server.timers.election.map(|timer| (timer.since, timer.passed));
    (
        node.log().last(),
        node.role().name(),
        node.term(),
        election,
        server.timers.minimum,
        votes,
        own_vote,
        server.replica.open().after_sync().len(),
    )
}

/// Other names, and terms that count from a later one.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Names {
    ids: [u8; MOST_SERVERS + 1],
    lowered: u64,
}

impl Labels for Names {
    fn id(&self, id: ServerId) -> ServerId {
        ServerId::new(self.ids[id.number() as usize].into())
    }

    /// The term of the logs and of the dead leader stays: every other is later, before and after.
    fn term(&self, term: Term) -> Term {
        if term <= FIRST_TERM { term } else { Term::new(term.number() - self.lowered) }
    }
}
