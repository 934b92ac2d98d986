//! One state of the quotient: what is left of servers and network once everything is taken away
//! that makes no difference to what may happen.

use rafttree_model::{Faulty, Index};
use tinyvec::ArrayVec;

use crate::quotient::server::{Cells, MOST_SEATS, Part, Seat, term_of, with_term};
use crate::quotient::sets::{Indices, Mask, index_of};
use crate::world::Place;

/// A leadership that is over and may still be heard: its term, its leader, and all that it said.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Past {
    pub(crate) term: u8,
    pub(crate) leader: u8,
    pub(crate) commit: u8,
    pub(crate) cells: Cells,
}

/// A candidacy whose requests may arrive: that of a candidate, or one that a crash cut off before it was on the
/// disk, so that the server may campaign in that term again.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Asked {
    pub(crate) term: u8,
    pub(crate) candidate: u8,
    pub(crate) last: Place,
    /// Whether it was a leader that asked for it; where there are leases.
    pub(crate) transfer: bool,
}

/// A state of the whole system.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct State {
    pub(crate) servers: u8,
    /// Whether what leases depend on is told apart.
    pub(crate) leases: bool,
    /// Term of the entry before the first one; every server knows it to be committed.
    pub(crate) base: u8,
    pub(crate) seats: [Seat; MOST_SEATS],
    /// Of a candidate, whose votes it may count; of a follower, whose votes of the next term: it has asked for
    /// them, and a crash has cut it off. Of a leader, what was acknowledged to it.
    pub(crate) heard: [u32; MOST_SEATS],
    /// Of a leader that does not know all that was ever committed: who may have answered a round that began
    /// when that was so already. Where there are leases: who may hold its first entry.
    pub(crate) answered: [Mask; MOST_SEATS],
    pub(crate) past: ArrayVec<[Past; 10]>,
    pub(crate) asked: ArrayVec<[Asked; 32]>,
    /// The leader of the round from which a lease is counted, or 0: on whom it counts is in the seats.
    pub(crate) holder: u8,
    /// What was ever committed behind the base, and the term in which that was first known.
    pub(crate) committed: Cells,
    pub(crate) known_in: [u8; 4],
}

/// A state that is further out than the bounds allow.
#[derive(Debug)]
pub(crate) struct Beyond;

/// How far apart the servers of a state may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Reach {
    /// The highest term less the lowest.
    pub(crate) spread: u8,
    /// Entries of a log behind the base.
    pub(crate) window: u8,
    /// Whether terms and indices are counted from the beginning: then the spread is the highest
    /// term and the window the longest log that there may be.
    pub(crate) absolute: bool,
    /// Whether disks are damaged: then the last entry that every server knows to be committed is kept, and
    /// stands for all before it, of which any may be damaged.
    pub(crate) damages: bool,
}

impl State {
    /// Every server starts for the first time.
    pub(crate) fn start(servers: u8) -> State {
        let mut state = State { servers, ..State::default() };
        state.seats[..servers as usize].fill(Seat::default().with_term(1));
        state
    }

    /// One server by itself, of which nobody has heard.
    pub(crate) fn alone(seat: Seat, base: u8) -> State {
        let mut state = State { servers: 1, base, ..State::default() };
        state.seats[0] = seat;
        state
    }

    /// What is left where logs do not count.
    pub(crate) fn without_logs(mut self) -> State {
        let none = Cells::default();
        for seat in &mut self.seats {
            *seat = seat.with_cells(none).with_commit(0).with_synced(0).with_fault(0);
        }
        self.past.iter_mut().for_each(|past| *past = Past { cells: none, commit: 0, ..*past });
        self.asked.iter_mut().for_each(|asked| asked.last = Place::START);
        let leaders = self.seats.iter().zip(&mut self.heard).filter(|(seat, _)| seat.is(Part::Leader));
        leaders.for_each(|(_, heard)| *heard = 0);
        State { committed: none, known_in: [0; 4], ..self }
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u8> + use<> {
        1..=self.servers
    }

    pub(crate) fn seat(&self, id: u8) -> Seat {
        self.seats[id as usize - 1]
    }

    pub(crate) fn heard(&self, id: u8) -> u32 {
        self.heard[id as usize - 1]
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = (u8, Seat)> + '_ {
        (1..).zip(self.seats[..self.servers as usize].iter().copied())
    }

    pub(crate) fn lowest_term(&self) -> u8 {
        self.seats().map(|(_, seat)| seat.term()).min().unwrap_or_default()
    }

    /// Everything a leader of some term said or may say: those who lead, and those who did.
    pub(crate) fn leaderships(&self) -> impl Iterator<Item = Past> + '_ {
        let leading = self.seats().filter(|(_, seat)| seat.is(Part::Leader));
        let leading = leading.map(|(id, seat)| leadership(id, seat));
        leading.chain(self.past.iter().copied())
    }

    /// Every candidacy whose requests may arrive.
    pub(crate) fn candidacies(&self) -> impl Iterator<Item = Asked> + '_ {
        let asking = self.seats().filter(|(_, seat)| seat.is(Part::Candidate));
        asking.map(|(id, seat)| candidacy(id, seat, self.base)).chain(self.asked.iter().copied())
    }

    /// What each follower asks for that may campaign: it may do so at any time, and be cut off by a crash.
    pub(crate) fn cut_off(&self) -> impl Iterator<Item = Asked> + '_ {
        self.seats().filter_map(|(id, seat)| self.asks_and_crashes(id, seat))
    }

    fn asks_and_crashes(&self, id: u8, seat: Seat) -> Option<Asked> {
        let may = seat.is(Part::Follower) && !seat.is_counted() && seat.faulty().is_none();
        let is_as_after_a_crash = || seat.commit() <= seat.base() || self.who_tells(id, seat).is_some();
        let term = seat.term() + 1;
        let asked = || Asked { term, candidate: id, last: seat.cells().last(self.base), transfer: false };
        (may && self.is_majority_with(id, self.have_been_there(id, seat)) && is_as_after_a_crash()).then(asked)
    }

    /// The others that have reached this server's term.
    pub(crate) fn have_been_there(&self, id: u8, seat: Seat) -> Mask {
        let others = self.seats().filter(|(other, _)| *other != id);
        let there = others.filter(|(_, other)| seat.term() <= other.term());
        there.map(|(other, _)| 1 << (other - 1)).sum()
    }

    /// Whether a request of this candidate, in this term, is one that a crash has cut off.
    pub(crate) fn is_cut_off(&self, candidate: u8, term: u8) -> bool {
        self.seat(candidate).still(Part::Follower, term - 1)
    }

    /// A leader that may tell a follower again what it knows to be committed.
    pub(crate) fn who_tells(&self, id: u8, seat: Seat) -> Option<Past> {
        let tells = |past: &Past| (past.leader != id, past.term) == (true, seat.term()) && seat.commit() <= past.commit;
        let agrees = |past: &Past| seat.commit() <= past.cells.common(seat.cells());
        self.leaderships().find(|past| tells(past) && agrees(past))
    }

    /// Whether other requests of the same candidacy say as much, one with a newer log and one with an older: who
    /// votes for one log votes for a newer one, and who refuses one refuses an older one.
    pub(crate) fn says_no_more(&self, asked: &Asked) -> bool {
        let seat = self.seat(asked.candidate);
        let asks = seat.still(Part::Candidate, asked.term);
        let candidacy = || candidacy(asked.candidate, seat, self.base);
        let now = if asks { Some(candidacy()) } else { self.asks_and_crashes(asked.candidate, seat) };
        let same = |other: &Asked| Asked { last: asked.last, ..*other } == *asked;
        let others = || now.into_iter().chain(self.asked.iter().copied()).filter(same).map(|other| other.last);
        now == Some(*asked) || others().any(|last| last < asked.last) && others().any(|last| asked.last < last)
    }

    /// Whether this server may yet win an election in this term: it campaigns there, or may do so.
    fn may_win(&self, id: u8, term: u8) -> bool {
        let seat = self.seat(id);
        seat.term() < term || seat.still(Part::Candidate, term)
    }

    /// How far a server's disk is known to hold the leader's log: what it acknowledged, or would if
    /// it were asked again.
    pub(crate) fn holds(&self, leader: u8, follower: u8) -> u8 {
        let (leads, follows) = (self.seat(leader), self.seat(follower));
        let acknowledged = index_of(self.heard(leader), follower);
        if !follows.still(Part::Follower, leads.term()) {
            return acknowledged;
        }
        let legible = follows.faulty().legible(Index::new(follows.synced().into())).number() as u8;
        acknowledged.max(follows.cells().first(legible).common(leads.cells()))
    }

    /// The state that stands for this one among all from which the same may happen, but for the
    /// servers' names.
    pub(crate) fn settled(mut self, reach: Reach) -> Result<State, Beyond> {
        self.forget();
        if self.holder == 0 {
            self.seats[..self.servers as usize].iter_mut().for_each(|seat| *seat = seat.uncounted());
        }
        self.hear_again();
        self.answer_again();
        self.begin_to_serve();
        let lowest = if reach.absolute { 1 } else { self.lowest_term() };
        if reach.absolute {
            // A term beyond the bounds is heard of by nobody.
            self.asked.retain(|asked| asked.term - lowest <= reach.spread);
        } else {
            self.shift(reach.damages);
        }
        let spread = self.seats().map(|(_, seat)| seat.term() - lowest).max().unwrap_or_default();
        let longest = self.seats().map(|(_, seat)| seat.len()).chain(self.past.iter().map(|past| past.cells.len)).max();
        if reach.spread < spread || reach.window < longest.unwrap_or_default() {
            return Err(Beyond);
        }
        self.rank_terms(lowest);
        self.past.sort_unstable();
        self.asked.sort_unstable();
        Ok(self)
    }

    /// What nobody can react to any more: terms, and votes within a term, only move on.
    fn forget(&mut self) {
        let state = *self;
        let lowest = state.lowest_term();
        let others = |id: u8| state.seats().filter(move |(other, _)| *other != id).map(|(_, seat)| seat);
        self.past.retain(|past| others(past.leader).any(|seat| seat.term() <= past.term));
        // A term is open while somebody may yet win it.
        let open = |term: u8| state.seats().any(|(_, seat)| seat.term() < term || seat.still(Part::Candidate, term));
        self.asked.retain(|asked| {
            let undecided = |seat: Seat| seat.term() < asked.term || seat.term() == asked.term && seat.vote() == 0;
            let may_matter = || others(asked.candidate).any(undecided) && !state.says_no_more(asked);
            state.may_win(asked.candidate, asked.term) && may_matter()
        });
        let followers =
            (1..).zip(&mut self.seats[..state.servers as usize]).filter(|(_, seat)| seat.is(Part::Follower));
        for (id, seat) in followers {
            if !open(seat.term()) {
                *seat = seat.with_vote(0);
            } else if seat.vote() != 0 && !state.may_win(seat.vote(), seat.term()) {
                // Nobody counts it, and it is not given again.
                *seat = seat.with_vote(id);
            }
        }
        for term in &mut self.known_in {
            if *term < lowest {
                *term = 0;
            }
        }
    }

    /// What may have been lost and can be had again at any time counts as said: a vote, as long as
    /// the voter is in that term (and, where a lease counts on it, does not stick to somebody else); an acknowledgement, as long as the follower is. What a leader has
    /// committed need not be acknowledged any more.
    fn hear_again(&mut self) {
        let state = *self;
        for (id, seat) in state.seats() {
            let others = || state.ids().filter(move |&other| other != id);
            self.heard[id as usize - 1] = match seat.part() {
                part @ (Part::Follower | Part::Candidate) => {
                    let term = seat.term() + u8::from(part == Part::Follower);
                    let votes = |other: &u8| state.seat(*other).answers_again(id, term);
                    others().filter(votes).fold(state.heard(id), |all, other| all | 1 << (other - 1))
                }
                Part::Leader => {
                    let news = |index: u8| if seat.commit() < index { Indices::from(index) } else { 0 };
                    others().map(|other| news(state.holds(id, other)) << (3 * (other - 1))).sum()
                }
            };
        }
    }

    /// Dissertation 6.4: a leader may begin a round at any time, and whoever follows it then, or begins to,
    /// may answer at once. As long as the leader does not know all that was committed, a round that began
    /// earlier was answered by as many or more, and may be read for less. So the earliest stands for all; but
    /// not for those that begin once the leader has committed an entry of its term, as it is read for nothing
    /// if it began before.
    fn answer_again(&mut self) {
        let state = *self;
        for (id, seat) in state.seats().filter(|_| !state.leases) {
            let answered = &mut self.answered[id as usize - 1];
            if !seat.is(Part::Leader) || state.committed.len <= seat.commit() {
                *answered = 0;
                continue;
            }
            let follows = |other: &u8| state.seat(*other).still(Part::Follower, seat.term());
            *answered |= state.ids().filter(follows).fold(0, |all, other| all | 1 << (other - 1));
        }
    }

    /// Section 8: a service is told that its server leads once a majority holds an entry of the term. Whoever
    /// follows it may do so at once; where a majority may, it makes no difference who more does.
    fn begin_to_serve(&mut self) {
        let state = *self;
        for (id, seat) in state.seats().filter(|(_, seat)| state.leases && seat.is(Part::Leader)) {
            let others = state.seats().filter(|(other, _)| *other != id);
            let follow = others.filter(|(_, other)| other.still(Part::Follower, seat.term()));
            let hold = follow.fold(state.answered[id as usize - 1], |all, (other, _)| all | 1 << (other - 1));
            let serves = state.is_majority_with(id, hold);
            self.answered[id as usize - 1] = if serves { without((1 << state.servers) - 1, id) } else { hold };
        }
    }

    /// Whether a server knows an entry of its own term to be committed.
    pub(crate) fn has_committed_in_term(&self, seat: Seat) -> bool {
        seat.cells().term_at(self.base, seat.commit()) == seat.term()
    }

    /// Whether a server and these others are a majority.
    pub(crate) fn is_majority_with(&self, id: u8, others: Mask) -> bool {
        u32::from(self.servers) < 2 * (others | 1 << (id - 1)).count_ones()
    }

    /// Drops the prefix that every server knows to be committed, as compaction does.
    fn shift(&mut self, keeps_one: bool) {
        let known = self.seats().map(|(_, seat)| seat.commit().min(seat.synced())).min().unwrap_or_default();
        let everyone = self.seats().map(|(_, seat)| seat.cells()).chain(self.past.iter().map(|past| past.cells));
        // Where a log says otherwise something is broken, and nothing is dropped.
        let agreed = everyone.map(|cells| cells.common(self.committed)).min().unwrap_or_default();
        let count = known.min(agreed).saturating_sub(keeps_one.into());
        if count == 0 {
            return;
        }
        self.base = self.committed.term_at(self.base, count);
        for (seat, heard) in self.seats[..self.servers as usize].iter_mut().zip(&mut self.heard) {
            let shorter = seat.with_cells(seat.cells().without_first(count));
            *seat = shorter.with_commit(seat.commit() - count).with_synced(seat.synced() - count);
            *seat = seat.with_base(seat.base().saturating_sub(count));
            *seat = seat.with_faulty(earlier(seat.faulty(), count));
            if seat.is(Part::Leader) {
                *heard =
                    (0..self.servers).map(|at| (*heard >> (3 * at) & 7).saturating_sub(count.into()) << (3 * at)).sum();
            }
        }
        for past in &mut self.past {
            past.cells = past.cells.without_first(count);
            past.commit = past.commit.saturating_sub(count);
        }
        for asked in &mut self.asked {
            // What ended before the base is older than any log.
            let index = asked.last.index.checked_sub(count);
            asked.last = index.map_or(Place::START, |index| Place { index, ..asked.last });
        }
        self.committed = self.committed.without_first(count);
        self.known_in.rotate_left(count.into());
        self.known_in[4 - usize::from(count)..].fill(0);
    }

    /// Log terms below every server's matter by their order alone, the others by their distance.
    fn rank_terms(&mut self, lowest: u8) {
        let logs = self.seats().map(|(_, seat)| seat.cells()).chain(self.past.iter().map(|past| past.cells));
        let in_logs = logs.chain([self.committed]).flat_map(Cells::iter).map(term_of);
        let terms = in_logs.chain([self.base]).chain(self.asked.iter().map(|asked| asked.last.term));
        let old = terms.filter(|&term| term < lowest).fold(0u32, |mask, term| mask | 1 << term) & !1;
        let start = old.count_ones() as u8 + 1;
        if start == lowest && old == (1 << start) - 2 {
            return;
        }
        let rank = |term: u8| match term {
            0 => 0,
            _ if term < lowest => (old & ((1 << term) - 1)).count_ones() as u8 + 1,
            _ => term - lowest + start,
        };
        self.rename_terms(rank);
    }

    fn rename_terms(&mut self, rank: impl Fn(u8) -> u8) {
        let ranked = |cells: Cells| cells.map(|cell| with_term(cell, rank(term_of(cell))));
        self.base = rank(self.base);
        for seat in self.seats[..self.servers as usize].iter_mut() {
            *seat = seat.with_cells(ranked(seat.cells())).with_term(rank(seat.term()));
        }
        for past in &mut self.past {
            *past = Past { term: rank(past.term), cells: ranked(past.cells), ..*past };
        }
        for asked in &mut self.asked {
            *asked =
                Asked { term: rank(asked.term), last: Place { term: rank(asked.last.term), ..asked.last }, ..*asked };
        }
        self.committed = ranked(self.committed);
        self.known_in = self.known_in.map(rank);
    }

    /// The same with other terms.
    pub(crate) fn with_terms(&self, rank: impl Fn(u8) -> u8) -> State {
        let mut state = *self;
        state.rename_terms(rank);
        state
    }

    /// All terms that it names, one bit each.
    pub(crate) fn terms(&self) -> u32 {
        let of_seats = self.seats().map(|(_, seat)| seat.term());
        let terms = of_seats.chain(self.past.iter().map(|past| past.term)).chain([self.base]);
        let terms = terms.chain(self.asked.iter().flat_map(|asked| [asked.term, asked.last.term]));
        let logs = self.seats().map(|(_, seat)| seat.cells()).chain(self.past.iter().map(|past| past.cells));
        let in_logs = logs.chain([self.committed]).flat_map(Cells::iter).map(term_of);
        terms.chain(in_logs).fold(0, |mask, term| mask | 1 << term)
    }

    /// The state under other names: `names[i]` is what server `i + 1` is called.
    pub(crate) fn renamed(&self, names: &[u8]) -> State {
        let name = |id: u8| if id == 0 { 0 } else { names[id as usize - 1] };
        let mut state = *self;
        for (id, seat) in self.seats() {
            let at = name(id) as usize - 1;
            state.seats[at] = seat.with_vote(name(seat.vote())).with_leader(name(seat.leader()));
            state.answered[at] = 0;
            state.heard[at] = match seat.part() {
                Part::Follower | Part::Candidate => {
                    self.ids().map(|other| (self.heard(id) >> (other - 1) & 1) << (name(other) - 1)).sum()
                }
                Part::Leader => {
                    state.answered[at] = self
                        .ids()
                        .map(|other| (self.answered[id as usize - 1] >> (other - 1) & 1) << (name(other) - 1))
                        .sum();
                    let moved = |other| u32::from(index_of(self.heard(id), other)) << (3 * (name(other) - 1));
                    self.ids().map(moved).sum()
                }
            };
        }
        state.holder = name(self.holder);
        state.past.iter_mut().for_each(|past| past.leader = name(past.leader));
        state.asked.iter_mut().for_each(|asked| asked.candidate = name(asked.candidate));
        state.past.sort_unstable();
        state.asked.sort_unstable();
        state
    }

    /// A leader that is none any more leaves its words behind, and who asks for votes what it has asked with.
    pub(crate) fn leave_behind(&mut self, id: u8, new: Seat) {
        let old = self.seat(id);
        if old.is(Part::Leader) && !new.still(Part::Leader, old.term()) {
            self.past.push(leadership(id, old));
        }
        // It may have been cut off before whatever keeps it from campaigning so now.
        if let Some(asked) =
            self.asks_and_crashes(id, old).filter(|asked| self.asks_and_crashes(id, new) != Some(*asked))
        {
            self.ask(asked);
        }
    }

    /// Requests for votes of a candidacy that is not that of a seat may arrive.
    pub(crate) fn ask(&mut self, asked: Asked) {
        if !self.asked.contains(&asked) {
            self.asked.push(asked);
        }
    }

    /// A vote arrives that may be counted, now or once the candidate campaigns in that term again; one for a
    /// candidacy that is over counts no more.
    pub(crate) fn grant(&mut self, candidate: u8, term: u8, voter: u8) {
        let seat = self.seat(candidate);
        if seat.still(Part::Candidate, term) || seat.still(Part::Follower, term - 1) {
            self.heard[candidate as usize - 1] |= 1 << (voter - 1);
        }
    }

    /// An acknowledgement arrives.
    pub(crate) fn acknowledge(&mut self, leader: u8, term: u8, follower: u8, index: u8) {
        let before = index_of(self.heard(leader), follower);
        if self.seat(leader).still(Part::Leader, term) && before < index {
            let shift = 3 * (follower - 1);
            let heard = &mut self.heard[leader as usize - 1];
            *heard = *heard & !(7 << shift) | Indices::from(index) << shift;
        }
    }
}

/// The same where logs begin so many entries later.
fn earlier(faulty: Faulty, count: u8) -> Faulty {
    let (Some(first), Some(last)) = (faulty.first(), faulty.last()) else { return Faulty::NONE };
    let [first, last] = [first, last].map(|index| index.number().checked_sub(count.into()));
    // Where what is faulty counts as committed something is broken.
    match (first, last) {
        (Some(first), Some(last)) if 0 < last => Faulty::between(Index::new(first.max(1)), Index::new(last)),
        _ => Faulty::NONE,
    }
}

fn leadership(id: u8, seat: Seat) -> Past {
    Past { term: seat.term(), leader: id, commit: seat.commit(), cells: seat.cells() }
}

fn candidacy(id: u8, seat: Seat, base: u8) -> Asked {
    Asked { term: seat.term(), candidate: id, last: seat.cells().last(base), transfer: seat.transfer() != 0 }
}

/// The servers of a mask but one.
pub(crate) fn without(mask: u32, id: u8) -> Mask {
    mask as Mask & !(1 << (id - 1))
}
