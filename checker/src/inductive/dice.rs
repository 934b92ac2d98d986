//! Dice: servers and messages of a given case, or of any, whose terms, lengths, names and groups are drawn.

use rafttree_model::{
    Durable, Entry, Envelope, Index, Log, MOST_SERVERS, Members, Message, Node, Payload, Position, Progress, Record,
    Role, RoleName, Round, ServerId, ServerMap, ServerSet, Slice, Term,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::inductive::symbols::{Case, MOST, Order, Scene, Transfer, Who};
use crate::world::Tag;

/// Random numbers, and what is made of them.
pub(crate) struct Dice(SmallRng);

/// A server with its log as a row of terms, and a message that arrives at it.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) node: Node,
    pub(crate) row: Vec<u64>,
    pub(crate) letter: Envelope<Slice<Tag>>,
}

/// Who belongs to the group, with the server that takes the step and the one that is heard.
struct Group {
    members: Members,
    itself: ServerId,
    sender: ServerId,
    /// A third one, if there is one.
    other: Option<ServerId>,
}

/// A log as a row of terms, of which the first entries may be compacted, and the first known to be committed.
struct Held {
    row: Vec<u64>,
    base: u64,
    commit: u64,
}

/// The two logs of an AppendRequest: its receiver's, and what is sent of its sender's.
struct Sent {
    held: Held,
    previous: Position,
    /// Terms of the entries.
    terms: Vec<u64>,
    leader_commit: u64,
}

/// What is known of the servers of a group when an answer arrives.
struct Known {
    matched: u64,
    sent: u64,
    own: bool,
    transfer: Transfer,
    /// What a majority is to hold; any, if that does not matter.
    majority: Option<u64>,
}

/// After so many tries a case has no instance.
const TRIES: usize = 100_000;

/// Terms of a log lie up to two to this power apart.
const WIDEST: u32 = 40;

impl Instance {
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { node: &self.node, row: &self.row, letter: &self.letter }
    }

    /// In the place of the entries that are sent, a snapshot of what is before them.
    fn with_snapshot(mut self) -> Instance {
        if let Message::AppendRequest { entries, round, .. } = &self.letter.message {
            self.letter.message = Message::InstallSnapshot { last: entries.previous(), round: *round };
        }
        self
    }
}

/// Instances.
impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(SmallRng::seed_from_u64(seed))
    }

    /// One of this case; none, if none was found.
    pub(crate) fn instance_of(&mut self, case: &Case) -> Option<Instance> {
        let mut tries = (0..TRIES).map(|_| self.proposed(case));
        tries.find(|it| it.scene().parts().iter().flatten().any(|part| part.case == *case))
    }

    /// One that may be of this case, and very often is.
    fn proposed(&mut self, case: &Case) -> Instance {
        match *case {
            Case::Stale { role, leader, sticky } => {
                let sent = self.two_logs();
                self.stale(sent, role, leader, sticky)
            }
            Case::Follows { role, ends, newer } => {
                let sent = self.two_logs();
                self.request(sent, role, newer, !ends)
            }
            Case::Refused(order) => {
                let sent = self.refused(order);
                self.of_any_role(sent)
            }
            Case::Taken(order) => {
                let sent = self.taken(order);
                self.of_any_role(sent)
            }
            Case::Reply { own, transfer, gone, order } => {
                let [_, last, commit, told, matched, sent, earlier, majority] = self.numbers(order);
                let mut row = Vec::new();
                self.extend(&mut row, earlier);
                row.resize(last as usize, row.last().copied().unwrap_or_default() + self.gap());
                let next = sent.max(told);
                let base = match (gone, own) {
                    (true, _) => self.between(next + 1, commit),
                    (false, true) => self.upto(commit),
                    (false, false) => self.upto(commit.min(next)),
                };
                let known = Known { matched, sent, own, transfer, majority: Some(majority) };
                let message = Message::AppendReply { matched: Index::new(told), round: Round::ZERO };
                self.leader(Held { row, base, commit }, &known, message)
            }
            Case::Refusal { gone, order } => {
                let [_, last, commit, missing, matched, sent, within, before_base] = self.numbers(order);
                let (row, hint) = self.hinted(last, within);
                let known = Known { matched, sent, own: false, transfer: self.transfer(), majority: None };
                let base = if gone { before_base + 1 } else { self.upto(commit.min(within.max(matched))) };
                self.leader(
                    Held { row, base, commit },
                    &known,
                    Message::AppendRefusal { missing: Index::new(missing), hint, round: Round::ZERO },
                )
            }
            Case::Vote { role, ends, leader, sticky, transfer, vote, .. } => {
                self.vote(role, ends, leader, sticky, transfer, vote)
            }
            Case::Snapshot { holds, order } => {
                let sent = self.snapshot(order, holds);
                self.of_any_role(sent).with_snapshot()
            }
        }
    }

    /// One of any case.
    pub(crate) fn instance(&mut self) -> Instance {
        match self.upto(5) {
            0 | 1 => {
                let sent = self.two_logs();
                let is_snapshot = sent.previous.index != Index::ZERO && self.coin();
                let instance = self.of_any_role(sent);
                if is_snapshot { instance.with_snapshot() } else { instance }
            }
            2 => {
                let (role, sticky) = (self.role_name(), self.coin());
                let (leader, sent) = (self.one(&[Who::Nobody, Who::Sender, Who::Other]), self.two_logs());
                self.stale(sent, role, leader, sticky)
            }
            3 => {
                let (held, known) = self.any_leader();
                let told = Index::new(self.upto(held.row.len() as u64));
                self.leader(held, &known, Message::AppendReply { matched: told, round: Round::ZERO })
            }
            4 => {
                let (held, known) = self.any_leader();
                let (last, terms) = (held.row.len() as u64, held.row.last().copied().unwrap_or_default());
                let hint = position(self.upto(terms), self.upto(last + 2));
                let missing = Index::new(self.upto(last + 2));
                self.leader(
                    held,
                    &Known { own: false, ..known },
                    Message::AppendRefusal { missing, hint, round: Round::ZERO },
                )
            }
            _ => {
                let (role, leader) = (self.role_name(), self.one(&[Who::Nobody, Who::Sender, Who::Other]));
                let vote = self.one(&[Who::Nobody, Who::Sender, Who::Other]);
                let [ends, sticky, transfer] = [self.coin(), self.coin(), self.coin()];
                self.vote(role, ends, leader, sticky, transfer, vote)
            }
        }
    }

    fn role_name(&mut self) -> RoleName {
        self.one(&[RoleName::Follower, RoleName::PreCandidate, RoleName::Candidate, RoleName::Leader])
    }

    fn transfer(&mut self) -> Transfer {
        let ready = self.coin();
        self.one(&[Transfer::Nobody, Transfer::ToSender, Transfer::ToOther { ready }])
    }

    fn any_leader(&mut self) -> (Held, Known) {
        let mut row = Vec::new();
        let len = self.between(1, 40);
        self.extend(&mut row, len);
        let matched = self.upto(len);
        let (own, transfer) = (self.upto(3) == 0, self.transfer());
        let (commit, sent) = (self.upto(len), self.between(matched, len));
        let base = self.base(commit);
        (Held { row, base, commit }, Known { matched, sent, own, transfer, majority: None })
    }
}

/// Requests.
impl Dice {
    /// Two logs that begin alike, and a part of the leader's. What is committed is in both.
    fn two_logs(&mut self) -> Sent {
        let longest = self.one(&[2, 5, 20]);
        let (mut row, mut leaders) = (Vec::new(), Vec::new());
        let both = self.upto(longest);
        self.extend(&mut row, both);
        leaders.extend_from_slice(&row);
        let (own, others) = (both + self.upto(longest), both + self.upto(longest));
        match self.upto(2) {
            0 => self.extend_later(&mut row, own),
            1 => self.extend(&mut row, own),
            _ => {}
        }
        self.extend_later(&mut leaders, others);
        let end = leaders.len() as u64;
        let previous = self.upto(end);
        let last = self.between(previous, end);
        let term = if previous == 0 { 0 } else { leaders[previous as usize - 1] };
        let agreed = row.iter().zip(&leaders).take_while(|(own, leaders)| own == leaders).count() as u64;
        let (commit, leader_commit) = (self.upto(agreed), self.upto(end));
        let base = self.base(commit);
        let terms = leaders[previous as usize..last as usize].to_vec();
        Sent { held: Held { row, base, commit }, previous: position(term, previous), terms, leader_commit }
    }

    /// The entry before those that are sent is not in the log, whose last that could be in both is known.
    fn refused(&mut self, order: Order) -> Sent {
        let [_, previous, last, within, ..] = self.numbers(order);
        let mut row = Vec::new();
        self.extend(&mut row, within);
        let least = row.last().copied().unwrap_or_default();
        let stops_at_term = within < last.min(previous);
        if stops_at_term {
            self.extend_later(&mut row, last)
        } else {
            self.extend(&mut row, last)
        }
        let term = match row.get(within as usize) {
            Some(next) if stops_at_term => self.between(least.max(1), next - 1),
            _ if within == previous => least + self.gap(),
            _ => least + if self.coin() && 0 < least { 0 } else { self.gap() },
        };
        let mut terms = vec![term];
        let count = self.upto(8);
        self.extend(&mut terms, 1 + count);
        let (commit, leader_commit) = (self.upto(last), self.upto(previous + count));
        // What is compacted is in both logs.
        let base = self.base(commit.min(within));
        let previous = position(term, previous);
        Sent { held: Held { row, base, commit }, previous, terms: terms.split_off(1), leader_commit }
    }

    /// Both logs hold the entry before those that are sent, and go on alike as far as the case tells.
    fn taken(&mut self, order: Order) -> Sent {
        let [_, previous, end, last, commit, leader_commit, agreed, _] = self.numbers(order);
        let mut row = Vec::new();
        self.extend(&mut row, agreed);
        let mut leaders = row.clone();
        if agreed < end && agreed < last {
            // Either may have the later term.
            let (earlier, later) = if self.coin() { (&mut row, &mut leaders) } else { (&mut leaders, &mut row) };
            let term = earlier.last().copied().unwrap_or_default();
            earlier.push(if self.coin() && 0 < term { term } else { term + self.gap() });
            later.push(earlier[agreed as usize] + self.gap());
        }
        self.extend(&mut row, last);
        self.extend(&mut leaders, end);
        let term = if previous == 0 { 0 } else { row[previous as usize - 1] };
        let terms = leaders.split_off(previous as usize);
        let base = self.base(commit);
        Sent { held: Held { row, base, commit }, previous: position(term, previous), terms, leader_commit }
    }

    /// A snapshot of what the log holds, or of what it does not; its last entry is told as the one before those
    /// that are sent.
    fn snapshot(&mut self, order: Order, holds: bool) -> Sent {
        let [_, end, last, commit, ..] = self.numbers(order);
        let mut row = Vec::new();
        self.extend(&mut row, last);
        let ours = row.get((end as usize).saturating_sub(1)).or(row.last()).copied().unwrap_or_default();
        let term = if holds { ours } else { ours + self.gap() };
        let base = self.base(commit);
        Sent { held: Held { row, base, commit }, previous: position(term, end), terms: Vec::new(), leader_commit: 0 }
    }

    fn of_any_role(&mut self, sent: Sent) -> Instance {
        let (role, newer, transfers) = (self.role_name(), self.coin(), self.coin());
        let role = led_by(role, &sent.held.row);
        // A term has one leader.
        self.request(sent, role, newer || role == RoleName::Leader, transfers)
    }

    /// A request of the server's term, or of a newer one.
    fn request(&mut self, sent: Sent, role: RoleName, newer: bool, transfers: bool) -> Instance {
        let group = self.group(2);
        let highest = sent.terms.last().copied().unwrap_or(sent.previous.term.number());
        let own = sent.held.row.last().copied().unwrap_or_default();
        let term = match role {
            RoleName::Leader => own,
            _ if newer => own + self.gap(),
            _ => own.max(highest) + self.gap(),
        };
        let of = if newer { (term + self.gap()).max(highest) } else { term };
        let leader = self.one(&[None, Some(group.sender), group.other]);
        let sticky = self.coin();
        let role = self.role(role, &group, &sent.held.row, leader, sticky, transfers);
        self.sent(sent, &group, term, of, role)
    }

    /// A request of an older term.
    fn stale(&mut self, sent: Sent, role: RoleName, leader: Who, sticky: bool) -> Instance {
        let group = self.group(2);
        let role = led_by(role, &sent.held.row);
        let own = sent.held.row.last().copied().unwrap_or_default();
        let of = sent.terms.last().copied().unwrap_or(sent.previous.term.number()) + self.upto(1);
        let term = if role == RoleName::Leader { own } else { own.max(of) + self.gap() };
        let transfers = self.coin();
        let leader = group.id(leader);
        let role = self.role(role, &group, &sent.held.row, leader, sticky, transfers);
        self.sent(sent, &group, term, of, role)
    }

    fn sent(&mut self, sent: Sent, group: &Group, term: u64, of: u64, role: Role) -> Instance {
        let Sent { held, previous, terms, leader_commit } = sent;
        let payload = Payload::Command(Tag(ServerId::new(self.0.random())));
        let entry = |(term, index)| Entry { position: position(term, index), payload };
        let entries = terms.into_iter().zip(previous.index.number() + 1..).map(entry).collect();
        let entries = Slice::new(previous, entries).expect("terms never fall along a log");
        let message = Message::AppendRequest { entries, commit: Index::new(leader_commit), round: Round::ZERO };
        let vote = self.one(&[None, Some(group.itself), Some(group.sender)]);
        group.instance(&held, term, vote, role, (of, message))
    }

    fn role(
        &mut self,
        role: RoleName,
        group: &Group,
        row: &[u64],
        leader: Option<ServerId>,
        sticky: bool,
        transfers: bool,
    ) -> Role {
        let mut some: Vec<ServerId> = group.members.ids().collect();
        some.retain(|_| self.coin());
        let votes: ServerSet = some.into_iter().collect();
        match role {
            RoleName::Follower => Role::Follower { leader, sticky },
            RoleName::PreCandidate => Role::PreCandidate { votes },
            RoleName::Candidate => Role::Candidate { votes, transfer: transfers },
            RoleName::Leader => {
                let next = Index::new(row.len() as u64 + 1);
                let mut known = |id| {
                    (id, Progress { matched: Index::new(self.upto(row.len() as u64)), next, answered: Round::ZERO })
                };
                let progress = group.members.ids().map(&mut known).collect();
                Role::Leader {
                    progress,
                    heard: votes,
                    transfer: transfers.then_some(group.sender),
                    confirmed: Round::ZERO,
                    round: Round::ZERO,
                }
            }
        }
    }
}

/// Answers and votes.
impl Dice {
    /// A log of this length, and a place whose last entry within it is this one.
    fn hinted(&mut self, last: u64, within: u64) -> (Vec<u64>, Position) {
        let mut row = Vec::new();
        self.extend(&mut row, within);
        let term = row.last().copied().unwrap_or_default();
        if within < last && self.coin() {
            self.extend_later(&mut row, last);
            let hint = position(self.between(term.max(1), row[within as usize] - 1), within + self.between(1, 9));
            return (row, hint);
        }
        self.extend(&mut row, last);
        let beyond = if within == last { self.upto(3) } else { 0 };
        (row, position(term + if self.coin() { 0 } else { self.gap() }, within + beyond))
    }

    /// A leader with this log, whom someone answers.
    fn leader(&mut self, held: Held, known: &Known, message: Message<Slice<Tag>>) -> Instance {
        let least = match known.transfer {
            _ if known.own && known.transfer == Transfer::Nobody => 1,
            Transfer::ToOther { .. } => 3,
            _ => 2,
        };
        let mut group = self.group(least);
        let target = match known.transfer {
            Transfer::Nobody => None,
            Transfer::ToSender => Some(group.sender),
            Transfer::ToOther { .. } => group.other,
        };
        if known.own {
            group.sender = group.itself;
        }
        let last = held.row.len() as u64;
        let mut progress: ServerMap<Progress> = ServerMap::default();
        for id in group.members.ids() {
            let matched = if id == group.sender {
                known.matched
            } else if Some(id) == target && known.transfer == (Transfer::ToOther { ready: true }) {
                last
            } else {
                self.held(last, known.majority)
            };
            let sent = if id == group.sender && !known.own { known.sent } else { self.between(matched, last) };
            progress.insert(
                id,
                Progress { matched: Index::new(matched), next: Index::new(sent + 1), answered: Round::ZERO },
            );
        }
        let some = group.members.ids().filter(|_| self.coin());
        let heard: ServerSet = some.collect::<Vec<_>>().into_iter().chain([group.itself]).collect();
        let term = held.row.last().copied().unwrap_or_default();
        let role = Role::Leader { progress, heard, transfer: target, confirmed: Round::ZERO, round: Round::ZERO };
        group.instance(&held, term, Some(group.itself), role, (term, message))
    }

    /// What another server holds, often so that a majority holds what it is to hold.
    fn held(&mut self, last: u64, majority: Option<u64>) -> u64 {
        match majority {
            Some(majority) => match self.upto(2) {
                0 => majority,
                1 => self.upto(majority),
                _ => self.between(majority, last),
            },
            None => self.upto(last),
        }
    }

    /// Someone asks for a vote, in any order of terms and logs.
    fn vote(&mut self, role: RoleName, ends: bool, leader: Who, sticky: bool, transfer: bool, vote: Who) -> Instance {
        let group = self.group(2);
        let mut row = Vec::new();
        let len = self.between(u64::from(role == RoleName::Leader), 20);
        self.extend(&mut row, len);
        let own = row.last().copied().unwrap_or_default();
        let term = match role {
            RoleName::Leader => own,
            RoleName::Candidate => own + self.gap(),
            _ => own + self.one(&[0, 1]) * self.gap(),
        };
        let less = term.saturating_sub(1);
        let (least, most) = (term + 1, term + self.gap());
        let of = [term, self.upto(less), self.between(least, most)];
        let of = self.one(&of).max(1);
        // Nobody asks in the term of its last entry or in an earlier one.
        let below = of - 1;
        let theirs = [own, self.upto(own), self.upto(below)];
        let theirs = self.one(&theirs).min(below);
        let index = [len, self.upto(len), self.between(len, 40)];
        let last = if theirs == 0 { position(0, 0) } else { position(theirs, self.one(&index).max(1)) };
        let commit = if self.coin() { len } else { self.upto(len) };
        let leader = group.id(leader);
        let transfers = !ends;
        let given = match (role, vote) {
            (RoleName::Candidate | RoleName::Leader, _) => Some(group.itself),
            (_, Who::Other) => self.one(&[Some(group.itself), group.other]),
            (_, vote) => group.id(vote),
        };
        let role = self.role(role, &group, &row, leader, sticky, transfers);
        let base = self.base(commit);
        let held = Held { row, base, commit };
        group.instance(&held, term, given, role, (of, Message::VoteRequest { last, transfer }))
    }
}

/// Numbers.
impl Dice {
    fn upto(&mut self, most: u64) -> u64 {
        self.0.random_range(0..=most)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most.max(least))
    }

    /// How much is compacted of what is committed: as often nothing as something.
    fn base(&mut self, most: u64) -> u64 {
        if self.coin() { 0 } else { self.upto(most) }
    }

    fn coin(&mut self) -> bool {
        self.0.random()
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.upto(all.len() as u64 - 1) as usize]
    }

    /// How far apart two terms are: as often near as far.
    fn gap(&mut self) -> u64 {
        let power = self.0.random_range(0..=WIDEST);
        self.between(1, 1 << power)
    }

    /// Numbers in this order; those between two of them are sometimes none and sometimes many.
    fn numbers(&mut self, order: Order) -> [u64; MOST] {
        let Order(ranks) = order;
        let mut numbers = [0; MOST];
        let (mut before, mut number) = (0, 0);
        for rank in 1..MOST as u8 {
            if ranks.contains(&rank) {
                number += if self.coin() { 1 } else { self.between(1, 6) };
                before = rank;
            }
            let at_rank = numbers.iter_mut().zip(ranks).filter(|(_, it)| *it == rank && rank == before);
            at_rank.for_each(|(it, _)| *it = number);
        }
        numbers
    }

    /// Makes a row of terms as long as this; they rise at random places.
    fn extend(&mut self, row: &mut Vec<u64>, len: u64) {
        let seldom = self.upto(5);
        while (row.len() as u64) < len {
            let before = row.last().copied().unwrap_or_default();
            let rises = before == 0 || self.upto(seldom) == 0;
            row.push(if rises { before + self.gap() } else { before });
        }
    }

    /// Makes it as long as this; the next entry's term is later by two at least, if there is one.
    fn extend_later(&mut self, row: &mut Vec<u64>, len: u64) {
        if (row.len() as u64) < len {
            row.push(row.last().copied().unwrap_or_default() + 1 + self.gap());
        }
        self.extend(row, len);
    }

    fn group(&mut self, least: u64) -> Group {
        let count = self.between(least, MOST_SERVERS as u64) as u32;
        // Ids without a gap are found at once, others by looking at each.
        let first = self.0.random_range(0..=u32::MAX - count);
        let mut ids: Vec<ServerId> = (first..first + count).map(ServerId::new).collect();
        if self.coin() {
            ids = (0..count).map(|_| ServerId::new(self.0.random())).collect();
            ids.sort_unstable();
            ids.dedup();
            if (ids.len() as u64) < least {
                return self.group(least);
            }
        }
        for at in (1..ids.len()).rev() {
            let other = self.upto(at as u64) as usize;
            ids.swap(at, other);
        }
        let members = Members::new(ids.iter().copied()).expect("one to nine servers");
        Group { members, itself: ids[0], sender: ids.get(1).copied().unwrap_or(ids[0]), other: ids.get(2).copied() }
    }
}

impl Group {
    fn id(&self, who: Who) -> Option<ServerId> {
        match who {
            Who::Nobody => None,
            Who::Itself => Some(self.itself),
            Who::Sender => Some(self.sender),
            Who::Other => self.other,
        }
    }

    fn instance(
        &self,
        held: &Held,
        term: u64,
        vote: Option<ServerId>,
        role: Role,
        (of, message): (u64, Message<Slice<Tag>>),
    ) -> Instance {
        let Held { row, base, commit } = held;
        let row = row.clone();
        let mut log = Log::starting_at(Position::default());
        row.iter().zip(1..).for_each(|(term, index)| log.push(position(*term, index)));
        let mut durable = Durable::assume(Term::new(term), vote, log);
        if 0 < *base {
            durable.apply(&Record::<Tag>::Compact { through: Index::new(*base) });
        }
        let node = Node::assume(self.itself, self.members, durable, Index::new(*commit), role);
        let letter = Envelope { from: self.sender, to: self.itself, term: Term::new(of), message };
        Instance { node, row, letter }
    }
}

/// Who leads has an entry of its term.
fn led_by(role: RoleName, row: &[u64]) -> RoleName {
    if row.is_empty() && role == RoleName::Leader { RoleName::Follower } else { role }
}

fn position(term: u64, index: u64) -> Position {
    Position { term: Term::new(term), index: Index::new(index) }
}
