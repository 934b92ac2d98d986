//! The network between the servers: what arrives, late, twice or not at all, and who is connected.

use rafttree_model::ServerId;

use super::faults::{MILLISECOND, T};
use super::mutant::Mutant;
use super::world::{Happening, World};
use crate::core::driver::Input;
use crate::core::frame::Frame;
use crate::core::links::Place;
use crate::core::request::ServiceMessage;

/// How long a message takes at most, if nothing is wrong.
const USUAL_LATENCY: u64 = MILLISECOND / 2;

impl World<'_> {
    /// Gives this to a server, if it still lives then.
    pub(super) fn give(&mut self, to: ServerId, delay: u64, input: Input) {
        let life = self.group[&to].life;
        self.later(delay, Happening::Input { to, life, input });
    }

    pub(super) fn is_reachable(&self, from: ServerId, to: ServerId) -> bool {
        self.side.contains(&from) == self.side.contains(&to)
    }

    /// Whether one of the two has told the other to stay away.
    fn is_kept_out(&self, one: ServerId, other: ServerId) -> bool {
        let keeps_out = |by: ServerId, peer: ServerId| {
            self.group[&by].running.as_ref().is_some_and(|running| running.kept_out.contains(&peer))
        };
        keeps_out(one, other) || keeps_out(other, one)
    }

    /// Whether what one server sends another now is lost.
    pub(super) fn is_lost(&mut self, from: ServerId, to: ServerId) -> bool {
        let is_lost = self.lost.get(&(from, to)).is_some_and(|&until| self.now < until);
        let is_known = self.know_each_other(from, to);
        is_lost
            || !is_known
            || !self.is_reachable(from, to)
            || self.is_kept_out(from, to)
            || self.chance(self.weather.loss)
    }

    pub(super) fn send(&mut self, frame: Frame) {
        let (from, to) = (frame.from, frame.to);
        if self.is_lost(from, to) {
            return;
        }
        if self.chance(self.weather.repeats) {
            let delay = self.moment(300 * MILLISECOND);
            self.give(to, delay, Input::Frame(frame.clone()));
        }
        let is_slow = self.chance(self.weather.delays);
        let delay = self.moment(if is_slow { 150 * MILLISECOND } else { USUAL_LATENCY });
        self.give(to, delay, Input::Frame(frame));
    }

    /// What is said of requests arrives once or not at all, as on one connection.
    pub(super) fn send_service(&mut self, from: ServerId, to: ServerId, message: ServiceMessage) {
        if self.is_lost(from, to) {
            return;
        }
        let (delay, life) = (self.moment(MILLISECOND), self.group[&to].life);
        if self.is_mutant(Mutant::ForwardsTwice) && self.random.chance(20) {
            let message = message.clone();
            self.later(2 * delay, Happening::Service { to, life, from, message });
        }
        self.later(delay, Happening::Service { to, life, from, message });
    }

    /// Whether each knows the other's disk, or sees it for the first time: as the handshake finds out.
    fn know_each_other(&self, one: ServerId, other: ServerId) -> bool {
        let knows = |by: ServerId, peer: ServerId| {
            let incarnation = self.group[&peer].directory.owner.map(|(_, incarnation)| incarnation);
            let pinned = self.group[&by].directory.pins.get(&peer).copied();
            incarnation.is_some() && pinned.is_none_or(|pinned| incarnation == Some(pinned))
        };
        self.is_mutant(Mutant::BelievesAnyDisk) || knows(one, other) && knows(other, one)
    }

    /// Each writes down by which disk it knows the other.
    fn pin(&mut self, by: ServerId, peer: ServerId) {
        let Some((_, incarnation)) = self.group[&peer].directory.owner else { return };
        if let Some(server) = self.group.get_mut(&by) {
            server.directory.pins.entry(peer).or_insert(incarnation);
        }
    }

    /// A new connection, or another attempt later.
    pub(super) fn call(&mut self, from: ServerId, to: ServerId) {
        let both_run = [from, to].iter().all(|id| self.group[id].running.is_some());
        if !both_run || !self.know_each_other(from, to) {
            return;
        }
        if !self.is_reachable(from, to) || self.is_kept_out(from, to) {
            return self.later(T / 4, Happening::Call(from, to));
        }
        self.pin(from, to);
        self.pin(to, from);
        let [theirs, ours] = [to, from].map(|id| self.group[&id].policy.minimum_timeout);
        self.give(from, 50_000, Input::Connected(to, theirs));
        self.give(to, 60_000, Input::Accepted(from, ours));
    }

    /// Both servers call each other.
    pub(super) fn call_each_other(&mut self, one: ServerId, other: ServerId, delay: u64) {
        self.later(delay, Happening::Call(one, other));
        self.later(delay, Happening::Call(other, one));
    }

    /// The connections between the two end, for all that `at` sees of them.
    pub(super) fn hang_up(&mut self, at: ServerId, other: ServerId, delay: u64) {
        self.give(at, delay, Input::Closed(other));
        self.give(at, delay, Input::Disconnected(other));
        if self.is_mutant(Mutant::BelievesDisconnects) {
            self.give(at, delay + 1, Input::NobodyListens(other, Place::Elsewhere));
        }
    }

    /// The server's messages are lost until it notices as well; then each calls the other again.
    pub(super) fn sever(&mut self, server: ServerId, others: &[ServerId], again: u64, noticed: u64) {
        for &other in others {
            self.hang_up(other, server, 1);
            self.lose(other, server, again);
            self.lose(server, other, noticed + again);
            self.hang_up(server, other, noticed);
            self.later(again, Happening::Call(other, server));
            self.later(noticed + again, Happening::Call(server, other));
        }
    }

    /// What the one sends the other is lost for so long.
    pub(super) fn lose(&mut self, from: ServerId, to: ServerId, length: u64) {
        let until = self.now + length;
        self.lost.entry((from, to)).and_modify(|known| *known = until.max(*known)).or_insert(until);
    }
}
