//! One state for all that differ in the servers' names alone.
//!
//! Servers are ordered by what can be said of each without naming any, refined by what can be said
//! of those that they refer to. Where that leaves servers alike, either exchanging them changes
//! nothing, or every order of them is tried and the least state is taken. So two states get the
//! same form if, and only if, names are all that they differ in.

use crate::quotient::server::{MOST_SEATS, Part};
use crate::quotient::sets::index_of;
use crate::quotient::state::State;

type Names = [u8; MOST_SEATS];

impl State {
    /// The state that stands for this one and all its renamings.
    pub(crate) fn canonical(&self) -> State {
        self.named_canonically().0
    }

    /// The same, and what each server is called in it.
    pub(crate) fn named_canonically(&self) -> (State, Names) {
        let said = self.said_of_each();
        let mut order: Names = std::array::from_fn(|at| at as u8 + 1);
        let servers = self.servers as usize;
        order[..servers].sort_unstable_by_key(|&id| said[id as usize - 1]);
        let alike = |one: u8, other: u8| said[one as usize - 1] == said[other as usize - 1];
        let names = inverse(order);
        let sorted = if order[..servers].is_sorted() { *self } else { self.renamed(&names) };
        let exchangeable = |at: usize| {
            let swapped: Names = std::array::from_fn(|place| {
                (if place == at {
                    at + 1
                } else if place == at + 1 {
                    at
                } else {
                    place
                }) as u8
                    + 1
            });
            sorted.renamed(&swapped) == sorted
        };
        if (1..servers).all(|at| !alike(order[at - 1], order[at]) || exchangeable(at - 1)) {
            return (sorted, names);
        }
        let mut least = (sorted, names);
        self.try_orders(&mut order, 0, &alike, &mut least);
        least
    }

    /// Every order that differs from this one in servers that are alike, from a place on.
    fn try_orders(&self, order: &mut Names, from: usize, alike: &impl Fn(u8, u8) -> bool, least: &mut (State, Names)) {
        if from == self.servers as usize {
            let names = inverse(*order);
            let state = self.renamed(&names);
            if state.sort_key() < least.0.sort_key() {
                *least = (state, names);
            }
            return;
        }
        for at in from..self.servers as usize {
            if alike(order[from], order[at]) {
                order.swap(from, at);
                self.try_orders(order, from + 1, alike, least);
                order.swap(from, at);
            }
        }
    }

    fn sort_key(&self) -> impl Ord + '_ {
        (&self.seats, &self.heard, &self.answered, self.past.as_slice(), self.asked.as_slice(), self.holder)
    }

    /// What can be said of each server, as a number that is the same whatever the names are.
    fn said_of_each(&self) -> [u64; MOST_SEATS] {
        let mut said = [0; MOST_SEATS];
        for (id, seat) in self.seats() {
            let vote = if seat.vote() == id { 1 } else { 2 * u8::from(seat.vote() != 0) };
            said[id as usize - 1] = mix(seat.with_vote(vote).with_leader(u8::from(seat.leader() != 0)).0);
        }
        if self.holder != 0 {
            add(&mut said, self.holder, mix(4));
        }
        for past in &self.past {
            let bits = u64::from(past.cells.bits) << 24 | u64::from(past.commit) << 16 | u64::from(past.term) << 8;
            add(&mut said, past.leader, mix(bits | 1 | u64::from(past.cells.len) << 1));
        }
        for asked in &self.asked {
            let bits =
                u64::from(asked.term) << 24 | u64::from(asked.last.term) << 16 | u64::from(asked.last.index) << 8;
            add(&mut said, asked.candidate, mix(bits | u64::from(asked.transfer) << 32 | 2));
        }
        if self.has_twins(&said) { self.refined(&self.refined(&said)) } else { said }
    }

    fn has_twins(&self, said: &[u64; MOST_SEATS]) -> bool {
        let said = &said[..self.servers as usize];
        (1..said.len()).any(|at| said[..at].contains(&said[at]))
    }

    /// Adds what is said of those to whom a server stands in some relation.
    fn refined(&self, said: &[u64; MOST_SEATS]) -> [u64; MOST_SEATS] {
        let of = |id: u8| said[id as usize - 1];
        let mut refined = said.map(mix);
        for (id, seat) in self.seats() {
            if seat.vote() != 0 {
                add(&mut refined, id, mix(of(seat.vote()) ^ 0x10));
                add(&mut refined, seat.vote(), mix(of(id) ^ 0x20));
            }
            if seat.leader() != 0 {
                add(&mut refined, id, mix(of(seat.leader()) ^ 0x100));
                add(&mut refined, seat.leader(), mix(of(id) ^ 0x200));
            }
            for other in self.ids().filter(|_| !seat.is(Part::Follower) || self.heard(id) != 0) {
                let heard = match seat.part() {
                    Part::Leader => {
                        let answered = u64::from(self.answered[id as usize - 1] >> (other - 1) & 1);
                        u64::from(index_of(self.heard(id), other)) | answered << 3
                    }
                    _ => u64::from(self.heard(id) >> (other - 1) & 1),
                };
                add(&mut refined, id, mix(of(other) ^ heard << 56 ^ 0x40));
                add(&mut refined, other, mix(of(id) ^ heard << 56 ^ 0x80));
            }
        }
        refined
    }
}

fn inverse(order: Names) -> Names {
    let mut names = order;
    for (at, id) in order.into_iter().enumerate() {
        names[id as usize - 1] = at as u8 + 1;
    }
    names
}

fn add(said: &mut [u64; MOST_SEATS], id: u8, value: u64) {
    let sum = &mut said[id as usize - 1];
    *sum = sum.wrapping_add(value);
}

/// Spreads the bits: what is unequal stays so, and sums of what comes out rarely meet.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 32).wrapping_mul(0x9fb2_1c65_1e98_df25);
    (bits ^ bits >> 29).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ bits >> 31
}
