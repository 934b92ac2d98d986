//! The concrete servers of a state, driven by a fair schedule once faults have stopped.
//!
//! This module describes no protocol behaviour: it fires timers and carries messages, and what a
//! server then does comes from the deployed steps. Flushes happen at once, so what a server holds
//! is what its disk holds.

use std::collections::VecDeque;

use rafttree_model::{
    Event, Index, Next, Node, Output, Position, Progress, ReadIndices, Replica, Role, Round, ServerId, ServerMap,
    ServerSet, Term, Timers,
};

use crate::liveness::links::Links;
use crate::quotient::MOST_SEATS;
use crate::trace::language::{Words, role};
use crate::world::{Ground, Letter, Server, Tag, World};

/// Steps that a round may take until all is quiet: far more than any round needs.
const QUIET: usize = 20_000;

/// Whose election timeouts fire in a round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timeouts {
    OfOne,
    OfAll,
}

/// A round did not become quiet: messages beget messages for ever.
#[derive(Debug)]
pub(crate) struct NeverQuiet;

/// What a server has in memory and the states of the quotient leave out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Memory {
    /// A follower hears nobody; a leader was not heard since the minimum timeout fired.
    #[default]
    Idle,
    /// Its timers were restarted just now: a follower sticks to whom it may have heard, a leader
    /// was answered by everyone and sends again what it does not know to be held, a candidate was told
    /// to campaign.
    Fresh,
    /// A follower has asked for pre-votes, of which too few arrived; a leader, just answered, is transferring
    /// its leadership; of a candidate's votes all but its own are lost.
    Busy,
    /// A follower has just heard a leader that may be gone.
    Told,
}

/// What each server has in memory.
pub(crate) type Memories = [Memory; MOST_SEATS];

impl Memory {
    pub(crate) const ALL: [Memory; 4] = [Memory::Idle, Memory::Fresh, Memory::Busy, Memory::Told];

    /// What each server has in memory, by number: one of the first `kinds`.
    pub(crate) fn numbered(mut number: usize, kinds: usize) -> Memories {
        std::array::from_fn(|_| {
            let memory = Memory::ALL[number % kinds];
            number /= kinds;
            memory
        })
    }
}

/// Somebody who wants a linearizable read of a leader.
struct Reader {
    at: ServerId,
    /// Until a round is confirmed for it.
    waits: ReadIndices<()>,
    /// How much has to be committed, and applied, for it to be served.
    read: Option<Index>,
}

impl Reader {
    fn hear(&mut self, output: Output) {
        self.waits.hear(output);
        self.read = self.waits.next_confirmed().map(|(_, read)| read).or(self.read);
    }
}

/// The servers and the messages between them.
pub(crate) struct Stage {
    ground: Ground,
    links: Links,
    replicas: Vec<Replica<Tag>>,
    mail: VecDeque<Letter>,
    /// Servers, one bit each, whose minimum timeout was restarted since the last round began.
    restarted: u16,
    reader: Option<Reader>,
    /// What happens, in words, if anyone wants to know.
    story: Option<Vec<String>>,
}

impl Stage {
    /// The servers of a world after every flush; what else was under way is lost.
    pub(crate) fn of_world(world: &World, ground: Ground) -> Stage {
        let flushed = |server: &Server| {
            let mut server = server.clone();
            while !server.unsynced.is_empty() {
                server.flush(ground);
            }
            server
        };
        let servers: Vec<Server> = world.servers.iter().map(|server| flushed(server)).collect();
        Stage {
            ground,
            links: Links::complete(servers.len() as u8),
            replicas: servers.into_iter().map(|server| Replica::new(server.node, server.entries)).collect(),
            mail: VecDeque::new(),
            restarted: 0,
            reader: None,
            story: None,
        }
    }

    /// The same servers with other links, and something in memory.
    pub(crate) fn set(&mut self, from: &Stage, links: Links, memories: Memories) {
        self.links = links;
        self.mail.clear();
        self.restarted = 0;
        self.reader = None;
        for (at, ((replica, from), memory)) in self.replicas.iter_mut().zip(&from.replicas).zip(memories).enumerate() {
            replica.restart(remembering(from.node(), memory), from.entries());
            let just_now = match replica.node().role() {
                Role::Leader { .. } => matches!(memory, Memory::Fresh | Memory::Busy),
                _ => matches!(memory, Memory::Fresh | Memory::Told),
            };
            self.restarted |= u16::from(just_now) << at;
        }
    }

    pub(crate) fn telling(self) -> Stage {
        Stage { story: Some(Vec::new()), ..self }
    }

    pub(crate) fn take_story(&mut self) -> Vec<String> {
        self.story.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn say(&mut self, words: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(words());
        }
    }

    /// All that what comes next depends on, between two rounds.
    pub(crate) fn moment(&self) -> (Vec<Node>, u16) {
        (self.nodes().cloned().collect(), self.restarted)
    }

    fn ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (1..=self.replicas.len() as u32).map(ServerId::new)
    }

    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.replicas.iter().map(Replica::node)
    }

    pub(crate) fn node(&self, id: ServerId) -> &Node {
        self.replicas[id.number() as usize - 1].node()
    }

    /// One round: about a minimum timeout passes, in which election timeouts fire of servers that wait
    /// for a leader. `turn` says with whom that begins.
    pub(crate) fn round(&mut self, turn: &mut u32, timeouts: Timeouts) -> Result<(), NeverQuiet> {
        let restarted = std::mem::take(&mut self.restarted);
        let just_now = |id: ServerId| restarted >> (id.number() - 1) & 1 != 0;
        for id in self.ids().filter(|&id| !just_now(id)) {
            if matches!(self.node(id).role(), Role::Follower { .. } | Role::Leader { .. }) {
                self.happen(id, Event::MinimumTimeout);
            }
        }
        self.quiet()?;
        let (count, begin) = (self.replicas.len() as u32, *turn);
        for id in (0..count).map(|ahead| ServerId::new((begin + ahead) % count + 1)) {
            if !self.waits_for_leader(id, just_now(id)) {
                continue;
            }
            *turn = id.number() % count;
            self.happen(id, Event::ElectionTimeout);
            self.quiet()?;
            if timeouts == Timeouts::OfOne {
                break;
            }
        }
        for id in self.ids() {
            if !matches!(self.node(id).role(), Role::Follower { .. }) {
                self.happen(id, Event::HeartbeatTimeout);
            }
        }
        self.quiet()
    }

    fn waits_for_leader(&self, id: ServerId, restarted: bool) -> bool {
        match self.node(id).role() {
            Role::Follower { .. } => !restarted,
            Role::PreCandidate { .. } | Role::Candidate { .. } => true,
            Role::Leader { .. } => false,
        }
    }

    /// A leader that a majority follows and hears in its term, and that is not transferring its leadership.
    pub(crate) fn settled_leader(&self) -> Option<ServerId> {
        let stays = |id: &ServerId| matches!(self.node(*id).role(), Role::Leader { transfer: None, .. });
        self.ids().filter(stays).find(|&id| self.is_settled(id, self.node(id).term()))
    }

    pub(crate) fn is_settled(&self, id: ServerId, term: Term) -> bool {
        let leader = self.node(id);
        let follows =
            |node: &&Node| node.term() == term && (node.id() == id || matches!(node.role(), Role::Follower { .. }));
        let heard = self.nodes().filter(|node| self.links.join(id, node.id()));
        let following = heard.filter(follows).filter(|node| node.leader() == Some(id));
        matches!(leader.role(), Role::Leader { .. })
            && leader.term() == term
            && leader.members().is_majority(&following.map(Node::id).collect())
    }

    /// Whoever led before, and is answered by too few, has stepped down (6.2).
    pub(crate) fn leads_alone(&self, leader: ServerId) -> bool {
        let leads = |node: &&Node| matches!(node.role(), Role::Leader { .. });
        self.nodes().filter(leads).all(|node| node.id() == leader)
    }

    /// Somebody asks this leader for a linearizable read.
    pub(crate) fn ask_to_read(&mut self, leader: ServerId) {
        let mut reader = Reader { at: leader, waits: ReadIndices::default(), read: None };
        reader.waits.ask(self.node(leader).round(), ());
        self.reader = Some(reader);
    }

    /// Whoever asked this leader for a read is served, and every server that it reaches holds what it holds,
    /// and knows what it knows to be committed.
    pub(crate) fn is_served(&self, id: ServerId) -> bool {
        let leader = self.node(id);
        let has_read =
            self.reader.as_ref().is_some_and(|reader| reader.read.is_some_and(|read| read <= leader.commit()));
        let mut reached = self.nodes().filter(|node| self.links.join(id, node.id()));
        has_read && reached.all(|node| (node.log().last(), node.commit()) == (leader.log().last(), leader.commit()))
    }

    pub(crate) fn propose(&mut self, id: ServerId) -> Result<Position, NeverQuiet> {
        self.happen(id, Event::Propose(Tag(id)));
        let position = self.node(id).log().last();
        self.quiet()?;
        Ok(position)
    }

    /// Every message is delivered, in the order in which they were sent.
    pub(crate) fn quiet(&mut self) -> Result<(), NeverQuiet> {
        if (0..QUIET).all(|_| self.deliver_next()) { Err(NeverQuiet) } else { Ok(()) }
    }

    /// Delivers the message that was sent first, if there is one.
    pub(crate) fn deliver_next(&mut self) -> bool {
        let Some(letter) = self.mail.pop_front() else { return false };
        self.happen(letter.to, Event::Receive(letter));
        true
    }

    /// An event happens, and what comes of it at the server. Flushes take no time.
    pub(crate) fn happen(&mut self, id: ServerId, event: Event<Tag>) {
        self.step(id, event);
        while let Some(next) = self.replica(id).proceed() {
            match next {
                Next::Perform(output) => self.perform(id, output),
                Next::Receive(letter) => self.step(id, Event::Receive(letter)),
                Next::Write => {
                    drop(self.replica(id).write());
                    self.replica(id).flushed();
                }
            }
        }
    }

    fn replica(&mut self, id: ServerId) -> &mut Replica<Tag> {
        &mut self.replicas[id.number() as usize - 1]
    }

    fn step(&mut self, id: ServerId, event: Event<Tag>) {
        let before = self.story.is_some().then(|| (event.clone(), self.node(id).clone()));
        let step_by = self.ground.step_by;
        self.replica(id).step_by(event, step_by);
        if let Some((event, old)) = before {
            self.tell(id, &event, &old);
        }
        while let Some(output) = self.replica(id).next_output() {
            self.perform(id, output);
        }
    }

    fn perform(&mut self, id: ServerId, output: Output) {
        if let Some(reader) = self.reader.as_mut().filter(|reader| reader.at == id) {
            reader.hear(output);
        }
        match output {
            Output::Send(envelope) if self.links.join(id, envelope.to) => {
                let entries = self.replica(id).entries();
                let letter = envelope.with_entries(|range| entries.fill(range));
                self.mail.extend(letter);
            }
            Output::Restart(Timers::Follower | Timers::Leader) => self.restarted |= 1 << (id.number() - 1),
            _ => {}
        }
    }

    /// What an event did; nothing is said of those that pass unnoticed inside a server.
    fn tell(&mut self, id: ServerId, event: &Event<Tag>, old: &Node) {
        let changes = changes(old, self.node(id));
        let inside = match event {
            Event::Receive(letter) => letter.from == letter.to,
            event => *event == Event::MinimumTimeout,
        };
        if inside && changes.is_empty() {
            return;
        }
        let arrow = if changes.is_empty() { "" } else { "  =>  " };
        let words = happening(id, event);
        self.say(|| format!("  {words}{arrow}{}", changes.join(", ")));
    }
}

fn changes(old: &Node, new: &Node) -> Vec<String> {
    let told = [
        (new.role() != old.role(), role(new.role())),
        (new.term() != old.term(), format!("term {}", new.term())),
        (new.log() != old.log(), format!("log up to {}", new.log().last())),
        (new.commit() != old.commit(), format!("commits {}", new.commit())),
    ];
    told.into_iter().filter_map(|(changed, words)| changed.then_some(words)).collect()
}

fn happening(id: ServerId, event: &Event<Tag>) -> String {
    match event {
        Event::Receive(letter) if letter.from == letter.to => format!("{id} hears itself"),
        Event::Receive(letter) => Words::<Letter>(letter).to_string(),
        Event::ElectionTimeout => format!("{id} election timeout"),
        Event::HeartbeatTimeout => format!("{id} heartbeat timeout"),
        Event::MinimumTimeout => format!("{id} minimum timeout"),
        Event::Propose(_) => format!("{id} is proposed a command"),
        Event::Transfer(to) => format!("{id} is told to transfer leadership to {to}"),
        Event::StepDown => format!("{id} is told to step down"),
        Event::Snapshotted(through) => format!("{id} has a snapshot up to {through}"),
    }
}

/// A server whose role is that of the state, with something in memory.
fn remembering(node: &Node, memory: Memory) -> Node {
    let role = match node.role() {
        Role::Follower { .. } => follower(node, memory),
        Role::Candidate { votes, .. } => candidate(node, *votes, memory),
        Role::Leader { progress, .. } => leader(node, *progress, memory),
        Role::PreCandidate { .. } => None,
    };
    let role = role.unwrap_or_else(|| node.role().clone());
    Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role)
}

fn follower(node: &Node, memory: Memory) -> Option<Role> {
    let another = node.peers().next();
    match memory {
        Memory::Idle => None,
        Memory::Fresh => Some(Role::Follower { leader: None, sticky: true }),
        Memory::Busy => {
            let own = [node.id()];
            let votes: ServerSet = own.into_iter().chain(another).collect();
            let votes = if node.members().is_majority(&votes) { ServerSet::from_iter(own) } else { votes };
            Some(Role::PreCandidate { votes })
        }
        Memory::Told => Some(Role::Follower { leader: another, sticky: true }),
    }
}

fn candidate(node: &Node, votes: ServerSet, memory: Memory) -> Option<Role> {
    match memory {
        Memory::Idle | Memory::Told => None,
        Memory::Fresh => Some(Role::Candidate { votes, transfer: true }),
        Memory::Busy => Some(Role::Candidate { votes: ServerSet::from_iter([node.id()]), transfer: false }),
    }
}

fn leader(node: &Node, progress: ServerMap<Progress>, memory: Memory) -> Option<Role> {
    let heard: ServerSet = node.members().ids().collect();
    match memory {
        Memory::Idle | Memory::Told => None,
        Memory::Busy => Some(Role::Leader {
            progress,
            heard,
            transfer: node.peers().next(),
            confirmed: Round::ZERO,
            round: Round::ZERO,
        }),
        Memory::Fresh => {
            let unsent = |(id, Progress { matched, .. })| {
                (id, Progress { matched, next: matched.next(), answered: Round::ZERO })
            };
            Some(Role::Leader {
                progress: progress.iter().map(unsent).collect(),
                heard,
                transfer: None,
                confirmed: Round::ZERO,
                round: Round::ZERO,
            })
        }
    }
}
