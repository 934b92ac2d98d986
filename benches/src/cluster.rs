//! Our own servers: the deployed transitions over a log in memory.

use std::hint::black_box;
use std::marker::PhantomData;
use std::mem;

use bytes::Bytes;
use rafttree_model::{
    Durable, Effects, Entry, Envelope, Event, Index, Members, Node, Output, Payload, Range, Record, Role, ServerId,
    Slice, Term, Timers,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{Group, MOST_APPLIED};

type Letter = Envelope<Slice<Bytes>>;

/// How a step is taken: so that it can be watched.
pub trait Stepper {
    /// Takes one step.
    fn step(node: &mut Node, event: Event<Bytes>, effects: &mut Effects<Bytes>);
}

/// Steps as they are deployed.
#[derive(Clone, Copy, Debug)]
pub struct Deployed;

impl Stepper for Deployed {
    fn step(node: &mut Node, event: Event<Bytes>, effects: &mut Effects<Bytes>) {
        rafttree_model::step(node, event, effects);
    }
}

/// A group of our servers.
#[derive(Debug)]
pub struct Rafttree<S = Deployed> {
    servers: Vec<Server>,
    /// The wave that is being delivered.
    arriving: Vec<Letter>,
    /// The wave after it.
    leaving: Vec<Letter>,
    stepper: PhantomData<S>,
}

/// One server and its world.
#[derive(Debug)]
struct Server {
    node: Node,
    /// What the steps want since the last flush.
    effects: Effects<Bytes>,
    world: World,
}

/// What a server has besides the protocol.
#[derive(Debug)]
struct World {
    store: Store,
    /// What the server has to tell itself: its next events, before any other.
    own: Vec<Letter>,
    random: StdRng,
}

/// Where records go. Nothing of it outlives the program.
#[derive(Debug, Default)]
struct Store {
    term: Term,
    vote: Option<ServerId>,
    /// How many entries were cut off at the front.
    removed: u64,
    entries: Vec<Entry<Bytes>>,
    applied: Index,
    commands: u64,
}

impl<S: Stepper> Rafttree<S> {
    /// A group of so many servers that have just started for the first time.
    pub fn new(servers: usize) -> Self {
        let ids: Vec<ServerId> = (0..servers).map(id).collect();
        let members = Members::new(ids.iter().copied()).expect("groups of one to nine servers are measured");
        let servers = ids.into_iter().map(|id| Server::new(id, members)).collect();
        Rafttree { servers, arriving: Vec::new(), leaving: Vec::new(), stepper: PhantomData }
    }

    /// A server as the protocol sees it.
    pub fn node(&self, server: usize) -> &Node {
        &self.servers[server].node
    }

    /// Whether the servers' stores hold what their protocols believe that they hold.
    pub fn is_stored(&self) -> bool {
        self.servers.iter().all(|Server { node, world: World { store, .. }, .. }| {
            let last = store.entries.last().map(|entry| entry.position);
            (store.term, store.vote, last) == (node.term(), node.vote(), Some(node.log().last()))
        })
    }

    fn happen(&mut self, server: usize, event: Event<Bytes>) {
        let server = &mut self.servers[server];
        server.step::<S>(event);
        server.flush::<S>(&mut self.leaving);
    }
}

impl<S: Stepper> Group for Rafttree<S> {
    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn give_up(&mut self) {
        for each in 0..self.servers.len() {
            let leads = matches!(self.node(each).role(), Role::Leader { .. });
            self.happen(each, if leads { Event::StepDown } else { Event::MinimumTimeout });
        }
    }

    fn time_out(&mut self, server: usize) {
        self.happen(server, Event::ElectionTimeout);
    }

    fn heartbeat(&mut self, leader: usize) {
        self.happen(leader, Event::HeartbeatTimeout);
    }

    fn propose(&mut self, leader: usize, command: &[u8]) {
        // What comes of it is done with the next wave, so that commands that are proposed at once share it.
        self.servers[leader].step::<S>(Event::Propose(Bytes::copy_from_slice(command)));
    }

    fn announce_commit(&mut self, leader: usize) {
        self.heartbeat(leader);
    }

    fn deliver(&mut self) -> bool {
        mem::swap(&mut self.arriving, &mut self.leaving);
        for letter in self.arriving.drain(..) {
            self.servers[letter.to.0 as usize - 1].step::<S>(Event::Receive(letter));
        }
        let mut any = false;
        for server in self.servers.iter_mut().filter(|server| !server.effects.is_empty()) {
            server.flush::<S>(&mut self.leaving);
            any = true;
        }
        any
    }

    fn lose(&mut self) {
        self.servers.iter_mut().for_each(|server| server.flush::<S>(&mut self.leaving));
        self.leaving.clear();
    }

    fn is_known_to_all(&self, leader: usize) -> bool {
        self.servers.iter().all(|server| server.node.leader() == Some(id(leader)))
    }

    fn applied(&self, server: usize) -> u64 {
        self.servers[server].world.store.commands
    }
}

impl Server {
    fn new(id: ServerId, members: Members) -> Server {
        let random = StdRng::seed_from_u64(id.0.into());
        Server {
            node: Node::recover(id, members, Durable::default()),
            effects: Effects::new(),
            world: World { store: Store::default(), own: Vec::new(), random },
        }
    }

    fn step<S: Stepper>(&mut self, event: Event<Bytes>) {
        S::step(&mut self.node, event, &mut self.effects);
    }

    /// Does what the steps want, and what the server tells itself because of it.
    fn flush<S: Stepper>(&mut self, leaving: &mut Vec<Letter>) {
        let Server { node, effects, world } = self;
        loop {
            effects.records().iter().for_each(|record| world.store.write(record));
            effects.early().for_each(|output| world.perform(output, node.id(), leaving));
            effects.after_sync().for_each(|output| world.perform(output, node.id(), leaving));
            if world.own.is_empty() {
                return;
            }
            world.own.drain(..).for_each(|letter| S::step(node, Event::Receive(letter), effects));
        }
    }
}

impl World {
    fn perform(&mut self, output: Output<Bytes>, id: ServerId, leaving: &mut Vec<Letter>) {
        match output {
            Output::Send(envelope) => {
                let queue = if envelope.to == id { &mut self.own } else { leaving };
                let letter = envelope.with_entries(|range| self.store.fill(range));
                queue.push(letter.expect("entries are sent at once, when the log holds them for sure"));
            }
            Output::Restart(Timers::Follower | Timers::Candidate) => {
                black_box(self.random.random_range(10..20));
            }
            Output::Committed(index) => self.store.apply(index),
            Output::Refused(_) => panic!("commands are proposed to leaders only"),
            Output::Restart(Timers::Leader)
            | Output::Accepted(_)
            | Output::Heard(_)
            | Output::Leading(_)
            | Output::Yielded(_) => {}
        }
    }
}

impl Store {
    fn write(&mut self, record: &Record<Bytes>) {
        match record {
            Record::Term(term) => (self.term, self.vote) = (*term, None),
            Record::Vote(candidate) => self.vote = Some(*candidate),
            Record::Truncate { keep } => self.entries.truncate(self.offset(*keep)),
            Record::Append(entry) => self.entries.push(entry.clone()),
            Record::Compact { .. } => panic!("no log is compacted here"),
        }
    }

    /// The entries of a range, copied for the message that carries them.
    fn fill(&self, range: Range) -> Option<Slice<Bytes>> {
        if range.previous == range.last {
            return Slice::new(range.previous, Vec::new());
        }
        let entries = &self.entries[self.offset(range.previous.index)..self.offset(range.last.index)];
        Slice::new(range.previous, entries.to_vec())
    }

    fn apply(&mut self, through: Index) {
        for entry in &self.entries[self.offset(self.applied)..self.offset(through)] {
            if let Payload::Command(command) = &entry.payload {
                self.commands += 1;
                black_box(command);
            }
        }
        self.applied = through;
        self.remove_applied();
    }

    /// Keeps the memory small. A few entries stay, for followers that do not have them yet.
    fn remove_applied(&mut self) {
        let applied = self.offset(self.applied);
        if MOST_APPLIED < applied {
            self.entries.drain(..applied - 1024);
            self.removed += applied as u64 - 1024;
        }
    }

    /// Where the entry after `index` lies.
    fn offset(&self, index: Index) -> usize {
        (index.0 - self.removed) as usize
    }
}

fn id(server: usize) -> ServerId {
    ServerId(server as u32 + 1)
}
