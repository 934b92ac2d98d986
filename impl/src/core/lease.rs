//! The leader's lease: until when nobody else can lead.
//!
//! A follower that took an AppendEntries at some time does not help to replace its sender until
//! its own minimum timeout T has passed since (dissertation 4.2.3, 6.4.1). Each AppendEntries names
//! the latest round of heartbeats, and the answer brings it back. The leader remembers when it began
//! each, so once a majority has answered it knows a moment, by its own clock, before which nobody
//! else can have been elected. No reading of a clock ever travels, and what a step refuses is none.
//!
//! A follower whose timeout is the longer one keeps the leader's, since it knows both: so a group
//! of unequal timeouts is not held up by its slowest member.
//!
//! The lease rests on assumptions that the protocol's safety does not need: no clock runs faster
//! than another by more than [`CLOCK_DRIFT_DIVISOR`], a machine's clock goes on while the machine sleeps, a
//! server is not restarted with a shorter timeout within the longer one, and whoever refuses new
//! connections at a leader's address is the leader's own machine, after the leader's end
//! ([`ElectOnDisconnect`](crate::ElectOnDisconnect) says how much of that is needed). Connections
//! may end as they like. Where a violation of these must do no harm, the protected resource checks
//! the fence.
//!
//! The checker shows from these (its presets `lease-*`, on the deployed transitions) that nobody leads in a
//! later term while a lease lasts. What it takes for granted is what this file and the timers see to: a lease
//! counts from the beginning of a round that was answered, and ends before the timeouts of those who have
//! answered. Its mutant `elect_on_disconnect` is the run that the last assumption rules out.

use std::collections::VecDeque;
use std::time::Duration;

use rafttree_model::{Members, Round, ServerId, ServerMap};

use super::stamp::Stamp;

/// Clocks may differ in speed by one part in so many.
pub(crate) const CLOCK_DRIFT_DIVISOR: u32 = 10;

/// The least time that clocks tell apart.
const CLOCK_RESOLUTION: Duration = Duration::from_nanos(1);

/// The times at which the others have heard a leader, as far as it knows.
#[derive(Debug)]
pub(crate) struct Contacts {
    id: ServerId,
    /// Each server's minimum timeout, as it told when we connected.
    timeouts: ServerMap<Duration>,
    /// When the latest round began that a server is known to have answered.
    heard: ServerMap<Stamp>,
    /// What was sent before this counts no more, however late it is answered.
    since: ServerMap<Stamp>,
    rounds: Rounds,
}

/// When the latest rounds of a leadership began. Rounds that follow each other closely count as begun
/// with the first of them: so there are never many to remember, and what is told is never too late.
#[derive(Debug, Default)]
struct Rounds(VecDeque<(Round, Stamp)>);

/// Of rounds within one such part of a timeout the first is remembered.
const ROUNDS_IN_A_TIMEOUT: u32 = 64;

impl Rounds {
    fn begin(&mut self, round: Round, now: Stamp, timeout: Duration) {
        let is_soon = |&(_, before): &(Round, Stamp)| now < before.after(timeout / ROUNDS_IN_A_TIMEOUT);
        if self.0.back().is_some_and(is_soon) {
            return;
        }
        // What is answered so late gives no lease any more.
        while self.0.front().is_some_and(|(_, began)| began.after(timeout) < now) {
            self.0.pop_front();
        }
        self.0.push_back((round, now));
    }

    /// When this round began, or sooner.
    fn began(&self, round: Round) -> Option<Stamp> {
        self.0.iter().rev().find(|(first, _)| *first <= round).map(|&(_, began)| began)
    }
}

impl Contacts {
    /// No contacts yet.
    pub(crate) fn new(id: ServerId, minimum_timeout: Duration) -> Contacts {
        let timeouts = ServerMap::from_iter([(id, minimum_timeout)]);
        Contacts { id, timeouts, heard: ServerMap::default(), since: ServerMap::default(), rounds: Rounds::default() }
    }

    /// The peer's minimum timeout, as the peer has told it.
    pub(crate) fn told(&mut self, peer: ServerId, minimum_timeout: Duration) {
        self.timeouts.insert(peer, minimum_timeout);
    }

    /// The server's minimum timeout, if it has told.
    pub(crate) fn timeout(&self, id: ServerId) -> Option<Duration> {
        self.timeouts.get(id).copied()
    }

    /// The peer's process seems to have ended. If it lives, and what seems so is a network that
    /// refuses on behalf of both of us, then the peer takes us for dead, and no longer sticks to us,
    /// whatever it has answered before and is yet to arrive.
    pub(crate) fn forget(&mut self, peer: ServerId, now: Stamp) {
        self.heard.insert(peer, Stamp(0));
        self.since.insert(peer, now.after(CLOCK_RESOLUTION));
    }

    /// A new leadership begins: what was heard during an earlier one no longer counts.
    pub(crate) fn forget_all(&mut self) {
        self.heard = ServerMap::default();
        self.rounds = Rounds::default();
    }

    /// A round of this leadership begins.
    pub(crate) fn begin(&mut self, round: Round, now: Stamp) {
        let timeout = self.timeout(self.id).unwrap_or_default();
        self.rounds.begin(round, now, timeout);
    }

    /// The peer has answered something of this round.
    pub(crate) fn heard(&mut self, peer: ServerId, round: Round, now: Stamp) {
        let since = self.since.get(peer).copied().unwrap_or_default();
        if let Some(began) = self.rounds.began(round).filter(|&began| since <= began) {
            self.heard.insert(peer, self.contact(peer, now).max(began));
        }
    }

    /// Until when nobody else can be elected.
    pub(crate) fn lease(&self, members: &Members, now: Stamp) -> Stamp {
        let own = self.timeout(self.id).unwrap_or_default();
        members.reached_by_majority(|id| match self.timeout(id).map(|timeout| timeout.min(own)) {
            Some(timeout) if self.contact(id, now) != Stamp(0) => {
                self.contact(id, now).after(timeout - timeout / CLOCK_DRIFT_DIVISOR)
            }
            _ => Stamp(0),
        })
    }

    /// The peer that was heard last.
    pub(crate) fn freshest(&self) -> Option<ServerId> {
        let peers = self.heard.iter().filter(|&(id, contact)| id != self.id && contact != Stamp(0));
        peers.max_by_key(|&(_, contact)| contact).map(|(id, _)| id)
    }

    /// When the server was in contact; this server always is.
    pub(crate) fn contact(&self, id: ServerId, now: Stamp) -> Stamp {
        if id == self.id { now } else { self.heard.get(id).copied().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use rafttree_model::{Durable, Effects, Envelope, Event, Index, Message, Node, Output, Term, step};

    use super::*;

    const T: Duration = Duration::from_millis(100);
    const LEASE: Duration = Duration::from_millis(90);
    const NEVER: Stamp = Stamp(0);

    fn at(millisecond: u64) -> Stamp {
        Stamp(0).after(Duration::from_millis(millisecond))
    }

    fn group(count: u32) -> (Members, Contacts) {
        let mut contacts = Contacts::new(ServerId::new(1), T);
        (2..=count).for_each(|id| contacts.told(ServerId::new(id), T));
        (Members::new((1..=count).map(ServerId::new)).unwrap(), contacts)
    }

    /// Rounds that are called by the millisecond in which they begin.
    fn begin(contacts: &mut Contacts, milliseconds: &[u64]) {
        milliseconds.iter().for_each(|&began| contacts.begin(Round::new(began), at(began)));
    }

    fn heard(contacts: &mut Contacts, peer: u32, round: u64, now: u64) {
        contacts.heard(ServerId::new(peer), Round::new(round), at(now));
    }

    #[test]
    fn a_lease_runs_from_the_beginning_of_a_round_that_a_majority_has_answered() {
        let (members, mut contacts) = group(5);
        begin(&mut contacts, &[1000, 1005, 1011]);
        heard(&mut contacts, 2, 1000, 1010);
        assert_eq!(contacts.lease(&members, at(1010)), NEVER);
        heard(&mut contacts, 3, 1005, 1012);
        assert_eq!(contacts.lease(&members, at(1012)), at(1000).after(LEASE));
        heard(&mut contacts, 4, 1011, 1013);
        assert_eq!(contacts.lease(&members, at(1013)), at(1005).after(LEASE));
        contacts.forget(ServerId::new(4), at(1013));
        assert_eq!(contacts.lease(&members, at(1013)), at(1000).after(LEASE));
        contacts.forget_all();
        assert_eq!(contacts.lease(&members, at(1013)), NEVER);
        heard(&mut contacts, 2, 1011, 1014);
        assert_eq!(contacts.lease(&members, at(1014)), NEVER, "rounds of a leadership that is over");
    }

    #[test]
    fn what_was_sent_before_a_peer_seemed_dead_counts_no_more() {
        let (members, mut contacts) = group(2);
        begin(&mut contacts, &[1000, 1002]);
        heard(&mut contacts, 2, 1000, 1001);
        contacts.forget(ServerId::new(2), at(1002));
        begin(&mut contacts, &[1004]);
        for round in [1000, 1001, 1002] {
            heard(&mut contacts, 2, round, 1005);
            assert_eq!(contacts.lease(&members, at(1005)), NEVER, "{round}");
        }
        contacts.told(ServerId::new(2), T);
        heard(&mut contacts, 2, 1002, 1005);
        assert_eq!(contacts.lease(&members, at(1005)), NEVER);
        heard(&mut contacts, 2, 1004, 1005);
        assert_eq!(contacts.lease(&members, at(1005)), at(1004).after(LEASE));
    }

    #[test]
    fn the_shorter_timeout_of_leader_and_follower_counts() {
        for (told, lease) in [(T / 2, at(1045)), (T, at(1090)), (10 * T, at(1090))] {
            let (members, mut contacts) = group(3);
            contacts.told(ServerId::new(2), told);
            begin(&mut contacts, &[1000]);
            heard(&mut contacts, 2, 1000, 1000);
            assert_eq!(contacts.lease(&members, at(1000)), lease);
        }
    }

    #[test]
    fn a_lease_outlives_the_connections() {
        let (members, mut contacts) = group(3);
        begin(&mut contacts, &[1000]);
        heard(&mut contacts, 2, 1000, 1000);
        contacts.told(ServerId::new(2), T);
        assert_eq!(contacts.lease(&members, at(1050)), at(1090));
    }

    /// What the checker shows of leases it shows of the rounds that the protocol confirms. Here the majority is
    /// taken over times, since timeouts may differ and a peer may be forgotten; without that it is the same one.
    #[test]
    fn where_timeouts_are_equal_the_lease_is_that_of_the_round_that_the_protocol_confirms() {
        let (mut random, mut confirmed) = (1_u64, BTreeSet::new());
        for _ in 0..50 {
            let (members, mut contacts) = group(5);
            let mut node = Node::recover(ServerId::new(1), members, Durable::default());
            let told = |from: u32, term: u64, message| {
                let (from, to) = (ServerId::new(from), ServerId::new(1));
                Event::<Bytes>::Receive(Envelope { from, to, term: Term::new(term), message })
            };
            let granted = [2, 3, 4].map(|from| told(from, 0, Message::PreVoteReply { granted: true }));
            let votes = [1, 2, 3, 4].map(|from| told(from, 1, Message::VoteReply { granted: true }));
            let elected = [Event::MinimumTimeout, Event::ElectionTimeout].into_iter().chain(granted).chain(votes);
            let mut effects = Effects::new();
            elected.for_each(|event| step(&mut node, event, &mut effects));
            let mut began = vec![NEVER];
            for millisecond in (1000..1080).step_by(2) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let (from, back) = ((random % 4) as u32 + 2, random >> 8 & 7);
                let round = node.round().expect("it leads").number().saturating_sub(back);
                let message = Message::AppendReply { matched: Index::ZERO, round: Round::new(round) };
                let event = if random >> 16 & 3 == 0 { Event::HeartbeatTimeout } else { told(from, 1, message) };
                step(&mut node, event, &mut effects);
                for output in effects.early() {
                    match *output {
                        Output::Round { round, .. } => contacts.begin(round, at(millisecond)),
                        Output::Heard { follower, round } => contacts.heard(follower, round, at(millisecond)),
                        _ => continue,
                    }
                    began.resize(node.round().expect("it leads").number() as usize + 1, at(millisecond));
                }
                effects.done();
                let latest = node.confirmed().expect("it leads").number();
                let due = if latest == 0 { NEVER } else { began[latest as usize].after(LEASE) };
                assert_eq!(contacts.lease(&members, at(millisecond)), due, "round {latest}");
                confirmed.insert(latest);
            }
        }
        assert!(10 < confirmed.len(), "{confirmed:?}");
    }

    #[test]
    fn a_peer_whose_timeout_is_unknown_does_not_count() {
        let mut contacts = Contacts::new(ServerId::new(1), T);
        let members = Members::new([ServerId::new(1), ServerId::new(2)]).unwrap();
        begin(&mut contacts, &[1000]);
        heard(&mut contacts, 2, 1000, 1000);
        assert_eq!(contacts.lease(&members, at(1000)), NEVER);
    }

    #[test]
    fn an_answer_to_an_older_round_or_to_none_changes_nothing() {
        let (members, mut contacts) = group(2);
        heard(&mut contacts, 2, 1000, 1000);
        assert_eq!(contacts.lease(&members, at(1001)), NEVER);
        begin(&mut contacts, &[980, 1000]);
        for round in [1000, 980, 0] {
            heard(&mut contacts, 2, round, 1001);
            assert_eq!(contacts.lease(&members, at(1001)), at(1000).after(LEASE), "{round}");
        }
    }

    /// Of many rounds few are remembered, and none is taken for later than it was.
    #[test]
    fn a_round_counts_from_its_beginning_or_a_little_sooner() {
        let (_, mut contacts) = group(2);
        for round in 0..1_000_000 {
            contacts.begin(Round::new(round), Stamp(round * 1_000));
            let began = contacts.rounds.began(Round::new(round)).unwrap();
            let sooner = Stamp(round * 1_000).since(began);
            assert!(sooner < T / ROUNDS_IN_A_TIMEOUT, "{round}: {sooner:?}");
            assert!(contacts.rounds.0.len() <= 2 + ROUNDS_IN_A_TIMEOUT as usize);
        }
    }

    #[test]
    fn a_group_of_one_is_always_in_contact() {
        let (members, contacts) = group(1);
        assert_eq!(contacts.lease(&members, at(1000)), at(1000).after(LEASE));
    }

    #[test]
    fn the_freshest_peer_has_answered_the_latest_round() {
        let (_, mut contacts) = group(3);
        begin(&mut contacts, &[990, 1000]);
        heard(&mut contacts, 2, 990, 1001);
        assert_eq!(contacts.freshest(), Some(ServerId::new(2)));
        heard(&mut contacts, 3, 1000, 1001);
        assert_eq!(contacts.freshest(), Some(ServerId::new(3)));
    }
}
