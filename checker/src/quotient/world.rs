//! A state of the quotient as a world, to judge and to show it; and what the quotient keeps of a
//! world.

use std::sync::Arc;

use rafttree_model::{
    Entries, Entry, Envelope, Index, Members, Message, Payload, Position, Role, Round, ServerId, Term,
};

use crate::quotient::server::{Cells, LONGEST, MOST_SEATS, Part, Seat, TooLong};
use crate::quotient::sets::{index_of, members_of};
use crate::quotient::state::{Asked, Past, State};
use crate::world::{History, Leadership, Letter, Place, Server, Spent, Tag, World};

impl State {
    /// A world that this state stands for: the servers hear no leader, have counted no vote but
    /// their own and know of no follower what it holds.
    pub(crate) fn world(&self, members: Members) -> World {
        let servers = self.seats().map(|(id, seat)| Arc::new(seat.server(id, members, self.base))).collect();
        World {
            servers,
            network: Arc::new(self.letters()),
            leaderships: Arc::new(self.leaderships().map(|past| Arc::new(leadership(&past))).collect()),
            history: Arc::new(self.history()),
            clients: Arc::default(),
            reads: Arc::default(),
            spent: Spent::default(),
            broken: Default::default(),
        }
    }

    fn letters(&self) -> Vec<Arc<Letter>> {
        let letter = |from: u8, to: u8, term: u8, message| {
            Arc::new(Envelope { from: server(from), to: server(to), term: Term::new(term.into()), message })
        };
        let mut letters = Vec::new();
        for Asked { term, candidate, last, transfer } in self.candidacies() {
            let message = Message::VoteRequest { last: last.position(), transfer };
            let others = self.ids().filter(|&to| to != candidate);
            letters.extend(others.map(|to| letter(candidate, to, term, message.clone())));
        }
        for (id, seat) in self.seats() {
            let answer = |from, message| letter(from, id, seat.term(), message);
            if !seat.is(Part::Leader) {
                let (votes, term) = (members_of(self.heard(id) as u8), seat.term() + u8::from(seat.is(Part::Follower)));
                letters.extend(votes.map(|voter| letter(voter, id, term, Message::VoteReply { granted: true })));
            } else {
                let held = self.ids().map(|from| (from, index_of(self.heard(id), from))).filter(|(_, held)| *held != 0);
                let message = |held: u8| Message::AppendReply { matched: Index::new(held.into()), round: Round::ZERO };
                letters.extend(held.map(|(from, held)| answer(from, message(held))));
            }
        }
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    fn history(&self) -> History {
        let mut elected: Vec<_> =
            self.leaderships().map(|past| (Term::new(past.term.into()), server(past.leader))).collect();
        elected.sort_unstable();
        elected.dedup();
        let voted = self.seats().filter(|(_, seat)| seat.vote() != 0);
        let mut votes: Vec<_> =
            voted.map(|(id, seat)| (Term::new(seat.term().into()), server(id), server(seat.vote()))).collect();
        votes.sort_unstable();
        let known = self.known_in.iter().map(|&term| Term::new(term.into()));
        History {
            elected,
            votes,
            stale_reads: Vec::new(),
            serving: Vec::new(),
            leases: Vec::new(),
            committed: self.committed.entries(0).into_iter().zip(known).collect(),
        }
    }

    /// What is kept of a world, before anything is forgotten; `None` if a log is too long, or if
    /// something waits for the disk that is not what a leader has shown of its log: whatever
    /// comes of that waits for the flush as well, or is undone by a crash.
    pub(crate) fn of_world(world: &World) -> Option<State> {
        let leads = |server: &Server| matches!(server.node.role(), Role::Leader { .. });
        if world.servers.iter().any(|server| server.hides_something() || !leads(server) && !server.unsynced.is_empty())
        {
            return None;
        }
        let mut state = State { servers: world.servers.len() as u8, ..State::default() };
        let versions = Versions::of(world);
        for (at, server) in world.servers.iter().enumerate() {
            let mut server = (**server).clone();
            let synced = server.disk.entries.len();
            let (start, mut entries) = (server.entries.base(), server.entries.to_vec());
            versions.put_into(&mut entries);
            let faulty = server.entries.faulty();
            server.disk.entries = Entries::after(start, entries[..synced].to_vec()).damaged(faulty);
            server.entries = Entries::after(start, entries).damaged(faulty);
            let seat = Seat::of(&server).ok()?;
            state.seats[at] = seat.with_term(seat.term() + 1).with_cells(later(seat.cells()));
            state.heard[at] = heard(world, at);
        }
        state.copy_network(world, &versions).ok()?;
        Some(state)
    }

    fn copy_network(&mut self, world: &World, versions: &Versions) -> Result<(), TooLong> {
        for Leadership { term, leader, entries, commit, .. } in world.leaderships.iter().map(AsRef::as_ref) {
            let (term, leader) = (term.number() as u8 + 1, leader.number() as u8);
            let past = Past { term, leader, commit: commit.number() as u8, cells: versions.cells(entries)? };
            if !self.seat(leader).still(Part::Leader, term) {
                self.past.push(past);
            }
        }
        for letter in world.network.iter() {
            let Message::VoteRequest { last, .. } = letter.message else { continue };
            let last_term = if last.index == Index::ZERO { 0 } else { last.term.number() as u8 + 1 };
            let (term, candidate) = (letter.term.number() as u8 + 1, letter.from.number() as u8);
            let last = Place { term: last_term, index: last.index.number() as u8 };
            let asked = Asked { term, candidate, last, transfer: false };
            self.ask(asked);
        }
        let committed: Vec<_> = world.history.committed.iter().map(|(entry, _)| *entry).collect();
        self.committed = versions.cells(&committed)?;
        for (at, (_, term)) in world.history.committed.iter().enumerate() {
            self.known_in[at] = term.number() as u8 + 1;
        }
        Ok(())
    }
}

/// What a candidate may count, a follower could if it campaigned, or a leader was told, at this place of the
/// group.
fn heard(world: &World, at: usize) -> u32 {
    let node = &world.servers[at].node;
    let mut most = [0u32; MOST_SEATS];
    let counted: Vec<(ServerId, u32)> = match node.role() {
        Role::Candidate { votes, .. } => votes.ids().map(|id| (id, 1)).collect(),
        Role::Leader { progress, .. } => progress.iter().map(|(id, it)| (id, it.matched.number() as u32)).collect(),
        _ => Vec::new(),
    };
    let leads = matches!(node.role(), Role::Leader { .. });
    let campaigns = leads || matches!(node.role(), Role::Candidate { .. });
    let term = if campaigns { node.term() } else { node.term().next() };
    let arriving = world.network.iter().filter(|letter| letter.to == node.id() && letter.term == term);
    let told = arriving.filter_map(|letter| match letter.message {
        Message::VoteReply { granted: true } if !leads => Some((letter.from, 1)),
        Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. } if leads => {
            Some((letter.from, matched.number() as u32))
        }
        _ => None,
    });
    for (id, value) in counted.into_iter().chain(told) {
        let most = &mut most[id.number() as usize - 1];
        *most = (*most).max(value);
    }
    let bits = if leads { 3 } else { 1 };
    most.iter().enumerate().filter(|(other, _)| *other != at).map(|(other, value)| value << (bits * other)).sum()
}

/// The terms of a world begin at 0; those of a state leave 0 to what has none.
fn later(cells: Cells) -> Cells {
    cells.map(|cell| cell + 1)
}

/// Commands of one place and term, told apart by numbers.
struct Versions(Vec<(Position, Vec<Payload<Tag>>)>);

impl Versions {
    fn of(world: &World) -> Versions {
        let mut versions = Versions(Vec::new());
        let servers = world.servers.iter().flat_map(|server| server.entries.iter());
        let sent = world.leaderships.iter().flat_map(|leadership| &leadership.entries);
        let committed = world.history.committed.iter().map(|(entry, _)| entry);
        servers.chain(sent).chain(committed).for_each(|entry| versions.note(entry));
        versions
    }

    fn note(&mut self, entry: &Entry<Tag>) {
        if entry.payload == Payload::Blank {
            return;
        }
        let at = self.0.iter().position(|(position, _)| *position == entry.position).unwrap_or_else(|| {
            self.0.push((entry.position, Vec::new()));
            self.0.len() - 1
        });
        let payloads = &mut self.0[at].1;
        if !payloads.contains(&entry.payload) {
            payloads.push(entry.payload);
        }
    }

    fn put_into(&self, entries: &mut [Entry<Tag>]) {
        for entry in entries.iter_mut().filter(|entry| entry.payload != Payload::Blank) {
            let known = self.0.iter().find(|(position, _)| *position == entry.position);
            let version = known.and_then(|(_, payloads)| payloads.iter().position(|it| *it == entry.payload));
            entry.payload = Payload::Command(Tag(ServerId::new(version.unwrap_or_default() as u32)));
        }
    }

    fn cells(&self, entries: &[Entry<Tag>]) -> Result<Cells, TooLong> {
        let mut entries = entries.to_vec();
        self.put_into(&mut entries);
        Cells::new(&entries).map(later)
    }
}

fn leadership(past: &Past) -> Leadership {
    let Past { term, leader, commit, cells } = *past;
    Leadership {
        term: Term::new(term.into()),
        leader: server(leader),
        entries: cells.entries(0),
        commit: Index::new(commit.into()),
        round: Round::ZERO,
    }
}

fn server(id: u8) -> ServerId {
    ServerId::new(id.into())
}

const _: () = assert!(LONGEST == 4, "what is known of commitments has as much room");
