//! Requests on their way: to the driver of this server where it leads, to the leader elsewhere, and what
//! becomes of them. And what the state machine is given.
//!
//! Like the driver it has no clock, no threads and no input or output of its own, and takes no decision
//! of the protocol: who leads, what is committed and when a read may be served comes out of the model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use rafttree_model::{
    AppliedReads, Applying, Due, End, Entries, Index, Node, Output, Payload, Position, ReadIndices, ServerId,
};

use super::driver::Driver;
use super::request::{Job, Outcome, Proposer, Reader, Reply, ServiceMessage};

/// An entry that is committed, on its way to the state machine.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Where it stands.
    pub(crate) position: Position,
    /// What it carries.
    pub(crate) payload: Payload<Bytes>,
    /// Who waits for the state machine's answer.
    pub(crate) proposer: Option<Proposer>,
}

/// What is to be done for requests, in this order.
#[derive(Debug)]
pub(crate) enum Work {
    /// The driver is to take these commands as proposals.
    Propose(Vec<Bytes>),
    /// Send this to another server.
    Send(ServerId, ServiceMessage),
    /// The state machine applies these entries.
    Apply(Vec<Committed>),
    /// The state machine is replaced by the snapshot that ends with this entry.
    Restore(Position),
    /// The state machine has applied enough for this look at it, once it has done what came before.
    Read(Job),
}

/// A request that another server was asked to see to.
#[derive(Debug)]
enum Pending {
    Proposal(Reply),
    Read(Job),
}

/// The requests of one server that are not answered yet.
#[derive(Debug)]
pub(crate) struct Service {
    applying: Applying<Proposer>,
    /// Those that the driver has, which answers them in their order.
    asked: VecDeque<Proposer>,
    indices: ReadIndices<Reader>,
    reads: AppliedReads<Job>,
    /// Those that another server has, by our number for them.
    elsewhere: BTreeMap<u64, (ServerId, Pending)>,
    last_request: u64,
    /// The peers that what we send reaches.
    connected: BTreeSet<ServerId>,
    /// The leader that was last known.
    leader: Option<ServerId>,
    work: VecDeque<Work>,
}

impl Service {
    /// No requests yet, for a state machine that starts so. Requests are numbered from a random `seed` on:
    /// what another server still answers to this one's former life is no answer to anything.
    pub(crate) fn new(applying: Applying<Proposer>, seed: u64) -> Service {
        Service {
            applying,
            asked: VecDeque::new(),
            indices: ReadIndices::default(),
            reads: AppliedReads::default(),
            elsewhere: BTreeMap::new(),
            last_request: seed,
            connected: BTreeSet::new(),
            leader: None,
            work: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub(crate) fn next_work(&mut self) -> Option<Work> {
        self.work.pop_front()
    }

    /// A caller proposes a command. Where no leader is known, or none can be reached, it is not committed.
    pub(crate) fn propose(&mut self, node: &Node, command: Bytes, reply: Reply) {
        match node.leader() {
            Some(leader) if leader == node.id() => self.ask_driver(command, Proposer::Here(reply)),
            Some(leader) if self.connected.contains(&leader) => {
                let request = self.forward(leader, Pending::Proposal(reply));
                self.send(leader, ServiceMessage::Propose { request, command });
            }
            _ => reply.send(Outcome::NotCommitted),
        }
    }

    /// A caller looks at the state machine, which is to have applied all that was committed until now.
    pub(crate) fn read(&mut self, node: &Node, job: Job) {
        match node.leader() {
            Some(leader) if leader == node.id() => self.indices.ask(node.round(), Reader::Here(job)),
            Some(leader) if self.connected.contains(&leader) => {
                let request = self.forward(leader, Pending::Read(job));
                self.send(leader, ServiceMessage::AskReadIndex { request });
            }
            // Dropped, which tells whoever waits.
            _ => drop(job),
        }
    }

    /// Another server says this.
    pub(crate) fn receive(&mut self, node: &Node, from: ServerId, message: ServiceMessage) {
        match message {
            ServiceMessage::Propose { request, command } => self.ask_driver(command, Proposer::Peer(from, request)),
            ServiceMessage::AskReadIndex { request } => self.indices.ask(node.round(), Reader::Peer(from, request)),
            ServiceMessage::Proposed { request, outcome } => {
                if let Some(Pending::Proposal(reply)) = self.take_answered(from, request) {
                    reply.send(outcome);
                }
            }
            ServiceMessage::ReadIndex { request, index } => {
                let pending = self.take_answered(from, request);
                if let (Some(Pending::Read(job)), Some(index)) = (pending, index) {
                    self.reads.wait(index, job);
                }
            }
        }
    }

    /// Our own connection to this peer is ready.
    pub(crate) fn connected(&mut self, peer: ServerId) {
        self.connected.insert(peer);
    }

    /// Our own connection to this peer ended, and what it carried may have arrived or not.
    pub(crate) fn disconnected(&mut self, peer: ServerId) {
        self.connected.remove(&peer);
        // Dropped: the end of a proposal is unknown then, and a read was not served.
        self.elsewhere.retain(|_, (at, _)| *at != peer);
    }

    /// The driver tells what a step has come to.
    pub(crate) fn hear(&mut self, driver: &Driver, output: Output) {
        match output {
            Output::Accepted(position) => {
                let proposer = self.asked.pop_front();
                self.applying.accept(position, proposer.expect("each proposal is answered once"));
            }
            Output::Refused => {
                let proposer = self.asked.pop_front().expect("each proposal is answered once");
                self.answer(proposer, Outcome::NotCommitted);
            }
            Output::Committed(commit) => self.apply(driver, commit),
            Output::Restored(last) => {
                if self.applying.restore(last) {
                    self.work.push_back(Work::Restore(last));
                }
                self.apply(driver, last.index);
            }
            Output::Round { .. } | Output::Confirmed(_) | Output::Leading(_) | Output::Yielded(_) => {
                self.indices.hear(output);
            }
            Output::Send(_) | Output::Restart(_) | Output::Heard { .. } => {}
        }
    }

    /// Serves what can be served by now.
    pub(crate) fn settle(&mut self, node: &Node) {
        self.look_at_leader(node);
        while let Some((reader, index)) = self.indices.next_confirmed() {
            match reader {
                Reader::Here(job) => self.reads.wait(index, job),
                Reader::Peer(peer, request) => {
                    self.send(peer, ServiceMessage::ReadIndex { request, index: Some(index) })
                }
            }
        }
        while let Some(reader) = self.indices.next_ended() {
            if let Reader::Peer(peer, request) = reader {
                self.send(peer, ServiceMessage::ReadIndex { request, index: None });
            }
        }
        while let Some(job) = self.reads.next_applied(self.applying.through()) {
            self.work.push_back(Work::Read(job));
        }
    }

    /// Whether a reader waits for a round of heartbeats that should begin now.
    pub(crate) fn wants_round(&self) -> bool {
        self.indices.wants_round()
    }

    /// What became of a command, for whoever waits for it.
    pub(crate) fn answer(&mut self, proposer: Proposer, outcome: Outcome) {
        match proposer {
            Proposer::Here(reply) => reply.send(outcome),
            Proposer::Peer(peer, request) => self.send(peer, ServiceMessage::Proposed { request, outcome }),
        }
    }

    /// Reads that a former leader was asked for are better asked of the next one, and nobody answers who
    /// has no leadership any more.
    fn look_at_leader(&mut self, node: &Node) {
        let leader = node.leader();
        if std::mem::replace(&mut self.leader, leader) == leader {
            return;
        }
        let is_of_use = |at: ServerId, pending: &Pending| match pending {
            Pending::Proposal(reply) => !reply.sender.is_closed(),
            Pending::Read(_) => Some(at) == leader,
        };
        self.elsewhere.retain(|_, (at, pending)| is_of_use(*at, pending));
        if node.round().is_none() {
            self.indices.end();
        }
    }

    fn ask_driver(&mut self, command: Bytes, proposer: Proposer) {
        self.asked.push_back(proposer);
        if let Some(Work::Propose(commands)) = self.work.back_mut() {
            commands.push(command);
        } else {
            self.work.push_back(Work::Propose(vec![command]));
        }
    }

    fn forward(&mut self, to: ServerId, pending: Pending) -> u64 {
        self.last_request = self.last_request.wrapping_add(1);
        self.elsewhere.insert(self.last_request, (to, pending));
        self.last_request
    }

    /// The request of this number, if it was this server that was asked.
    fn take_answered(&mut self, from: ServerId, request: u64) -> Option<Pending> {
        let is_asked = self.elsewhere.get(&request).is_some_and(|(asked, _)| *asked == from);
        is_asked.then(|| self.elsewhere.remove(&request)).flatten().map(|(_, pending)| pending)
    }

    fn send(&mut self, to: ServerId, message: ServiceMessage) {
        self.work.push_back(Work::Send(to, message));
    }

    /// Everything up to there is committed.
    fn apply(&mut self, driver: &Driver, commit: Index) {
        let (log, entries): (_, &Entries<Bytes>) = (driver.node().log(), driver.entries());
        let mut committed = Vec::new();
        while let Some(due) = self.applying.next(log, entries, commit) {
            match due {
                Due::Apply { entry, proposer } => {
                    committed.push(Committed { position: entry.position, payload: entry.payload.clone(), proposer });
                }
                Due::Over { proposer, end } => {
                    let outcome = match end {
                        End::NotCommitted => Outcome::NotCommitted,
                        // Its answer went to another server's state machine.
                        End::Committed | End::Unknown => Outcome::Unknown,
                    };
                    self.answer(proposer, outcome);
                }
            }
        }
        if !committed.is_empty() {
            self.work.push_back(Work::Apply(committed));
        }
    }
}
