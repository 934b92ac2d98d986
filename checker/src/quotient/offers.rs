//! What may happen in a state.

use crate::quotient::inputs::Stimulus;
use crate::quotient::server::{Part, Seat};
use crate::quotient::sets::{Indices, Mask, index_of};
use crate::quotient::settings::Quotient;
use crate::quotient::state::{Asked, Past, State, without};
use crate::world::Place;

impl Quotient {
    /// The axiom of the clock: a server on which a lease counts was told of a round that had begun with the
    /// lease or later, or has restarted since. So its timeouts, all of the same length or longer, end later
    /// than the lease does. A lease may end at any moment: then nothing is different from where none began.
    fn offer_timers(&self, state: &State, id: u8, seat: Seat, offer: &mut impl FnMut(u8, Stimulus)) {
        let others = state.have_been_there(id, seat);
        if seat.is_counted() && self.ground.lease_mutant.is_none() {
            return offer(id, Stimulus::HeartbeatTimeout);
        }
        offer(id, Stimulus::Campaign { grants: 0 });
        offer(id, Stimulus::Campaign { grants: others });
        offer(id, Stimulus::HeartbeatTimeout);
        offer(id, Stimulus::MinimumTimeout { heard: 0 });
        if seat.is(Part::Leader) {
            offer(id, Stimulus::MinimumTimeout { heard: others });
        }
    }

    fn offer_request(&self, state: &State, asked: Asked, offer: &mut impl FnMut(u8, Stimulus)) {
        let Asked { term, candidate: from, last, transfer } = asked;
        // Where logs do not count a candidate's is as new as anybody's.
        let last = if self.leases && self.forgets_logs { Place::new(term - 1, 0) } else { last };
        for (id, seat) in state.seats().filter(|(id, seat)| *id != from && seat.term() <= term) {
            offer(id, Stimulus::VoteRequest { term, from, last, sticks_to: 0, transfer });
            for leader in leaders_heard(state, id, seat).filter(|&leader| leader != from) {
                offer(id, Stimulus::VoteRequest { term, from, last, sticks_to: leader, transfer: false });
            }
        }
    }

    /// Everything that may happen in a state; transfers as well, whether the leader decides on them or not.
    pub(crate) fn offer_all(&self, state: &State, offers: &mut Vec<(u8, Stimulus)>) {
        offers.clear();
        self.offer(state, offers);
        for (leader, to) in state.transfers() {
            offers.push((leader, Stimulus::Transfer { to, matched: state.holds(leader, to) }));
            offers.push((to, Stimulus::TimeoutNow { from: leader }));
        }
    }

    /// Everything that may happen to a server.
    pub(super) fn offer(&self, state: &State, offers: &mut Vec<(u8, Stimulus)>) {
        let mut offer = |id, stimulus| offers.push((id, stimulus));
        for (id, seat) in state.seats() {
            self.offer_timers(state, id, seat, &mut offer);
            let unsynced = seat.len() - seat.synced().min(seat.len());
            (0..=unsynced).for_each(|keep| offer(id, Stimulus::Crash { keep }));
            if self.damages && state.seats().all(|(_, seat)| seat.faulty().is_none()) {
                let parts = (seat.base() + 1..=seat.synced())
                    .flat_map(|first| (first..=seat.synced()).map(move |last| (first, last)));
                parts.for_each(|(first, last)| offer(id, Stimulus::Damage { first, last }));
            }
            if self.snapshots {
                // What is not committed is no snapshot's; that a server sees to it is tried as well.
                (seat.base() + 1..=seat.len()).for_each(|through| offer(id, Stimulus::Snapshot { through }));
            }
            match seat.part() {
                Part::Follower => {}
                Part::Candidate => offer(id, Stimulus::Count { votes: without(state.heard(id), id) }),
                Part::Leader => self.offer_leader(state, id, seat, &mut offer),
            }
        }
        offer_terms(state, &mut offer);
        for asked in state.candidacies().chain(state.cut_off()) {
            self.offer_request(state, asked, &mut offer);
        }
        if self.leases {
            offer_leases(state, &mut offer);
        }
        for past in state.leaderships() {
            offer_log(state, past, &mut offer);
            if self.snapshots {
                offer_snapshots(state, past, &mut offer);
            }
        }
    }

    fn offer_leader(&self, state: &State, id: u8, seat: Seat, offer: &mut impl FnMut(u8, Stimulus)) {
        offer(id, Stimulus::StepDown);
        if self.forgets_logs {
            return;
        }
        if seat.commit() < state.committed.len {
            offer(id, Stimulus::Read { answered: without(state.answered[id as usize - 1].into(), id) });
        }
        if seat.synced() < seat.len() {
            offer(id, Stimulus::Flush);
        }
        if self.proposals {
            offer(id, Stimulus::Propose { version: state.version_at(seat.len() + 1, seat.term()) });
        }
        let heard = state.heard(id);
        for most in seat.commit() + 1..=seat.len() {
            let capped = |other: u8| index_of(heard, other).min(most);
            if state.ids().any(|other| capped(other) == most) || seat.synced() == most {
                let matched: Indices = state.ids().map(|other| Indices::from(capped(other)) << (3 * (other - 1))).sum();
                offer(id, Stimulus::Acknowledge { matched });
            }
        }
        for other in state.ids().filter(|&other| other != id && seat.term() <= state.seat(other).term()) {
            let (missing, matched, hint) = (seat.len(), state.holds(id, other), Place::new(state.base, 0));
            offer(id, Stimulus::Refuse { from: other, missing, hint, matched: 0 });
            if matched != 0 {
                for missing in [matched, seat.len()] {
                    offer(id, Stimulus::Refuse { from: other, missing, hint, matched });
                }
            }
        }
    }
}

/// A leader may begin the round that its lease is counted from; whoever is told of it may answer it; and the
/// answers may reach the leader at any time, with what was said before.
fn offer_leases(state: &State, offer: &mut impl FnMut(u8, Stimulus)) {
    if state.holder == 0 {
        let serves = |id: u8| state.is_majority_with(id, state.answered[id as usize - 1]);
        let leaders = state.seats().filter(|(_, seat)| seat.is(Part::Leader) && seat.transfer() == 0);
        let leaders = leaders.filter(|(id, _)| serves(*id));
        return leaders.for_each(|(id, _)| offer(id, Stimulus::BeginLease));
    }
    let (from, term) = (state.holder, state.seat(state.holder).term());
    for (id, _) in state.seats().filter(|(id, seat)| *id != from && !seat.is_counted() && seat.term() <= term) {
        offer(id, Stimulus::AnswerLease { term, from });
    }
    let earlier = state.have_been_there(from, state.seat(from));
    let (answered, ahead) = (state.counted(), |(_, seat): &(u8, Seat)| term < seat.term());
    offer(from, Stimulus::ConfirmLease { answered, earlier, newer: 0, newer_term: 0 });
    if let Some(newer_term) = state.seats().filter(ahead).map(|(_, seat)| seat.term()).min() {
        let newer = state.seats().filter(ahead).map(|(id, _)| 1 << (id - 1)).sum();
        offer(from, Stimulus::ConfirmLease { answered, earlier, newer, newer_term });
    }
}

/// Any server may learn the term that another has reached.
fn offer_terms(state: &State, offer: &mut impl FnMut(u8, Stimulus)) {
    for (id, seat) in state.seats() {
        let mut told = 0u32;
        for (from, other) in state.seats().filter(|(_, other)| seat.term() < other.term()) {
            if told & 1 << other.term() == 0 {
                told |= 1 << other.term();
                offer(id, Stimulus::Learn { term: other.term(), from });
            }
        }
        // Whoever may yet ask how somebody would vote.
        for (from, other) in state.seats().filter(|(from, other)| *from != id && seat.term() <= other.term()) {
            let last = other.cells().last(state.base);
            if seat.term() == other.term() {
                offer(id, Stimulus::PreVoteRequest { term: other.term(), from, last, sticks_to: 0 });
            }
            for leader in leaders_heard(state, id, seat).filter(|&leader| leader != from) {
                offer(id, Stimulus::PreVoteRequest { term: other.term(), from, last, sticks_to: leader });
            }
        }
    }
}

/// The leaders of its term from which a server may just have heard.
fn leaders_heard(state: &State, id: u8, seat: Seat) -> impl Iterator<Item = u8> + '_ {
    let of_its_term = move |past: &Past| past.term == seat.term() && past.leader != id;
    state.leaderships().filter(of_its_term).map(|past| past.leader)
}

/// Every part of a leader's log, with its commit index or without.
fn offer_log(state: &State, past: Past, offer: &mut impl FnMut(u8, Stimulus)) {
    let Past { term, leader, commit, cells } = past;
    for id in state.ids().filter(|&id| id != leader && state.seat(id).term() <= term) {
        for first in 0..=cells.len {
            let previous = cells.place(state.base, first);
            for last in first..=cells.len {
                let part = cells.between(first, last);
                offer(id, Stimulus::Append { term, from: leader, previous, cells: part, commit: 0 });
                if commit != 0 {
                    offer(id, Stimulus::Append { term, from: leader, previous, cells: part, commit });
                }
            }
        }
    }
}

/// A snapshot of whatever a leader knows to be committed: it may have made one, and sent it.
fn offer_snapshots(state: &State, past: Past, offer: &mut impl FnMut(u8, Stimulus)) {
    let Past { term, leader, commit, cells } = past;
    for id in state.ids().filter(|&id| id != leader && state.seat(id).term() <= term) {
        for through in 1..=commit.min(cells.len) {
            offer(id, Stimulus::Install { term, from: leader, cells: cells.first(through) });
        }
    }
}

impl State {
    /// The servers on which a lease counts, its holder aside.
    pub(super) fn counted(&self) -> Mask {
        self.seats().filter(|(_, seat)| seat.is_counted()).map(|(id, _)| 1 << (id - 1)).sum()
    }

    /// Leaders that may transfer leadership, with the targets.
    pub(super) fn transfers(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let leaders = self.seats().filter(|(_, seat)| seat.is(Part::Leader) && seat.synced() == seat.len());
        leaders.flat_map(|(leader, leads)| {
            let targets = self.seats().filter(move |(id, seat)| *id != leader && seat.term() == leads.term());
            targets.map(move |(to, _)| (leader, to))
        })
    }
}
