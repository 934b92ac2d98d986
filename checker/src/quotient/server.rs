//! One server of a state, in one word: what is left of it when everything is gone that it could
//! forget and learn again at any time.

use rafttree_model::{
    Durable, Entries, Entry, Envelope, Faulty, Index, Log, Members, Message, Node, Payload, Position, Progress, Record,
    Role, Round, ServerId, ServerMap, ServerSet, Term,
};

use crate::world::{Contact, Disk, Observed, Place, Server, Tag, Unsynced};

/// The longest log behind the base.
pub(crate) const LONGEST: usize = 4;

/// The largest group whose states fit.
pub(crate) const MOST_SEATS: usize = 7;

/// What a server is, without pre-candidates: they are followers that have asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Follower,
    Candidate,
    Leader,
}

/// Up to four entries behind the base, eight bits each: term, and what they carry.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Cells {
    pub(crate) bits: u32,
    pub(crate) len: u8,
}

/// Term, vote, part, log, commit index, how much of the log is on the disk, which of it the disk has damaged,
/// and how much of it the server has compacted. The entries are there all the same: they say what the snapshot stands for.
///
/// Where there are leases, also what of a server's memory they rest on; elsewhere all of that is nothing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Seat(pub(crate) u64);

/// The seat does not tell all of the server: its log is longer than a seat has room for.
#[derive(Debug)]
pub(crate) struct TooLong;

impl Cells {
    pub(crate) fn new(entries: &[Entry<Tag>]) -> Result<Cells, TooLong> {
        if LONGEST < entries.len() {
            return Err(TooLong);
        }
        let mut cells = Cells::default();
        entries.iter().for_each(|entry| cells.push(cell(entry)));
        Ok(cells)
    }

    pub(crate) fn get(self, at: u8) -> u8 {
        (self.bits >> (8 * at)) as u8
    }

    pub(crate) fn push(&mut self, cell: u8) {
        self.bits |= u32::from(cell) << (8 * self.len);
        self.len += 1;
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..self.len).map(move |at| self.get(at))
    }

    pub(crate) fn first(self, len: u8) -> Cells {
        let mask = (1u64 << (8 * len)) - 1;
        Cells { bits: self.bits & mask as u32, len }
    }

    pub(crate) fn without_first(self, count: u8) -> Cells {
        Cells { bits: (u64::from(self.bits) >> (8 * count)) as u32, len: self.len - count }
    }

    pub(crate) fn between(self, first: u8, last: u8) -> Cells {
        self.first(last).without_first(first)
    }

    pub(crate) fn map(self, mut change: impl FnMut(u8) -> u8) -> Cells {
        let mut cells = Cells::default();
        self.iter().for_each(|cell| cells.push(change(cell)));
        cells
    }

    /// How many cells both begin with.
    pub(crate) fn common(self, other: Cells) -> u8 {
        let same = ((self.bits ^ other.bits).trailing_zeros() / 8) as u8;
        same.min(self.len).min(other.len)
    }

    /// The entries, the first of which follows `previous`.
    pub(crate) fn entries(self, previous: u8) -> Vec<Entry<Tag>> {
        let entry = |(at, cell): (usize, u8)| {
            let index = Index::new(u64::from(previous) + at as u64 + 1);
            Entry { position: Position { term: Term::new(term_of(cell).into()), index }, payload: payload_of(cell) }
        };
        self.iter().enumerate().map(entry).collect()
    }

    /// Term and index of the last cell, or of the base.
    pub(crate) fn last(self, base: u8) -> Place {
        self.place(base, self.len)
    }

    /// Term and index of a cell, or of the base at 0.
    pub(crate) fn place(self, base: u8, index: u8) -> Place {
        Place { term: self.term_at(base, index), index }
    }

    /// The term at an index from 0, the base, to the last.
    pub(crate) fn term_at(self, base: u8, index: u8) -> u8 {
        if index == 0 { base } else { term_of(self.get(index - 1)) }
    }
}

pub(crate) fn term_of(cell: u8) -> u8 {
    cell & 31
}

pub(crate) fn with_term(cell: u8, term: u8) -> u8 {
    (cell & !31) | term
}

fn cell(entry: &Entry<Tag>) -> u8 {
    let kind = match entry.payload {
        Payload::Blank => 0,
        Payload::Command(Tag(version)) => version.number() as u8 + 1,
    };
    assert!(entry.position.term.number() < 32 && kind < 8, "spread and window are small");
    (kind << 5) | entry.position.term.number() as u8
}

fn payload_of(cell: u8) -> Payload<Tag> {
    match cell >> 5 {
        0 => Payload::Blank,
        kind => Payload::Command(Tag(ServerId::new(u32::from(kind) - 1))),
    }
}

/// First and last of the entries that may be damaged, in a log as long as there is room for.
const FAULTS: [(u8, u8); 10] = [(1, 1), (1, 2), (2, 2), (1, 3), (2, 3), (3, 3), (1, 4), (2, 4), (3, 4), (4, 4)];

/// Accessors of a few bits each.
macro_rules! fields {
    ($($get:ident $with:ident $shift:literal $bits:literal)*) => { $(
        pub(crate) fn $get(self) -> u8 {
            (self.0 >> $shift) as u8 & ((1 << $bits) - 1)
        }
        #[must_use]
        pub(crate) fn $with(self, value: u8) -> Seat {
            assert!(value < (1 << $bits), "spread, window and group are small");
            Seat(self.0 & !(((1u64 << $bits) - 1) << $shift) | u64::from(value) << $shift)
        }
    )* };
}

impl Seat {
    fields! {
        term with_term 32 5
        vote with_vote 37 3
        role with_role 40 2
        len with_len 42 3
        commit with_commit 45 3
        synced with_synced 48 3
        base with_base 51 3
        fault with_fault 54 4
        sticky with_sticky 58 1
        leader with_leader 59 3
        transfer with_transfer 62 1
        counted with_counted 63 1
    }

    /// The entries that its disk has damaged.
    pub(crate) fn faulty(self) -> Faulty {
        let Some((first, last)) = self.fault().checked_sub(1).map(|at| FAULTS[usize::from(at)]) else {
            return Faulty::NONE;
        };
        Faulty::between(Index::new(first.into()), Index::new(last.into()))
    }

    #[must_use]
    pub(crate) fn with_faulty(self, faulty: Faulty) -> Seat {
        let (Some(first), Some(last)) = (faulty.first(), faulty.last()) else { return self.with_fault(0) };
        let ends = (first.number() as u8, last.number() as u8);
        let at = FAULTS.iter().position(|&other| other == ends).expect("only entries of the log are damaged");
        self.with_fault(at as u8 + 1)
    }

    /// Whether a lease counts on this server: it has answered the round.
    pub(crate) fn is_counted(self) -> bool {
        self.counted() != 0
    }

    /// The same when no lease counts on it: then it may be taken to hear nobody.
    #[must_use]
    pub(crate) fn uncounted(self) -> Seat {
        self.with_counted(0).with_sticky(0).with_leader(0)
    }

    /// The same when a lease counts on it: what it remembers of leaders is kept.
    #[must_use]
    pub(crate) fn counting(self, server: &Server) -> Seat {
        let seat = self.with_counted(1);
        let &Role::Follower { leader, sticky } = server.node.role() else { return seat };
        seat.with_sticky(sticky.into()).with_leader(leader.map_or(0, |leader| leader.number() as u8))
    }

    /// The same of a server whose id is 1: of the others only the one it voted for stands out, and the one
    /// it has heard.
    #[must_use]
    pub(crate) fn as_first(self, id: u8) -> Seat {
        let vote = match self.vote() {
            0 => 0,
            vote if vote == id => 1,
            _ => 2,
        };
        let leader = match self.leader() {
            0 => 0,
            leader if vote < 2 || leader == self.vote() => 2,
            _ => 3,
        };
        self.with_vote(vote).with_leader(leader)
    }

    pub(crate) fn part(self) -> Part {
        match self.role() {
            0 => Part::Follower,
            1 => Part::Candidate,
            _ => Part::Leader,
        }
    }

    pub(crate) fn is(self, part: Part) -> bool {
        self.part() == part
    }

    pub(crate) fn cells(self) -> Cells {
        Cells { bits: self.0 as u32, len: self.len() }
    }

    #[must_use]
    pub(crate) fn with_cells(self, cells: Cells) -> Seat {
        Seat(self.0 >> 32 << 32 | u64::from(cells.bits)).with_len(cells.len)
    }

    /// What is left of a server.
    pub(crate) fn of(server: &Server) -> Result<Seat, TooLong> {
        let node = &server.node;
        let cells = Cells::new(&server.entries)?;
        let role = match node.role() {
            Role::Follower { .. } | Role::PreCandidate { .. } => Part::Follower,
            Role::Candidate { .. } => Part::Candidate,
            Role::Leader { .. } => Part::Leader,
        };
        let seat = Seat::default().with_cells(cells).with_term(node.term().number() as u8);
        let seat = seat.with_vote(node.vote().map_or(0, |vote| vote.number() as u8)).with_role(role as u8);
        let seat = seat.with_base(node.log().base().index.number() as u8).with_faulty(node.faulty());
        Ok(seat.with_commit(node.commit().number() as u8).with_synced(server.disk.entries.len() as u8))
    }

    /// The server that the seat stands for: it hears no leader, has counted no vote but its own,
    /// and knows of no follower what it holds.
    pub(crate) fn server(self, id: u8, members: Members, base: u8) -> Server {
        let id = ServerId::new(id.into());
        let entries = self.cells().entries(0);
        let synced = entries[..self.synced() as usize].to_vec();
        let durable = self.durable(base, &synced);
        let start = Position { term: Term::new(base.into()), index: Index::ZERO };
        let disk = Disk { durable, entries: Entries::after(start, synced).damaged(self.faulty()) };
        let last = Index::new(entries.len() as u64);
        let durable = self.durable(base, &entries);
        let (role, observed) = self.assumed(id, members, last);
        let node = Node::assume(id, members, durable, Index::new(self.commit().into()), role);
        let unsynced = entries[disk.entries.len()..].iter().map(|entry| unsynced(id, node.term(), entry)).collect();
        let entries = Entries::after(start, entries).damaged(self.faulty());
        Server { node, entries, disk, unsynced, observed }
    }

    fn durable(self, base: u8, entries: &[Entry<Tag>]) -> Durable {
        let mut log = Log::starting_at(Position { term: Term::new(base.into()), index: Index::ZERO });
        entries.iter().for_each(|entry| log.push(entry.position));
        let vote = (self.vote() != 0).then(|| ServerId::new(self.vote().into()));
        let mut durable = Durable::assume(Term::new(self.term().into()), vote, log);
        if self.base() != 0 {
            durable.apply(&Record::<Tag>::Compact { through: Index::new(self.base().into()) });
        }
        durable.damaged(self.faulty())
    }

    fn assumed(self, id: ServerId, members: Members, last: Index) -> (Role, Observed) {
        let (itself, nothing) = (ServerSet::from_iter([id]), Observed::default());
        match self.part() {
            Part::Follower => {
                let leader = (self.leader() != 0).then(|| ServerId::new(self.leader().into()));
                let contact = match leader {
                    Some(leader) => Contact::Leader(leader),
                    None if self.sticky() != 0 => Contact::Possible,
                    None => Contact::None,
                };
                (Role::Follower { leader, sticky: self.sticky() != 0 }, Observed { contact, ..nothing })
            }
            Part::Candidate => {
                let told = self.transfer() != 0;
                let observed = Observed { granted: itself.ids().collect(), told, ..nothing };
                (Role::Candidate { votes: itself, transfer: told }, observed)
            }
            Part::Leader => {
                let start = Progress { matched: Index::ZERO, next: last.next(), answered: Round::ZERO };
                let progress: ServerMap<Progress> = members.ids().map(|id| (id, start)).collect();
                (
                    Role::Leader {
                        progress,
                        heard: itself,
                        transfer: None,
                        confirmed: Round::ZERO,
                        round: Round::ZERO,
                    },
                    Observed { answered: itself.ids().collect(), ..nothing },
                )
            }
        }
    }
}

/// A leader's entry that others can have seen, and that its own disk has not.
fn unsynced(id: ServerId, term: Term, entry: &Entry<Tag>) -> Unsynced {
    let message = Message::AppendReply { matched: entry.position.index, round: Round::ZERO };
    Unsynced {
        records: vec![Record::Append(*entry)],
        seen: true,
        held: vec![Envelope { from: id, to: id, term, message }],
    }
}

impl Seat {
    /// Whether it voted for this candidate of this term, and would say so again if it were asked.
    pub(crate) fn answers_again(self, candidate: u8, term: u8) -> bool {
        let turns_away = self.is(Part::Follower) && self.sticky() != 0 && self.leader() != candidate;
        (self.term(), self.vote()) == (term, candidate) && !turns_away
    }

    /// Whether this seat is still in this part of this term.
    pub(crate) fn still(self, part: Part, term: u8) -> bool {
        self.is(part) && self.term() == term
    }
}
