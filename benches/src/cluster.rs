//! Our own servers: the deployed transitions over a log in memory.

use std::collections::VecDeque;
use std::hint::black_box;
use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use rafttree_model::{
    Durable, Effects, Entry, Envelope, Event, Index, Members, Node, Output, Payload, Range, Record, Role, ServerId,
    Slice, Term, Timers,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{Group, MOST_APPLIED};

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

type Letter = Envelope<Slice<Bytes>>;

/// A group of our servers.
#[derive(Debug)]
pub struct Rafttree<S = Deployed> {
    servers: Vec<Server>,
    /// Messages on their way, those of one wave after those of the wave before. What servers tell
    /// themselves, which is their next event before any other, comes first.
    mail: VecDeque<Letter>,
    /// Servers whose steps want something that is not done yet, a bit each.
    touched: u32,
    /// What clients have sent, as it is read from their connections: commands are parts of it.
    read: BytesMut,
    stepper: PhantomData<S>,
}

/// One server and its world.
#[derive(Debug)]
struct Server {
    node: Node,
    /// What the steps since the last flush want.
    effects: Effects<Bytes>,
    world: World,
}

/// What a server has besides the protocol.
#[derive(Debug)]
struct World {
    store: Store,
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
        Rafttree {
            servers,
            mail: VecDeque::new(),
            touched: 0,
            read: BytesMut::with_capacity(1 << 16),
            stepper: PhantomData,
        }
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

    fn step(&mut self, server: usize, event: Event<Bytes>) {
        let Server { node, effects, .. } = &mut self.servers[server];
        S::step(node, event, effects);
        self.touched |= 1 << server;
    }

    /// Does what the steps want; false if there were none.
    fn flush(&mut self) -> bool {
        let any = self.touched != 0;
        while self.touched != 0 {
            let server = self.touched.trailing_zeros();
            self.touched &= self.touched - 1;
            self.servers[server as usize].flush(&mut self.mail);
        }
        any
    }

    fn happen(&mut self, server: usize, event: Event<Bytes>) {
        self.step(server, event);
        self.flush();
    }
}

impl<S: Stepper> Group for Rafttree<S> {
    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn give_up(&mut self) {
        for each in 0..self.servers.len() {
            if let Role::Leader { .. } = self.node(each).role() {
                self.happen(each, Event::StepDown);
            } else {
                self.servers[each].world.draw_election_timeout();
                self.happen(each, Event::MinimumTimeout);
            }
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
        self.read.extend_from_slice(command);
        let command = self.read.split().freeze();
        self.step(leader, Event::Propose(command));
    }

    fn announce_commit(&mut self, leader: usize) {
        self.heartbeat(leader);
    }

    fn deliver(&mut self) -> bool {
        for _ in 0..self.mail.len() {
            let Some(letter) = self.mail.pop_front() else { break };
            self.step(letter.to.number() as usize - 1, Event::Receive(letter));
        }
        self.flush()
    }

    fn lose(&mut self) {
        self.flush();
        self.mail.retain(|letter| letter.to == letter.from);
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
        let random = StdRng::seed_from_u64(id.number().into());
        Server {
            node: Node::recover(id, members, Durable::default()),
            effects: Effects::new(),
            world: World { store: Store::default(), random },
        }
    }

    /// Does what the steps want.
    fn flush(&mut self, mail: &mut VecDeque<Letter>) {
        let Server { effects, world, .. } = self;
        if !effects.records().is_empty() {
            effects.take_records().for_each(|record| world.store.write(record));
        }
        for outputs in [effects.early(), effects.after_sync()] {
            outputs.iter().for_each(|&output| world.perform(output, mail));
        }
        effects.done();
    }
}

impl World {
    #[inline(always)]
    fn perform(&mut self, output: Output, mail: &mut VecDeque<Letter>) {
        match output {
            Output::Send(envelope) => {
                let letter = envelope.with_entries(|range| self.store.fill(range));
                let letter = letter.expect("entries are sent at once, when the log holds them for sure");
                if letter.to == letter.from {
                    let is_own = |next: &Letter| (next.from, next.to) == (letter.from, letter.to);
                    debug_assert!(!mail.front().is_some_and(is_own), "one thing at a time, so there is no order");
                    mail.push_front(letter);
                } else {
                    mail.push_back(letter);
                }
            }
            Output::Restart(Timers::Candidate) => self.draw_election_timeout(),
            Output::Committed(index) => self.store.apply(index),
            Output::Refused => panic!("commands are proposed to leaders only"),
            Output::Restored(_) => panic!("no log is compacted here"),
            Output::Restart(Timers::Follower | Timers::Leader)
            | Output::Accepted(_)
            | Output::Round { .. }
            | Output::Heard { .. }
            | Output::Confirmed(_)
            | Output::Leading(_)
            | Output::Yielded(_) => {}
        }
    }

    /// When the minimum timeout has passed, or a campaign begins.
    #[inline(never)]
    fn draw_election_timeout(&mut self) {
        black_box(self.random.random_range(10..20));
    }
}

impl Store {
    fn write(&mut self, record: Record<Bytes>) {
        match record {
            Record::Term(term) => (self.term, self.vote) = (term, None),
            Record::Vote(candidate) => self.vote = Some(candidate),
            Record::Truncate { keep } => self.entries.truncate(self.offset(keep)),
            Record::Append(entry) => self.entries.push(entry),
            Record::Compact { .. } | Record::Restore { .. } | Record::Repair(_) => {
                panic!("no log is compacted or damaged here")
            }
        }
    }

    /// The entries of a range, copied for the message that carries them.
    fn fill(&self, range: Range) -> Option<Slice<Bytes>> {
        if range.previous == range.last {
            return Slice::new(range.previous, Vec::new());
        }
        Slice::new(range.previous, self.copied(range))
    }

    #[inline(never)]
    fn copied(&self, range: Range) -> Vec<Entry<Bytes>> {
        self.entries[self.offset(range.previous.index)..self.offset(range.last.index)].to_vec()
    }

    #[inline(never)]
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
        (index.number() - self.removed) as usize
    }
}

fn id(server: usize) -> ServerId {
    ServerId::new(server as u32 + 1)
}
